#!/bin/sh
# Does `mortise` keep its contract: pub and sub, the verbs that change a running broker, exit codes, JSON, secrets.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need stdbuf ps /usr/bin/python3

broker_start --set log.level=debug
admin="--profile $state/profiles/admin.mortise"
in_plain="-h 127.0.0.1 -p $plain"
printf 'Bert-Secret-4711\n' >"$tmp/bert"
printf 'wrong\n' >"$tmp/wrong"
bert="-h localhost -p $tls --cafile $ca -u bert --password-file $tmp/bert"

set_up() {
	mortise role add house && mortise role allow house both 'house/#' && mortise role add guest &&
		mortise role allow guest subscribe 'garden/#' &&
		mortise user add bert --password-file "$tmp/bert" --role house --role guest
}

# exits CODE WORD COMMAND...: that exit code, and an error of one line that holds the word.
exits() {
	code=$1
	word=$2
	shift 2
	"$@" >"$tmp/said.out" 2>"$tmp/said" </dev/null
	found=$?
	cat "$tmp/said"
	[ "$found" = "$code" ] || { echo "exit $found instead of $code: $*"; return 1; }
	[ -z "$word" ] || grep -qi "^mortise: .*$word" "$tmp/said"
}

# prints TEXT COMMAND...: exactly that.
prints() {
	text=$1
	shift
	"$@" >"$tmp/printed" || { echo "exit $?: $*"; return 1; }
	printf '%b' "$text" | cmp - "$tmp/printed" || { cat "$tmp/printed"; return 1; }
}

is_subscribed() { grep -q 'mortise: subscribed, 0 refused' "$1.err"; }

# listen FILE OPTION...: mortise sub in the background, once it is subscribed; $listener is its process.
listen() {
	into=$1
	shift
	rm -f "$into" # one that is left over from a failed test keeps its own
	: >"$into"
	: >"$into.err"
	"$build/mortise" sub -d "$@" >"$into" 2>"$into.err" &
	listener=$!
	await 5 is_subscribed "$into" || { cat "$into.err"; return 1; }
}

listener_ends() { wait "$listener" || { echo "the subscriber ended with $?"; cat "$into.err"; return 1; }; }

# Messages of $into, as the printf format $1.
heard() {
	listener_ends || return 1
	printf '%b' "$1" | cmp - "$into" || { cat "$into"; return 1; }
}

by_profile() {
	# shellcheck disable=SC2086
	listen "$tmp/got" $admin -t house/lamp -C 1 -W 10 && mortise pub $admin -t house/lamp -m on && heard 'on\n'
}

# shellcheck disable=SC2086
qos() {
	listen "$tmp/got" $bert -V "$1" -t house/qos -q 2 -C 3 -W 10 -F '%t %q %r %l %p' &&
		mortise pub $bert -V "$1" -t house/qos -m none -q 0 && mortise pub $bert -V "$1" -t house/qos -m once -q 1 &&
		mortise pub $bert -V "$1" -t house/qos -m exactly -q 2 &&
		heard 'house/qos 0 0 4 none\nhouse/qos 1 0 4 once\nhouse/qos 2 0 7 exactly\n'
}

# shellcheck disable=SC2086
lines() { # fewer than limits.queue_messages: a burst beyond it may be dropped
	listen "$tmp/got" $in_plain -t house/lines -q 1 -C 900 -W 10 &&
		seq 1 900 | mortise pub $bert -t house/lines -q "$1" -l && listener_ends && seq 1 900 | cmp - "$tmp/got"
}

# shellcheck disable=SC2086
last_line() {
	listen "$tmp/got" $in_plain -t house/lines -C 3 -W 10 &&
		printf 'first\n\nlast' | mortise pub $bert -t house/lines -l -q 1 && heard 'first\n\nlast\n'
}

# shellcheck disable=SC2086
files() {
	head -c 300000 /dev/urandom >"$tmp/bytes"
	listen "$tmp/got" $in_plain -t house/file -C 2 -W 10 -q 1 -F %p &&
		mortise pub $bert -t house/file -f "$tmp/bytes" -q 1 && mortise pub $bert -t house/file -s -q 1 <"$tmp/bytes" &&
		listener_ends && { cat "$tmp/bytes"; echo; cat "$tmp/bytes"; echo; } | cmp - "$tmp/got"
}

