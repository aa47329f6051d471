#!/bin/sh
# The Spin models of spec/models: each is searched whole and must hold, and each of its planted errors must be found.
#   tests/proof/models.sh [-DNAME=VALUE]    a larger one, e.g. -DCONNECTIONS=3 (1.2 GB)
set -u
cd "$(dirname "$0")/../.."
command -v spin >/dev/null || { echo "skip models: spin is not installed"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

size=${1-}
# search MODEL [-DMUTANT_n]: 0 no error in the whole space, 1 an error was found, 2 neither
search() {
	(
		cd "$work" || exit 2
		# shellcheck disable=SC2086
		spin -a $size ${2-} "$1" >log 2>&1 && cc -O2 -w -DCOLLAPSE -DSAFETY -o pan pan.c >>log 2>&1 || exit 2
		./pan -m200000 -w22 >>log 2>&1
		grep -q 'error: max search depth too small\|out of memory\|unreached in claim' log && exit 2
		grep -q 'errors: 0$' log && exit 0
		grep -q 'errors: [1-9]' log && exit 1
		exit 2
	)
}

for model in spec/models/*.pml; do
	name=$(basename "$model" .pml)
	search "$PWD/$model"
	case $? in
	0) echo "ok $name holds ($(awk '/states, stored/ { print $1; exit }' "$work/log") states)" ;;
	1) cat "$work/log"; echo "not ok $name: an error was found" ;;
	*) cat "$work/log"; echo "not ok $name: it was not searched whole" ;;
	esac
	for mutant in $(grep -o 'MUTANT_[0-9]*' "$model" | grep '[0-9]$' | sort -u); do
		search "$PWD/$model" "-D$mutant"
		case $? in
		1) echo "ok $name $mutant is found" ;;
		*) cat "$work/log"; echo "not ok $name $mutant: the planted error is not found" ;;
		esac
	done
done
