# spec/machine.tbl as docs/reference/machine.md (called by tools/docs).
function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
function head(title, columns,   i, n, c, line) {
	print ""; print "## " title; print ""
	n = split(columns, c, ";"); line = "|"
	for (i = 1; i <= n; i++) { printf "| %s ", c[i]; line = line "---|" }
	print "|"; print line
}
BEGIN {
	print "# The state machine of a connection"
	print ""
	print "<!-- Made from spec/machine.tbl by tools/docs: change the table. -->"
	print ""
	print "What the broker does with each packet of a client in each phase of its connection. An entry in lower case is an"
	print "action; one in upper case is a violation of the standard: it is counted, written to the log with its statement,"
	print "answered by a DISCONNECT with its reason code where MQTT 5 is spoken and CONNACK has been sent, and ends the connection."
}
/^%table / {
	split($0, part, /[ \t]+/); table = part[2]
	if (table == "MACHINE") head("Packets and phases", "type;packet;connect;authenticate;challenge;open;closing")
	if (table == "PHASES") head("Phases", "phase;what it is")
	if (table == "ACTIONS") head("Actions", "action;what happens")
	if (table == "REFUSALS") head("Violations", "violation;MQTT 3.1.1;MQTT 5.0;reason code;what it is")
	next
}
/^[ \t]*(#|$)/ { next }
{
	n = split($0, f, "|")
	for (i = 1; i <= n; i++) f[i] = trim(f[i])
	if (table == "MACHINE") {
		line = "| " f[1] " | " f[2]
		for (i = 3; i <= n; i++) line = line " | " (f[i] in is_action ? tolower(f[i]) : f[i])
		print line " |"
	} else if (table == "PHASES") print "| " tolower(f[1]) " | " f[2] " |"
	else if (table == "ACTIONS") {
		is_action[f[1]] = 1
		print "| " tolower(f[1]) " | " f[3] " |"
	}
	else print "| " f[1] " | " f[2] " | " f[3] " | " f[4] " | " f[5] " |"
}
