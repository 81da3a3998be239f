# shellcheck shell=bash disable=SC2034,SC2154
# The OpenAPI document, and what a service answers to whatever it allows and does not allow: no server error, no status, media
# type or body that is not documented. A service of its own, because an administrator who tries everything leaves nothing as it was.
needs_wheel bin/schemathesis schemathesis==4.32.5
needs_wheel 'lib/python3*/site-packages/cryptography' 'cryptography>=45'
needs_wheel bin/openapi-spec-validator openapi-spec-validator==0.9.0

start_schemathesis() {
    local plain
    take_port && fuzzed_tls=$port
    take_port && plain=$port
    take_port && fuzzed_local=$port
    ca init fuzzed --name Fuzzed --trust-domain fuzzed.example --host 127.0.0.1 --tls-port "$fuzzed_tls" --plain-port "$plain" \
        --local-port "$fuzzed_local" --passphrase-file passphrase >>fuzzed.log 2>&1
    # Nothing here is about rates.
    printf '\n[admission]\nenrollments_per_second = 100000\nenrollment_burst = 100000\n' >>fuzzed/server/signet.toml
    signetd run --config fuzzed/server/signet.toml >>fuzzed.log 2>&1 &
    children+=($!)
    wait_until 'the service that is fuzzed' $! fuzzed_is_ready
    curl -sSf --cacert fuzzed/root/root.pem -o openapi.json "https://127.0.0.1:$fuzzed_tls/v1/openapi.json"
}
rows_schemathesis() {
    row openapi 'the document is valid' "$venv/bin/openapi-spec-validator" openapi.json
    row openapi 'its examples fit its schemas' "$venv/bin/python3" "$source_folder/openapi.py" openapi.json
    # A stream of events has no end. Keys at random would only have the administrator refused.
    row schemathesis 'whatever an administrator sends' send_whatever --exclude-operation-id subscribe --max-examples 12 \
        --generation-with-security-parameters false --request-cert fuzzed/admin/admin.pem --request-cert-key fuzzed/admin/admin.key
    row schemathesis 'whatever a stranger sends' send_whatever --max-examples 10
    row schemathesis 'the service is ready as before' fuzzed_is_ready
    row schemathesis 'the service met no fault' no_faults
}
send_whatever() {
    SCHEMATHESIS_HOOKS="$source_folder/fuzzing.py" FUZZED=$work/fuzzed FUZZED_URL=https://127.0.0.1:$fuzzed_tls PYTHONDONTWRITEBYTECODE=1 \
        "$venv/bin/schemathesis" run openapi.json --url "https://127.0.0.1:$fuzzed_tls" --tls-verify fuzzed/root/root.pem --checks \
        not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,unsupported_method \
        --seed 20261122 --phases examples,coverage,fuzzing,stateful --generation-database none --request-timeout 20 --warnings off \
        --continue-on-failure --no-color "$@"
}
fuzzed_is_ready() { curl -sSf "http://127.0.0.1:$fuzzed_local/readyz"; }
no_faults() { ! grep -E 'panicked| ERROR ' fuzzed.log; }
