#!/bin/sh
# Other TLS libraries go on from their sessions, and show certificates and keys: GnuTLS, openssl -reconnect, Node's tls by
# way of MQTT.js, and Paho's C client.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need gnutls-cli openssl timeout

broker_start --set listeners.ids.address=127.0.0.1:0 --set listeners.ids.resumption=ids --set listeners.need.address=127.0.0.1:0 \
	--set listeners.need.client_certificate=required --set listeners.psk.address=127.0.0.1:0 --set listeners.psk.psk=yes \
	--set listeners.psk.client_certificate=no
add_user dora "a password of dora" --role open >/dev/null
mortise cert issue dora --format pem --out "$tmp/dora" >/dev/null
cert=$tmp/dora/dora.crt
key=$tmp/dora/dora.key
ids=$(port_of ids)
required=$(port_of need)

counted() { mortise status --json >"$tmp/status" && json "$tmp/status" "d['tls']['handshakes']['$1']['$2']"; }

# The client may be gone before the broker has read its last words.
is_counted() { [ "$(counted "$1" "$2")" = "$3" ]; }

# gnutls PRIORITY PORT OPTION...: connects, and resumes.
gnutls() {
	priority=$1
	port=$2
	shift 2
	sleep 0.5 | timeout 20 gnutls-cli --x509cafile "$ca" --port "$port" --priority "$priority" --resume "$@" localhost \
		>"$tmp/gnutls" 2>&1
	grep -q 'This is a resumed session' "$tmp/gnutls" || { tail -n 12 "$tmp/gnutls"; return 1; }
}
for version in TLS1.2 TLS1.3; do
	only="NORMAL:-VERS-ALL:+VERS-$version"
	check "GnuTLS resumes by ticket, $version" gnutls "$only" "$tls"
	check "GnuTLS resumes by id, $version" gnutls "$only" "$ids"
	check "GnuTLS shows a certificate and resumes, $version" gnutls "$only" "$required" --x509certfile "$cert" --x509keyfile "$key"
done
without() {
	! { sleep 0.5 | timeout 20 gnutls-cli --x509cafile "$ca" --port "$required" localhost >"$tmp/gnutls" 2>&1; } &&
		grep -qi 'certificate' "$tmp/gnutls"
}
check "GnuTLS without a certificate where one is required" without

# A new key ends what its user proved before, and dora goes on from sessions below: the key is another user's.
add_user petra "a password of petra" --role open >/dev/null

# The program of Debian 12 dies when it describes a key in TLS 1.2, behind the handshake: the broker's word counts.
psk() {
	made=$(mortise user psk petra --json) && before=$(counted psk full) || return 1
	secret=$(printf '%s' "$made" | sed -n 's/.*"key": "\([0-9a-f]*\)".*/\1/p')
	sleep 0.3 | timeout 20 gnutls-cli --port "$(port_of psk)" --priority "$1" --pskusername petra --pskkey "$secret" localhost \
		>"$tmp/gnutls" 2>&1
	await 5 is_counted psk full $((before + 1)) || { tail -n 5 "$tmp/gnutls"; return 1; }
}
check "GnuTLS with a pre-shared key, TLS 1.3" psk 'NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK'
check "GnuTLS with a pre-shared key, TLS 1.2" psk 'NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK'

# Five more connections, each from the session of the first.
reconnect() {
	before=$(counted "$1" "$2") || return 1
	port=$3
	shift 3
	timeout 20 openssl s_client -connect "127.0.0.1:$port" -CAfile "$ca" -tls1_2 -reconnect "$@" </dev/null >"$tmp/tls" 2>&1
	[ "$(grep -ac '^Reused' "$tmp/tls")" = 5 ] && await 5 is_counted "$listener" "$way" $((before + 5))
}
listener=tls way=by_ticket
check "openssl -reconnect, by ticket" reconnect tls by_ticket "$tls"
listener=ids way=by_id
check "openssl -reconnect, by id" reconnect ids by_id "$ids" -no_ticket
listener=need way=by_id
check "openssl -reconnect, with a certificate" reconnect need by_id "$required" -cert "$cert" -key "$key"

# Paho's C client offers no session again, though its handle is the same.
paho() {
	cc -std=gnu17 -O1 -o "$tmp/paho_again" "$here/tests/interop/paho_again.c" -lpaho-mqtt3cs 2>"$tmp/why-cc" || return 1
	before=$(counted need full)
	"$tmp/paho_again" "ssl://localhost:$required" "$ca" "$cert" "$key" && await 5 is_counted need full $((before + 3))
}
if echo 'int main(void) { return 0; }' | cc -x c - -include MQTTClient.h -lpaho-mqtt3cs -o "$tmp/probe" 2>/dev/null; then
	check "Paho C shows a certificate, three times" paho
else
	echo "skip $script: libpaho-mqtt-dev is not installed"
fi

# MQTT.js, on the newest Node that is there.
node() {
	timeout 60 "$modules"/node20-*/bin/node --dns-result-order=ipv4first "$here/tests/interop/mqttjs_again.cjs" "$modules" \
		"mqtts://localhost:$1" "$ca" "$2" "$3"
}
if modules=$("$here/tools/node-modules" 2>"$tmp/why-node") && [ -x "$(echo "$modules"/node20-*/bin/node)" ]; then
	check "MQTT.js resumes, with a certificate" node "$required" "$cert" "$key"
	check "MQTT.js resumes, by ticket" node "$tls" "$cert" "$key"
else
	echo "skip $script: $(tail -n 1 "$tmp/why-node")"
fi
finish