# shellcheck disable=SC2086
repeated() {
	listen "$tmp/got" $in_plain -t house/again -q 2 -C 5 -W 10 &&
		mortise pub $bert -t house/again -m x -q 2 --repeat 3 && mortise pub $bert -t house/again -m y -q 1 --repeat 2 --repeat-delay 0.1 &&
		heard 'x\nx\nx\ny\ny\n' && exits 2 'expected seconds' mortise pub $bert -t a -m x --repeat-delay never &&
		exits 2 'repeats one message' mortise pub $bert -t a -l --repeat 2
}

# A wrong property is known before anybody is asked.
wrong_properties() {
	exits 2 'expected a number from 1 to 65535' mortise pub -h 127.0.0.1 -p 1 -t a -m x -D connect receive-maximum 0 &&
		exits 2 'has no such property' mortise pub -h 127.0.0.1 -p 1 -t a -m x -D publish session-expiry-interval 1 &&
		exits 2 'expected one of these packets' mortise sub -h 127.0.0.1 -p 1 -t a -D publish content-type x
}

# shellcheck disable=SC2086
retained() {
	mortise pub $bert -t house/kept -m first -r -q 1 && mortise pub $bert -t house/kept -m kept -r -q 1 &&
		prints 'house/kept kept\n' mortise sub $bert -t 'house/kept/#' -v -C 1 -W 5 &&
		exits 27 '' mortise sub $bert -t house/kept -R -C 1 -W 1 &&
		mortise pub $bert -t house/kept -n -r -q 1 &&
		exits 27 '' mortise sub $bert -t house/kept -C 1 -W 1
}

# shellcheck disable=SC2086
retained_only() {
	mortise pub $bert -t house/r/1 -m a -r && mortise pub $bert -t house/r/2 -m b -r || return 1
	listen "$tmp/got" $bert -t 'house/r/#' --retained-only -v -W 5 && mortise pub $bert -t house/r/3 -m live -q 1
	wait "$listener"
	sort "$tmp/got" >"$tmp/sorted"
	printf 'house/r/1 a\nhouse/r/2 b\n' | cmp - "$tmp/sorted"
}

# shellcheck disable=SC2086
left_out() {
	listen "$tmp/got" $in_plain -t 'house/out/#' -T 'house/out/+/no' -q 1 -v -C 2 -W 10 || return 1
	for topic in a/no a/yes b/no b; do
		mortise pub $bert -t "house/out/$topic" -m x -q 1 || return 1
	done
	listener_ends && printf 'house/out/a/yes x\nhouse/out/b x\n' | cmp - "$tmp/got"
}

# shellcheck disable=SC2086
removed() {
	mortise pub $bert -t house/rm/1 -m a -r && mortise pub $bert -t house/rm/2 -m b -r || return 1
	mortise sub $in_plain -t 'house/rm/#' -T house/rm/2 --remove-retained -C 1 -W 5 >"$tmp/got" || return 1
	printf 'a\n' | cmp - "$tmp/got" || return 1
	await 5 mortise_sees_only_b && mortise pub $bert -t house/rm/2 -n -r
}
# shellcheck disable=SC2086
mortise_sees_only_b() {
	mortise sub $in_plain -t 'house/rm/#' --retained-only -v -W 1 >"$tmp/got"
	printf 'house/rm/2 b\n' | cmp - "$tmp/got"
}

# shellcheck disable=SC2086
without_ends_of_lines() {
	listen "$tmp/got" $in_plain -t house/eol -q 1 -N -C 2 -W 10 && mortise pub $bert -t house/eol -m a -q 1 &&
		mortise pub $bert -t house/eol -m b -q 1 && listener_ends && printf ab | cmp - "$tmp/got"
}

