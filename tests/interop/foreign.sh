#!/bin/sh
# Our client and a foreign broker (Mosquitto): every QoS both ways, retained, wills, sessions, shared subscriptions, TLS.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin
need mosquitto mosquitto_passwd openssl stdbuf
: >"$tmp/all-logs"

free_port() {
	/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

certificates() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=foreign-ca \
		-keyout "$tmp/ca.key" -out "$tmp/ca.pem" &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
			-keyout "$tmp/server.key" -out "$tmp/server.csr" &&
		printf 'subjectAltName=DNS:localhost\n' >"$tmp/names" &&
		openssl x509 -req -in "$tmp/server.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial -days 2 \
			-extfile "$tmp/names" -out "$tmp/server.pem" &&
		chmod a+r "$tmp/server.key"
}

foreign_start() {
	plain=$(free_port)
	tls=$(free_port)
	: >"$tmp/users"
	mosquitto_passwd -b "$tmp/users" anna 'a secret of anna'
	# It gives up root for a user of its own.
	chmod a+rx "$tmp"
	chmod a+r "$tmp/users"
	cat >"$tmp/foreign.conf" <<-END
		per_listener_settings true
		listener $plain 127.0.0.1
		allow_anonymous true
		listener $tls 127.0.0.1
		password_file $tmp/users
		cafile $tmp/ca.pem
		certfile $tmp/server.pem
		keyfile $tmp/server.key
	END
	mosquitto -c "$tmp/foreign.conf" >"$tmp/foreign.log" 2>&1 &
	await 10 mortise pub -h 127.0.0.1 -p "$plain" -t started -n
}

printf 'a secret of anna\n' >"$tmp/password"
chmod 600 "$tmp/password"

# over pub|sub plain|tls OPTION...
over() {
	verb=$1
	way=$2
	shift 2
	if [ "$way" = tls ]; then
		mortise "$verb" -h localhost -p "$tls" --cafile "$tmp/ca.pem" -u anna --password-file "$tmp/password" "$@"
	else
		mortise "$verb" -h 127.0.0.1 -p "$plain" "$@"
	fi
}

# listen FILE WAY OPTION...: a subscriber in the background, once it is subscribed; $listener is its process.
listen() {
	into=$1
	way=$2
	shift 2
	if [ "$way" = tls ]; then
		set -- -h localhost -p "$tls" --cafile "$tmp/ca.pem" -u anna --password-file "$tmp/password" "$@"
	else
		set -- -h 127.0.0.1 -p "$plain" "$@"
	fi
	: >"$into"
	stdbuf -oL "$build/mortise" sub -d -F 'got %t q%q r%r %p' "$@" >"$into" 2>&1 &
	listener=$!
	await 5 grep -q 'mortise: subscribed, 0 refused' "$into"
}

is_got() { grep -qx "got $2" "$1"; }

every_qos() {
	way=$1
	version=$2
	for asked in 0 1 2; do
		listen "$tmp/sub" "$way" -V "$version" -q "$asked" -t "qos/$asked" -C 3 -W 20 || return 1
		for given in 0 1 2; do
			over pub "$way" -V "$version" -q "$given" -t "qos/$asked" -m "m$given" || return 1
		done
		wait "$listener" || return 1
		for given in 0 1 2; do
			lower=$((given < asked ? given : asked))
			is_got "$tmp/sub" "qos/$asked q$lower r0 m$given" || { cat "$tmp/sub"; return 1; }
		done
	done
}

large() {
	way=$1
	head -c 300000 /dev/urandom >"$tmp/large"
	over pub "$way" -q 1 -r -t large -f "$tmp/large" || return 1
	over sub "$way" -q 1 -t large -C 1 -W 20 -F %p >"$tmp/large.got" || return 1
	over pub "$way" -r -n -t large || return 1
	head -c 300000 "$tmp/large.got" | cmp - "$tmp/large"
}

