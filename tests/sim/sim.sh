#!/bin/sh
# The simulator: first every seed that ever failed (tests/sim/seeds), then SIM_COUNT new ones, half of them with two cores.
set -u
sim=${MT_BUILD:-build/release}/tests/sim/sim
from=${SIM_FROM:-1}
half=$((${SIM_COUNT:-1000} / 2))
status=0
while read -r seed cores _; do
	case $seed in '' | '#'*) continue ;; esac
	"$sim" --from "$seed" --count 1 --cores "$cores" | tail -n 60
done <"$(dirname "$0")/seeds"
"$sim" --from "$from" --count "$half" || status=1
"$sim" --from "$((from + half))" --count "$half" --cores 2 || status=1
exit $status
