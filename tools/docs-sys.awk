# spec/sys.tbl as docs/reference/sys-topics.md (called by tools/docs).
function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
BEGIN {
	print "# $SYS topics"
	print ""
	print "<!-- Made from spec/sys.tbl and spec/tls.tbl by tools/docs: change the table. -->"
	print ""
	print "The broker publishes figures about itself as retained messages with QoS 0, under the names that Mosquitto gave them; what is"
	print "ours stands below `mortise/`. `sys_interval` of the [configuration](configuration.md) is the time between two rounds (10 s; `off`"
	print "publishes none). A figure that did not change is not published again. Payloads are decimal numbers, unless said otherwise."
	print "All counters begin at 0 with the process."
	print ""
	print "| topic below `$SYS/broker/` | what |"
	print "|---|---|"
	print "| `version` | `mortise` and the version |"
	print "| `uptime` | seconds since the start, followed by ` seconds` |"
}
/^%table / {
	split($0, part, /[ \t]+/); table = part[2]
	if (table == "SYS_LOAD") {
		print ""
		print "`load/` and one of the names below, then `/1min`, `/5min` or `/15min`, is how much it was in a minute, averaged with an"
		print "exponential decay over that time, with two digits behind the point:"
		print ""
		print "| topic below `$SYS/broker/load/` | of what |"
		print "|---|---|"
	}
	if (table == "TLS_COUNTS") {
		print ""
		print "Of each listener that speaks TLS, `mortise/tls/` and its name, then:"
		print ""
		print "| topic below `$SYS/broker/mortise/tls/LISTENER/` | what |"
		print "|---|---|"
		print "| `days_left` | whole days until its first certificate ends |"
	}
	next
}
/^[ \t]*(#|$)/ { next }
{ split($0, f, "|"); printf "| `%s` | %s |\n", trim(f[1]), trim(f[3]) }
END {
	print ""
	print "A filter that begins with a wildcard never covers `$SYS`: subscribe to `$SYS/#`, and permit it by name:"
	print ""
	print "```sh"
	print "mortise role add watcher"
	print "mortise role allow watcher subscribe \x27$SYS/#\x27"
	print "mortise sub --profile state/profiles/admin.mortise -t \x27$SYS/#\x27 -v"
	print "```"
	print ""
	print "No role can publish there unless a rule names it; the built-in roles cannot. `mortise status` shows most of these figures without"
	print "MQTT."
}
