# shellcheck shell=bash disable=SC2034,SC2154
# The service itself: only its sessions; what it answers to whom is for the tests of the service.
start_signetd() { tls[signetd]=$signet_tls; }
