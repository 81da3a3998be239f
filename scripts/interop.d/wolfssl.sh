# shellcheck shell=bash disable=SC2034,SC2154
needs cc gcc
needs /usr/include/wolfssl/ssl.h libwolfssl-dev
told[wolfssl.good]='accepted'
told[wolfssl.revoked]='CRL Cert revoked'
# A list that has expired is not even loaded. One that is missing it fetches by the address in the certificate: no row.
told[wolfssl.stale]='refused: -140'

start_wolfssl() { cc -O0 -o bin/wolfssl_verify "$source_folder/wolfssl.c" -lwolfssl; }
try_wolfssl() { wolfssl_verify "$root" "$issuer" "$1.leaf.pem" site/crl.pem; }
