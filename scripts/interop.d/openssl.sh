# shellcheck shell=bash disable=SC2034,SC2154
# openssl verify, with the lists of both CAs.
told[openssl.good]=': OK'
told[openssl.revoked]='error 23 at 0 depth lookup: certificate revoked'
told[openssl.stale]='CRL has expired'
told[openssl.lone]='unable to get certificate CRL'
told[openssl.bare]='unable to get certificate CRL'

try_openssl() { openssl verify -CAfile "$root" -untrusted "$issuer" -crl_check_all -CRLfile site/crl.pem "$1.leaf.pem"; }
openssl_crl() { says 'verify OK' openssl crl -inform DER -in "$1" -noout -verify -CAfile "$2"; }
rows_openssl() {
    row openssl 'the signature of the list of the issuer' openssl_crl issuer.crl "$issuer"
    row openssl 'the signature of the list of the root' openssl_crl root.crl "$root"
}
late_rows_openssl() {
    fetch_list good.leaf.pem issuer.crl
    row openssl 'the signature of the new list' openssl_crl issuer.crl "$issuer"
}
