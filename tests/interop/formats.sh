#!/bin/sh
# `mortise sub -F` prints what mosquitto_sub prints, byte for byte: both listen to the same messages.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need mosquitto_pub mosquitto_sub stdbuf

broker_start

# compare FORMAT PUBLISH-OPTION...
compare() {
	format=$1
	shift
	stdbuf -o0 mosquitto_sub -h 127.0.0.1 -p "$plain" -V 5 -d -q 2 -t 'f/#' -C 1 -W 10 -F "theirs $format" >"$tmp/theirs" 2>&1 &
	theirs=$!
	"$build/mortise" sub -h 127.0.0.1 -p "$plain" -d -q 2 -t 'f/#' -C 1 -W 10 -F "theirs $format" >"$tmp/ours" 2>"$tmp/err" &
	ours=$!
	await 5 grep -q '^Subscribed' "$tmp/theirs" || return 1
	await 5 grep -q 'subscribed, 0 refused' "$tmp/err" || return 1
	mosquitto_pub -h 127.0.0.1 -p "$plain" -V 5 "$@" || return 1
	wait "$theirs" || { echo "mosquitto_sub ended with $?: $(cat "$tmp/theirs")"; return 1; }
	wait "$ours" || { echo "mortise sub ended with $?: $(cat "$tmp/err")"; return 1; }
	# What -d of theirs says stands around it.
	# The two took the message at moments of their own, and 2.0.11 writes a Z before the zone.
	sed -n '/^theirs /,$p' "$tmp/theirs" | grep -av '^Client ' | sed 's/"tst":"[^"]*",//' >"$tmp/want"
	sed -i 's/"tst":"[^"]*",//' "$tmp/ours"
	cmp "$tmp/want" "$tmp/ours" || { od -c "$tmp/want" | head -5; od -c "$tmp/ours" | head -5; return 1; }
}

all_properties="-D publish content-type text/plain -D publish correlation-data 42 -D publish response-topic a/b
	-D publish message-expiry-interval 600 -D publish payload-format-indicator 1"

check "formats: topic and payload" compare '[%t|%p|%q|%r|%l]' -q 1 -t f/topic -m payload
check "formats: message id of QoS 0" compare '[%m]' -q 0 -t f/t -m x
check "formats: hex" compare '[%x|%X]' -t f/t -m 'jK~'
check "formats: an empty payload" compare '[%p|%x|%l]' -t f/t -n
# shellcheck disable=SC2086
check "formats: properties" compare '[%C|%D|%R|%F]' -t f/t -m x $all_properties
check "formats: properties that are not there" compare '[%A|%C|%D|%E|%F|%P|%R|%S]' -t f/t -m x
check "formats: user properties" compare '[%P]' -t f/t -m x -D publish user-property a b -D publish user-property a c
check "formats: width to the right" compare '[%12t|%8p|%5l]' -t f/t -m x
check "formats: width to the left" compare '[%-12t|%-8p|%-5l]' -t f/t -m x
check "formats: zeros" compare '[%05l|%03m|%-05l]' -t f/t -m x
check "formats: at most" compare '[%.3t|%10.4t|%-10.4t|%.20t]' -t f/topic -m x
# shellcheck disable=SC2086
check "formats: properties with a width" compare '[%14C|%-14C|%.4C|%10R|%04F|%4F]' -t f/t -m x $all_properties
check "formats: properties with a width that are not there" compare '[%6C|%-6C|%6R]' -t f/t -m x
check "formats: flags that have no use" compare '[%05q|%5r|%.2q|%3%|%-3r|%05P]' -q 1 -t f/t -m x -D publish user-property a b
check "formats: JSON" compare '%j' -q 1 -t f/t -m '{"a":1}'
check "formats: JSON in JSON" compare '%J' -q 1 -t f/t -m '{"a":1}'
check "formats: JSON with properties" compare '%j' -q 2 -t f/t -m x -D publish content-type text/plain \
	-D publish correlation-data 42 -D publish response-topic a/b -D publish user-property a b -D publish user-property c d
check "formats: escapes" compare '\a\e\n\r\t\v\\\0%%@@' -t f/t -m x
check "formats: plain text" compare 'no character of any kind' -t f/t -m x
check "formats: a year" compare '@Y-@m-@d' -t f/t -m x
finish
