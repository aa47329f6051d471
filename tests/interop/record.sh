#!/bin/sh
# A broker is recorded under the traffic of Mosquitto's clients, and its recording played: it comes out the same, and holds
# no password.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need mosquitto_pub mosquitto_sub stdbuf

calls=$tmp/calls
secret='a secret of anna'
wrong='a guess that is wrong'

broker_start --record "$calls" --set listeners.ids.address=127.0.0.1:0 --set listeners.ids.tls=no \
	--set listeners.ids.anonymous=open --set 'listeners.ids.client_id=d-%{mac}' --set listeners.ids.assigned_client_id=no \
	--set listeners.strict.address=127.0.0.1:0 --set listeners.strict.tls=no --set listeners.strict.require=jwt
ids=$(port_of ids)
strict=$(port_of strict)

receives() { # QOS
	stdbuf -oL mosquitto_sub -d -h 127.0.0.1 -p "$plain" -t "site/$1" -q "$1" -C 20 -W 20 >"$tmp/got.$1" 2>&1 &
	receiver=$!
	await 10 grep -q SUBACK "$tmp/got.$1" || return 1
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		mosquitto_pub -h 127.0.0.1 -p "$plain" -t "site/$1" -q "$1" -m "a message" || return 1
	done
	wait "$receiver"
}
for qos in 0 1 2; do
	check "record: traffic of QoS $qos" receives "$qos"
done

retained() {
	mosquitto_pub -h 127.0.0.1 -p "$plain" -t kept/a -m "a retained message" -q 1 -r &&
		test "$(mosquitto_sub -h 127.0.0.1 -p "$plain" -t 'kept/#' -C 1 -W 10)" = "a retained message"
}
check "record: retained messages" retained

will() {
	stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$plain" -t gone -C 1 -W 20 >"$tmp/will" &
	watcher=$!
	stdbuf -oL mosquitto_sub -d -h 127.0.0.1 -p "$plain" -t x --will-topic gone --will-payload "a will" \
		>"$tmp/dying" 2>&1 &
	dying=$!
	await 10 grep -q SUBACK "$tmp/dying"
	mosquitto_pub -h 127.0.0.1 -p "$plain" -t x -m first
	kill -9 "$dying"
	wait "$watcher"
	grep -q "a will" "$tmp/will"
}
check "record: a will" will

people() {
	mortise role add sensors && mortise role allow sensors both 'site/#' &&
		add_user anna "$secret" --role sensors &&
		mosquitto_pub -h localhost -p "$tls" --cafile "$ca" -u anna -P "$secret" -t site/a -m by-tls -q 2 &&
		mosquitto_pub -h localhost -p "$tls" --cafile "$ca" -u anna -P "$secret" -V 5 -t site/a -m denied -q 1 &&
		mortise role deny sensors both 'site/a' &&
		! mosquitto_pub -h localhost -p "$tls" --cafile "$ca" -u anna -P "$wrong" -t site/a -m no -q 1
}
check "record: users, a change of permissions, a wrong password" people

# What the listener asks of client ids is in the recording, or its refusals would come out otherwise.
client_ids() {
	mortise pub -h 127.0.0.1 -p "$ids" -t site/a -m x -q 1 -i d-001b638445e6 || return 1
	for other in d-001b638445e d-ff:ff:ff:ff:ff:ff ''; do
		! mortise pub -h 127.0.0.1 -p "$ids" -t site/a -m x -q 1 -i "$other" || return 1
	done
	grep -q "client id is empty, and the listener assigns none" "$log"
}
check "record: client ids that a listener refuses" client_ids

b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# What a listener accepts is in the recording, and so is the end of a token that a client came with; it comes again, and is refused.
json_web_token() {
	openssl rand -hex 32 >"$tmp/jwt.key" && chmod 600 "$tmp/jwt.key" &&
		mortise issuer add here --iss here --algorithm HS256 --key-file "$tmp/jwt.key" --leeway 0 &&
		mortise user jwt anna --issuer here || return 1
	token=$(printf '{"alg":"HS256"}' | b64url).$(printf '{"iss":"here","sub":"anna","exp":%s}' "$(($(date +%s) + 5))" | b64url)
	token=$token.$(printf %s "$token" | openssl dgst -sha256 -hmac "$(cat "$tmp/jwt.key")" -binary | b64url)
	! mosquitto_pub -h 127.0.0.1 -p "$strict" -u anna -P "$secret" -t site/b -m no -q 1 || return 1
	mosquitto_pub -h 127.0.0.1 -p "$strict" -u anna -P "$token" -t site/b -m yes -q 1 || return 1
	printf '%s\n' "$token" >"$tmp/token"
	mortise sub -h 127.0.0.1 -p "$strict" -u anna --password-file "$tmp/token" -t site/b -W 20
	grep -q 'the JSON Web Token has expired' "$log" && grep -q 'the listener does not accept: password' "$log"
}
check "record: a token that ends, and what is not accepted" json_web_token
broker_stop

