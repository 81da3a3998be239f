# shellcheck shell=bash disable=SC2034,SC2154
# Access tokens: got with requests-oauthlib, verified with PyJWT and with jose over the service's own HTTPS.
needs node nodejs
needs npm npm
needs_wheel 'lib/python3*/site-packages/jwt' 'PyJWT[crypto]>=2.10'
needs_wheel 'lib/python3*/site-packages/requests_oauthlib' 'requests-oauthlib>=2'

oauth_issuer() { printf 'https://127.0.0.1:%s' "$signet_tls"; }
oauth_python() { "$venv/bin/python3" "$source_folder/oauth.py" "$1" "$(oauth_issuer)" "$root" "$2"; }
# Node looks for packages beside the program and above it.
oauth_jose() { NODE_EXTRA_CA_CERTS=$root node "$venv/jose/oauth.mjs" "$(oauth_issuer)" "$1"; }

start_oauth() {
    mkdir -p "$venv/jose"
    cp "$source_folder/oauth.mjs" "$venv/jose/"
    if ! [[ -d $venv/jose/node_modules/jose ]]; then
        npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$venv/jose" jose@6 >jose.log 2>&1
    fi
}
# tampered TOKEN-FILE: a later date of issue, under the signature of the true one.
tampered() {
    python3 - "$1" <<'END'
import base64, sys
head, body, tail = open(sys.argv[1]).read().strip().split(".")
claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b'"iat":1', b'"iat":2')
print(".".join([head, base64.urlsafe_b64encode(claims).decode().rstrip("="), tail]))
END
}
rows_oauth() {
    row oauth 'requests-oauthlib gets a token with a certificate, and refreshes it' oauth_fetch good
    row oauth 'PyJWT accepts it by the set of keys' says valid oauth_python verify good <good.jwt
    row oauth 'PyJWT refuses it when it was changed' says 'Signature verification failed' oauth_python verify good < <(tampered good.jwt)
    row oauth 'jose accepts it by the set of keys' says valid oauth_jose good <good.jwt
    row oauth 'jose refuses it when it was changed' says 'signature verification failed' oauth_jose good < <(tampered good.jwt)
    row oauth 'jose accepts the token that the agent prints' oauth_agent good
    row oauth 'the service takes it with the certificate' says '"id":"good"' oauth_whoami good
    row oauth 'the service refuses it without' says credential_invalid oauth_whoami nobody
}
late_rows_oauth() { row oauth 'a revoked device gets no token' oauth_none bad; }

oauth_fetch() { oauth_python fetch "$1" >"$1.jwt" && [[ -s $1.jwt ]]; }
oauth_agent() { signet-agent token --dir "$1" | says valid oauth_jose "$1"; }
oauth_whoami() {
    local identity=()
    if [[ $1 != nobody ]]; then identity=(--cert "$1/device.pem" --key "$1/device.key"); fi
    printf 'Authorization: Bearer %s\n' "$(cat good.jwt)" >header
    curl -sS --cacert "$root" "${identity[@]}" -H @header "$(oauth_issuer)/v1/whoami"
}
oauth_none() { ! signet-agent token --dir "$1"; }
