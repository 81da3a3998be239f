# shellcheck shell=bash disable=SC2034,SC2154
# The program of the README, over a WebSocket by Python's websockets: with a certificate and with a ticket.
follow_program=$(readme_block events-python)
needs_wheel 'lib/python3*/site-packages/websockets' 'websockets>=15'

start_streams() {
    printf '%s\n' "$follow_program" >follow.py
    local name
    for name in by-certificate by-ticket; do
        enroll "$name" service
    done
    curl -sSf --cacert "$root" --cert by-ticket/device.pem --key by-ticket/device.key -X POST \
        "https://127.0.0.1:$signet_tls/v1/events/tickets" | sed 's/.*"ticket":"\([^"]*\)".*/\1/' >ticket
    cp ticket ticket.used
    follow by-certificate
    follow by-ticket ticket
}
follow() { # DEVICE [TICKET-FILE]: in the background; what it is told stands in DEVICE.events
    "$venv/bin/python3" follow.py "wss://127.0.0.1:$signet_tls" "$root" "$1/device.pem" "$1/device.key" "${@:2}" >"$1.events" 2>&1 &
    children+=($!)
    wait_until "the stream of $1" $! grep -q '"position"' "$1.events"
}
rows_streams() {
    row streams 'a ticket opens no second stream' says 'HTTP 401' "$venv/bin/python3" follow.py "wss://127.0.0.1:$signet_tls" "$root" - - ticket.used
    row streams 'a page of another site is refused' says 'HTTP/1.1 403' curl -sSi --http1.1 --max-time 5 --cacert "$root" --cert good/device.pem \
        --key good/device.key -H 'Origin: https://evil.example' -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
        -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "https://127.0.0.1:$signet_tls/v1/events/ws"
}
late_rows_streams() {
    local name
    for name in by-certificate by-ticket; do
        row streams "$name: the revocation is told" arrives "$name" '"devices":\["bad"\].*"reason":"key-compromise"'
    done
    for name in by-certificate by-ticket; do
        ca revoke "$name" --yes >/dev/null 2>&1
        row streams "$name: its own revocation closes it" arrives "$name" '^closed 1008 \(revoked\|device_revoked\|certificate_revoked\)$'
    done
}
arrives() { # DEVICE EXPRESSION
    local _
    for _ in {1..60}; do
        if grep "$2" "$1.events"; then return; fi
        sleep 0.1
    done
    cat "$1.events"
    return 1
}
