# shellcheck shell=bash disable=SC2034,SC2154
# Java's PKIX validation, with the lists that are given, and with those that it fetches by the addresses in the certificates.
needs javac openjdk-17-jdk-headless
told[java.good]='valid'
told[java.revoked]='REVOKED'
told[java.stale]='UNDETERMINED_REVOCATION_STATUS'
told[java.lone]='UNDETERMINED_REVOCATION_STATUS'
told[java.bare]='UNDETERMINED_REVOCATION_STATUS'

start_java() { javac -d java "$source_folder/Verify.java"; }
java_verify() { java -XX:TieredStopAtLevel=1 -Xshare:auto -cp java Verify "$root" "$issuer" "$@"; }
try_java() { java_verify "$1.leaf.pem" site/crl.pem; }
rows_java() { row java 'a good device, with lists that it fetches itself' says valid java_verify good.leaf.pem; }
late_rows_java() { row java 'the revoked device, with lists that it fetches itself' says REVOKED java_verify bad.leaf.pem; }
