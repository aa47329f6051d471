/* Moments as text. */
#include "shell/moment.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool has_form(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

bool mt_moment_parse(const char *text, int64_t *out)
{
	struct tm parts = {0};
	struct tm again;
	time_t when;
	if (!has_form(text))
		return false;
	parts.tm_year = atoi(text) - 1900;
	parts.tm_mon = atoi(text + 5) - 1;
	parts.tm_mday = atoi(text + 8);
	parts.tm_hour = atoi(text + 11);
	parts.tm_min = atoi(text + 14);
	parts.tm_sec = atoi(text + 17);
	again = parts;
	when = timegm(&again);
	/* timegm folds the 31st of February into March. */
	if (again.tm_mon != parts.tm_mon || again.tm_mday != parts.tm_mday ||
	    again.tm_hour != parts.tm_hour || again.tm_min != parts.tm_min ||
	    again.tm_sec != parts.tm_sec)
		return false;
	*out = when;
	return true;
}

void mt_moment_print(int64_t when_s, char out[MT_MOMENT_BYTES])
{
	struct tm parts;
	time_t when = (time_t)when_s;
	if (!gmtime_r(&when, &parts) ||
	    strftime(out, MT_MOMENT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		out[0] = '\0';
}
