#!/bin/sh
# Do Mosquitto's clients understand us: every QoS both ways, retained, wills, sessions, refusals, over TLS and in plain.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need mosquitto_pub mosquitto_sub stdbuf

broker_start
set_up() {
	mortise role add sensors &&
		mortise role allow sensors both 'site/#' &&
		mortise role deny sensors both 'site/secret/#' &&
		add_user anna 'a secret of anna' --role sensors
}
check "mosquitto: users and roles" set_up

by_tls="-h localhost -p $tls --cafile $ca -u anna"
in_plain="-h 127.0.0.1 -p $plain"

# pub|sub by tls|plain, then options. The password holds spaces, so it cannot stand in $by_tls.
over() {
	program=mosquitto_$1
	way=$2
	shift 2
	if [ "$way" = tls ]; then
		# shellcheck disable=SC2086
		"$program" $by_tls -P 'a secret of anna' "$@"
	else
		# shellcheck disable=SC2086
		"$program" $in_plain "$@"
	fi
}

# listen FILE WAY OPTION...: a subscriber in the background, once it is subscribed; $listener is its process.
listen() {
	into=$1
	shift
	way=$1
	shift
	credentials=
	: >"$into" # now: the background process may do so later than we look
	[ "$way" = tls ] && options=$by_tls || options=$in_plain
	[ "$way" = tls ] && credentials='a secret of anna'
	# shellcheck disable=SC2086
	stdbuf -oL mosquitto_sub $options ${credentials:+-P "$credentials"} -d -F 'got %t q%q r%r %p' "$@" >"$into" 2>&1 &
	listener=$!
	await 5 grep -q '^Subscribed' "$into"
}

got() { grep '^got ' "$1"; }
count() { grep -c '^got ' "$1"; }
has_count() { [ "$(count "$1")" = "$2" ]; }
listener_ends() { wait "$listener"; }

# What a publisher of each QoS sends, a subscriber of each QoS gets at the lower of both.
qos_matrix() {
	way=$1
	version=$2
	base=site/qos/$way$version
	for asked in 0 1 2; do
		listen "$tmp/sub$asked" "$way" -V "$version" -q "$asked" -t "$base/#" -C 3 -W 20 || return 1
		eval "listener_$asked=\$listener"
	done
	for sent in 0 1 2; do
		over pub "$way" -V "$version" -q "$sent" -t "$base/$sent" -m "sent $sent" || return 1
	done
	for asked in 0 1 2; do
		eval "wait \$listener_$asked" || { echo "subscriber $asked ended with $?"; cat "$tmp/sub$asked"; return 1; }
		for sent in 0 1 2; do
			least=$((sent < asked ? sent : asked))
			echo "got $base/$sent q$least r0 sent $sent"
		done >"$tmp/expected"
		got "$tmp/sub$asked" | diff "$tmp/expected" - || return 1
	done
}

retained() {
	way=$1
	version=$2
	topic=site/retained/$way$version
	over pub "$way" -V "$version" -q 1 -r -t "$topic" -m old &&
		over pub "$way" -V "$version" -q 1 -r -t "$topic" -m kept || return 1
	over sub "$way" -V "$version" -q 1 -t "site/retained/+" -C 1 -W 10 -F 'got %t q%q r%r %p' >"$tmp/kept" || return 1
	grep -qx "got $topic q1 r1 kept" "$tmp/kept" || { cat "$tmp/kept"; return 1; }
	over pub "$way" -V "$version" -q 1 -r -t "$topic" -n || return 1
	over sub "$way" -V "$version" -t "site/retained/+" -t site/mark -W 1 -F 'got %t q%q r%r %p' >"$tmp/cleared" 2>&1
	[ $? = 27 ] && ! grep -q '^got' "$tmp/cleared"
}

# A live subscriber sees it without the retain flag.
retained_live() {
	listen "$tmp/live" tls -q 1 -t site/retained/live -C 1 -W 10 &&
		over pub tls -q 1 -r -t site/retained/live -m now &&
		listener_ends && got "$tmp/live" | grep -qx 'got site/retained/live q1 r0 now' &&
		over pub tls -q 1 -r -t site/retained/live -n
}

