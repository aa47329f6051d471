/* A command line for tests of verbs: CLI_LINE(&options, "user", "add", "x"). */
#pragma once

#include "cli/options.h"

static inline void cli_line(struct mt_options *options, const char *const *words)
{
	const char *argv[64] = {"mortise"};
	char fault[256];
	int argc = 1;
	for (; words[argc - 1]; argc++)
		argv[argc] = words[argc - 1];
	assert_int_equal(mt_options_parse(options, argc, argv, fault, sizeof(fault)), MT_OK);
}

#define CLI_LINE(options, ...) cli_line((options), (const char *const[]){__VA_ARGS__, NULL})
