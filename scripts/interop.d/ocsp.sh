# shellcheck shell=bash disable=SC2034,SC2154
# The OCSP responder, asked by OpenSSL, GnuTLS and curl. Their exit codes say nothing about a revoked certificate, so the text
# has to. Sourced by scripts/interop.

responder_url() { openssl x509 -in good.leaf.pem -noout -ocsp_uri; }
openssl_asks() { # DEVICE OPTION...
    local device=$1
    shift
    # Its digest counts for the certificates behind it.
    openssl ocsp "$@" -issuer "$issuer" -cert "$device.leaf.pem" -url "$(responder_url)" -CAfile "$root" -verify_other "$issuer"
}
# ask_openssl TEXT DEVICE OPTION...: the answer has to verify, whatever it says.
ask_openssl() {
    local text=$1 out
    shift
    out=$(openssl_asks "$@" 2>&1) || true
    printf '%s\n' "$out"
    grep -qF 'Response verify OK' <<<"$out" && grep -qF -- "$text" <<<"$out"
}
ask_ocsptool() { # TEXT DEVICE OPTION...
    local text=$1 device=$2
    shift 2
    cat "$issuer" "$root" >ocsp.trust.pem
    says "$text" ocsptool --ask="$(responder_url)" --load-issuer "$issuer" --load-cert "$device.leaf.pem" --load-trust ocsp.trust.pem "$@"
}
# Of a request of OpenSSL's, in the path of a GET, without padding and escapes as curl sends it.
get_with_curl() {
    local text
    openssl ocsp -issuer "$issuer" -cert "$1.leaf.pem" -no_nonce -reqout get.req
    text=$(openssl base64 -A -in get.req)
    curl -sSf -D get.headers -o get.answer "$(responder_url)/${text%%=*}"
    grep -i '^cache-control: max-age=' get.headers
    openssl ocsp -respin get.answer -issuer "$issuer" -cert "$1.leaf.pem" -no_nonce -CAfile "$root" -verify_other "$issuer" >get.said 2>&1
    cat get.said
    grep -qF "$1.leaf.pem: $2" get.said
}
answer_of() { openssl_asks "$1" -no_nonce -respout answer.der >/dev/null 2>&1 && cat answer.der >"$1.answer.der"; }
responder_certificate() {
    answer_of good
    openssl ocsp -respin good.answer.der -noverify -resp_text | sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' >responder.pem
    says 'OCSP Signing' openssl x509 -in responder.pem -noout -ext extendedKeyUsage
    says 'OCSP No Check' openssl x509 -in responder.pem -noout -text
}

rows_ocsp() {
    row 'openssl ocsp' 'a good device, SHA-1, with a nonce' ask_openssl 'good.leaf.pem: good' good
    row 'openssl ocsp' 'a good device, SHA-256, without a nonce' ask_openssl 'good.leaf.pem: good' good -sha256 -no_nonce
    row 'openssl ocsp' 'two devices in one request' ask_openssl 'bad.leaf.pem: good' good -issuer "$issuer" -cert bad.leaf.pem
    row 'openssl ocsp' 'a serial number that nobody has is unknown' ask_openssl '0x4f00a1: unknown' good -issuer "$issuer" -serial 0x4f00a1
    row 'openssl ocsp' 'a foreign issuer is refused' says 'unauthorized (6)' openssl ocsp -issuer "$root" -cert "$issuer" \
        -url "$(responder_url)" -CAfile "$root"
    row 'ocsptool' 'a good device' ask_ocsptool 'Certificate Status: good' good
    row 'ocsptool' 'its answer is trusted' ask_ocsptool 'Success' good --nonce
    row 'curl' 'a GET, which caches may keep' get_with_curl good good
    row 'openssl x509' 'the responder may sign answers and nothing else' responder_certificate
}
late_rows_ocsp() {
    row 'openssl ocsp' 'the revoked device, with its reason' ask_openssl 'Reason: keyCompromise' bad
    row 'openssl ocsp' 'the revoked device, without a nonce' ask_openssl 'bad.leaf.pem: revoked' bad -no_nonce
    row 'openssl ocsp' 'its sibling: still good' ask_openssl 'good.leaf.pem: good' good
    row 'ocsptool' 'the revoked device' ask_ocsptool 'Certificate Status: revoked' bad
    row 'ocsptool' 'its sibling: still good' ask_ocsptool 'Certificate Status: good' good
    row 'curl' 'a GET about the revoked device' get_with_curl bad revoked
    answer_of good
    answer_of bad
    row 'pkilint' 'an OCSP answer: good' lint 0 "$venv/bin/lint_ocsp_response" lint -s WARNING good.answer.der
    row 'pkilint' 'an OCSP answer: revoked' lint 0 "$venv/bin/lint_ocsp_response" lint -s WARNING bad.answer.der
    row 'pkilint' 'profile ocsp' lint 1 "$venv/bin/lint_pkix_cert" lint -s WARNING responder.pem
}