will() {
	way=$1
	version=$2
	topic=site/will/$way$version
	listen "$tmp/heir" "$way" -V "$version" -q 2 -t "$topic" -C 1 -W 10 || return 1
	heir=$listener
	listen "$tmp/dying" "$way" -V "$version" -t site/nothing --will-topic "$topic" --will-payload "it died" --will-qos 2 ||
		return 1
	kill -9 "$listener"
	wait "$heir" || { echo "no will came"; return 1; }
	got "$tmp/heir" | grep -qx "got $topic q2 r0 it died"
}

will_of_publisher() {
	mkfifo "$tmp/lines"
	listen "$tmp/heir" tls -q 1 -t site/will/publisher -C 1 -W 10 || return 1
	heir=$listener
	# shellcheck disable=SC2086
	mosquitto_pub $by_tls -P 'a secret of anna' -l -t site/alive --will-topic site/will/publisher \
		--will-payload gone --will-qos 1 -i dying-publisher <"$tmp/lines" &
	publisher=$!
	exec 9>"$tmp/lines"
	await 5 mortise client show dying-publisher && kill -9 "$publisher"
	exec 9>&-
	wait "$heir" && got "$tmp/heir" | grep -qx 'got site/will/publisher q1 r0 gone'
}

no_will_after_farewell() {
	listen "$tmp/heir" tls -q 1 -t site/will/polite -t site/will/mark -C 1 -W 10 || return 1
	over pub tls -q 1 -t site/alive -m hello --will-topic site/will/polite --will-payload wrong --will-qos 1 &&
		over pub tls -q 1 -t site/will/mark -m mark && listener_ends &&
		got "$tmp/heir" | grep -qx 'got site/will/mark q1 r0 mark'
}

# Only a session that may be kept: the anonymous ones of the plain listener may not.
session() {
	version=$1
	id=keeper-$version
	expiry=
	[ "$version" = 5 ] && expiry="-x 600"
	# shellcheck disable=SC2086
	listen "$tmp/first" tls -V "$version" -c -i "$id" $expiry -q 2 -t "site/session/$version/#" || return 1
	kill "$listener"
	wait "$listener"
	for i in 1 2 3 4 5 6; do
		over pub tls -V "$version" -q $((i % 2 + 1)) -t "site/session/$version/$i" -m "away $i" || return 1
	done
	# shellcheck disable=SC2086
	listen "$tmp/again" tls -V "$version" -c -i "$id" $expiry -q 2 -t "site/session/$version/#" -C 6 -W 10 || return 1
	listener_ends || { cat "$tmp/again"; return 1; }
	# Of one QoS in order; Mosquitto's client hands on QoS 2 later, at its PUBREL.
	for i in 2 4 6 1 3 5; do
		echo "got site/session/$version/$i q$((i % 2 + 1)) r0 away $i"
	done >"$tmp/expected"
	got "$tmp/again" | sort -s -k 3,3 | diff "$tmp/expected" -
}

# Clean: the queue of before is gone.
session_ended() {
	over sub tls -i keeper-311 -V 311 -q 2 -t site/session/none -W 1 >"$tmp/clean" 2>&1
	listen "$tmp/empty" tls -V 311 -c -i keeper-311 -q 1 -t site/session/mark -C 1 -W 10 &&
		over pub tls -q 1 -t site/session/311/x -m lost && over pub tls -q 1 -t site/session/mark -m mark &&
		listener_ends && got "$tmp/empty" | grep -qx 'got site/session/mark q1 r0 mark'
}

large() {
	way=$1
	version=$2
	[ -f "$tmp/large" ] || head -c 1048000 /dev/urandom >"$tmp/large"
	# shellcheck disable=SC2086
	if [ "$way" = tls ]; then
		mosquitto_sub $by_tls -P 'a secret of anna' -V "$version" -i big -q 1 -t site/large -C 1 -W 15 -N >"$tmp/large.got" &
	else
		mosquitto_sub $in_plain -V "$version" -i big -q 1 -t site/large -C 1 -W 15 -N >"$tmp/large.got" &
	fi
	listener=$!
	await 5 subscribed_as big 1 && over pub "$way" -V "$version" -q 1 -t site/large -f "$tmp/large" &&
		wait "$listener" && cmp "$tmp/large" "$tmp/large.got"
}

