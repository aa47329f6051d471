/* --help, from the same tables as the parser. */
#include "cli/options.h"

#include <string.h>

static bool begins_with_noun(const struct mt_verb *verb, const char *noun)
{
	size_t len = strlen(noun);
	return strncmp(verb->name, noun, len) == 0 && verb->name[len] == ' ';
}

/* Two columns; the second one begins on the next line when the first is too wide. */
static void print_row(FILE *out, const char *left, const char *right)
{
	const int width = 34;
	if ((int)strlen(left) >= width)
		fprintf(out, "  %s\n  %*s%s\n", left, width, "", right);
	else
		fprintf(out, "  %-*s%s\n", width, left, right);
}

static void print_option(FILE *out, const struct mt_option *option)
{
	char left[96];
	snprintf(left, sizeof(left), "%s%s%s--%s%s%s", *option->short_name ? "-" : "    ",
		 option->short_name, *option->short_name ? ", " : "", option->name,
		 *option->arguments ? " " : "", option->arguments);
	print_row(out, left, option->help);
}

static void print_verb(FILE *out, const struct mt_verb *verb)
{
	char left[128];
	snprintf(left, sizeof(left), "%s%s%s", verb->name, *verb->operands ? " " : "",
		 verb->operands);
	print_row(out, left, verb->help);
}

static void print_options(FILE *out, const struct mt_verb *verb, bool is_common)
{
	uint32_t count;
	const struct mt_option *options = mt_options_table(&count);
	for (uint32_t i = 0; i < count; i++)
		if (mt_verb_takes(verb, &options[i]) &&
		    (strcmp(options[i].group, "common") == 0) == is_common)
			print_option(out, &options[i]);
}

void mt_help_verb(FILE *out, const struct mt_verb *verb)
{
	fprintf(out, "usage: mortise %s%s%s%s\n%s\n", verb->name, *verb->groups ? " [options]" : "",
		*verb->operands ? " " : "", verb->operands, verb->help);
	if (*verb->groups)
		fprintf(out, "\noptions:\n");
	print_options(out, verb, false);
	fprintf(out, "\ncommon options, before or after the verb:\n");
	print_options(out, verb, true);
}

void mt_help_noun(FILE *out, const char *noun)
{
	uint32_t count;
	const struct mt_verb *verbs = mt_options_verbs(&count);
	fprintf(out, "usage: mortise %s VERB ...\n\n", noun);
	for (uint32_t i = 0; i < count; i++)
		if (begins_with_noun(&verbs[i], noun))
			print_verb(out, &verbs[i]);
	fprintf(out, "\nmore: mortise %s VERB --help\n", noun);
}

void mt_help_all(FILE *out)
{
	uint32_t count;
	const struct mt_verb *verbs = mt_options_verbs(&count);
	fprintf(out, "usage: mortise [options] VERB ...\n\n");
	for (uint32_t i = 0; i < count; i++)
		print_verb(out, &verbs[i]);
	fprintf(out, "\ncommon options, before or after the verb:\n");
	print_options(out, NULL, true);
	fprintf(out, "\nfor verbs that ask a broker, before or after them:\n");
	print_options(out, NULL, false);
	fprintf(out, "\nmore: mortise VERB --help\n"
		     "exit: 0 done, 1 it failed, 2 the command line or a file is wrong, 3 nobody "
		     "answers, 4 "
		     "not permitted,\n"
		     "      5 a signature, tag, chain or hash does not verify, 27 timed out\n");
}

bool mt_help_words(FILE *out, const char *const *words, uint32_t count)
{
	uint32_t verb_count;
	const struct mt_verb *verbs = mt_options_verbs(&verb_count);
	char name[64];
	if (count == 0) {
		mt_help_all(out);
		return true;
	}
	snprintf(name, sizeof(name), "%.30s%s%.30s", words[0], count > 1 ? " " : "",
		 count > 1 ? words[1] : "");
	for (uint32_t i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].name, name) == 0) {
			mt_help_verb(out, &verbs[i]);
			return true;
		}
	}
	for (uint32_t i = 0; count == 1 && i < verb_count; i++) {
		if (begins_with_noun(&verbs[i], name)) {
			mt_help_noun(out, name);
			return true;
		}
	}
	return false;
}
