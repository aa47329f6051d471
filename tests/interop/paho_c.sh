#!/bin/sh
# Does Paho's C client understand us: 3.1.1 and 5.0 over TCP, TLS, WebSocket and WebSocket over TLS.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need cc
# A sanitizer of the variant has no place in the peer.
if ! echo 'int main(void) { return 0; }' | cc -x c - -include MQTTClient.h -lpaho-mqtt3cs -o "$tmp/probe" 2>/dev/null; then
	echo "skip $script: libpaho-mqtt-dev is not installed"
	exit 0
fi
cc -std=gnu17 -O1 -Wall -Wextra -o "$tmp/paho_c" "$here/tests/interop/paho_c.c" -lpaho-mqtt3cs || {
	echo "not ok $script: paho_c.c does not compile"
	exit 1
}

broker_start --set listeners.plain.anonymous_sessions=yes --set listeners.ws.address=127.0.0.1:0 --set listeners.ws.tls=no \
	--set listeners.ws.websocket=yes --set listeners.ws.anonymous=open --set listeners.ws.anonymous_sessions=yes \
	--set listeners.wss.address=127.0.0.1:0 --set listeners.wss.websocket=yes
ws=$(port_of ws)
wss=$(port_of wss)
set_up() {
	mortise role add paho && mortise role allow paho both 'paho/#' && add_user anna 'a secret of anna' --role paho
}
check "paho c: users and roles" set_up

for version in 4 5; do
	"$tmp/paho_c" "tcp://127.0.0.1:$plain" "$version" || failures=1
	"$tmp/paho_c" "ws://127.0.0.1:$ws/mqtt" "$version" || failures=1
	"$tmp/paho_c" "ssl://localhost:$tls" "$version" "$ca" anna 'a secret of anna' || failures=1
	"$tmp/paho_c" "wss://localhost:$wss/mqtt" "$version" "$ca" anna 'a secret of anna' || failures=1
done
finish