subscribed_as() {
	mortise client show "$1" --json >"$tmp/shown" || return 1
	json "$tmp/shown" 'd' >"$tmp/shown.text"
	grep -q "'subscriptions': $2\b" "$tmp/shown.text" || { cat "$tmp/shown.text"; return 1; }
}

# In 3.1.1 the broker closes the connection; in 5 the client knows the limit from CONNACK, and sends nothing.
too_large() {
	head -c 1048577 /dev/zero >"$tmp/larger"
	listen "$tmp/spy" plain -t site/larger -t site/mark -q 1 -C 1 -W 10 || return 1
	over pub plain -V "$1" -q 1 -t site/larger -f "$tmp/larger" >"$tmp/larger.out" 2>&1
	published=$?
	cat "$tmp/larger.out"
	[ "$1" = 5 ] || [ "$published" != 0 ] || return 1
	over pub plain -q 1 -t site/mark -m mark && listener_ends && got "$tmp/spy" | grep -qx 'got site/mark q1 r0 mark'
}

# refused VERSION USER PASSWORD ANSWER
refused() {
	mosquitto_pub -h localhost -p "$tls" --cafile "$ca" -V "$1" -u "$2" -P "$3" -t site/x -m x >"$tmp/refused" 2>&1 && return 1
	cat "$tmp/refused"
	cp "$tmp/refused" "$tmp/answer.$1.$2"
	grep -qi "$4" "$tmp/refused"
}

# Unknown user and wrong password are told in the same words.
same_answer() { diff "$tmp/answer.$1.anna" "$tmp/answer.$1.nobody"; }

anonymous_refused() {
	! mosquitto_pub -h localhost -p "$tls" --cafile "$ca" -V "$1" -t site/x -m x >"$tmp/refused" 2>&1 || return 1
	cat "$tmp/refused"
	grep -qi 'not authori[sz]ed' "$tmp/refused"
}

denied_publish() {
	listen "$tmp/spy" plain -t 'other/#' -t 'site/#' -q 1 -C 1 -W 10 || return 1
	over pub tls -V 5 -q "$1" -d -t "$2" -m x >"$tmp/denied" 2>&1
	cat "$tmp/denied"
	# Mosquitto names the code of a PUBACK only, of a PUBREC its text.
	case $1 in
	1) grep -q 'RC:135' "$tmp/denied" || return 1 ;;
	2) grep -q 'Not authorized' "$tmp/denied" || return 1 ;;
	esac
	over pub tls -q 1 -t site/mark -m mark && listener_ends && got "$tmp/spy" | grep -qx 'got site/mark q1 r0 mark'
}

# 3.1.1 knows no refusal: acknowledged and dropped.
denied_publish_3() {
	listen "$tmp/spy" plain -t 'other/#' -t site/mark -q 1 -C 1 -W 10 &&
		over pub tls -V 311 -q "$1" -t other/place -m x &&
		over pub tls -q 1 -t site/mark -m mark && listener_ends && got "$tmp/spy" | grep -qx 'got site/mark q1 r0 mark'
}

denied_subscribe() {
	over sub tls -V "$1" -t "$2" -W 2 -d >"$tmp/denied" 2>&1
	cat "$tmp/denied"
	grep -q "Subscribed.*: $3\$" "$tmp/denied" && grep -qi 'all subscription requests were denied' "$tmp/denied"
}

# One allowed, one not: answered one by one.
denied_among_others() {
	listen "$tmp/mixed" tls -V 5 -q 1 -t site/a -t other/a -t 'site/+/b' -C 1 -W 10 || return 1
	grep '^Subscribed' "$tmp/mixed"
	grep -q '^Subscribed (mid: 1): 1, 135, 1$' "$tmp/mixed" &&
		over pub tls -q 1 -t site/z/b -m through && listener_ends
}

