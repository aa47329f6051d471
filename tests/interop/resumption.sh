#!/bin/sh
# TLS clients resume, by id and by ticket: openssl s_client, mosquitto clients and Python's ssl as the other side, and the
# counters of `mortise status` as the witness.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # tests are called by name
. "$(dirname "$0")/common.sh"
need openssl timeout /usr/bin/python3

ways="--set listeners.ids.address=127.0.0.1:0 --set listeners.ids.resumption=ids --set listeners.tickets.address=127.0.0.1:0
	--set listeners.tickets.resumption=tickets --set listeners.none.address=127.0.0.1:0 --set listeners.none.resumption=off"
# shellcheck disable=SC2086
broker_start $ways

# to PORT OPTION...: one handshake; a moment for the ticket of TLS 1.3.
to() {
	port=$1
	shift
	sleep 0.2 | timeout 10 openssl s_client -connect "127.0.0.1:$port" -CAfile "$ca" -verify_return_error -servername localhost \
		"$@" >"$tmp/tls" 2>&1 || { tail -n 5 "$tmp/tls"; return 1; }
}
is_new() { grep -q '^New, TLS' "$tmp/tls" || { grep 'TLS' "$tmp/tls"; return 1; }; }
is_reused() { grep -q '^Reused, TLS' "$tmp/tls" || { grep 'TLS' "$tmp/tls"; return 1; }; }

# counted LISTENER WAY
counted() {
	mortise status --json >"$tmp/status" && json "$tmp/status" "d['tls']['handshakes']['$1']['$2']"
}

# resumes PORT LISTENER WAY OPTION...: a first one in full, then one that goes on from it.
resumes() {
	port=$1
	listener=$2
	way=$3
	shift 3
	before=$(counted "$listener" "$way") || return 1
	rm -f "$tmp/session"
	to "$port" -sess_out "$tmp/session" "$@" && is_new && to "$port" -sess_in "$tmp/session" "$@" && is_reused &&
		[ "$(counted "$listener" "$way")" = $((before + 1)) ]
}


only_in_full() {
	rm -f "$tmp/session"
	to "$off" -sess_out "$tmp/session" "$@" && is_new || return 1
	[ ! -s "$tmp/session" ] || { to "$off" -sess_in "$tmp/session" "$@" && is_new; }
}

# What one listener gave out is nothing at another.
elsewhere() {
	to "$tickets" -sess_out "$tmp/session" "$1" && to "$tls" -sess_in "$tmp/session" "$1" && is_new
}

restarted() {
	for version in -tls1_2 -tls1_3; do
		to "$tls" -sess_out "$tmp/session$version" "$version" || return 1
	done
	broker_stop
	# shellcheck disable=SC2086
	broker_start $ways && take_ports || return 1
	for version in -tls1_2 -tls1_3; do
		to "$tls" -sess_in "$tmp/session$version" "$version" && is_reused || return 1
	done
}

damaged_keys() {
	to "$tls" -sess_out "$tmp/session" -tls1_3 || return 1
	broker_stop
	printf 'rubbish' >"$state/tls/tickets.key"
	# shellcheck disable=SC2086
	broker_start $ways && take_ports && grep -q 'made anew.*damaged' "$tmp/log" &&
		to "$tls" -sess_in "$tmp/session" -tls1_3 && is_new && [ "$(counted tls unknown_ticket)" = 1 ] &&
		resumes "$tls" tls by_ticket -tls1_3
}

readable_keys() {
	[ "$(stat -c %a "$state/tls/tickets.key")" = 600 ] || return 1
	broker_stop
	chmod 644 "$state/tls/tickets.key"
	# shellcheck disable=SC2086
	broker_start $ways && take_ports && grep -q 'made anew.*others' "$tmp/log" && [ "$(stat -c %a "$state/tls/tickets.key")" = 600 ]
}

take_ports() {
	ids=$(port_of ids) && tickets=$(port_of tickets) && off=$(port_of none)
}

# A command goes on from the one before it; the file is its owner's alone.
by_profile() {
	profile=$state/profiles/admin.mortise
	for n in 1 2 3; do
		mortise pub --profile "$profile" -t x -m x -d 2>"$tmp/said.$n" || { cat "$tmp/said.$n"; return 1; }
	done
	grep -q 'connected as .* TLSv1.3 [A-Z0-9_]*$' "$tmp/said.1" && grep -q 'TLSv1.3 .*, resumed$' "$tmp/said.2" &&
		grep -q ', resumed$' "$tmp/said.3" && [ "$(stat -c %a "$profile.session")" = 600 ] || { cat "$tmp"/said.*; return 1; }
}

# One that others could read, or that is damaged, is none.
by_untrusted_file() {
	chmod 644 "$profile.session"
	mortise pub --profile "$profile" -t x -m x -d 2>"$tmp/said" && ! grep -q resumed "$tmp/said" &&
		[ "$(stat -c %a "$profile.session")" = 600 ] || return 1
	printf 'mortise session 1\nlocalhost\nrubbish' >"$profile.session"
	mortise pub --profile "$profile" -t x -m x -d 2>"$tmp/said" && ! grep -q resumed "$tmp/said" || return 1
	mortise pub --profile "$profile" -t x -m x -d 2>"$tmp/said" && grep -q resumed "$tmp/said"
}

# Who plants it knows its secrets, and could play the broker.
by_planted_file() {
	mortise pub --profile "$profile" -t x -m x -d 2>"$tmp/said" && grep -q resumed "$tmp/said" || return 1
	chown 65534 "$profile.session"
	mortise pub --profile "$profile" -t x -m x -d 2>"$tmp/said" && ! grep -q resumed "$tmp/said"
}

take_ports
check "resumption: mortise with a profile" by_profile
check "resumption: a session file that cannot be trusted" by_untrusted_file
[ "$(id -u)" != 0 ] || check "resumption: a session file of somebody else" by_planted_file
check "resumption: ticket, TLS 1.3" resumes "$tls" tls by_ticket -tls1_3
check "resumption: ticket, TLS 1.2" resumes "$tls" tls by_ticket -tls1_2
check "resumption: id, TLS 1.2, of who takes no tickets" resumes "$tls" tls by_id -tls1_2 -no_ticket
check "resumption: ids alone, TLS 1.2" resumes "$ids" ids by_id -tls1_2
check "resumption: ids alone, TLS 1.3" resumes "$ids" ids by_id -tls1_3
check "resumption: tickets alone, TLS 1.2" resumes "$tickets" tickets by_ticket -tls1_2
check "resumption: tickets alone, TLS 1.3" resumes "$tickets" tickets by_ticket -tls1_3
check "resumption: off, TLS 1.2" only_in_full -tls1_2
check "resumption: off, TLS 1.3" only_in_full -tls1_3
check "resumption: at another listener, TLS 1.2" elsewhere -tls1_2
check "resumption: at another listener, TLS 1.3" elsewhere -tls1_3
check "resumption: tickets outlive a restart" restarted
check "resumption: damaged keys" damaged_keys
check "resumption: keys that others could read" readable_keys
finish
