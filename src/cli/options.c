/* The parser of the command line, driven by the tables of spec/commands.tbl. */
#include "cli/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct mt_verb verbs[] = {
#define X(id, name, operands, least, most, groups, help) \
	{MT_VERB_##id, name, operands, least, most, groups, help},
	MT_TABLE_VERBS(X)
#undef X
};

enum { no, yes };
static const struct mt_option table[] = {
#define X(group, short_name, name, arguments, repeat, help) \
	{group, short_name, name, arguments, repeat == yes, help},
	MT_TABLE_OPTIONS(X)
#undef X
};

struct parser {
	struct mt_options *options;
	const char *const *argv;
	int argc;
	int at;
	char *fault;
	size_t cap;
};

const struct mt_verb *mt_options_verbs(uint32_t *count)
{
	*count = MT_COUNT_OF(verbs);
	return verbs;
}

const struct mt_option *mt_options_table(uint32_t *count)
{
	*count = MT_COUNT_OF(table);
	return table;
}

/* True when the words of `list`, separated by spaces, include the word. */
static bool lists(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *at = list;
	while (*at) {
		size_t run = strcspn(at, " ");
		if (run == len && memcmp(at, word, len) == 0)
			return true;
		at += run;
		at += strspn(at, " ");
	}
	return false;
}

/* Those that say which broker is meant may stand before the verb, which may then not take them. */
bool mt_verb_takes(const struct mt_verb *verb, const struct mt_option *option)
{
	if (strcmp(option->group, "common") == 0)
		return true;
	return verb ? lists(verb->groups, option->group) : strcmp(option->group, "remote") == 0;
}

static uint32_t count_words(const char *text)
{
	uint32_t count = *text ? 1 : 0;
	for (; *text; text++)
		count += *text == ' ';
	return count;
}

/* Length of the noun when the verb has two words, else 0. */
static size_t noun_len(const struct mt_verb *verb)
{
	const char *space = strchr(verb->name, ' ');
	return space ? (size_t)(space - verb->name) : 0;
}

static bool is_noun(const char *word)
{
	size_t len = strlen(word);
	for (size_t i = 0; i < MT_COUNT_OF(verbs); i++)
		if (len > 0 && noun_len(&verbs[i]) == len && memcmp(verbs[i].name, word, len) == 0)
			return true;
	return false;
}

static const struct mt_verb *find_verb(const char *noun, const char *word)
{
	size_t noun_bytes = noun ? strlen(noun) : 0;
	for (size_t i = 0; i < MT_COUNT_OF(verbs); i++) {
		const struct mt_verb *verb = &verbs[i];
		size_t len = noun_len(verb);
		if (len != noun_bytes || (noun && memcmp(verb->name, noun, len) != 0))
			continue;
		if (strcmp(verb->name + (noun ? len + 1 : 0), word) == 0)
			return verb;
	}
	return NULL;
}

static void hint(const struct mt_options *options, char *to, size_t cap)
{
	const char *name = options->verb ? options->verb->name : options->noun ? options->noun : "";
	snprintf(to, cap, "see: mortise %s%s--help", name, *name ? " " : "");
}

static MT_FORMAT(2, 3) enum mt_status refuse(struct parser *parser, const char *format, ...)
{
	char what[192];
	char where[64];
	va_list list;
	va_start(list, format);
	vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	hint(parser->options, where, sizeof(where));
	snprintf(parser->fault, parser->cap, "%s; %s", what, where);
	return MT_INVALID;
}

static const struct mt_option *find_long(const struct mt_verb *verb, const char *name, size_t len)
{
	for (size_t i = 0; i < MT_COUNT_OF(table); i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0 &&
		    mt_verb_takes(verb, &table[i]))
			return &table[i];
	return NULL;
}

static const struct mt_option *find_short(const struct mt_verb *verb, char letter)
{
	for (size_t i = 0; i < MT_COUNT_OF(table); i++)
		if (table[i].short_name[0] == letter && mt_verb_takes(verb, &table[i]))
			return &table[i];
	return NULL;
}

/* A user property is a pair: one word more than its row of the table says. */
static uint32_t more_words(const struct mt_option_use *slot, uint32_t got)
{
	return got > 1 && strcmp(slot->option->name, "property") == 0 &&
	       strcmp(slot->arguments[1], "user-property") == 0;
}

/* Notes one use; `attached` is a value from the same word, or NULL. */
static enum mt_status use(struct parser *parser, const struct mt_option *option,
			  const char *attached)
{
	struct mt_options *options = parser->options;
	struct mt_option_use *slot = &options->uses[options->use_count];
	uint32_t wanted = count_words(option->arguments);
	uint32_t got = 0;
	if (options->use_count == MT_OPTIONS_MAX)
		return refuse(parser, "more than %u options", MT_OPTIONS_MAX);
	if (!option->is_repeatable && mt_options_has(options, option->name))
		return refuse(parser, "--%s is given twice", option->name);
	memset(slot, 0, sizeof(*slot));
	slot->option = option;
	if (attached)
		slot->arguments[got++] = attached;
	while (got < wanted + more_words(slot, got) && parser->at < parser->argc)
		slot->arguments[got++] = parser->argv[parser->at++];
	MT_CHECK(got <= MT_OPTION_ARGUMENTS_MAX);
	if (got < wanted + more_words(slot, got))
		return refuse(parser, "--%s needs %s%s", option->name, option->arguments,
			      more_words(slot, got) ? ", a user property a NAME and a VALUE" : "");
	options->use_count++;
	return MT_OK;
}