# A deny inside an allowed filter acts at delivery.
denied_delivery() {
	listen "$tmp/part" tls -q 1 -t 'site/#' -C 1 -W 10 && over pub plain -q 1 -t site/secret/code -m 1234 &&
		over pub plain -q 1 -t site/mark -m mark && listener_ends && got "$tmp/part" | grep -qx 'got site/mark q1 r0 mark'
}

denied_will() {
	mosquitto_pub -h localhost -p "$tls" --cafile "$ca" -V 5 -u anna -P 'a secret of anna' -t site/x -m x \
		--will-topic other/will --will-payload x >"$tmp/will" 2>&1 && return 1
	cat "$tmp/will"
	grep -qi 'not authori[sz]ed' "$tmp/will"
}

# The client must not talk to a broker whose CA it does not know, nor to a wrong name.
wrong_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -keyout "$tmp/other.key" \
		-out "$tmp/other.pem" -days 1 2>/dev/null || return 1
	mosquitto_pub -h localhost -p "$tls" --cafile "$tmp/other.pem" -u anna -P 'a secret of anna' -t site/x -m x >"$tmp/tls" 2>&1 &&
		return 1
	cat "$tmp/tls"
	grep -qi 'certificate verify failed\|TLS error' "$tmp/tls"
}

system_cas() {
	! timeout 5 mosquitto_pub -h localhost -p "$tls" --tls-use-os-certs -u anna -P 'a secret of anna' -t site/x -m x >"$tmp/tls" 2>&1
}

without_tls() { ! timeout 2 mosquitto_pub -h localhost -p "$tls" -u anna -P 'a secret of anna' -t site/x -m x; }

for version in 311 5; do
	for way in tls plain; do
		check "mosquitto: QoS 0, 1, 2 both ways, $version over $way" qos_matrix $way $version
		check "mosquitto: retained, $version over $way" retained $way $version
		check "mosquitto: will of a killed client, $version over $way" will $way $version
		check "mosquitto: 1 MiB, $version over $way" large $way $version
	done
	check "mosquitto: session, $version" session $version
	check "mosquitto: more than the limit, $version" too_large $version
	check "mosquitto: anonymous on the TLS listener, $version" anonymous_refused $version
done
check "mosquitto: retained seen live" retained_live
check "mosquitto: will of a killed publisher" will_of_publisher
check "mosquitto: no will after a farewell" no_will_after_farewell
check "mosquitto: a clean session forgets" session_ended
check "mosquitto: wrong password, 5" refused 5 anna wrong 'not authori[sz]ed\|bad user'
check "mosquitto: unknown user, 5" refused 5 nobody wrong 'not authori[sz]ed\|bad user'
check "mosquitto: empty password, 5" refused 5 anna '' 'not authori[sz]ed\|bad user'
check "mosquitto: the same answer, 5" same_answer 5
check "mosquitto: wrong password, 3.1.1" refused 311 anna wrong 'not authori[sz]ed\|bad user'
check "mosquitto: unknown user, 3.1.1" refused 311 nobody wrong 'not authori[sz]ed\|bad user'
check "mosquitto: the same answer, 3.1.1" same_answer 311
for qos in 0 1 2; do
	check "mosquitto: publish outside the role, QoS $qos, 5" denied_publish $qos other/place
	check "mosquitto: publish outside the role, QoS $qos, 3.1.1" denied_publish_3 $qos
done
check "mosquitto: publish to a denied topic" denied_publish 1 site/secret/code
check "mosquitto: subscribe outside the role, 5" denied_subscribe 5 'other/#' 135
check "mosquitto: subscribe outside the role, 3.1.1" denied_subscribe 311 'other/#' 128
check "mosquitto: subscribe to everything, 5" denied_subscribe 5 '#' 135
check "mosquitto: subscribe to the broker's topics, 5" denied_subscribe 5 '$SYS/#' 135
check "mosquitto: one refused among others" denied_among_others
check "mosquitto: deny inside an allowed filter" denied_delivery
check "mosquitto: will outside the role" denied_will
check "mosquitto: wrong CA" wrong_ca
check "mosquitto: CAs of the system" system_cas
check "mosquitto: plain to the TLS port" without_tls
finish
