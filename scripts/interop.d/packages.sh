# shellcheck shell=bash
# What the programs need. Sourced by scripts/interop; the files of the programs say what it is.

missing=()
wheels=()
digests=()
venv=$PWD/target/interop-venv

# needs FILE-OR-PROGRAM PACKAGE: Debian's package, when the program or the file is not there.
needs() {
    if [[ $1 == /* ]]; then
        if [[ -e $1 ]]; then return; fi
    elif command -v "$1" >/dev/null; then
        return
    fi
    missing+=("$2")
}
# needs_wheel FILE WHEEL [SHA256]: a package of Python's, when the file is not in the environment.
needs_wheel() {
    if compgen -G "$venv/$1" >/dev/null; then return; fi
    if [[ -n ${3:-} ]]; then digests+=("$2 --hash=sha256:$3"); else wheels+=("$2"); fi
}

install_packages() {
    if ((${#missing[@]} > 0)); then install_debian "${missing[@]}"; fi
    if ((${#wheels[@]} + ${#digests[@]} == 0)); then return; fi
    if ! [[ -x $venv/bin/pip ]] && ! python3 -m venv "$venv" 2>/dev/null; then
        install_debian python3-venv
        python3 -m venv "$venv"
    fi
    if ((${#wheels[@]} > 0)); then install_wheels "${wheels[@]}"; fi
    if ((${#digests[@]} > 0)); then
        printf '%s\n' "${digests[@]}" >"$venv/digests.txt"
        install_wheels --require-hashes --no-deps -r "$venv/digests.txt"
    fi
}
install_wheels() {
    local attempt
    for attempt in 1 2 3; do
        if "$venv/bin/pip" install --quiet --retries 3 "$@"; then return; fi
        sleep "$attempt"
    done
    echo "interop: could not be installed: $*" >&2
    return 1
}
install_debian() {
    local attempt folder
    # Services that come with a package are not wanted running.
    folder=$(mktemp -d)
    for attempt in 1 2 3; do
        if apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@" \
            >"$folder/log" 2>&1; then
            rm -r "$folder"
            return
        fi
        sleep "$attempt"
    done
    tail -n 20 "$folder/log" >&2
    rm -r "$folder"
    echo "interop: could not be installed: $*" >&2
    return 1
}

PATH=$PATH:/usr/sbin
needs curl curl
needs openssl openssl
needs python3 python3
