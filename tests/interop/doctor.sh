#!/bin/sh
# What `mortise doctor tls` finds at brokers and servers whose settings are known: mortised, mosquitto, openssl s_server; and
# what it says where no TLS is spoken.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin
need openssl mosquitto timeout /usr/bin/python3

free_port() {
	/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# sign FILE SUBJECT KEY-OPTION...: FILE.pem and FILE.key by our CA, for localhost.
sign() {
	file=$1
	subject=$2
	shift 2
	openssl req -newkey "$@" -nodes -subj "$subject" -keyout "$tmp/$file.key" -out "$tmp/$file.csr" &&
		printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >"$tmp/names" &&
		openssl x509 -req -in "$tmp/$file.csr" -CA "$tmp/root.pem" -CAkey "$tmp/root.key" -CAcreateserial -days 12 \
			-extfile "$tmp/names" -out "$tmp/$file.pem" && chmod 600 "$tmp/$file.key"
}

certificates() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 300 -subj /CN=root -keyout "$tmp/root.key" \
		-out "$tmp/root.pem" && sign rsa /CN=localhost rsa:2048 && sign client /CN=th-17 ec -pkeyopt ec_paramgen_curve:prime256v1
}

# facts PORT OPTION...: into $tmp/facts.
facts() {
	to=$1
	shift
	timeout 100 "$build/mortise" doctor tls "localhost:$to" --json "$@" >"$tmp/facts"
}

# so EXPRESSION...: each is true of the facts.
so() {
	for expression in "$@"; do
		[ "$(json "$tmp/facts" "bool($expression)")" = True ] || {
			echo "not so: $expression; $(json "$tmp/facts" "d['versions'], d['resumption'], d['protocol'], d['stopped']")"
			return 1
		}
	done
}

# advised GRADE WORDS
advised() {
	so "any(a['grade'] == '$1' and '''$2''' in a['text'] for a in d['advice'])" ||
		{ json "$tmp/facts" "d['advice']"; return 1; }
}

all_resumed="5 == w['tries'] == w['resumed'] and 4 == w['abrupt_tries'] == w['abrupt_resumed']"
resumed() { so "[w for w in [d['resumption']['$1']] if w['offered'] and $all_resumed]"; }
not_offered() { so "d['resumption']['$1']['offered'] is False"; }

# ---- mortised ----

broker_start --set listeners.ids.address=127.0.0.1:0 --set listeners.ids.resumption=ids --set listeners.tickets.address=127.0.0.1:0 \
	--set listeners.tickets.resumption=tickets --set listeners.none.address=127.0.0.1:0 --set listeners.none.resumption=off

our_offer() {
	facts "$tls" --cafile "$ca" && so "d['versions'] == {'SSL 3.0': False, 'TLS 1.0': False, 'TLS 1.1': False, 'TLS 1.2': True, 'TLS 1.3': True}" \
		"all(s['aead'] and s['forward_secrecy'] for v in d['suites'].values() for s in v['accepted'])" \
		"len(d['suites']['tls12']['accepted']) == 3 and len(d['suites']['tls13']['accepted']) == 3" \
		"d['suites']['tls12']['order'] == 'server' and d['groups']['chosen'] == 'X25519'" \
		"d['groups']['accepted']['P-256'] and not d['groups']['accepted']['P-384']" \
		"d['protocol'] == {'renegotiation': False, 'secure_renegotiation': True, 'extended_master_secret': True, 'compression': False, 'alpn_mqtt': True, 'pre_shared_keys': False, 'suites_of_old': False}" \
		"d['certificate']['verifies'] and d['certificate']['name_matches'] and d['certificate']['reason'] is None" \
		"d['client_certificate']['demand'] == 'optional' and d['ocsp']['sent'] is False and d['stopped'] is None" \
		"all(a['grade'] == 'fine' for a in d['advice'])"
}

our_resumption() {
	resumed id_tls12 && resumed ticket_tls12 && resumed ticket_tls13 && so "d['resumption']['ticket_tls13']['tickets'] == 1" \
		"d['resumption']['ticket_tls13']['tickets_resumed'] == 1 and d['resumption']['ticket_tls13']['early_data_bytes'] == 0" \
		"d['resumption']['id_tls12']['short']['received_bytes'] < d['resumption']['id_tls12']['full']['received_bytes']"
}

our_ids() {
	facts "$(port_of ids)" --cafile "$ca" && resumed id_tls12 && not_offered ticket_tls12 && resumed ticket_tls13 &&
		so "d['resumption']['ticket_tls13']['ticket_bytes'] == 32" # a ticket that is an id
}
our_tickets() { facts "$(port_of tickets)" --cafile "$ca" && not_offered id_tls12 && resumed ticket_tls12 && resumed ticket_tls13; }
ours_in_full() {
	facts "$(port_of none)" --cafile "$ca" && not_offered id_tls12 && not_offered ticket_tls12 && not_offered ticket_tls13 &&
		advised 'could be better' 'no session is resumed'
}

