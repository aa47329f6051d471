/*
 * How sub prints a message: mosquitto_sub's format characters.
 *
 *   %t topic  %p payload  %x %X payload in hex  %l its length  %q QoS  %r retain  %m packet id
 *   %j %J JSON (payload as text / as JSON)
 *   %I time, ISO 8601  %U unix time with nanoseconds  %C content type  %R response topic  %D
 * correlation data  %E expiry %F payload format  %P user properties  %S subscription ids  %A topic
 * alias  %%      @ as strftime; @N nanoseconds, @@
 *   \n \t \r \a \e \v \0 \\
 *
 * Between % and the character: - to the left, 0 with zeros, the least width, .N the most.
 * Characters that have no use for them take no notice. No payload is cut at the least width: that
 * is what mosquitto_sub's manual says, and other than it does. In JSON "properties" stand by the
 * names of the standard, "user-properties" as an object; a name that comes again has a list of
 * values.
 */
#pragma once

#include "mortise/client.h"

#include <stdio.h>
#include <time.h>

/* Writes one message. is_tty: control characters of the peer are shown as '?'. */
void mt_format_print(FILE *out, const char *format, const struct mortise_message *message,
		     const struct timespec *when, bool is_tty);
/* NULL when it knows every character of the format, else the place of the first one it does not. */
const char *mt_format_check(const char *format);
