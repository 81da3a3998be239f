# shellcheck shell=bash disable=SC2034,SC2154
needs nginx nginx-light
setup_script=$(readme_block nginx-setup)
refresh_script=$(readme_block nginx-refresh)
# nginx finishes the handshake and says it in HTTP.
told[nginx.nobody]='No required SSL certificate was sent'
told[nginx.revoked]='The SSL certificate error'
told[nginx.stale]='The SSL certificate error'
told[nginx.lone]='The SSL certificate error'
told[nginx.bare]='The SSL certificate error'

# By the scripts in the README, verbatim; what differs from an ordinary installation is done by a wrapper of nginx.
start_nginx() {
    take_port
    serves nginx "$port"
    mkdir -p nginx/conf.d
    cat >nginx/nginx.conf <<END
pid $work/nginx/pid;
events {}
http {
    access_log off;
    client_body_temp_path $work/nginx/temp;
    proxy_temp_path $work/nginx/temp;
    fastcgi_temp_path $work/nginx/temp;
    uwsgi_temp_path $work/nginx/temp;
    scgi_temp_path $work/nginx/temp;
    include $work/nginx/conf.d/*.conf;
}
END
    cat >bin/nginx <<END
#!/bin/sh
sed -i -e "s/listen 443 ssl/listen 127.0.0.1:$port ssl/" -e "s/127.0.0.1:8000/127.0.0.1:$behind/" $work/nginx/conf.d/*.conf
exec $(command -v nginx) -e stderr -p $work/nginx -c $work/nginx/nginx.conf "\$@"
END
    chmod +x bin/nginx
    : >nginx/conf.d/empty.conf
    nginx -g 'daemon off;' >nginx.log 2>&1 &
    children+=($!)
    wait_until nginx $! test -s nginx/pid
    NAME=web.interop.example DIR=$work/nginx/signet CONF=$work/nginx/conf.d/signet.conf bash -c "$setup_script" >nginx-setup.log 2>&1
    wait_until nginx "${children[-1]}" port_open "$port"
}
# The first time it fetches the list itself; later ones are of a kind that `ca crl fetch` does not write.
reload_nginx() {
    if ! [[ -e nginx/refreshed ]]; then
        DIR=$work/nginx/signet bash -c "$refresh_script" >nginx/refreshed 2>&1
        return
    fi
    cp site/crl.pem nginx/signet/crl.pem
    nginx -s reload >>nginx.log 2>&1
}
try_nginx() { https "$1" "${tls[nginx]}"; }
rows_nginx() { row nginx 'a name that the client claims is replaced' names_cannot_be_forged "${tls[nginx]}" X-Client-Subject; }
