/*
 * Scalars of the configuration: what a text must look like to be a count, a size, a time, a name
 * ..., and what it means.
 *
 *   "64KiB" SIZE -> 65536        "250ms" TIME -> 250000000        "yes" BOOL -> 1        "7d"
 * SECONDS -> 604800
 */
#pragma once

#include "base/bytes.h"

enum mt_value_type {
	MT_VALUE_BOOL,
	MT_VALUE_COUNT,
	MT_VALUE_SIZE,	  /* bytes */
	MT_VALUE_TIME,	  /* nanoseconds */
	MT_VALUE_SECONDS, /* whole ones */
	MT_VALUE_CHOICE,  /* index into a list of words */
	MT_VALUE_ROLE,
	MT_VALUE_PATH,
	MT_VALUE_TEXT,
	MT_VALUE_ENDPOINT, /* HOST:PORT or unix:/PATH */
	MT_VALUE_MODE,	   /* of a file, octal */
	MT_VALUE_WEB_PATH,
	MT_VALUE_ORIGINS,  /* a list, kept as one text with commas */
	MT_VALUE_NETWORKS, /* a list, kept as one text with commas */
	MT_VALUE_TEMPLATE, /* of identity/template.h */
	MT_VALUE_ID_RULE,  /* of identity/client_id.h */
	MT_VALUE_WORDS,	   /* a list of given words, kept as one text with commas */
};

/* BOOL, COUNT, SIZE, TIME, SECONDS, MODE. False when the text is none, or does not fit 64 bits. */
bool mt_value_number(enum mt_value_type type, struct mt_bytes text, uint64_t *out);
/* Index of `text` in `words` (separated by one space each). */
bool mt_value_choice(struct mt_bytes text, const char *words, uint64_t *out);
/* yes no true false on off. */
bool mt_value_bool(struct mt_bytes text, uint64_t *out);
/* Names of roles and listeners: letters, digits, '-' and '_', the first a letter; fewer than `cap`
 * bytes; no boolean word. */
bool mt_value_is_name(struct mt_bytes text, size_t cap);
/* Paths and texts: no control characters, valid UTF-8, 1 to cap - 1 bytes. */
bool mt_value_is_path(struct mt_bytes text, size_t cap);