# A session keeps what was subscribed, until -U ends it.
# shellcheck disable=SC2086
only_subscribed() {
	mortise sub $bert -c -x 600 -i leaver -q 1 -t house/stays -t house/goes -E -W 10 || return 1
	mortise sub $bert -c -x 600 -i leaver -U house/goes -E -W 10 || return 1
	mortise pub $bert -t house/goes -m no -q 1 && mortise pub $bert -t house/stays -m yes -q 1 || return 1
	mortise sub $bert -c -x 600 -i leaver -q 1 -t house/stays -C 1 -W 10 >"$tmp/got" || return 1
	printf 'yes\n' | cmp - "$tmp/got"
}

# shellcheck disable=SC2086
a_share_of_them() {
	listen "$tmp/got" $in_plain -t house/many -q 1 --random-filter 50 -W 3 || return 1
	for i in 1 2 3 4 5 6 7 8 9 10; do echo "$i"; done >"$tmp/ten"
	for _ in 1 2 3 4 5 6 7 8 9 10; do cat "$tmp/ten"; done | mortise pub $bert -t house/many -l -q 1 || return 1
	wait "$listener"
	count=$(wc -l <"$tmp/got")
	[ "$count" -gt 10 ] && [ "$count" -lt 90 ]
}

# shellcheck disable=SC2086
as_json() {
	listen "$tmp/got" $in_plain -t 'house/+' -q 1 -C 2 -W 10 --json &&
		mortise pub $bert -t house/json -m 'with "quotes" and ü' -q 1 -D publish content-type text/plain \
			-D publish user-property b 2 -D publish user-property a 1 -D publish response-topic house/answer &&
		head -c 256 /dev/urandom | mortise pub $bert -t house/binary -s -q 1 && listener_ends || return 1
	cat "$tmp/got"
	while read -r line; do
		printf '%s' "$line" | /usr/bin/python3 -m json.tool >/dev/null || return 1
	done <"$tmp/got"
	head -n 1 "$tmp/got" >"$tmp/first.json"
	[ "$(json "$tmp/first.json" '(d["topic"], d["payload"], d["qos"])')" = "('house/json', 'with \"quotes\" and ü', 1)" ] &&
		[ "$(json "$tmp/first.json" 'd["properties"]["user-properties"]')" = "{'b': '2', 'a': '1'}" ]
}

# shellcheck disable=SC2086
formats() {
	listen "$tmp/got" $in_plain -t 'house/format/#' -q 1 -C 1 -W 10 -F '%t|%q|%r|%l|%x|%X|%p|%%|\t|' &&
		mortise pub $bert -t house/format -m '#Z~' -q 1 && heard 'house/format|1|0|3|235a7e|235A7E|#Z~|%|\t|\n'
}

# A killed client's will fires; that of one that says goodbye does not.
# shellcheck disable=SC2086
wills() {
	listen "$tmp/dying" $bert -V "$1" -t house/nothing --will-topic house/will --will-payload gone --will-qos 1 \
		--will-retain || return 1
	dying=$listener
	listen "$tmp/polite" $bert -V "$1" -t house/nothing --will-topic house/will --will-payload wrong --will-qos 1 ||
		return 1
	polite=$listener
	listen "$tmp/got" $in_plain -t house/will -q 1 -C 1 -W 10 -v || return 1
	kill -TERM "$polite"
	wait "$polite"
	kill -9 "$dying"
	heard 'house/will gone\n' && prints 'gone\n' mortise sub $bert -t house/will -C 1 -W 5 &&
		mortise pub $bert -t house/will -n -r -q 1
}

# shellcheck disable=SC2086
session() {
	keeper="$bert -V $1 -i keeper-$1 -c -q 1"
	[ "$1" = 5 ] && keeper="$keeper -x 600"
	listen "$tmp/first" $keeper -t "house/session/#" || return 1
	kill -TERM "$listener"
	wait "$listener"
	mortise pub $bert -t house/session/1 -m one -q 1 && mortise pub $bert -t house/session/2 -m two -q 1 &&
		prints 'house/session/1 one\nhouse/session/2 two\n' mortise sub $keeper -t 'house/session/#' -v -C 2 -W 5
}

# An address of this machine that is not loopback; nobody needs to listen there.
address_of_host() { hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 '^[0-9.]*$'; }

