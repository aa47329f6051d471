#!/bin/sh
# The simulator: first every seed that ever failed (tests/sim/seeds), then SIM_COUNT new ones, on two processes.
set -u
sim=${MT_BUILD:-build/release}/tests/sim/sim
sed 's/[ \t]*#.*//; /^$/d' "$(dirname "$0")/seeds" | while read -r seed; do
	"$sim" --from "$seed" --count 1 | tail -n 60
done
exec "$sim" --from "${SIM_FROM:-1}" --count "${SIM_COUNT:-1000}"
