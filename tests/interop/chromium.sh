#!/bin/sh
# Does a page in a browser publish and subscribe over wss: MQTT.js in headless Chromium, from an origin that is listed; not
# from another, and not when the CA is unknown.
. "$(dirname "$0")/common.sh"
need npm chromium
modules=$("$here/tools/node-modules" 2>"$tmp/why") || {
	echo "skip chromium.sh: $(tail -n 1 "$tmp/why")"
	exit 0
}
# What Chromium writes beside its profile.
export HOME="$tmp" XDG_CONFIG_HOME="$tmp" XDG_CACHE_HOME="$tmp"

broker_start --set listeners.wss.address=127.0.0.1:0 --set listeners.wss.websocket=yes \
	--set listeners.wss.origins=https://site.example
add_user jo "a password of jo" >/dev/null
mortise role add page >/dev/null
mortise role allow page both 'page/#' >/dev/null
mortise user grant jo page >/dev/null

browse() {
	# The driver wants a Node newer than Debian's.
	timeout 120 "$modules"/node20-*/bin/node "$here/tests/interop/chromium_page.cjs" "$modules" "$(command -v chromium)" "$state/tls/server.pem" \
		"wss://localhost:$(port_of wss)/mqtt" jo "a password of jo" https://site.example https://other.example
}
refused_is_logged() { grep 'websocket' "$log" | grep -q 'pages of this origin may not connect'; }
check "chromium: MQTT over wss in a page" browse
check "chromium: the page of another origin is in the log" refused_is_logged
finish
