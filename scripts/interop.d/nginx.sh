# shellcheck shell=bash disable=SC2034,SC2154
needs nginx nginx-light
# nginx finishes the handshake and says it in HTTP.
told[nginx.nobody]='No required SSL certificate was sent'
told[nginx.revoked]='The SSL certificate error'
told[nginx.stale]='The SSL certificate error'
told[nginx.lone]='The SSL certificate error'
told[nginx.bare]='The SSL certificate error'

start_nginx() {
    take_port
    serves nginx "$port"
    mkdir nginx
    config nginx "$port" | sed "s/listen 443 ssl/listen 127.0.0.1:$port ssl/" >nginx/signet.conf
    cat >nginx/nginx.conf <<END
daemon off;
pid $work/nginx/pid;
events {}
http {
    access_log off;
    client_body_temp_path $work/nginx/temp;
    proxy_temp_path $work/nginx/temp;
    fastcgi_temp_path $work/nginx/temp;
    uwsgi_temp_path $work/nginx/temp;
    scgi_temp_path $work/nginx/temp;
    include $work/nginx/signet.conf;
}
END
    run_server nginx nginx -e stderr -p "$work/nginx" -c "$work/nginx/nginx.conf"
}
reload_nginx() {
    nginx -e stderr -p "$work/nginx" -c "$work/nginx/nginx.conf" -t >>nginx.log 2>&1
    nginx -e stderr -p "$work/nginx" -c "$work/nginx/nginx.conf" -s reload >>nginx.log 2>&1
}
try_nginx() { https "$1" "${tls[nginx]}"; }
rows_nginx() { row nginx 'a name that the client claims is replaced' names_cannot_be_forged "${tls[nginx]}" X-Client-Subject; }
