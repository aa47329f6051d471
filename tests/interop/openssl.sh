#!/bin/sh
# Does the TLS listener speak what it should, and nothing weaker: openssl s_client as the other side.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need openssl timeout /usr/bin/python3

broker_start

# client OPTION...: one handshake, then the end of input; what s_client says goes to $tmp/tls.
client() {
	timeout 10 openssl s_client -connect "127.0.0.1:$tls" -CAfile "$ca" -verify_return_error -verify_hostname localhost \
		-servername localhost "$@" >"$tmp/tls" 2>&1 </dev/null
	result=$?
	grep -a 'Verif\|Cipher\|Protocol\|error\|alert' "$tmp/tls"
	return $result
}

# speaks WORD OPTION...
speaks() {
	word=$1
	shift
	client "$@" && grep -aq 'Verify return code: 0 (ok)' "$tmp/tls" && grep -aq "$word" "$tmp/tls"
}

# refuses WORD OPTION...: no handshake, and the word names whose fault it was (an alert of the broker).
refuses() {
	word=$1
	shift
	! client "$@" && ! grep -aq 'New, TLS' "$tmp/tls" && grep -aqi "$word" "$tmp/tls"
}

# What a CONNECT of 3.1.1 without credentials is answered, in hex.
mqtt_over() {
	{
		printf '\020\014\0\4MQTT\4\2\0\074\0\0'
		sleep 0.3
	} | timeout 5 openssl s_client -quiet -connect "127.0.0.1:$tls" -CAfile "$ca" -verify_return_error "$@" 2>"$tmp/tls" |
		od -An -tx1 | tr -d ' \n'
}

refuses_anonymous() {
	answer=$(mqtt_over "$@")
	echo "$answer"
	[ "$answer" = 20020005 ]
}

chain() {
	client -showcerts || return 1
	openssl verify -CAfile "$ca" -untrusted "$tmp/pem/server.pem" -verify_hostname localhost -purpose sslserver \
		"$tmp/pem/server.pem" && ! openssl verify -CAfile "$ca" -untrusted "$tmp/pem/server.pem" -verify_hostname example.org \
		"$tmp/pem/server.pem" || return 1
	# The root is for the client to know, not for the server to tell.
	[ "$(grep -ac 'BEGIN CERTIFICATE' "$tmp/tls")" = 2 ]
}

names() {
	openssl x509 -in "$tmp/pem/server.pem" -noout -ext subjectAltName,extendedKeyUsage,basicConstraints >"$tmp/names"
	cat "$tmp/names"
	grep -q 'DNS:localhost' "$tmp/names" && grep -q 'IP Address:127.0.0.1' "$tmp/names" &&
		grep -q 'TLS Web Server Authentication' "$tmp/names" && ! grep -q 'CA:TRUE' "$tmp/names" || return 1
	openssl x509 -in "$ca" -noout -ext basicConstraints,keyUsage >"$tmp/names"
	cat "$tmp/names"
	grep -q 'critical' "$tmp/names" && grep -q 'CA:TRUE' "$tmp/names" && grep -q 'Certificate Sign' "$tmp/names"
}

server_key_is_no_ca_key() { ! cmp -s "$state/tls/server.key" "$state/tls/ca.key"; }

wrong_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -keyout "$tmp/other.key" \
		-out "$tmp/other.pem" -days 1 2>/dev/null || return 1
	! timeout 10 openssl s_client -connect "127.0.0.1:$tls" -CAfile "$tmp/other.pem" -verify_return_error >"$tmp/tls" 2>&1 \
		</dev/null && grep -a 'certificate verify failed\|unable to get' "$tmp/tls"
}

wrong_name() {
	! timeout 10 openssl s_client -connect "127.0.0.1:$tls" -CAfile "$ca" -verify_return_error -verify_hostname example.org \
		>"$tmp/tls" 2>&1 </dev/null && grep -a -i 'hostname mismatch' "$tmp/tls"
}

# R asks for a renegotiation; the broker answers the alert no_renegotiation.
renegotiation() {
	{
		sleep 0.3
		echo R
		sleep 0.5
	} | timeout 5 openssl s_client -connect "127.0.0.1:$tls" -CAfile "$ca" -tls1_2 >"$tmp/tls" 2>&1
	tail -n 6 "$tmp/tls"
	grep -aq RENEGOTIATING "$tmp/tls" && grep -aq ':no renegotiation:' "$tmp/tls"
}

no_compression() { client -tls1_2 -comp && grep -aq 'Compression: NONE' "$tmp/tls"; }

# No early data: it could be played again.
no_early_data() {
	client -tls1_3 -sess_out "$tmp/session"
	printf 'x' >"$tmp/early"
	client -tls1_3 -sess_in "$tmp/session" -early_data "$tmp/early"
	grep -a 'Early data' "$tmp/tls"
	! grep -aq 'Early data was accepted' "$tmp/tls"
}

# What s_client did not say is for the log to tell, with the address.
logged() {
	grep 'subject="tls"' "$log" | tail -n 3
	grep -q 'subject="tls".*why="[^"].*address="127.0.0.1:[0-9]*"' "$log"
}

check "openssl: TLS 1.3" speaks 'New, TLSv1.3' -tls1_3
check "openssl: TLS 1.2" speaks 'New, TLSv1.2' -tls1_2
check "openssl: TLS 1.2 by the name 127.0.0.1" client -tls1_2 -verify_ip 127.0.0.1
for suite in TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256; do
	check "openssl: $suite" speaks "$suite" -tls1_3 -ciphersuites "$suite"
done
for suite in ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305; do
	check "openssl: $suite" speaks "$suite" -tls1_2 -cipher "$suite"
done
for group in X25519 P-256; do
	check "openssl: group $group" speaks 'New, TLSv1.3' -tls1_3 -groups "$group"
done
# Levels are lowered on this side, so that it is the broker who refuses.
for version in tls1 tls1_1; do
	check "openssl: $version is refused" refuses 'alert protocol version\|alert handshake failure' -$version -cipher 'ALL:@SECLEVEL=0'
done
for suite in AES128-SHA AES256-GCM-SHA384 ECDHE-ECDSA-AES128-SHA ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES128-GCM-SHA256 \
	DHE-RSA-AES256-GCM-SHA384 PSK-AES128-GCM-SHA256 AECDH-AES128-SHA ADH-AES128-GCM-SHA256 ECDHE-ECDSA-NULL-SHA eNULL aNULL; do
	check "openssl: $suite is refused" refuses 'alert handshake failure' -tls1_2 -cipher "$suite:@SECLEVEL=0" -psk 00112233
done
check "openssl: MQTT inside TLS 1.3" refuses_anonymous -tls1_3
check "openssl: MQTT inside TLS 1.2" refuses_anonymous -tls1_2
check "openssl: chain and name" chain
check "openssl: what the certificates may do" names
check "openssl: keys differ" server_key_is_no_ca_key
check "openssl: wrong CA" wrong_ca
check "openssl: wrong name" wrong_name
check "openssl: renegotiation" renegotiation
check "openssl: compression" no_compression
check "openssl: early data" no_early_data
check "openssl: the log names the address" logged
finish
