# shellcheck shell=bash disable=SC2034,SC2154
# Not one that refuses: the reason why `ca trust config caddy` does. When a row fails, Caddy has learned it.
needs caddy caddy

start_caddy() {
    take_port
    caddy_port=$port
    cat >caddyfile <<END
{
    admin off
    auto_https disable_redirects
    storage file_system $work/caddy
}
https://web.interop.example:$port {
    bind 127.0.0.1
    tls $work/site/server.pem $work/site/server.key {
        client_auth {
            mode require_and_verify
            trusted_ca_cert_file $work/site/clients.pem
        }
    }
    respond hello
}
END
    caddy run --config caddyfile --adapter caddyfile >caddy.log 2>&1 &
    children+=($!)
    wait_until caddy $! port_open "$port"
}
no_configuration() {
    local code=0
    ca trust config caddy >refused.log 2>&1 || code=$?
    cat refused.log
    [[ $code == 1 ]] && grep -q 'Caddy does not check CRLs' refused.log
}
rows_caddy() { row caddy 'no configuration, since Caddy checks no list' no_configuration; }
late_rows_caddy() { row caddy 'the reason: the revoked device gets in' says 'status 200' https bad "$caddy_port"; }
