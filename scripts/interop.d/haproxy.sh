# shellcheck shell=bash disable=SC2034,SC2154
needs haproxy haproxy
needs socat socat

start_haproxy() {
    take_port
    serves haproxy "$port"
    ln -s server.key site/server.pem.key
    config haproxy "$port" | sed -e "s/bind :443/bind 127.0.0.1:$port/" -e "s|/run/haproxy/signet.sock|$work/haproxy.sock|" >haproxy.cfg
    run_server haproxy haproxy -db -f haproxy.cfg
    # The commands of the last lines, as they are printed.
    sed -n '/^# After each/,$s/^#   //p' haproxy.cfg >haproxy.hot
    [[ $(wc -l <haproxy.hot) == 2 ]]
}
# The exit code says nothing.
reload_haproxy() {
    bash -euo pipefail haproxy.hot >hot.log 2>&1
    grep -q Success hot.log || { cat hot.log >&2; return 1; }
}
try_haproxy() { https "$1" "${tls[haproxy]}"; }
rows_haproxy() { row haproxy 'a name that the client claims is replaced' names_cannot_be_forged "${tls[haproxy]}" X-Client-Subject; }
