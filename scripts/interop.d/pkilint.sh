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
    row pkilint 'profile admin' lint 1 certificate admin.leaf.pem
    row pkilint 'profile server' lint 1 certificate server.leaf.pem
    row pkilint 'issuer' lint 0 certificate "$issuer"
    row pkilint 'root' lint 0 certificate "$root"
    row pkilint 'list of the issuer, with an entry' lint 0 list issuer.crl
    row pkilint 'list of the root' lint 0 list root.crl
}