by_profile() {
	mortise doctor tls --profile "$state/profiles/admin.mortise" "localhost:$tls" >"$tmp/said" &&
		grep -q '^  verifies  *yes, by --profile$' "$tmp/said" && grep -q '^  ticket, TLS 1.3  *yes  *5/5  *4/4 ' "$tmp/said"
}

# Whom to believe is not said: nothing is hidden by that.
by_nobody() {
	facts "$tls" && so "d['certificate']['verifies'] is False" "len(d['certificate']['chain']) == 2" &&
		advised bad 'does not verify: the issuer CN=Mortise CA'
	facts "$tls" --cafile "$ca" --servername other.example && so "d['certificate']['name_matches'] is False" "d['certificate']['verifies']" &&
		advised bad 'does not bear the name other.example'
}

check "doctor: what mortised offers" our_offer
check "doctor: how mortised resumes" our_resumption
check "doctor: mortised with ids alone" our_ids
check "doctor: mortised with tickets alone" our_tickets
check "doctor: mortised without resumption" ours_in_full
check "doctor: with a profile" by_profile
check "doctor: without a CA, and with another name" by_nobody

# ---- mosquitto ----

mosquitto_start() {
	port=$(free_port)
	mutual=$(free_port)
	# It gives up root for a user of its own.
	chmod a+rx "$tmp"
	install -m 644 "$tmp/rsa.key" "$tmp/open.key"
	cat >"$tmp/mosquitto.conf" <<-END
		per_listener_settings true
		listener $port 127.0.0.1
		allow_anonymous true
		cafile $tmp/root.pem
		certfile $tmp/rsa.pem
		keyfile $tmp/open.key
		listener $mutual 127.0.0.1
		allow_anonymous true
		require_certificate true
		cafile $tmp/root.pem
		certfile $tmp/rsa.pem
		keyfile $tmp/open.key
	END
	mosquitto -c "$tmp/mosquitto.conf" >"$tmp/mosquitto.log" 2>&1 &
	await 10 mortise doctor tls "localhost:$mutual"
}

at_mosquitto() {
	facts "$port" --cafile "$tmp/root.pem" && so "d['versions']['TLS 1.3'] and d['versions']['TLS 1.2']" \
		"d['certificate']['chain'][0]['key'] == 'RSA' and d['certificate']['chain'][0]['key_bits'] == 2048" \
		"d['certificate']['chain'][0]['names'] == ['DNS:localhost', 'IP:127.0.0.1']" \
		"d['certificate']['verifies'] and d['certificate']['chain'][0]['days_left'] in (11, 12)" \
		"d['protocol']['alpn_mqtt'] is False and d['client_certificate']['demand'] == 'not asked'" &&
		resumed ticket_tls12 && resumed ticket_tls13 && so "d['resumption']['id_tls12']['resumed'] == 5" \
		"d['resumption']['ticket_tls13']['tickets'] == 2" && advised 'could be better' '2 tickets per handshake' &&
		advised 'could be better' 'the certificate expires in 1'
}

at_mosquitto_with_certificates() {
	facts "$mutual" --cafile "$tmp/root.pem" && so "d['client_certificate'] == {'demand': 'required', 'accepted': None, 'reason': None}" \
		"d['resumption']['ticket_tls13']['offered'] is None" "d['suites']['tls13']['accepted']" &&
		facts "$mutual" --cafile "$tmp/root.pem" --cert "$tmp/client.pem" --key "$tmp/client.key" &&
		so "d['client_certificate']['accepted']" && resumed ticket_tls13 && resumed ticket_tls12
}

check "doctor: certificates" certificates
check "doctor: mosquitto starts" mosquitto_start
check "doctor: what mosquitto offers" at_mosquitto
check "doctor: mosquitto, client certificates" at_mosquitto_with_certificates

# ---- openssl s_server ----

is_listening() { grep -q '^ACCEPT .*[0-9]$' "$tmp/server.log" && [ -z "$(tail -c 1 "$tmp/server.log")" ]; }

# at_server OPTION... -- DOCTOR-OPTION...: the facts of a server with those options.
at_server() {
	options=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	[ $# -gt 0 ] && shift
	: >"$tmp/server.log" # now: the background process may do so later than we look
	# shellcheck disable=SC2086
	openssl s_server -accept 127.0.0.1:0 -rev -cert "$tmp/rsa.pem" -key "$tmp/rsa.key" $options >"$tmp/server.log" 2>&1 </dev/null &
	server=$!
	await 10 is_listening && facts "$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$tmp/server.log")" --cafile "$tmp/root.pem" "$@"
	outcome=$?
	kill "$server"
	wait "$server" 2>/dev/null
	return "$outcome"
}

