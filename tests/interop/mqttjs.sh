#!/bin/sh
# Does MQTT.js understand us, on Node 18 and on Node 20: 3.1.1 and 5 over mqtt, mqtts, ws and wss.
. "$(dirname "$0")/common.sh"
need npm
modules=$("$here/tools/node-modules" 2>"$tmp/why") || {
	echo "skip mqttjs.sh: $(tail -n 1 "$tmp/why")"
	exit 0
}

broker_start --set listeners.ws.address=127.0.0.1:0 --set listeners.ws.tls=no --set listeners.ws.websocket=yes \
	--set listeners.wss.address=127.0.0.1:0 --set listeners.wss.websocket=yes
add_user jo "a password of jo" >/dev/null
mortise role add js >/dev/null
mortise role allow js both '#' >/dev/null
mortise user grant jo js >/dev/null

# Of the packages for several machines one is installed.
# The test brokers listen on IPv4 alone, and Node 18 tries one address of localhost.
run() { timeout 60 "$modules"/node"$1"-*/bin/node --dns-result-order=ipv4first "$here/tests/interop/mqttjs_client.cjs" "$modules" "$2" "$3" "$ca" jo "a password of jo"; }
for node in 18 20; do
	[ -x "$(echo "$modules"/node$node-*/bin/node)" ] || {
		echo "skip mqttjs.sh: there is no Node $node for this machine"
		continue
	}
	for version in 4 5; do
		check "mqtt.js: MQTT $version over mqtt, Node $node" run $node "mqtt://localhost:$plain" $version
		check "mqtt.js: MQTT $version over mqtts, Node $node" run $node "mqtts://localhost:$tls" $version
		check "mqtt.js: MQTT $version over ws, Node $node" run $node "ws://localhost:$(port_of ws)/mqtt" $version
		check "mqtt.js: MQTT $version over wss, Node $node" run $node "wss://localhost:$(port_of wss)/mqtt" $version
	done
done
finish
