#!/bin/sh
# Request and response with mosquitto_rr: over TCP and TLS, in 3.1.1 and 5.0, each answer to who asked.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need mosquitto_rr mosquitto_sub mosquitto_pub stdbuf

broker_start
set_up() {
	mortise role add asking && mortise role allow asking both 'ask/#' && add_user anna 'a secret of anna' --role asking
}
check "request: users and roles" set_up

# over PROGRAM tcp|tls OPTION...
over() {
	program=$1
	way=$2
	shift 2
	case $way in
	tcp) "$program" -h 127.0.0.1 -p "$plain" "$@" ;;
	tls) "$program" -h localhost -p "$tls" --cafile "$ca" -u anna -P 'a secret of anna' "$@" ;;
	esac
}

# A responder in the background: to each request whose topic is on ask/ID it publishes the payload, in capitals, to the
# response topic it names (5.0), or to answer/ID (3.1.1). It ends after one.
respond() {
	way=$1
	file=$2
	topic=$3
	if [ "$way" = tcp ]; then
		set -- -h 127.0.0.1 -p "$plain"
	else
		set -- -h localhost -p "$tls" --cafile "$ca" -u anna -P 'a secret of anna'
	fi
	: >"$tmp/$file"
	stdbuf -oL mosquitto_sub "$@" -d -V 5 -q 1 -t "$topic" -C 1 -W 20 -F 'got %R %D %p' >"$tmp/$file" 2>&1 &
	responder=$!
	await 5 grep -q '^Subscribed' "$tmp/$file"
}

answer() {
	way=$1
	file=$2
	wait "$responder" || return 1
	line=$(grep '^got ' "$tmp/$file")
	# got RESPONSE-TOPIC CORRELATION PAYLOAD
	rest=${line#got }
	to=${rest%% *}
	rest=${rest#* }
	correlation=${rest%% *}
	payload=$(printf '%s' "${rest#* }" | tr a-z A-Z)
	over mosquitto_pub "$way" -V 5 -q 1 -t "$to" -m "$payload" -D publish correlation-data "$correlation"
}

ask_5() {
	way=$1
	respond "$way" "requests-$way" ask/it || return 1
	over mosquitto_rr "$way" -V 5 -q 1 -t ask/it -e "ask/answers/$way" -m 'what is it' -D publish correlation-data 42 \
		-W 20 >"$tmp/rr" 2>&1 &
	rr=$!
	answer "$way" "requests-$way" || return 1
	wait "$rr" && grep -qx 'WHAT IS IT' "$tmp/rr"
}

# In 3.1.1 both sides know the topic of the answer.
ask_4() {
	way=$1
	respond "$way" "requests4-$way" ask/that || return 1
	over mosquitto_rr "$way" -V mqttv311 -q 1 -t ask/that -e ask/known -m 'what is that' -W 20 >"$tmp/rr" 2>&1 &
	rr=$!
	wait "$responder" && grep -q 'what is that' "$tmp/requests4-$way" || return 1
	over mosquitto_pub "$way" -q 1 -t ask/known -m 'this' || return 1
	wait "$rr" && grep -qx this "$tmp/rr"
}

for way in tcp tls; do
	check "request: 5.0 over $way" ask_5 "$way"
	check "request: 3.1.1 over $way" ask_4 "$way"
done
finish