# shellcheck disable=SC2086
password_in_clear() {
	far=$(address_of_host)
	[ -n "$far" ] || far=192.0.2.1
	exits 2 'in the clear' mortise pub -h "$far" -p "$plain" -u bert --password-file "$tmp/bert" -t house/x -m x &&
		exits 2 'in the clear' mortise sub -h "$far" -p "$plain" -u bert --password-file "$tmp/bert" -t house/x -W 1 &&
		exits 2 'in the clear' mortise pub -h "$far" -p "$plain" -u bert -P x -t house/x -m x
}

# What -h says does not change what was proven: localhost is loopback.
# shellcheck disable=SC2086
password_on_loopback() { mortise pub $in_plain -u bert --password-file "$tmp/bert" -t house/x -m x -q 1; }

# shellcheck disable=SC2086
password_argument_warns() {
	mortise pub -h localhost -p "$tls" --cafile "$ca" -u bert -P "$(cat "$tmp/bert")" -t house/x -m x -q 1 2>"$tmp/said" &&
		grep -q 'warning: -P' "$tmp/said" && ! grep -q 4711 "$tmp/said"
}

# shellcheck disable=SC2086
revoke_ends_subscription() {
	listen "$tmp/got" $bert -i live-sub -t 'garden/#' -t house/mark -q 1 -v -C 2 -W 10 &&
		mortise pub $in_plain -t garden/rose -m before -q 1 && await 5 grep -q before "$tmp/got" || return 1
	mortise user revoke bert guest || return 1
	mortise pub $in_plain -t garden/rose -m after -q 1 && mortise pub $in_plain -t house/mark -m mark -q 1 &&
		heard 'garden/rose before\nhouse/mark mark\n' && exits 4 '' mortise sub $bert -t garden/rose -W 2 &&
		mortise user grant bert guest && exits 27 '' mortise sub $bert -t garden/rose -W 1
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }
is_connected() {
	mortise client list --json >"$tmp/clients" && [ "$(json "$tmp/clients" "any(c['client_id'] == '$1' and c['connected'] for c in d['clients'])")" = True ]
}
is_away() { ! is_connected "$1"; }

# shellcheck disable=SC2086
disable_closes() {
	listen "$tmp/got" $bert -i victim -t house/x -W 20 && await 2 is_connected victim && mortise user disable bert || return 1
	await 2 is_away victim && exits 4 '' mortise pub $bert -t house/x -m x && mortise user enable bert &&
		mortise pub $bert -t house/x -m x -q 1
	result=$?
	kill "$listener"
	return $result
}

# shellcheck disable=SC2086
remove_forgets() {
	printf 'other-secret\n' | mortise user add carl --password-stdin --role house &&
		listen "$tmp/got" -h localhost -p "$tls" --cafile "$ca" -u carl -P other-secret -i carls -t house/x -W 20 &&
		mortise user remove carl && await 2 is_away carls &&
		exits 4 '' mortise pub -h localhost -p "$tls" --cafile "$ca" -u carl -P other-secret -t house/x -m x
	result=$?
	kill "$listener"
	return $result
}

# One connection, before and after the rule.
# shellcheck disable=SC2086
deny_acts() {
	rm -f "$tmp/pipe"
	mkfifo "$tmp/pipe"
	listen "$tmp/got" $in_plain -t house/door -t house/mark -q 1 -v -C 3 -W 10 || return 1
	"$build/mortise" pub $bert -t house/door -l -q 1 <"$tmp/pipe" 2>"$tmp/pub.err" &
	publisher=$!
	exec 9>"$tmp/pipe"
	echo open >&9
	await 5 grep -q open "$tmp/got" && mortise role deny house publish house/door || return 1
	echo shut >&9
	exec 9>&-
	wait "$publisher"
	published=$?
	cat "$tmp/pub.err"
	[ "$published" = 4 ] || { echo "pub ended with $published"; return 1; }
	mortise role show house --json >"$tmp/role" || return 1
	rule=$(json "$tmp/role" "[r['id'] for r in d['rules'] if 'deny' in r][0]") || { cat "$tmp/role"; return 1; }
	mortise role drop house "$rule" && mortise pub $bert -t house/door -m again -q 1 &&
		mortise pub $bert -t house/mark -m mark -q 1 && heard 'house/door open\nhouse/door again\nhouse/mark mark\n'
}

