/*
 * All faults of a configuration in one text, a line each: `WHERE: KEY: what was found; what was
 * expected`. A line that does not fit is counted only.
 */
#pragma once

#include "base/buf.h"

#define MT_REPORT_BYTES 16384u

struct mt_report {
	char text[MT_REPORT_BYTES]; /* 0-terminated, each line ends with a newline */
	size_t len;
	uint32_t count;	     /* faults found */
	uint32_t lost_count; /* of them without room in text */
};

void mt_report_add(struct mt_report *report, const char *format, ...) MT_FORMAT(2, 3);
/* Writes at most 64 bytes of what somebody else wrote, printable and cut, as a 0-terminated text.
 */
#define MT_REPORT_QUOTE_BYTES 72u
const char *mt_report_quote(struct mt_bytes found, char out[MT_REPORT_QUOTE_BYTES]);
