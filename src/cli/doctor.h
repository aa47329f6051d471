/*
 * What `mortise doctor` makes of the facts: advice with reasons, and how both are shown.
 *
 * Pure but for what is printed. Texts of the examined server come escaped out of tls/probe.h.
 */
#pragma once

#include "tls/probe.h"

#include <jansson.h>
#include <stdio.h>

#define MT_DOCTOR_PORT 8883u
#define MT_DOCTOR_HOST_BYTES 254u
#define MT_DOCTOR_ADVICE_MAX 48u
#define MT_DOCTOR_ADVICE_BYTES 1024u /* more than any text of the facts */

enum mt_doctor_grade { MT_DOCTOR_BAD, MT_DOCTOR_BETTER, MT_DOCTOR_FINE };

struct mt_doctor_advice {
	enum mt_doctor_grade grade;
	char text[MT_DOCTOR_ADVICE_BYTES]; /* what is so, and why that matters */
};

struct mt_doctor_report {
	struct mt_probe_facts facts;
	struct mt_doctor_advice advice[MT_DOCTOR_ADVICE_MAX]; /* the worst first */
	uint32_t advice_count;
	char host[MT_DOCTOR_HOST_BYTES]; /* as it was asked for */
	uint16_t port;
	char address[80]; /* that answered, "127.0.0.1" */
	char name[MT_DOCTOR_HOST_BYTES];
	const char *trust; /* "--cafile", "--profile", "the system" */
	int64_t now_s;
};

/* "broker.example", "broker.example:8884", "[::1]:8883", "[::1]": host and port, 8883 unless said
 * otherwise. MT_INVALID: *fault is what was expected (static). */
MT_MUST_USE enum mt_status mt_doctor_address(const char *text, char host[MT_DOCTOR_HOST_BYTES],
					     uint16_t *port, const char **fault);
/* Fills in the advice, by facts and now_s alone. */
void mt_doctor_advise(struct mt_doctor_report *report);
const char *mt_doctor_grade_name(enum mt_doctor_grade grade); /* "could be better" */
/* All facts as one object; NULL without memory. */
json_t *mt_doctor_json(const struct mt_doctor_report *report);
void mt_doctor_print(FILE *out, const struct mt_doctor_report *report);
/* Whole days from now to then, rounded down: negative when it is past. */
int64_t mt_doctor_days(int64_t now_s, int64_t then_s);