# shellcheck disable=SC2086
kick_closes() {
	listen "$tmp/got" $bert -i kicked -t house/x -W 20 && await 2 is_connected kicked && mortise client kick kicked || return 1
	await 2 grep -q 'msg="client disconnected".*client_id="kicked"' "$log"
	result=$?
	grep kicked "$log" | tail -n 3
	kill "$listener"
	exits 1 '' mortise client kick nobody-of-this-name && return $result
}

passwd_acts() {
	# shellcheck disable=SC2086
	printf 'Second-4712\n' | mortise user passwd bert --password-stdin && exits 4 '' mortise pub $bert -t house/x -m x &&
		printf 'Second-4712\n' >"$tmp/bert" && mortise pub $bert -t house/x -m x -q 1
}

# shellcheck disable=SC2086
token_works() {
	mortise user add tina --generate --role house >"$tmp/generated" && mortise user token tina >"$tmp/token.out" || return 1
	grep -o 'mt1\.[A-Za-z0-9_.-]*' "$tmp/token.out" >"$tmp/token" || { cat "$tmp/token.out"; return 1; }
	mortise pub -h localhost -p "$tls" --cafile "$ca" -u tina --password-file "$tmp/token" -t house/x -m x -q 1 &&
		mortise user token tina >/dev/null &&
		exits 4 '' mortise pub -h localhost -p "$tls" --cafile "$ca" -u tina --password-file "$tmp/token" -t house/x -m x
}

generated_works() {
	mortise user add gina --generate --role house --json >"$tmp/gina.json" && json "$tmp/gina.json" 'd["password"]' >"$tmp/gina" &&
		mortise pub -h localhost -p "$tls" --cafile "$ca" -u gina --password-file "$tmp/gina" -t house/x -m x -q 1
}

client_id_rule() {
	mortise user add fixed --password-file "$tmp/wrong" --role house --client-id '%u' &&
		mortise pub -h localhost -p "$tls" --cafile "$ca" -u fixed --password-file "$tmp/wrong" -i fixed -t house/x -m x -q 1 &&
		exits 4 '' mortise pub -h localhost -p "$tls" --cafile "$ca" -u fixed --password-file "$tmp/wrong" -i other -t house/x -m x
}

