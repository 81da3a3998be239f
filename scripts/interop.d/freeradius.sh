# shellcheck shell=bash disable=SC2034,SC2154
# EAP-TLS by eapol_test of wpa_supplicant. Sessions: it asks for a second round, with the session of the first.
needs freeradius freeradius
needs eapol_test eapoltest
needs faketime faketime
told[freeradius.good]='SUCCESS'
told[freeradius.revoked]='error 23 : certificate revoked'
told[freeradius.stale]='error 12 : CRL has expired'
# It asks the list of the issuer only, and says so in the first lines of the configuration.
told[freeradius.bare]='error 3 : unable to get certificate CRL'

start_freeradius() {
    take_port
    radius=$port
    mkdir radius
    ca trust config freeradius --dir "$work/site" >radius/eap.printed
    # Its own line makes the file that it reads.
    sed -n 's/^# *\(cd .*radius.*\)$/\1/p' radius/eap.printed >radius/make
    [[ $(wc -l <radius/make) == 1 ]]
    bash -eu radius/make
    : >radius/dictionary
    cat >radius/radiusd.conf <<END
name = radiusd
libdir = /usr/lib/freeradius
logdir = $work/radius
run_dir = $work/radius
pidfile = $work/radius/pid
client here {
    ipaddr = 127.0.0.1
    secret = testing
}
modules {
    \$INCLUDE $work/radius/eap.printed
}
server default {
    listen {
        type = auth
        ipaddr = 127.0.0.1
        port = $radius
    }
    authorize {
        eap
    }
    authenticate {
        eap
    }
}
END
    # It reads the file again after five minutes of its own clock, which the reload moves.
    radius_age=0
    echo +0s >radius/clock
    LD_PRELOAD=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1) FAKETIME_TIMESTAMP_FILE=$work/radius/clock FAKETIME_NO_CACHE=1 \
        freeradius -d radius -f -l stdout -xx >>freeradius.log 2>&1 &
    children+=($!)
    wait_until freeradius $! grep -q 'Ready to process requests' freeradius.log
}
reload_freeradius() {
    bash -eu radius/make
    radius_age=$((radius_age + 301))
    echo "+${radius_age}s" >radius/clock
}
# supplicant DEVICE ROUNDS
supplicant() {
    cat >"radius/$1.conf" <<END
network={
    key_mgmt=IEEE8021X
    eap=TLS
    identity="$1"
    ca_cert="$root"
    client_cert="$work/$1/device.pem"
    private_key="$work/$1/device.key"
    fragment_size=1000
}
END
    eapol_test -c "radius/$1.conf" -a 127.0.0.1 -p "$radius" -s testing -r "$2" -t 5 2>&1
}
# The supplicant is not told the reason; the log is.
try_freeradius() {
    : >freeradius.log
    supplicant "$1" 0 | grep -a '^SUCCESS\|^FAILURE'
    grep -a 'OpenSSL says error' freeradius.log || true
}
two_rounds() {
    local out
    out=$(supplicant good 1) || true
    grep -a 'resumed=\|^SUCCESS\|^FAILURE' <<<"$out"
    [[ $(grep -ac 'Handshake finished - resumed=0' <<<"$out") == 2 ]] && ! grep -aq 'resumed=1' <<<"$out" && grep -aq '^SUCCESS' <<<"$out"
}
rows_freeradius() { row freeradius 'no session is resumed' two_rounds; }
