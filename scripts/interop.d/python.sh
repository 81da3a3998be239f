# shellcheck shell=bash disable=SC2034,SC2154
# The program that `ca trust config python` prints.
told[python.tls1_2]='alert protocol version'

start_python() {
    take_port
    serves python "$port"
    config python "$port" | sed "s/Server((\"\", 443)/Server((\"127.0.0.1\", $port)/" >server.py
    run_server python python3 server.py
    python_server=$!
}
reload_python() { kill -HUP "$python_server"; }
try_python() { https "$1" "${tls[python]}"; }
