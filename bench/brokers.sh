# Sourced by the scripts of this folder: starts and ends the brokers that are compared.
#
#   broker_start NAME [WRAPPER...]   floor | mosquitto | mortise | base; sets BROKER_PID and BROKER_PORT
#   launch NAME PORT COMMAND...      another one, the same way
#   broker_stop PID                  SIGTERM, then waits for its end
#   broker_exists NAME               false when its program is missing
#
# Everything listens on loopback, keeps its files below $WORK, and is ended by its process id.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
WORK=$(mktemp -d)
MOSQUITTO=${MOSQUITTO:-/usr/sbin/mosquitto}
FLOOR=build/release/bench/floor
LOAD=build/release/bench/load
MORTISED=${MORTISED:-build/release/mortised}
declare -A STARTED=()

clean_up() {
	local pid
	for pid in "${!STARTED[@]}"; do
		kill "$pid" 2>/dev/null || continue
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# build_tools BROKER...: what is measured must be what the sources say, so an old mortised beside a failed build is an error.
build_tools() {
	make -s V=release "$FLOOR" "$LOAD"
	[[ " $* " == *" mortise "* ]] && [ "$MORTISED" = build/release/mortised ] || return 0
	if ! make -s V=release "$MORTISED" >&2 && [ -e "$MORTISED" ]; then
		echo "bench: $MORTISED is older than its sources, which do not build" >&2
		exit 1
	fi
}

program_of() {
	case $1 in
	floor) echo "$FLOOR" ;;
	mosquitto) echo "$MOSQUITTO" ;;
	mortise) echo "$MORTISED" ;;
	base) echo "$WORK/base/build/release/mortised" ;;
	esac
}

broker_exists() { [ -x "$(program_of "$1")" ]; }

# The names of those that can be measured; says which cannot.
brokers_present() {
	local name
	for name in "$@"; do
		if broker_exists "$name"; then
			echo "$name"
		else
			echo "bench: $name is not measured: there is no $(program_of "$name")" >&2
		fi
	done
}

# The commit BASE, built apart, becomes the broker `base`.
build_base() {
	mkdir "$WORK/base"
	git archive "$BASE" | tar -x -C "$WORK/base"
	make -s -C "$WORK/base" V=release build/release/mortised build/release/mortise
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		answers "$port" || break
	done
	echo "$port"
}

mosquitto_configuration() {
	cat <<-END
		listener $1 127.0.0.1
		allow_anonymous true
		persistence false
		max_queued_messages 0
		max_inflight_messages 0
		set_tcp_nodelay true
		sys_interval 0
		log_type error
		user $(id -un)
	END
}

# The listener that examples/bench.yaml opens without credentials moves to the free port.
mortise_listener() { sed -n '/^listeners:/,/^[^ #]/s/^  \([a-z][a-z0-9_-]*\):.*/\1/p' examples/bench.yaml | head -n 1; }

# launch NAME PORT COMMAND...: in the background, until it answers.
launch() {
	local name=$1 tries=0
	BROKER_PORT=$2
	shift 2
	"$@" >"$WORK/log.$BROKER_PORT" 2>&1 &
	BROKER_PID=$!
	STARTED[$BROKER_PID]=$name
	until answers "$BROKER_PORT"; do
		if [ $((++tries)) -gt 600 ] || ! kill -0 "$BROKER_PID" 2>/dev/null; then
			echo "bench: $name does not answer: $(tail -n 3 "$WORK/log.$BROKER_PORT")" >&2
			exit 1
		fi
		sleep 0.05
	done
}

broker_start() {
	local name=$1 port program
	shift
	program=$(program_of "$name")
	port=$(free_port)
	case $name in
	floor) set -- "$@" "$program" "$port" ;;
	mosquitto)
		mosquitto_configuration "$port" >"$WORK/mosquitto.$port"
		set -- "$@" "$program" -c "$WORK/mosquitto.$port"
		;;
	mortise | base)
		mkdir -m 700 "$WORK/state.$port"
		set -- "$@" "$program" --state "$WORK/state.$port" --config examples/bench.yaml \
			--set "listeners.$(mortise_listener).address=127.0.0.1:$port"
		;;
	esac
	launch "$name" "$port" "$@"
}

broker_stop() {
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	unset "STARTED[$1]"
}

# divide A B FORMAT: their quotient, or - when one is missing.
divide() {
	awk -v a="${1:--}" -v b="${2:--}" -v f="$3" 'BEGIN { if (a == "-" || b == "-" || b + 0 == 0) print "-"; else printf f "\n", a / b }'
}
