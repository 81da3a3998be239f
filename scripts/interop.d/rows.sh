# shellcheck shell=bash disable=SC2154
# Rows of the matrix and what they are made of. Sourced by scripts/interop.

rows=0
failures=0
# row PROGRAM TEXT COMMAND...: one line of the matrix.
row() {
    local name=$1 text=$2
    shift 2
    rows=$((rows + 1))
    if "$@" >row.log 2>&1; then
        printf 'ok    %-12s %s\n' "$name" "$text"
    else
        failures=$((failures + 1))
        printf 'FAIL  %-12s %s\n' "$name" "$text"
        sed 's/^/      | /' row.log | tail -n 15
    fi
}
# says TEXT COMMAND...: whatever the exit code, the text has to be there; many tools exit 0 about a revoked certificate.
says() {
    local text=$1
    shift
    local out
    out=$("$@" 2>&1) || true
    printf '%s\n' "$out"
    grep -qF -- "$text" <<<"$out"
}
# expect PROGRAM PHASE DEVICE: what the program says has the text of the phase, and not that of a good device beside it. Some
# need a moment for new lists; nothing is waited for that they need not.
expect() {
    local out good=${told[$1.good]} want=${told[$1.$2]} _
    for _ in {1..60}; do
        out=$("try_$1" "$3" 2>&1) || true
        if [[ $out == *"$want"* && ($2 == good || $out != *"$good"*) ]]; then
            printf '%s\n' "$out"
            return
        fi
        sleep 0.1
    done
    printf 'wanted: %s\n%s\n' "$want" "$out"
    return 1
}

# --------------------------------------------------------------------------------------------------- programs that serve

# serves PROGRAM PORT: what OpenSSL's alerts look like in curl, which is what most of them come to.
serves() {
    tls[$1]=$2
    : "${told[$1.good]:=status 200}" "${told[$1.nobody]:=alert certificate required}" "${told[$1.revoked]:=alert certificate revoked}"
    : "${told[$1.stale]:=alert certificate expired}" "${told[$1.lone]=alert unknown ca}" "${told[$1.bare]:=alert unknown ca}"
}
# https DEVICE PORT [OPTION...]: one request, its status, and what curl says about a refusal.
https() {
    local device=$1 port=$2 certificate=()
    shift 2
    if [[ $device != nobody ]]; then certificate=(--cert "$device/device.pem" --key "$device/device.key"); fi
    curl -sS --max-time 5 -w '\nstatus %{http_code}\n' --cacert "$root" --resolve "web.interop.example:$port:127.0.0.1" \
        "${certificate[@]}" "$@" "https://web.interop.example:$port/" 2>&1 || true
}
# The application behind gets the name of the certificate, and not the one that the client sends.
names_cannot_be_forged() {
    local out
    out=$(https good "$1" -H "$2: CN=admin")
    printf '%s\n' "$out"
    grep -qi "^$2: .*CN=good" <<<"$out" && ! grep -q 'CN=admin' <<<"$out"
}
run_server() { # NAME COMMAND...: in the background, with a log, ended with the script
    local name=$1
    shift
    "$@" >"$name.log" 2>&1 &
    children+=($!)
    wait_until "$name" $! port_open "${tls[$name]}"
}
# config PROGRAM PORT: what `ca` prints, on a free port and with the application behind it.
config() {
    ca trust config "$1" --dir "$work/site" | sed -e "s/127\.0\.0\.1:8000/127.0.0.1:$behind/" -e "s/port_value: 8000/port_value: $behind/" \
        -e "s/0\.0\.0\.0, port_value: 443/127.0.0.1, port_value: $2/"
}

# -------------------------------------------------------------------------------------------------------------- sessions

# connect PROGRAM VERSION DEVICE OPTION...: one connection by s_client with a request.
connect() {
    local program=$1 version=$2 device=$3
    shift 3
    # shellcheck disable=SC2086
    printf 'GET / HTTP/1.1\r\nHost: web.interop.example\r\nConnection: close\r\n\r\n' | timeout 10 openssl s_client \
        -connect "127.0.0.1:${tls[$program]}" ${client[$program]:-} -servername web.interop.example "-$version" -ign_eof \
        -CAfile "$root" -cert "$device/device.pem" -key "$device/device.key" "$@" 2>&1
}
# A session that a client may keep is kept, offered again, and must not be taken up. With TLS 1.3 there must be none to keep.
never_resumes() {
    local out
    rm -f session
    out=$(connect "$1" "$2" good -sess_out session) || true
    # One that cannot turn its cache off has to refuse the version.
    if [[ -n ${told[$1.$2]:-} ]]; then
        printf '%s\n' "$out"
        [[ $out == *"${told[$1.$2]}"* ]]
        return
    fi
    grep -q 'Verify return code: 0 (ok)' <<<"$out" || { echo "$out"; return 1; }
    grep -q '^New, TLSv1' <<<"$out" || { echo "$out"; return 1; }
    if ! [[ -s session ]]; then return; fi
    # Several times: behind a program there may be several processes.
    local _
    for _ in 1 2 3; do
        out=$(connect "$1" "$2" good -sess_in session) || true
        grep '^New, TLSv1\|^Reused, ' <<<"$out" || { echo "$out"; return 1; }
        if grep -q '^Reused, ' <<<"$out"; then return 1; fi
    done
}
keep_sessions() {
    local version
    for version in tls1_2 tls1_3; do connect "$1" "$version" bad -sess_out "kept.$1.$version" >/dev/null || true; done
}
# A program that resumes is shown to do so, or a refusal afterwards would say nothing.
resumes_until_the_reload() {
    local out
    out=$(connect "$1" "$2" bad -sess_in "kept.$1.$2") || true
    grep '^New, \|^Reused, ' <<<"$out"
    grep -q '^Reused, ' <<<"$out"
}
kept_sessions_are_refused() {
    local version out
    for version in tls1_2 tls1_3; do
        if ! [[ -s kept.$1.$version ]]; then continue; fi
        out=$(connect "$1" "$version" bad -sess_in "kept.$1.$version") || true
        grep 'HTTP/1\|^New, \|^Reused, \|alert' <<<"$out"
        if grep -q '^Reused, \|HTTP/1.1 200' <<<"$out"; then return 1; fi
    done
}
