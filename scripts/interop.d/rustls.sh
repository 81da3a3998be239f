# shellcheck shell=bash disable=SC2034,SC2154
# examples/rustls_server, which is compiled with what `ca trust config rustls` prints and reads the files for each connection.
told[rustls.stale]='status 000'
told[rustls.bare]='status 000'
# It believes the CAs of the file without a list, and says so in what is printed.
told[rustls.lone]=''

start_rustls() {
    mkfifo rustls.stdin
    rustls_server site <rustls.stdin >rustls.log 2>&1 &
    children+=($!)
    exec 7>rustls.stdin
    wait_until 'the rustls server' $! test -s rustls.log
    local address
    address=$(head -n 1 rustls.log)
    serves rustls "${address##*:}"
}
try_rustls() {
    https "$1" "${tls[rustls]}"
    tail -n 1 rustls.log
}
