# shellcheck shell=bash disable=SC2034,SC2154
needs mosquitto mosquitto
needs mosquitto_pub mosquitto-clients
told[mosquitto.good]='received PUBACK'
# It asks the list of the issuer only, and resumes sessions until it reads the lists again. Both stand in the first lines of the
# configuration.
told[mosquitto.lone]=''
resumes[mosquitto]=yes

start_mosquitto() {
    take_port
    serves mosquitto "$port"
    {
        echo 'user root'
        config mosquitto "$port" | sed "s/^listener .*/listener $port 127.0.0.1/"
    } >mosquitto.conf
    run_server mosquitto mosquitto -c mosquitto.conf
    mosquitto=$!
}
reload_mosquitto() { kill -HUP "$mosquitto"; }
# --insecure: the name of the server is not looked at, which cannot be told to mosquitto_pub with an address; the chain is.
try_mosquitto() {
    local certificate=()
    if [[ $1 != nobody ]]; then certificate=(--cert "$1/device.pem" --key "$1/device.key"); fi
    timeout 5 mosquitto_pub -d -q 1 -h 127.0.0.1 -p "${tls[mosquitto]}" --cafile "$root" --insecure "${certificate[@]}" -t test -m hello
}
