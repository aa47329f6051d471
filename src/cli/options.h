/*
 * The command line as spec/commands.tbl describes it: verb, options, operands.
 *
 *   mortise [common] VERB [options and operands in any order] [-- operands]
 *
 * -x VALUE, -xVALUE, flags together as -rl, --name VALUE, --name=VALUE. An option is known by its
 * long name, in code too. One that takes three arguments (-D PACKET PROPERTY VALUE) takes the next
 * three words. Ownership: everything points into argv and the tables; nothing is allocated.
 */
#pragma once

#include "base/status.h"
#include "spec/commands.h"

#include <stdio.h>

#define MT_OPTIONS_MAX 512u
#define MT_OPTION_ARGUMENTS_MAX 4u

enum mt_verb_id {
#define X(id, ...) MT_VERB_##id,
	MT_TABLE_VERBS(X)
#undef X
		MT_VERB_COUNT,
};

struct mt_verb {
	enum mt_verb_id id;
	const char *name;     /* "pub", "user add" */
	const char *operands; /* "NAME ROLE", for people */
	uint32_t operands_min;
	uint32_t operands_max;
	const char *groups; /* of options, besides "common" */
	const char *help;
};

struct mt_option {
	const char *group;
	const char *short_name; /* "t", or "" */
	const char *name;	/* "topic" */
	const char *arguments;	/* "TOPIC", "PACKET PROPERTY VALUE", "" for a flag */
	bool is_repeatable;
	const char *help;
};

struct mt_option_use {
	const struct mt_option *option;
	const char *arguments[MT_OPTION_ARGUMENTS_MAX];
};

struct mt_options {
	const struct mt_verb *verb; /* NULL: none was given */
	const char *noun; /* first word of a verb of two words that stands alone ("mortise user
			     --help"), else NULL */
	struct mt_option_use uses[MT_OPTIONS_MAX];
	uint32_t use_count;
	const char *operands[MT_OPTIONS_MAX];
	uint32_t operand_count;
};

/*
 * Reads argv[1..argc). MT_INVALID: fault says what is wrong and which --help tells more. With
 * --help or --version given, missing verb and operands are no fault. Every other line without a
 * verb is one.
 */
MT_MUST_USE enum mt_status mt_options_parse(struct mt_options *options, int argc,
					    const char *const *argv, char *fault, size_t cap);

bool mt_options_has(const struct mt_options *options, const char *name);
/* The (first) value, or NULL when the option is not there. */
const char *mt_options_value(const struct mt_options *options, const char *name);
/* Each occurrence in order: start with *pos 0; NULL at the end. `arguments` holds the values. */
const struct mt_option_use *mt_options_next(const struct mt_options *options, const char *name,
					    uint32_t *pos);
/* How often it was given. */
uint32_t mt_options_count(const struct mt_options *options, const char *name);
/* Its value as a decimal number in [low, high]; `fallback` when it is absent. MT_INVALID: fault
 * names option and range. */
MT_MUST_USE enum mt_status mt_options_number(const struct mt_options *options, const char *name,
					     uint64_t low, uint64_t high, uint64_t fallback,
					     uint64_t *out, char *fault, size_t cap);

/* The tables themselves; *count entries. */
const struct mt_verb *mt_options_verbs(uint32_t *count);
const struct mt_option *mt_options_table(uint32_t *count);
bool mt_verb_takes(const struct mt_verb *verb, const struct mt_option *option);

/* Help of one verb; of all verbs of a noun; of everything. */
void mt_help_verb(FILE *out, const struct mt_verb *verb);
void mt_help_noun(FILE *out, const char *noun);
void mt_help_all(FILE *out);
/* For the words after `help`: false when there is no such verb. */
bool mt_help_words(FILE *out, const char *const *words, uint32_t count);
