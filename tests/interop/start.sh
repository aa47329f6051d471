#!/bin/sh
# How the broker starts, refuses to start, and ends: one sentence that says what to do, and the right exit code.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need /usr/bin/python3 openssl

# refuses CODE WORD ARGUMENT...: the broker does not start, and says why in one line of standard error.
refuses() {
	code=$1
	word=$2
	shift 2
	timeout 10 "$build/mortised" "$@" >"$tmp/out" 2>"$tmp/said" </dev/null
	found=$?
	cat "$tmp/said"
	[ "$found" = "$code" ] || { echo "exit $found instead of $code"; return 1; }
	grep '^mortised: \|^--set [^ ]*: \|^[^ ]*\.yaml:\([0-9]*:\)\{0,1\} ' "$tmp/said" >"$tmp/sentence"
	[ "$(wc -l <"$tmp/sentence")" = 1 ] && grep -qi "$word" "$tmp/sentence" && ! grep -q '^ready' "$tmp/said"
}

configuration() {
	printf '%b' "$1" >"$tmp/site.yaml"
}

fresh="--state $tmp/fresh --set listeners.tls.address=127.0.0.1:0"

unknown_key() {
	configuration 'log:\n  level: info\nlimits:\n  packet_byts: 1MiB\n'
	# shellcheck disable=SC2086
	refuses 2 'site\.yaml:4:.*packet_byts' $fresh --config "$tmp/site.yaml" && [ ! -e "$tmp/fresh" ]
}

bad_value() {
	configuration 'limits:\n  packet_bytes: many\n'
	# shellcheck disable=SC2086
	refuses 2 'site\.yaml:2:.*many' $fresh --config "$tmp/site.yaml"
}

bad_yaml() {
	configuration 'log:\n  level: ]\n'
	# shellcheck disable=SC2086
	refuses 2 'site\.yaml:[0-9]*: ' $fresh --config "$tmp/site.yaml"
}

# All faults at once, each with its line.
two_faults() {
	configuration 'log:\n  level: loud\nlimits:\n  packet_byts: 1MiB\n'
	# shellcheck disable=SC2086
	"$build/mortised" $fresh --check --config "$tmp/site.yaml" >"$tmp/out" 2>"$tmp/said"
	[ $? = 2 ] && grep -q 'site\.yaml:2: ' "$tmp/said" && grep -q 'site\.yaml:4: ' "$tmp/said"
}

# shellcheck disable=SC2086
check_only() {
	configuration 'limits:\n  packet_bytes: 2MiB\n'
	[ "$("$build/mortised" $fresh --config "$tmp/site.yaml" --check)" = ok ] && [ ! -e "$tmp/fresh" ] &&
		refuses 2 'packet_byts' $fresh --set limits.packet_byts=1 --check &&
		refuses 2 'site' $fresh --config "$tmp/nosite.yaml" --check
}

