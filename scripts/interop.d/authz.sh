# shellcheck shell=bash disable=SC2034,SC2154
# nginx asks for every request, with what `ca trust config nginx --authz` prints.
needs nginx nginx-light
# shellcheck source=scripts/interop.d/permission.sh
source "$source_folder/permission.sh"

start_authz() {
    take_port
    authz_port=$port
    asking_site gate
    mkdir -p gate-nginx
    cat >gate-nginx/nginx.conf <<END
pid $work/gate-nginx/pid;
events {}
http {
    access_log off;
    client_body_temp_path $work/gate-nginx/temp;
    proxy_temp_path $work/gate-nginx/temp;
    fastcgi_temp_path $work/gate-nginx/temp;
    uwsgi_temp_path $work/gate-nginx/temp;
    scgi_temp_path $work/gate-nginx/temp;
    include $work/gate-nginx/signet.conf;
}
END
    # Where it listens and what is behind it; and nobody here resolves the service's name.
    ca trust config nginx --dir "$work/site-gate" --authz "ca.interop.example:$signet_tls" |
        sed -e "s/listen 443 ssl/listen 127.0.0.1:$port ssl/" -e "s/127.0.0.1:8000/127.0.0.1:$behind/" \
            -e "s/service\.example/web.interop.example/" -e "s/server ca.interop.example:/server 127.0.0.1:/" \
            >gate-nginx/signet.conf
    nginx -e stderr -p "$work/gate-nginx" -c "$work/gate-nginx/nginx.conf" -g 'daemon off;' >gate-nginx.log 2>&1 &
    children+=($!)
    wait_until 'nginx that asks' $! port_open "$port"
}
rows_authz() {
    local path
    row authz 'nginx: a device in the group' says 'status 200' asks gate-member "$authz_port" '/data/1?x=../y'
    row authz 'nginx: a device without the group' says 'status 403' asks good "$authz_port" /data/1
    row authz 'nginx: a path that no rule names' says 'status 403' asks gate-member "$authz_port" /admin
    row authz 'nginx: a method that no rule names' says 'status 403' asks gate-member "$authz_port" /data/1 -X DELETE
    for path in /data/../admin /data/%2e%2e/admin //data/1 /data%2f1; do
        row authz "nginx: $path" says 'status 403' asks gate-member "$authz_port" "$path"
    done
    row authz 'nginx: the application hears who it is' hears_the_subject gate-member "$authz_port"
    row authz 'nginx: a client cannot play the proxy' cannot_play_the_proxy "$authz_port" gate-member
    row authz 'nginx: revoked within a second, with the list of before' revoked_within_a_second gate-doomed "$authz_port"
    row authz 'nginx: its sibling goes on' says 'status 200' asks gate-member "$authz_port" /data/1
    row authz 'nginx: nobody is let in while Signet is away' \
        while_signet_is_away says 'status 500' asks gate-member "$authz_port" /data/1
    row authz 'nginx: and again when it is back' says 'status 200' asks gate-member "$authz_port" /data/1
}
