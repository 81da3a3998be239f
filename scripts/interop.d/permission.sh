# shellcheck shell=bash disable=SC2034,SC2154
# A registered service in front of an application, devices in a group and without one, and a policy. Sourced by those who ask.

# asking_site NAME: its directory is site-NAME, its port is $port.
asking_site() {
    local name=$1 device
    ca token create --device "$name" --profile service --dns web.interop.example --format link --out "$name.link" 2>/dev/null
    signet-agent enroll --link "$name.link" --dir "$name" >/dev/null
    signet-agent register --dir "$name" --dns web.interop.example --port "$port" >"$name.log" 2>&1
    mkdir "site-$name"
    cp site/clients.pem site/crl.pem "site-$name/"
    cp "$name/device.pem" "site-$name/server.pem"
    cp "$name/device.key" "site-$name/server.key"
    for device in "$name-member" "$name-doomed"; do
        ca token create --device "$device" --group sensors --format link --out "$device.link" 2>/dev/null
        signet-agent enroll --link "$device.link" --dir "$device" >/dev/null
    done
    cat >>policy.toml <<END_OF_RULE
[[rule]]
id = "$name"
effect = "permit"
description = "sensors read their data"
principal = { kind = "device", groups_any = ["sensors"] }
actions = ["http:GET"]
resource = { kind = "service", ids = ["$name"] }
when = { paths = ["/data/*", "/"] }
END_OF_RULE
    apply_policy policy.toml
}
# apply_policy FILE: over the API, as the administrator.
apply_policy() {
    local as=(--cacert "$root" --resolve "ca.interop.example:$signet_tls:127.0.0.1" --cert acme/admin/admin.pem --key acme/admin/admin.key)
    local url=https://ca.interop.example:$signet_tls/v1/admin/policy
    curl -sSf "${as[@]}" "$url" | python3 -c 'import json, sys
print(json.dumps({"text": open(sys.argv[1]).read(), "instead_of": json.load(sys.stdin)["revision"]}))' "$1" >policy.json
    curl -sSf "${as[@]}" -X PUT -H 'Content-Type: application/json' --data @policy.json "$url" >/dev/null
}
# asks DEVICE PORT PATH [OPTION...]: the status and the body.
asks() {
    local device=$1 port=$2 path=$3
    shift 3
    curl -sS --max-time 8 --path-as-is -w '\nstatus %{http_code}\n' --cacert "$root" \
        --resolve "web.interop.example:$port:127.0.0.1" --cert "$device/device.pem" --key "$device/device.key" "$@" \
        "https://web.interop.example:$port$path" 2>&1 || true
}
# The application hears who it is from the proxy, whatever the client says.
hears_the_subject() {
    local out
    out=$(asks "$1" "$2" /data/1 -H 'X-Signet-Subject: admin' -H 'X-Signet-Groups: admins')
    printf '%s\n' "$out"
    grep -qi "^x-signet-subject: $1" <<<"$out" && grep -qi '^x-signet-groups: sensors' <<<"$out" && ! grep -q 'admin' <<<"$out"
}
# A client that plays the proxy: its word about itself does not reach the service.
cannot_play_the_proxy() {
    local out
    out=$(asks good "$1" /admin -H "X-Client-Serial: $(openssl x509 -in "$2/device.pem" -noout -serial | cut -d= -f2)" \
        -H 'X-Original-URI: /data/1' -H 'X-Original-Method: GET' -H 'X-Client-Verify: SUCCESS' \
        -H "X-Forwarded-Client-Cert: Hash=$(openssl x509 -in "$2/device.pem" -outform DER | sha256sum | cut -d' ' -f1)")
    printf '%s\n' "$out"
    [[ $out == *'status 403'* ]]
}
# revoked_within_a_second DEVICE PORT: nobody fetches a list meanwhile.
revoked_within_a_second() {
    local out began
    out=$(asks "$1" "$2" /data/1)
    [[ $out == *'status 200'* ]] || { printf '%s\n' "$out"; return 1; }
    ca revoke "$1" --reason key-compromise --yes >/dev/null 2>&1
    began=${EPOCHREALTIME/./}
    out=$(asks "$1" "$2" /data/1)
    printf '%s\nafter %d us\n' "$out" "$((${EPOCHREALTIME/./} - began))"
    [[ $out == *'status 403'* ]] && ((${EPOCHREALTIME/./} - began < 1000000))
}
# while_signet_is_away COMMAND...: its process stands still for a moment, so that nothing is answered.
while_signet_is_away() {
    local signetd=${children[0]} code=0
    kill -STOP "$signetd"
    "$@" || code=$?
    kill -CONT "$signetd"
    return "$code"
}
