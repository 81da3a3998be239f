# shellcheck shell=bash disable=SC2034,SC2154
# NSS: vfychain with lists in its database. It goes on with lists that have expired and without those that are missing: no rows.
needs vfychain libnss3-tools
told[nss.good]='Chain is good!'
told[nss.revoked]="Peer's Certificate has been revoked"
told[nss.foreign]='Chain is bad!'

# A database for each state of the lists: NSS never goes back to an older list.
start_nss() {
    rm -rf nss lists
    mkdir nss lists
    certutil -N -d sql:nss --empty-password
    certutil -A -d sql:nss -n root -t CT,, -i "$root"
    certutil -A -d sql:nss -n issuer -t ,, -i "$issuer"
    csplit -s -z -f lists/ site/crl.pem '/-----BEGIN/' '{*}'
    local list
    for list in lists/*; do
        openssl crl -in "$list" -outform DER -out lists/one.der
        crlutil -I -d sql:nss -t 1 -i lists/one.der >>nss.log 2>&1
    done
}
reload_nss() { start_nss; }
try_nss() { vfychain -d sql:nss -u 0 -a "$1.leaf.pem" -a "$issuer"; }
