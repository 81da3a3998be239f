# shellcheck shell=bash disable=SC2034,SC2154
pg_bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
needs "${pg_bin:-/missing}/postgres" postgresql
client[postgresql]='-starttls postgres'
told[postgresql.good]='this is good'
told[postgresql.nobody]='connection requires a valid client certificate'

# It does not run as root.
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$work/postgres" "$@"; }
start_postgresql() {
    pg_bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
    take_port
    serves postgresql "$port"
    mkdir postgres postgres/site
    chmod 755 postgres postgres/site
    reload_files
    chown -R postgres: postgres
    as_postgres "$pg_bin/initdb" -D postgres/data -A trust -U postgres -N >postgresql-init.log 2>&1
    ca trust config postgresql --dir "$work/postgres/site" >postgresql.conf
    cat postgresql.conf >>postgres/data/postgresql.conf
    printf '%s\n' "port = $port" "listen_addresses = '127.0.0.1'" "unix_socket_directories = '$work/postgres'" 'fsync = off' \
        >>postgres/data/postgresql.conf
    { echo 'local all postgres trust'; sed -n 's/^#| //p' postgresql.conf; } >postgres/data/pg_hba.conf
    run_server postgresql as_postgres "$pg_bin/postgres" -D "$work/postgres/data"
    wait_until postgresql "${children[-1]}" superuser 'SELECT 1'
    superuser 'CREATE ROLE good LOGIN; CREATE ROLE bad LOGIN'
}
reload_files() {
    local name
    for name in clients.pem crl.pem server.pem server.key; do
        install -m 600 -o postgres -g postgres "site/$name" "postgres/site/$name.new"
        mv "postgres/site/$name.new" "postgres/site/$name"
    done
}
superuser() { "$pg_bin/psql" -h "$work/postgres" -p "${tls[postgresql]}" -U postgres -d postgres -Atqc "$1"; }
reload_postgresql() {
    reload_files
    superuser 'SELECT pg_reload_conf()' >/dev/null
}
# login CERTIFICATE ROLE
login() {
    "$pg_bin/psql" "host=web.interop.example hostaddr=127.0.0.1 port=${tls[postgresql]} dbname=postgres user=$2 sslmode=verify-full \
        sslrootcert=$root sslcert=$1/device.pem sslkey=$1/device.key connect_timeout=5" -Atqc "SELECT 'this is good'" 2>&1
}
try_postgresql() { if [[ $1 == nobody ]]; then login nobody good; else login "$1" "$1"; fi; }
rows_postgresql() { row postgresql 'a good device as somebody else' says 'certificate authentication failed' login good bad; }