static enum mt_status take_long(struct parser *parser, const char *word)
{
	size_t len = strcspn(word, "=");
	const struct mt_option *option = find_long(parser->options->verb, word, len);
	if (!option)
		return refuse(parser, "unknown option --%.*s", (int)(len < 64 ? len : 64), word);
	if (word[len] == '=' && !*option->arguments)
		return refuse(parser, "--%s takes no value", option->name);
	return use(parser, option, word[len] == '=' ? word + len + 1 : NULL);
}

/* "-rl", "-q1", "-q": letters until the first that takes a value, which takes the rest of the word.
 */
static enum mt_status take_short(struct parser *parser, const char *letters)
{
	for (; *letters; letters++) {
		const struct mt_option *option = find_short(parser->options->verb, *letters);
		if (!option)
			return refuse(parser, "unknown option -%c", *letters);
		if (*option->arguments)
			return use(parser, option, letters[1] ? letters + 1 : NULL);
		MT_TRY(use(parser, option, NULL));
	}
	return MT_OK;
}

static enum mt_status take_word(struct parser *parser, const char *word)
{
	struct mt_options *options = parser->options;
	if (options->verb) {
		if (options->operand_count == MT_OPTIONS_MAX)
			return refuse(parser, "more than %u arguments", MT_OPTIONS_MAX);
		options->operands[options->operand_count++] = word;
		return MT_OK;
	}
	options->verb = find_verb(options->noun, word);
	if (options->verb)
		return MT_OK;
	if (options->noun || !is_noun(word))
		return refuse(parser, "unknown verb %.64s", word);
	options->noun = word;
	return MT_OK;
}

static enum mt_status take_all(struct parser *parser)
{
	bool is_ended = false;
	while (parser->at < parser->argc) {
		const struct mt_verb *verb = parser->options->verb;
		const char *word = parser->argv[parser->at++];
		bool is_word = is_ended || word[0] != '-' || word[1] == '\0' ||
			       (verb && lists(verb->groups, "raw"));
		if (is_word)
			MT_TRY(take_word(parser, word));
		else if (strcmp(word, "--") == 0)
			is_ended = true;
		else if (word[1] == '-')
			MT_TRY(take_long(parser, word + 2));
		else
			MT_TRY(take_short(parser, word + 1));
	}
	return MT_OK;
}

static enum mt_status check_uses(struct parser *parser)
{
	const struct mt_options *options = parser->options;
	for (uint32_t i = 0; i < options->use_count; i++) {
		const char *name = options->uses[i].option->name;
		if (!find_long(options->verb, name, strlen(name)))
			return refuse(parser, "unknown option --%s", name);
	}
	return MT_OK;
}

enum mt_status mt_options_parse(struct mt_options *options, int argc, const char *const *argv,
				char *fault, size_t cap)
{
	struct parser parser = {.options = options,
				.argv = argv,
				.argc = argc,
				.at = 1,
				.fault = fault,
				.cap = cap};
	memset(options, 0, sizeof(*options));
	MT_TRY(take_all(&parser));
	if (mt_options_has(options, "help") || mt_options_has(options, "version"))
		return MT_OK;
	if (!options->verb)
		return refuse(&parser, "a verb is missing");
	MT_TRY(check_uses(&parser));
	if (options->operand_count < options->verb->operands_min)
		return refuse(&parser, "%s needs %s", options->verb->name, options->verb->operands);
	if (options->operand_count > options->verb->operands_max)
		return refuse(&parser, "%s does not take %.64s", options->verb->name,
			      options->operands[options->verb->operands_max]);
	return MT_OK;
}

const struct mt_option_use *mt_options_next(const struct mt_options *options, const char *name,
					    uint32_t *pos)
{
	while (*pos < options->use_count) {
		const struct mt_option_use *found = &options->uses[(*pos)++];
		if (strcmp(found->option->name, name) == 0)
			return found;
	}
	return NULL;
}

bool mt_options_has(const struct mt_options *options, const char *name)
{
	uint32_t pos = 0;
	return mt_options_next(options, name, &pos) != NULL;
}

const char *mt_options_value(const struct mt_options *options, const char *name)
{
	uint32_t pos = 0;
	const struct mt_option_use *found = mt_options_next(options, name, &pos);
	return found ? found->arguments[0] : NULL;
}

uint32_t mt_options_count(const struct mt_options *options, const char *name)
{
	uint32_t pos = 0;
	uint32_t count = 0;
	while (mt_options_next(options, name, &pos))
		count++;
	return count;
}

enum mt_status mt_options_number(const struct mt_options *options, const char *name, uint64_t low,
				 uint64_t high, uint64_t fallback, uint64_t *out, char *fault,
				 size_t cap)
{
	const char *text = mt_options_value(options, name);
	uint64_t value = 0;
	size_t digits = text ? strspn(text, "0123456789") : 0;
	if (!text) {
		*out = fallback;
		return MT_OK;
	}
	if (digits > 0 && digits <= 19 && text[digits] == '\0') {
		value = strtoull(text, NULL, 10);
		if (value >= low && value <= high) {
			*out = value;
			return MT_OK;
		}
	}
	snprintf(fault, cap, "--%s %.32s: a number from %llu to %llu was expected", name, text,
		 (unsigned long long)low, (unsigned long long)high);
	return MT_INVALID;
}