# Is what `client-id new` makes what `check` says?
made_ids() {
	for rule in '%{uuid}' '%{mac}' '%{serial:%12N}'; do
		kind=${rule#%\{} kind=${kind%\}} kind=${kind%%:*}
		mortise client-id new "$kind" --count 50 >"$tmp/ids" || return 1
		[ "$(sort -u "$tmp/ids" | wc -l)" = 50 ] || { cat "$tmp/ids"; return 1; }
		while read -r id; do
			mortise client-id check "$id" --rule "$rule" >"$tmp/said" && mortise client-id check "$id" >>"$tmp/said" ||
				{ cat "$tmp/said"; return 1; }
		done <"$tmp/ids"
	done
	mortise client-id new serial --pattern 'SN-%8d' | grep -qx 'SN-[0-9]\{8\}' || return 1
	mortise client-id new uuid --json | grep -q '"[0-9a-f]\{8\}-[0-9a-f]\{4\}-4[0-9a-f]\{3\}-[89ab][0-9a-f]\{3\}-[0-9a-f]\{12\}"'
}

judged_ids() {
	mortise client-id check 00:1b:63:84:45:e6 >"$tmp/said" && grep -q '^formats: mac$' "$tmp/said" || return 1
	mortise client-id check th17 --json >"$tmp/said" || return 1
	[ "$(json "$tmp/said" '[d["every_server_takes_it"], d["stands_in_topics"], d["bytes"]]')" = '[True, True, 4]' ] || return 1
	mortise client-id check bob-17 --rule '%u-*' --user bob >"$tmp/said" && grep -q 'keeps the rule: yes' "$tmp/said" || return 1
	exits 1 '' mortise client-id check eve-17 --rule '%u-*' --user bob && exits 1 '' mortise client-id check 'a/b' &&
		mortise client-id check 'a/b' --rule '*' >"$tmp/said" && exits 1 '' mortise client-id check '' &&
		exits 1 '' mortise client-id check "$(printf 'a\377')" && exits 1 '' mortise client-id check "$(printf 'a\377')" --rule '*'
}

# Every verb that prints something prints JSON for programs.
json_of() {
	"$build/mortise" --json "$@" >"$tmp/json" || { echo "exit $?"; return 1; }
	/usr/bin/python3 -m json.tool "$tmp/json" >/dev/null || { cat "$tmp/json"; return 1; }
}

# shellcheck disable=SC2086
secrets_hidden() {
	listen "$tmp/got" $bert -i watched -t house/x -W 20 || return 1
	listening=$listener
	listen "$tmp/got2" $admin -t house/x -W 20 || return 1
	ps -o args= --ppid $$ >"$tmp/ps"
	kill "$listener" "$listening"
	grep -q 'mortise sub' "$tmp/ps" || return 1
	cat "$tmp/gina" "$tmp/token" "$tmp/bert" "$tmp/generated" >"$tmp/secrets"
	sed -n 's/^password *[:=] *//p' "$state/profiles/admin.mortise" | tr -d '"' >>"$tmp/secrets"
	printf 'Bert-Secret-4711\nmt1.\nother-secret\nargon2id\n' >>"$tmp/secrets"
	sed -i '/^$/d' "$tmp/secrets"
	[ "$(wc -l <"$tmp/secrets")" -ge 7 ] || { wc -l "$tmp/secrets"; cat "$state/profiles/admin.mortise"; return 1; }
	! grep -Ff "$tmp/secrets" "$tmp/ps" "$log"
}

# The admin socket is for the owner alone.
other_person() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/mortise" --state "$state" user list >"$tmp/said" 2>&1
	found=$?
	cat "$tmp/said"
	[ "$found" = 4 ] && ! grep -q bert "$tmp/said"
}

check "cli: users and roles" set_up
check "cli: pub and sub by profile" by_profile
for version in 3.1.1 5; do
	check "cli: every QoS, $version" qos $version
	check "cli: wills, $version" wills $version
	check "cli: a kept session, $version" session $version
done
for level in 0 1 2; do
	check "cli: 900 lines, QoS $level" lines $level
done
check "cli: empty and unfinished lines" last_line
check "cli: payloads from a file and from standard input" files
check "cli: --repeat" repeated
check "cli: wrong properties" wrong_properties
check "cli: retained, seen, ignored, removed" retained
check "cli: --retained-only" retained_only
check "cli: -T leaves out" left_out
check "cli: --remove-retained" removed
check "cli: -N" without_ends_of_lines
check "cli: -E and -U" only_subscribed
check "cli: --random-filter" a_share_of_them
check "cli: messages as JSON" as_json
check "cli: -F" formats
check "cli: password in clear off loopback" password_in_clear
check "cli: password in clear on loopback" password_on_loopback
check "cli: -P warns" password_argument_warns
check "cli: revoke ends a live subscription" revoke_ends_subscription
check "cli: disable closes the connection" disable_closes
check "cli: remove closes the connection" remove_forgets
check "cli: deny acts on the next message" deny_acts
check "cli: kick closes the connection" kick_closes
check "cli: passwd acts" passwd_acts
check "cli: a token logs in until the next one" token_works
check "cli: a generated password logs in" generated_works
check "cli: client id outside the user's rule" client_id_rule
check "cli: client ids that are made" made_ids
check "cli: client ids that are checked" judged_ids
check "cli: secrets in neither ps nor log" secrets_hidden

