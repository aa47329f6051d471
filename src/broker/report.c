/* Collecting the faults of a configuration. */
#include "broker/report.h"

#include <stdarg.h>
#include <stdio.h>

#define QUOTE_CHARS_MAX 64u

void mt_report_add(struct mt_report *report, const char *format, ...)
{
	size_t room = sizeof(report->text) - report->len;
	va_list arguments;
	int len;
	va_start(arguments, format);
	len = vsnprintf(report->text + report->len, room, format, arguments);
	va_end(arguments);
	report->count++;
	if (len < 0 || (size_t)len + 2 > room) {
		report->text[report->len] = '\0';
		report->lost_count++;
		return;
	}
	report->len += (size_t)len;
	report->text[report->len++] = '\n';
	report->text[report->len] = '\0';
}

const char *mt_report_quote(struct mt_bytes found, char out[MT_REPORT_QUOTE_BYTES])
{
	size_t count = found.len < QUOTE_CHARS_MAX ? found.len : QUOTE_CHARS_MAX;
	for (size_t i = 0; i < count; i++) {
		uint8_t c = found.data[i];
		out[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	memcpy(out + count, found.len > count ? "..." : "", found.len > count ? 4 : 1);
	return out;
}
