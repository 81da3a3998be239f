# shellcheck shell=bash
# What scripts/demo and scripts/interop share. Sourced, never run.

# Prints N port numbers of this host that nothing listens on. They lie below the range from which the kernel takes the
# ports of outgoing connections.
free_ports() {
    local wanted=$1 base port
    for _ in {1..200}; do
        base=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        for ((port = base; port < base + wanted; port++)); do
            if port_open "$port"; then continue 2; fi
        done
        seq "$base" $((base + wanted - 1))
        return
    done
    echo "no $wanted free ports in a row" >&2
    return 1
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_until WHAT PID COMMAND...: repeats the command until it succeeds, for ten seconds and while the process lives.
wait_until() {
    local what=$1 pid=$2
    shift 2
    for _ in {1..200}; do
        if "$@" >/dev/null 2>&1; then return; fi
        if ! kill -0 "$pid" 2>/dev/null; then
            echo "$what ended" >&2
            return 1
        fi
        sleep 0.05
    done
    echo "$what is not there after ten seconds" >&2
    return 1
}

need() {
    local program
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            echo "${0##*/}: $program is needed and not installed" >&2
            return 1
        fi
    done
}

# Builds the three programs and copies them to a directory, so that a build that somebody starts meanwhile changes nothing.
build_programs() {
    local to=$1 target
    cargo build --locked -p signet -p signet-ca -p signet-agent
    target=$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    mkdir -p "$to"
    cp "$target/debug/ca" "$target/debug/signetd" "$target/debug/signet-agent" "$to/"
}

# readme_block NAME: the fenced block under the marker <!-- test:NAME --> of the README, which the tests run as well.
readme_block() {
    awk -v marker="<!-- test:$1 -->" '
        $0 == marker { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside { print; lines++ }
        END { if (!lines) exit 1 }
    ' README.md
}

# Ends one process that this script started, and waits for it.
end_process() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
