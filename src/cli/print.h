/*
 * What the verbs print. Names, client ids and messages come from others: every text is escaped, so
 * that none can move a terminal's cursor.
 */
#pragma once

#include "base/check.h"

#include <jansson.h>
#include <stdio.h>

/* Control characters (C0, DEL, C1) as \xNN; all else as it is. */
void mt_cli_print_text(FILE *out, const char *text);
/* "mortise: warning: WHAT" on standard error. */
void mt_cli_warn(const char *format, ...) MT_FORMAT(1, 2);
/* An aligned table: heads by space, then rows, a JSON list of lists of texts. */
void mt_cli_print_table(FILE *out, const char *heads, const json_t *rows);
/* "name: value" lines of the object's texts, numbers and booleans; objects in it are indented below
 * their name, lists as "- value". */
void mt_cli_print_object(FILE *out, const json_t *object);
/* Indented, with a newline. */
void mt_cli_print_json(FILE *out, const json_t *value);