examples() {
	for file in "$here"/examples/*.yaml; do
		[ "$("$build/mortised" --state "$tmp/fresh" --config "$file" --check 2>&1)" = ok ] || { echo "$file"; return 1; }
	done
}

# shellcheck disable=SC2086
port_taken() { refuses 1 "127.0.0.1:$tls.*in use.*--set" --state "$tmp/taken" --set "listeners.tls.address=127.0.0.1:$tls"; }

# shellcheck disable=SC2086
bad_certificates() {
	refuses "$1" "$2" --state "$tmp/certificates" --set listeners.tls.address=127.0.0.1:0 \
		--set "listeners.tls.certificate=$3" --set "listeners.tls.key=$4"
}

make_certificates() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=one -keyout "$tmp/one.key" \
		-out "$tmp/one.pem" -days 1 2>/dev/null &&
		openssl ecparam -genkey -name prime256v1 -noout -out "$tmp/two.key" && echo garbage >"$tmp/garbage.pem"
}

# shellcheck disable=SC2086
others_may_write() {
	mkdir "$tmp/open" && chmod 777 "$tmp/open" && refuses 4 'chmod' --state "$tmp/open" --set listeners.tls.address=127.0.0.1:0 &&
		[ -z "$(ls -A "$tmp/open")" ]
}

others_own() {
	mkdir -m 700 "$tmp/theirs" && chown 65534:65534 "$tmp/theirs" &&
		refuses 4 'chown' --state "$tmp/theirs" --set listeners.tls.address=127.0.0.1:0 && [ -z "$(ls -A "$tmp/theirs")" ]
}

is_a_file() {
	: >"$tmp/file"
	refuses 4 'folder' --state "$tmp/file" --set listeners.tls.address=127.0.0.1:0
}

is_a_link() {
	mkdir -m 700 "$tmp/target"
	ln -s "$tmp/target" "$tmp/link"
	refuses 4 'folder' --state "$tmp/link" --set listeners.tls.address=127.0.0.1:0 && [ -z "$(ls -A "$tmp/target")" ]
}

no_parent() { refuses 1 'does not exist' --state "$tmp/none/such" --set listeners.tls.address=127.0.0.1:0; }

second_broker() { refuses 1 'another broker.*stop' --state "$state" --set listeners.tls.address=127.0.0.1:0; }

plain_off_loopback() {
	refuses 2 'insecure' --state "$tmp/fresh" --set listeners.tls=off --set listeners.p.tls=no --set "listeners.p.address=$1"
}

insecure_allowed() {
	"$build/mortised" --state "$tmp/insecure" --set listeners.tls=off --set listeners.p.tls=no \
		--set listeners.p.address=0.0.0.0:0 --set listeners.p.insecure=yes 2>"$tmp/insecure.log" &
	process=$!
	await 10 grep -q '^ready p=0.0.0.0:' "$tmp/insecure.log"
	found=$?
	kill "$process"
	wait "$process" && return $found
}

# Nobody but the owner reads what is in there, whatever the umask says.
modes() {
	(umask 0 && "$build/mortised" --state "$tmp/modes" --set listeners.tls.address=127.0.0.1:0 2>"$tmp/modes.log" & echo $! >"$tmp/modes.pid")
	await 10 grep -q '^ready' "$tmp/modes.log"
	kill "$(cat "$tmp/modes.pid")"
	loose=$(find "$tmp/modes" \( -perm /022 -o \( -perm /077 ! -name '*.pem' \) \))
	[ -z "$loose" ] || { echo "others may read $loose"; return 1; }
}

works() { mortise pub --profile "$state/profiles/admin.mortise" -t house/x -m x -q 1; }

same_after_restart() {
	cp -a "$state" "$tmp/before"
	broker_stop
	[ "$broker_status" = 0 ] || return 1
	# The old port, so that the profile need not change.
	broker_start --set "listeners.tls.address=127.0.0.1:$tls" && works || return 1
	for file in profiles/admin.mortise tls/ca.pem tls/ca.key tls/server.pem tls/server.key; do
		cmp "$state/$file" "$tmp/before/$file" || return 1
	done
}

# Port 0: the profile follows.
follows_port() {
	broker_stop
	broker_start
	works
}

survives_kill() {
	mortise role add kept && kill -9 "$broker_pid"
	wait "$broker_pid"
	broker_start && works && mortise role show kept >/dev/null
}

survives_hangup() {
	kill -HUP "$broker_pid" && works && sleep 0.2 && kill -0 "$broker_pid" && works
}

# SIGTERM with clients connected: 0x8B for MQTT 5, the end of the stream for 3.1.1, exit 0 before three seconds are over.
goodbye() {
	cat >"$tmp/goodbye.py" <<'END'
import os, signal, socket, sys, time
plain, broker = int(sys.argv[1]), int(sys.argv[2])
def connect(level, tail):
    s = socket.create_connection(("127.0.0.1", plain))
    s.settimeout(5)
    body = b"\0\4MQTT" + bytes([level, 2, 0, 60]) + tail
    s.sendall(bytes([0x10, len(body)]) + body)
    answer = s.recv(4096)
    assert answer[0] == 0x20 and answer[3] == 0, answer
    return s
five = connect(5, b"\0\0\4five")
three = connect(4, b"\0\5three")
idle = socket.create_connection(("127.0.0.1", plain))
begin = time.monotonic()
os.kill(broker, signal.SIGTERM)
def rest(s):
    data = b""
    while more := s.recv(4096):
        data += more
    return data
last = rest(five)
assert last[:1] == b"\xe0" and last[2] == 0x8b, last
assert rest(three) == b""
print(time.monotonic() - begin)
END
	/usr/bin/python3 "$tmp/goodbye.py" "$plain" "$broker_pid" || return 1
	begin=$(date +%s%N)
	wait "$broker_pid"
	broker_status=$?
	broker_pid=
	[ "$broker_status" = 0 ] && [ $(($(date +%s%N) - begin)) -lt 3000000000 ]
	result=$?
	broker_start
	return $result
}

# A client that reads nothing does not hold the broker up.
goodbye_deaf() {
	cat >"$tmp/deaf.py" <<'END'
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"\x10\x10\0\4MQTT\5\2\0\x3c\0\0\3def")
s.sendall(b"\x82\x07\0\1\0\0\1#\0")
print("deaf", flush=True)
time.sleep(30)
END
	/usr/bin/python3 "$tmp/deaf.py" "$plain" >"$tmp/deaf" &
	await 5 grep -q deaf "$tmp/deaf"
	for i in 1 2 3 4 5 6 7 8; do
		head -c 1000000 /dev/zero | mortise pub -h 127.0.0.1 -p "$plain" -t big -s || return 1
	done
	begin=$(date +%s%N)
	broker_stop
	took=$((($(date +%s%N) - begin) / 1000000))
	echo "$took ms, exit $broker_status"
	[ "$broker_status" = 0 ] && [ "$took" -lt 3000 ]
	result=$?
	broker_start
	return $result
}

version_and_help() {
	"$build/mortised" --version | grep -q '^mortised [0-9]' && "$build/mortised" --help | grep -q '^usage: ' &&
		refuses 2 'wrong' --wrong && refuses 2 'set' --set && refuses 2 'expected KEY=VALUE' --set nothing
}

# What a state that somebody damaged does: a sentence, not a crash, and nothing is overwritten.
damaged() {
	broker_stop
	cp -a "$state" "$tmp/damaged"
	rm -f "$tmp/damaged/mortise.db-wal" "$tmp/damaged/mortise.db-shm"
	head -c 45056 /dev/zero >"$tmp/damaged/mortise.db"
	broker_start
	refuses 5 'mortise.db' --state "$tmp/damaged" --set listeners.tls.address=127.0.0.1:0 || return 1
	head -c 45056 /dev/zero | cmp - "$tmp/damaged/mortise.db"
}

check "start: unknown key" unknown_key
check "start: bad value" bad_value
check "start: bad YAML" bad_yaml
check "start: every fault at once" two_faults
check "start: --check" check_only
check "start: the examples are good" examples
check "start: --version, --help, bad arguments" version_and_help
check "start: plain on every address" plain_off_loopback 0.0.0.0:0
check "start: plain on every address of IPv6" plain_off_loopback '[::]:0'
check "start: plain on a host off loopback" plain_off_loopback 192.0.2.1:1883
check "start: plain with insecure: yes" insecure_allowed
check "start: certificates to test with" make_certificates
check "start: missing certificate" bad_certificates 1 'none.pem' "$tmp/none.pem" "$tmp/one.key"
check "start: garbage as certificate" bad_certificates 2 'garbage.pem' "$tmp/garbage.pem" "$tmp/one.key"
check "start: key of another certificate" bad_certificates 2 'two.key\|one.pem' "$tmp/one.pem" "$tmp/two.key"
check "start: state that others may write" others_may_write
[ "$(id -u)" != 0 ] || check "start: state of somebody else" others_own
check "start: state that is a file" is_a_file
check "start: state that is a link" is_a_link
check "start: state without a parent" no_parent
check "start: modes of the state" modes
broker_start
check "start: port taken" port_taken
check "start: second broker on the same state" second_broker
check "start: the broker still serves" works
check "start: the same after a restart" same_after_restart
check "start: the profile follows the port" follows_port
check "start: kill -9 and again" survives_kill
check "start: SIGHUP" survives_hangup
check "start: SIGTERM tells the clients" goodbye
check "start: SIGTERM with a deaf client" goodbye_deaf
check "start: damaged database" damaged
finish