retained() {
	way=$1
	version=$2
	over pub "$way" -V "$version" -q 1 -r -t kept -m stays || return 1
	over sub "$way" -V "$version" -t kept -C 1 -W 20 -F '%r %p' >"$tmp/kept" || return 1
	grep -qx '1 stays' "$tmp/kept" || return 1
	over pub "$way" -V "$version" -q 1 -r -n -t kept || return 1
	over sub "$way" -V "$version" -t kept -C 1 -W 1 >"$tmp/kept"
	[ $? = 27 ]
}

will() {
	way=$1
	version=$2
	listen "$tmp/heir" "$way" -V "$version" -q 1 -t last/words -C 1 -W 20 || return 1
	heir=$listener
	listen "$tmp/dying" "$way" -V "$version" -t nothing --will-topic last/words --will-payload gone --will-qos 1 || return 1
	kill -9 "$listener"
	wait "$heir" && is_got "$tmp/heir" 'last/words q1 r0 gone'
}

session() {
	way=$1
	version=$2
	expiry=
	[ "$version" = 5 ] && expiry='-x 600'
	# shellcheck disable=SC2086
	over sub "$way" -V "$version" -c $expiry -i "keeper-$version" -q 1 -t while/away -W 1
	[ $? = 27 ] || return 1
	over pub "$way" -V "$version" -q 1 -t while/away -m waited || return 1
	# shellcheck disable=SC2086
	over sub "$way" -V "$version" -c $expiry -i "keeper-$version" -q 1 -t while/away -C 1 -W 20 >"$tmp/kept" || return 1
	grep -qx waited "$tmp/kept"
}

shared() {
	way=$1
	listen "$tmp/one" "$way" -q 1 -t '$share/g/work' -C 2 -W 20 || return 1
	one=$listener
	listen "$tmp/two" "$way" -q 1 -t '$share/g/work' -C 2 -W 20 || return 1
	for i in 1 2 3 4; do
		over pub "$way" -q 1 -t work -m "$i" || return 1
	done
	wait "$one" && wait "$listener" && [ "$(sort -u "$tmp/one" "$tmp/two" | grep -c '^got work q1 r0 [1-4]$')" = 4 ]
}

properties() {
	way=$1
	over sub "$way" -q 1 -t props -C 1 -W 20 -F '%C %D %R %E' >"$tmp/props" &
	listener=$!
	over pub "$way" -q 1 -r -t props -m x -D publish content-type text/plain -D publish correlation-data 42 \
		-D publish response-topic answers || return 1
	wait "$listener" || return 1
	over pub "$way" -r -n -t props
	grep -q '^text/plain 42 answers' "$tmp/props"
}

refused() {
	printf 'wrong\n' >"$tmp/wrong"
	chmod 600 "$tmp/wrong"
	mortise pub -h localhost -p "$tls" --cafile "$tmp/ca.pem" -u anna --password-file "$tmp/wrong" -t x -m x
	[ $? = 4 ]
}

untrusted() {
	mortise pub -h localhost -p "$tls" --tls -u anna --password-file "$tmp/password" -t x -m x
	status=$?
	[ "$status" = 5 ] || { echo "exit $status instead of 5"; return 1; }
}

check "foreign: certificates" certificates
check "foreign: the broker starts" foreign_start
for way in plain tls; do
	for version in 3.1.1 5; do
		check "foreign: every QoS, $version, $way" every_qos "$way" "$version"
		check "foreign: retained, $version, $way" retained "$way" "$version"
		check "foreign: a will, $version, $way" will "$way" "$version"
		check "foreign: a session that stays, $version, $way" session "$way" "$version"
	done
	check "foreign: 300,000 bytes, $way" large "$way"
	check "foreign: a shared subscription, $way" shared "$way"
	check "foreign: properties, $way" properties "$way"
done
check "foreign: a wrong password" refused
check "foreign: a CA that nobody knows" untrusted
finish
