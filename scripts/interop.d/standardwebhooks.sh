# shellcheck shell=bash disable=SC2034,SC2154
# The reference library of Standard Webhooks receives from the service and sends to it. Sourced by scripts/interop.
needs_wheel 'lib/python3*/site-packages/standardwebhooks' 'standardwebhooks>=1'

# A service of its own, because hooks are configured; its own CA is the one that it believes.
start_standardwebhooks() {
    local plain loopback
    take_port && hooked_tls=$port
    take_port && plain=$port
    take_port && loopback=$port
    take_port && hooked_receiver=$port
    hooked_admin=$work/hooked/admin
    ca init hooked --name Hooked --trust-domain hooked.example --host 127.0.0.1 --tls-port "$hooked_tls" --plain-port "$plain" \
        --local-port "$loopback" --passphrase-file passphrase >hooked.log 2>&1
    for secret in mdm mdm-next; do echo "whsec_$(openssl rand -base64 32)" >"hooked/server/secrets/$secret"; done
    cat >>hooked/server/signet.toml <<'END'
[profiles.service]
dns_suffixes = ["localhost"]
[webhooks]
allow = ["127.0.0.0/8", "::1/128"]
[[hooks]]
name = "mdm"
action = "report-lost"
secret_files = ["secrets/mdm", "secrets/mdm-next"]
END
    signetd run --config hooked/server/signet.toml >>hooked.log 2>&1 &
    children+=($!)
    wait_until 'the service with hooks' $! curl -sSf "http://127.0.0.1:$loopback/readyz"
    ca issue --admin "$hooked_admin" --name receiver --profile service --dns localhost --dir receiver >>hooked.log 2>&1
    "$venv/bin/python3" "$source_folder/signed.py" receive "$hooked_receiver" receiver/chain.pem receiver/key.pem \
        hook.secret hook.next >receiver.log 2>&1 &
    children+=($!)
    wait_until 'the receiver' $! port_open "$hooked_receiver"
    hooked_id=$(ca webhook create --admin "$hooked_admin" --url "https://localhost:$hooked_receiver/in" --private \
        --secret-out hook.secret --json 2>>hooked.log | sed -n 's/^ *"id": "\(.*\)",$/\1/p')
    for device in lost-1 lost-2 kept; do
        ca token create --admin "$hooked_admin" --device "$device" --format link --out "$device.link" 2>>hooked.log
        signet-agent enroll --link "$device.link" --dir "$device" >>hooked.log
    done
}
hooked() { ca "$@" --admin "$hooked_admin"; }
send_signed() { # SECRET ID DEVICE [SECONDS-AGO]
    "$venv/bin/python3" "$source_folder/signed.py" send "https://127.0.0.1:$hooked_tls/v1/hooks/mdm" hooked/root/root.pem \
        "hooked/server/secrets/$1" "$2" "{\"device\":\"$3\"}" "${4:-0}"
}
received() { # TEXT: the receiver has it within ten seconds
    local _
    for _ in {1..100}; do
        if grep -F -- "$1" receiver.log; then return; fi
        sleep 0.1
    done
    cat receiver.log
    return 1
}
test_is_received() { hooked webhook test "$hooked_id" && received '1 signatures, 0:ping:'; }
both_secrets_verify() {
    hooked webhook rotate-secret "$hooked_id" --secret-out hook.next
    hooked revoke kept --reason superseded --yes
    received '2 signatures, 0:revocation:kept 1:revocation:kept'
}
replay_does_nothing() {
    hooked device resume lost-1
    says 'already-done' send_signed mdm message-1 lost-1
    says '"active"' hooked device show lost-1 --json
}

rows_standardwebhooks() {
    row standardwebhooks 'verifies a test of ours' test_is_received
    row standardwebhooks 'its message suspends a lost device' says '{"result":"suspended"}' send_signed mdm message-1 lost-1
    row standardwebhooks 'and is told back as an event, which it verifies' received '0:device.suspended:lost-1'
    row standardwebhooks 'the same message again does nothing' replay_does_nothing
    row standardwebhooks 'a message under the next secret is taken' says '{"result":"suspended"}' send_signed mdm-next message-2 lost-2
    row standardwebhooks 'an old message is refused' says 'status 401' send_signed mdm message-3 lost-1 301
    row standardwebhooks 'both secrets of ours verify while both live' both_secrets_verify
}
