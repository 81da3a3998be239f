# shellcheck shell=bash disable=SC2034,SC2154
# A CA, a service, some devices, and the directory of a service that trusts them. Sourced by scripts/interop.

mapfile -t ports < <(free_ports 48)
# Not in a subshell, which would forget what it took.
take_port() {
    port=${ports[0]}
    ports=("${ports[@]:1}")
}
take_port && signet_tls=$port
take_port && signet_plain=$port
take_port && signet_local=$port
take_port && behind=$port

openssl rand -base64 24 >passphrase
# The address stands first and goes into URLs; a name without a dot would displease the linter.
ca init acme --name Interop --trust-domain interop.example --host 127.0.0.1 --host ca.interop.example --tls-port "$signet_tls" \
    --plain-port "$signet_plain" --local-port "$signet_local" --passphrase-file passphrase >init.log 2>&1
# Names in certificates are for the operator to allow.
printf '[profiles.service]\ndns_suffixes = ["interop.example"]\n' >>acme/server/signet.toml
printf '[profiles.brief]\nkind = "device"\nlifetime_seconds = 3600\nrevocation = "none"\n' >>acme/server/signet.toml
signetd run --config acme/server/signet.toml >service.log 2>&1 &
children+=($!)
wait_until 'the service' $! curl -sSf "http://127.0.0.1:$signet_local/readyz"

enroll() {
    ca token create --device "$1" --profile "$2" --format link --out "$1.link" 2>/dev/null
    signet-agent enroll --link "$1.link" --dir "$1" >/dev/null
    # The leaf alone; the agent's file has the issuer behind it.
    openssl x509 -in "$1/device.pem" -out "$1.leaf.pem"
}
enroll good device
enroll bad device
enroll a-service service
enroll a-visitor intermittent
enroll a-brief brief
root=$work/acme/root/root.pem
issuer=$work/acme/server/issuer/issuer.pem

# A device of somebody else's, whose CA has the name of ours.
mkdir foreign
{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$(openssl x509 -in "$issuer" -noout \
        -subject -nameopt multiline | sed -n 's/.*commonName *= //p')" -keyout foreign/issuer.key -out foreign/issuer.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=good -keyout foreign/device.key -out foreign/csr.pem
    openssl x509 -req -in foreign/csr.pem -CA foreign/issuer.pem -CAkey foreign/issuer.key -CAcreateserial -days 1 \
        -out foreign.leaf.pem
} 2>>foreign.log
cat foreign.leaf.pem foreign/issuer.pem >foreign/device.pem

# The directory of a service that trusts devices, as the printed configurations expect it.
mkdir site
ca trust bundle --out site/clients.pem 2>/dev/null
ca crl fetch --out site/crl.pem 2>/dev/null
ca issue --name server --profile service --dns web.interop.example --dir server >/dev/null 2>&1
cp server/chain.pem site/server.pem
cp server/key.pem site/server.key

# The application behind the servers that pass requests on: it answers with the names that they gave it.
python3 "$source_folder/behind.py" "$behind" >behind.log 2>&1 &
children+=($!)
wait_until 'the application' $! port_open "$behind"

# fetch_list CERTIFICATE FILE: by the address that the certificate carries.
fetch_list() {
    curl -sSf -o "$2" "$(openssl x509 -in "$1" -noout -ext crlDistributionPoints | sed -n 's/.*URI:\(http.*\)/\1/p')"
}
fetch_list good.leaf.pem issuer.crl
fetch_list "$issuer" root.crl

# A list of the issuer that ended an hour ago. The service makes none, so openssl does, with the issuer's key.
mkdir old
: >old/index.txt
echo FFFFFFFFFFFF >old/number
cat >old/ca.cnf <<END
[ca]
default_ca = issuer
[issuer]
database = $work/old/index.txt
crlnumber = $work/old/number
default_md = sha256
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid:always
END
openssl ca -config old/ca.cnf -gencrl -cert "$issuer" -keyfile acme/server/issuer/issuer.key -passin file:acme/server/secrets/kek \
    -crl_lastupdate "$(date -u -d '-2 days' +%Y%m%d%H%M%SZ)" -crl_nextupdate "$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ)" \
    -out old/issuer.pem 2>old.log

# publish_lists stale|lone|bare: what `ca crl fetch` would refuse to write.
publish_lists() {
    case $1 in
        stale)
            openssl crl -inform DER -in root.crl >>old/both.pem
            cat old/issuer.pem >>old/both.pem
            mv old/both.pem site/crl.pem
            ;;
        lone)
            fetch_list good.leaf.pem issuer.crl
            openssl crl -inform DER -in issuer.crl >old/one.pem
            mv old/one.pem site/crl.pem
            ;;
        bare)
            openssl crl -inform DER -in root.crl >old/one.pem
            mv old/one.pem site/crl.pem
            ;;
    esac
}
