# Sourced by the scripts of this folder: a broker of variant V in a temporary folder, on ports the system chooses (so that
# two runs at the same time never meet), and checks that print `ok NAME` or `not ok NAME: why`.
#
#   broker_start [ARGUMENT...]   serves: $plain (listener `plain`, anonymous: open), $tls (credentials needed), $ca, $log
#   broker_stop                  SIGTERM and wait; sets $broker_status
#   check NAME COMMAND...        the command's output is the `why`
#   await SECONDS COMMAND...     tries until it succeeds
#   finish                       the last line of each script
# Background processes are programs, not functions: clean_up ends the children of the script, not their children.
# shellcheck disable=SC2034 # what it sets is for the scripts
set -u

here=$(cd "$(dirname "$0")/../.." && pwd)
build=$here/${MT_BUILD:-build/${V:-release}}
script=$(basename "$0")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/mortise-interop.XXXXXX")
state=$tmp/state
log=$tmp/log
failures=0
broker_pid=
export MORTISE_STATE=$state
LC_ALL=C
export LC_ALL

clean_up() {
	# The broker, and every client in the background. Numbers noted at their start could be somebody else's by now.
	for process in $(ps -o pid= --ppid $$); do
		kill -9 "$process" 2>/dev/null
	done
	wait
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM PIPE

# A peer that is missing: the one line that tools/run-tests counts (and with CI=true counts as failed).
need() {
	for program in "$@"; do
		command -v "$program" >/dev/null || {
			echo "skip $script: $program is not installed"
			exit 0
		}
	done
}

mortise() { "$build/mortise" "$@"; }

await() {
	tries=$(($1 * 50))
	shift
	while ! "$@" >"$tmp/await" 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || {
			echo "never came true: $*; $(tail -n 3 "$tmp/await")"
			return 1
		}
		sleep 0.02
	done
}

check() {
	name=$1
	shift
	if "$@" >"$tmp/why" 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name: exit $?; $(tail -n 8 "$tmp/why" | tr '\n' ';' | cut -c 1-900)"
		failures=$((failures + 1))
	fi
}

finish() {
	# An unexpected end of the broker is a failure of whatever came before.
	if [ -n "$broker_pid" ]; then
		broker_stop
		check "the broker of $script ends in peace" test "$broker_status" = 0
	fi
	if grep -q 'ERROR: \|runtime error' "$tmp/all-logs"; then
		echo "not ok the log of $script: $(grep -m 3 'ERROR: \|runtime error' "$tmp/all-logs" | tr '\n' ';')"
		failures=$((failures + 1))
	fi
	[ "$failures" = 0 ]
	exit
}

port_of() { sed -n "s/^ready .*\b$1=127\.0\.0\.1:\([0-9]*\).*/\1/p" "$log"; }

is_ready() { grep -q '^ready ' "$log" || ! kill -0 "$broker_pid" 2>/dev/null; }

broker_start() {
	: >"$log"
	"$build/mortised" --state "$state" --set listeners.tls.address=127.0.0.1:0 \
		--set listeners.plain.address=127.0.0.1:0 --set listeners.plain.tls=no \
		--set listeners.plain.anonymous=open "$@" >"$tmp/out" 2>>"$log" &
	broker_pid=$!
	if ! await 20 is_ready || ! grep -q '^ready ' "$log"; then
		echo "not ok the broker of $script starts: $(tail -n 3 "$log" | tr '\n' ';')"
		exit 1
	fi
	plain=$(port_of plain)
	tls=$(port_of tls)
	ca=$tmp/pem/ca.pem
	mortise cert export --out "$tmp/pem" >"$tmp/why" 2>&1 || echo "not ok cert export: $(cat "$tmp/why")"
}

broker_stop() {
	kill "$broker_pid"
	wait "$broker_pid"
	broker_status=$?
	broker_pid=
	cat "$log" >>"$tmp/all-logs"
}

# add_user NAME PASSWORD [OPTION...]
add_user() {
	secret=$2
	user=$1
	shift 2
	printf '%s\n' "$secret" | mortise user add "$user" --password-stdin "$@"
}

# json FILE EXPRESSION: the value of a Python expression over the document `d`.
json() {
	/usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"
}
