# shellcheck shell=bash disable=SC2034,SC2154
# pyca/cryptography: its verifier for the chain; its lists are for the caller to look into.
needs_wheel 'lib/python3*/site-packages/cryptography' 'cryptography>=45'
told[pyca.good]='valid'
told[pyca.revoked]='refused: revoked'
told[pyca.stale]='refused: the list has expired'
told[pyca.lone]='refused: no list'
told[pyca.bare]='refused: no list'

try_pyca() { "$venv/bin/python3" "$source_folder/pyca.py" "$root" "$issuer" "$1.leaf.pem" site/crl.pem; }