replays() { # FILE RESULT EXIT
	mortise replay --json "$1" >"$tmp/replay.json"
	status=$?
	cat "$tmp/replay.json"
	[ "$status" = "$3" ] && [ "$(json "$tmp/replay.json" 'd["result"]')" = "$2" ]
}
check "record: the replay comes out the same" replays "$calls" same 0
check "record: it covers the traffic" test "$(json "$tmp/replay.json" \
	'd["publishes_sent"] >= 61 and d["connections"] > 60 and d["refused"] == 6 and d["end"] == "the broker ends"')" = True
check "record: twice the same digest" test "$(mortise replay --json "$calls" | grep digest)" = "$(grep digest "$tmp/replay.json")"

no_secrets() {
	! grep -qaF "$secret" "$calls" && ! grep -qaF "$wrong" "$calls" && ! grep -qaF 'argon2' "$calls" && ! grep -qaF "${token##*.}" "$calls" &&
		grep -qaF anna "$calls"
}
check "record: no password is in the file" no_secrets
check "record: the file is its owner's alone" test "$(stat -c %a "$calls")" = 600

verbose() {
	mortise replay -v "$calls" >"$tmp/verbose" && grep -q '#0 create' "$tmp/verbose" &&
		grep -q ' authenticated ' "$tmp/verbose" && grep -q '^result: same' "$tmp/verbose"
}
check "record: -v tells each call" verbose

# Beginning cut off, damaged, another file.
head -c 20000 "$calls" >"$tmp/cut"
check "record: one that breaks off is the same as far as it goes" replays "$tmp/cut" same 0
damage() {
	cp "$calls" "$tmp/damaged" && printf 'X' | dd of="$tmp/damaged" bs=1 seek=15000 conv=notrunc 2>/dev/null
	replays "$tmp/damaged" damaged 5
}
check "record: a damaged one is told apart" damage
no_recording() {
	echo "no recording" >"$tmp/other"
	mortise replay "$tmp/other"
	[ $? = 2 ]
}
check "record: a file that is none" no_recording

# What is not a recording of ours is not written over.
refuses() { # FILE
	"$build/mortised" --state "$state" --set listeners.tls.address=127.0.0.1:0 --record "$1" 2>"$tmp/refusal"
	[ $? = 2 ] && grep -q -- --record "$tmp/refusal"
}
ln -s "$calls" "$tmp/link"
check "record: a link is refused" refuses "$tmp/link"
check "record: another file is refused" refuses "$tmp/other"
check "record: and stays as it was" test "$(cat "$tmp/other")" = "no recording"

# A broker that is killed leaves a log that holds; its own file is written over.
broker_start --record "$calls"
check "record: a second run" retained
kill -9 "$broker_pid"
wait "$broker_pid" 2>/dev/null
broker_pid=
check "record: what a killed broker leaves is the same" replays "$calls" same 0

# A full file ends the recording and not the broker.
head -c 300000 /dev/zero | tr '\0' x >"$tmp/large"
flood() {
	for _ in 1 2 3 4 5; do
		mosquitto_pub -h 127.0.0.1 -p "$plain" -t big -f "$tmp/large" -q 1 || return 1
	done
}
broker_start --record "$calls" --set record_bytes=1MiB
check "record: a flood" flood
check "record: the log tells that the file is full" grep -q 'the log is full' "$log"
check "record: and is not larger than it may be" test "$(stat -c %s "$calls")" -le 1048576
check "record: the broker goes on" retained
broker_stop
check "record: a full one is the same" replays "$calls" same 0

# So does a write that fails.
ulimit -f 1024
broker_start --record "$calls"
check "record: a flood into a disk that is full" flood
check "record: the log tells why it ends" grep -q 'it cannot be written' "$log"
check "record: the broker goes on without" retained
broker_stop
check "record: what was written is the same" replays "$calls" same 0
finish
