# shellcheck shell=bash disable=SC2034,SC2154
# A list that is missing is nothing to it: no row.
needs cc gcc
needs /usr/include/mbedtls/x509_crt.h libmbedtls-dev
told[mbedtls.good]='accepted'
told[mbedtls.revoked]='revoked'
told[mbedtls.stale]='The CRL is expired'

start_mbedtls() { cc -O0 -o bin/mbedtls_verify "$source_folder/mbedtls.c" -lmbedx509 -lmbedcrypto; }
try_mbedtls() { mbedtls_verify "$root" "$issuer" "$1.leaf.pem" site/crl.pem; }
