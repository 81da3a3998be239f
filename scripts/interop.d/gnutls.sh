# shellcheck shell=bash disable=SC2034,SC2154
# certtool of GnuTLS. It wants the issuer behind the leaf, as the agent keeps it. It goes on with lists that have expired and
# without those that are missing: no rows.
needs certtool gnutls-bin
told[gnutls.good]='Chain verification output: Verified.'
told[gnutls.revoked]='revoked'
told[gnutls.foreign]='The certificate is NOT trusted'

try_gnutls() { certtool --verify --load-ca-certificate "$root" --load-crl site/crl.pem --infile "$1/device.pem"; }
