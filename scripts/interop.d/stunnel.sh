# shellcheck shell=bash disable=SC2034,SC2154
needs stunnel4 stunnel4
# It asks the list of the issuer only, and says so in the first lines of the configuration.
told[stunnel.lone]=''

start_stunnel() {
    take_port
    serves stunnel "$port"
    config stunnel "$port" | sed -e "s/^accept .*/accept = 127.0.0.1:$port/" -e "s|/run/stunnel-signet.pid|$work/stunnel.pid|" \
        -e '1i foreground = yes' >stunnel.conf
    run_server stunnel stunnel4 stunnel.conf
}
reload_stunnel() { kill -HUP "$(cat stunnel.pid)"; }
try_stunnel() { https "$1" "${tls[stunnel]}"; }
