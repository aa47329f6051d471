/* mortise: everything a person runs. Words in, one verb, an exit code out. */
#include "base/bytes.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "mortise/version.h"

#include <errno.h>

int mt_cli_version(const struct mt_options *options)
{
	json_t *answer;
	if (!mt_options_has(options, "json")) {
		printf("mortise %s\n", MORTISE_VERSION);
		return 0;
	}
	answer = json_pack("{s:s}", "version", MORTISE_VERSION);
	mt_cli_print_json(stdout, answer);
	json_decref(answer);
	return 0;
}

int mt_cli_help(const struct mt_options *options)
{
	if (mt_help_words(stdout, options->operands, options->operand_count))
		return 0;
	return mt_cli_fail(2, "unknown verb %s; see: mortise --help", options->operands[0]);
}

static int explain(const struct mt_options *options)
{
	if (options->verb)
		mt_help_verb(stdout, options->verb);
	else if (options->noun)
		mt_help_noun(stdout, options->noun);
	else
		mt_help_all(stdout);
	return 0;
}

static int run(const struct mt_options *options)
{
	if (mt_options_has(options, "help"))
		return explain(options);
	if (mt_options_has(options, "version"))
		return mt_cli_version(options);
	switch (options->verb->id) {
#define X(id, ...) \
	case MT_VERB_##id: \
		return mt_cli_##id(options);
		MT_TABLE_VERBS(X)
#undef X
	case MT_VERB_COUNT:
		break;
	}
	return 2;
}

int main(int argc, char **argv)
{
	static struct mt_options options; /* large, and there is one command line */
	char fault[512];
	int exit_code;
	if (mt_options_parse(&options, argc, (const char *const *)argv, fault, sizeof(fault)) !=
	    MT_OK)
		return mt_cli_fail(2, "%s", fault);
	exit_code = run(&options);
	/* A full disk or a closed pipe must not look like success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && exit_code == 0)
		return mt_cli_fail(1, "standard output: %s", strerror(errno));
	return exit_code;
}
