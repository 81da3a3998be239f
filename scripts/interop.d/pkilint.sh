# shellcheck shell=bash disable=SC2034,SC2154
# A linter reads everything that was signed.
needs_wheel bin/lint_pkix_cert pkilint==0.13.3

# lint FALSE-POSITIVES COMMAND...: pkilint takes every spiffe:// for a bad URI; exactly that is allowed, so many times. Its exit
# code is the number of its findings, so that a linter that breaks down is not taken for one that is content.
lint() {
    local allowed=$1 out code=0 found wrong
    shift
    out=$("$@" 2>&1) || code=$?
    printf '%s\n' "$out"
    found=$(grep -cE '^ +[a-z0-9_.]+ \((WARNING|ERROR|FATAL)\)' <<<"$out" || true)
    wrong=$(grep -cE '^ +pkix\.invalid_uri_syntax \(ERROR\): Invalid URI syntax: "spiffe://[^"]*"$' <<<"$out" || true)
    [[ $code == "$found" && $found == "$allowed" && $wrong == "$allowed" ]]
}
certificate() { "$venv/bin/lint_pkix_cert" lint -s WARNING "$1"; }
list() { "$venv/bin/lint_crl" lint -t CRL -p PKIX -s WARNING "$1"; }
late_rows_pkilint() {
    openssl x509 -in acme/admin/admin.pem -out admin.leaf.pem
    openssl x509 -in acme/server/tls/server.pem -out server.leaf.pem
    fetch_list good.leaf.pem issuer.crl
    row pkilint 'profile device' lint 1 certificate good.leaf.pem
    row pkilint 'profile service' lint 1 certificate a-service.leaf.pem
    row pkilint 'profile intermittent' lint 1 certificate a-visitor.leaf.pem
    row pkilint 'a profile without revocation' lint 1 certificate a-brief.leaf.pem
    row pkilint 'profile admin' lint 1 certificate admin.leaf.pem
    row pkilint 'profile server' lint 1 certificate server.leaf.pem
    row pkilint 'issuer' lint 0 certificate "$issuer"
    row pkilint 'root' lint 0 certificate "$root"
    row pkilint 'list of the issuer, with an entry' lint 0 list issuer.crl
    row pkilint 'list of the root' lint 0 list root.crl
    sharded_site
    row pkilint 'profile device, on the list of a shard' lint 1 certificate sharded.leaf.pem
    row pkilint 'list of a shard, with an entry' lint 0 list shard.crl
    row openssl 'a device that is on the list of its shard' says 'certificate revoked' verify_by_shard
}
# A service whose certificates name shards, with one device, which is revoked.
sharded_site() {
    local tls plain loopback
    take_port && tls=$port
    take_port && plain=$port
    take_port && loopback=$port
    ca init sharded --name Sharded --trust-domain sharded.example --host 127.0.0.1 --host ca.sharded.example --tls-port "$tls" \
        --plain-port "$plain" --local-port "$loopback" --passphrase-file passphrase >>sharded.log 2>&1
    sed -i '/^\[publication\]/a crl_shards = 2' sharded/server/signet.toml
    signetd run --config sharded/server/signet.toml >>sharded.log 2>&1 &
    children+=($!)
    wait_until 'the service with shards' $! curl -sSf "http://127.0.0.1:$loopback/readyz"
    ca token create --admin sharded/admin --device one --format link --out one.link 2>>sharded.log
    signet-agent enroll --link one.link --dir one >>sharded.log
    openssl x509 -in one/device.pem -out sharded.leaf.pem
    ca revoke --admin sharded/admin one --reason key-compromise --yes >>sharded.log 2>&1
    fetch_list sharded.leaf.pem shard.crl
}
verify_by_shard() {
    openssl crl -inform DER -in shard.crl -text | grep 'X509v3 Issuing Distribution Point: critical'
    openssl crl -inform DER -in shard.crl -out shard.pem
    openssl verify -extended_crl -crl_check -CRLfile shard.pem -CAfile sharded/root/root.pem -untrusted sharded/server/issuer/issuer.pem \
        sharded.leaf.pem
}