without_tickets() {
	at_server -tls1_2 -no_ticket && so "d['versions']['TLS 1.3'] is False and d['versions']['TLS 1.2']" \
		"d['resumption']['id_tls12']['resumed'] == 5 and d['resumption']['id_tls12']['abrupt_resumed'] == 0" &&
		not_offered ticket_tls12 && advised 'could be better' 'lost when a client disconnects abruptly'
}

old_versions() {
	at_server -cipher ALL:@SECLEVEL=0 && so "d['versions']['TLS 1.0'] and d['versions']['TLS 1.1']" \
		"any(s['broken'] for s in d['suites']['tls12']['accepted'])" && advised bad 'TLS 1.0 is accepted: refuse it (RFC 8996)' &&
		at_server -tls1 -cipher ALL:@SECLEVEL=0 && so "[v for v, yes in d['versions'].items() if yes] == ['TLS 1.0']" &&
		advised bad 'neither TLS 1.2 nor TLS 1.3'
}

demands() {
	for version in -tls1_2 -tls1_3; do
		at_server "$version" -verify 1 && so "d['client_certificate']['demand'] == 'optional'" &&
			at_server "$version" -Verify 1 && so "d['client_certificate']['demand'] == 'required'" || return 1
	done
}

renegotiation() {
	at_server -tls1_2 -client_renegotiation -alpn mqtt && so "d['protocol']['renegotiation'] and d['protocol']['alpn_mqtt']" &&
		at_server -tls1_2 -no_renegotiation && so "d['protocol']['renegotiation'] is False"
}

stapled() {
	serial=$(openssl x509 -in "$tmp/rsa.pem" -noout -serial | cut -d = -f 2)
	printf 'V\t301231235959Z\t\t%s\tunknown\t/CN=localhost\n' "$serial" >"$tmp/index"
	openssl ocsp -issuer "$tmp/root.pem" -cert "$tmp/rsa.pem" -no_nonce -reqout "$tmp/request" &&
		openssl ocsp -index "$tmp/index" -CA "$tmp/root.pem" -rsigner "$tmp/root.pem" -rkey "$tmp/root.key" -reqin "$tmp/request" \
			-respout "$tmp/staple" -ndays 2 && at_server -status_file "$tmp/staple" &&
		so "d['ocsp']['sent'] and d['ocsp']['status'] == 'good' and d['ocsp']['verifies'] and d['ocsp']['fault'] is None"
}

own_groups() {
	at_server -groups P-384:X448 && so "[g for g, yes in d['groups']['accepted'].items() if yes] == ['P-384', 'X448']"
}

pre_shared_keys() {
	at_server -psk 0011223344556677 -nocert && so "d['protocol']['pre_shared_keys'] and d['certificate']['chain'] == []" &&
		advised fine 'pre-shared key'
}

check "doctor: s_server, TLS 1.2 without tickets" without_tickets
check "doctor: s_server, versions and suites of old" old_versions
check "doctor: s_server, certificates of clients" demands
check "doctor: s_server, renegotiation" renegotiation
check "doctor: s_server, an OCSP response" stapled
check "doctor: s_server, groups" own_groups
check "doctor: s_server, pre-shared keys alone" pre_shared_keys

# ---- what is no TLS ----

# refused CODE WORDS ARGUMENT...
refused() {
	code=$1
	words=$2
	shift 2
	timeout 100 "$build/mortise" doctor tls "$@" >"$tmp/said" 2>&1
	got=$?
	[ "$got" = "$code" ] && grep -q "^mortise: .*$words" "$tmp/said" || { echo "exit $got, not $code"; cat "$tmp/said"; return 1; }
}

# listener PROGRAM: Python's, with a listening socket `s`; its port in $odd.
listener() {
	: >"$tmp/port"
	/usr/bin/python3 -c "import socket, time
s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen(20)
print(s.getsockname()[1], flush=True)
kept = []
while True:
	kept.append(s.accept()[0])
	$1" >"$tmp/port" &
	await 10 test -s "$tmp/port" && odd=$(cat "$tmp/port")
}
silent() { listener 'pass' && refused 3 'says nothing' -W 1 "localhost:$odd"; }
slow() {
	listener "kept[-1].sendall(b'\x16')" && refused 3 'does not come to an end' -W 1 "localhost:$odd"
}
http() { listener "kept[-1].sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')" && refused 1 'speaks plain HTTP, not TLS' "localhost:$odd"; }

check "doctor: plain MQTT" refused 1 'speaks plain MQTT, not TLS' "localhost:$plain"
check "doctor: a silent listener" silent
check "doctor: a listener that never ends" slow
check "doctor: HTTP" http
check "doctor: nobody" refused 3 'Connection refused' "localhost:$(free_port)"
check "doctor: no such host" refused 3 'not known\|resol' 'nowhere.invalid'
check "doctor: an address that is none" refused 2 'brackets' '::1'
check "doctor: a CA that is not there" refused 2 'No such file' --cafile "$tmp/none" "localhost:$tls"
check "doctor: a key without its certificate" refused 2 'needs --cert' --key "$tmp/rsa.key" "localhost:$tls"
finish
