# shellcheck shell=bash disable=SC2034,SC2154
# The program that `ca trust config go` prints.
needs go golang-go
told[go.revoked]='alert bad certificate'
told[go.stale]='alert bad certificate'
told[go.lone]='alert bad certificate'
told[go.bare]='alert bad certificate'

start_go() {
    take_port
    serves go "$port"
    mkdir go
    config go "$port" | sed "s/\":443\"/\"127.0.0.1:$port\"/" >go/server.go
    # The cache outlives this directory: the standard library takes a minute to compile.
    GOCACHE=${source_folder%/scripts/*}/target/interop-go GOFLAGS=-mod=mod GO111MODULE=off go build -o bin/go_server go/server.go
    run_server go go_server
    go_server=$!
}
reload_go() { kill -HUP "$go_server"; }
try_go() { https "$1" "${tls[go]}"; }