# shellcheck disable=SC2086
{
	check "cli: exit 2 without topic" exits 2 'topic' mortise pub $in_plain -m x
	check "cli: exit 2 for two payloads" exits 2 '' mortise pub $in_plain -t x -m x -n
	check "cli: exit 2 for a client id of no kind" exits 2 'uuid, mac or serial' mortise client-id new imei
	check "cli: exit 2 for a pattern of nothing" exits 2 'leaves nothing open' mortise client-id new serial --pattern SN
	check "cli: exit 2 for a pattern of a UUID" exits 2 'with serial only' mortise client-id new uuid --pattern '%d'
	check "cli: exit 2 for a rule that is none" exits 2 'uuid, mac' mortise client-id check x --rule '%{uid}'
	check "cli: exit 2 for a rule without its user" exits 2 'user NAME' mortise client-id check x --rule '%u'
	check "cli: exit 2 for a user's rule that is none" exits 2 'client_id: a % begins' mortise user add x --generate --client-id '%x'
	check "cli: exit 2 for an unknown option" exits 2 '' mortise pub $in_plain -t x -m x --wrong
	check "cli: exit 2 for an unknown verb" exits 2 '' mortise dance
	check "cli: exit 2 for an unknown second verb" exits 2 '' mortise user dance
	check "cli: exit 2 for a wrong QoS" exits 2 '' mortise pub $in_plain -t x -m x -q 3
	check "cli: exit 2 for a wildcard in a topic" exits 2 '' mortise pub $in_plain -t 'x/#' -m x
	check "cli: exit 2 for a bad filter" exits 2 '' mortise sub $in_plain -t 'x/#/y' -W 1
	check "cli: exit 2 for a missing file" exits 2 '' mortise pub $in_plain -t x -f "$tmp/missing"
	check "cli: exit 2 for a missing profile" exits 2 '' mortise pub --profile "$tmp/missing" -t x -m x
	check "cli: exit 2 for a missing CA" exits 2 '' mortise pub -h localhost -p "$tls" --cafile "$tmp/missing" -t x -m x
	check "cli: exit 3 for a port where nobody listens" exits 3 '' mortise pub -h 127.0.0.1 -p 1 -t x -m x
	check "cli: exit 4 for a wrong password" exits 4 '' mortise pub -h localhost -p "$tls" --cafile "$ca" -u bert \
		--password-file "$tmp/wrong" -t house/x -m x
	check "cli: exit 4 for an unknown user" exits 4 '' mortise pub -h localhost -p "$tls" --cafile "$ca" -u nobody \
		--password-file "$tmp/wrong" -t house/x -m x
	check "cli: exit 4 without credentials" exits 4 '' mortise pub -h localhost -p "$tls" --cafile "$ca" -t house/x -m x
	check "cli: exit 4 for a denied publication" exits 4 '' mortise pub $bert -t elsewhere -m x -q 1
	check "cli: exit 4 for a denied subscription" exits 4 '' mortise sub $bert -t elsewhere -W 2
	check "cli: exit 4 for a denied subscription, 3.1.1" exits 4 '' mortise sub $bert -V 3.1.1 -t elsewhere -W 2
	check "cli: exit 5 for the CAs of the system" exits 5 '' mortise pub --tls -h localhost -p "$tls" -t house/x -m x
	check "cli: exit 27 after -W" exits 27 '' mortise sub $bert -t house/silent -W 1
	check "cli: exit 1 for a user there is" exits 1 'exists' mortise user add bert --password-file "$tmp/wrong"
	check "cli: exit 1 for a user there is not" exits 1 '' mortise user show zoe
	check "cli: exit 1 for a role there is not" exits 1 '' mortise user grant bert emperor
	check "cli: exit 1 for a role in use" exits 1 '' mortise role remove house
	check "cli: exit 2 for a bad user name" exits 2 '' mortise user add "$(printf 'a\tb')" --password-file "$tmp/wrong"
	check "cli: exit 2 for a bad rule" exits 2 '' mortise role allow house both 'a/#/b'
	check "cli: exit 3 where no broker runs" exits 3 '' mortise --state "$tmp" status
}
for verb in "status" "user list" "user show bert" "role list" "role show house" "client list" "version" \
	"profile show $state/profiles/admin.mortise"; do
	# shellcheck disable=SC2086
	check "cli: --json ${verb%% "$state"*}" json_of $verb
done
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	cp "$build/mortise" "$tmp/mortise"
	chmod 755 "$tmp" "$tmp/mortise"
	check "cli: another person may not administer" other_person
fi
finish
