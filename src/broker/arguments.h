/* The command line of mortised. */
#pragma once

#include "base/status.h"

#define MT_ARGUMENTS_SETS_MAX 64u
#define MT_ARGUMENTS_FAULT_BYTES 256u

enum mt_arguments_action { MT_ACTION_SERVE, MT_ACTION_CHECK, MT_ACTION_VERSION, MT_ACTION_HELP };

struct mt_arguments {
	enum mt_arguments_action action;
	const char *state_path;	 /* --state, else $MORTISE_STATE, else /var/lib/mortise */
	const char *config_path; /* NULL: none */
	const char *record_path; /* NULL: none */
	const char *sets[MT_ARGUMENTS_SETS_MAX];
	size_t set_count;
};

extern const char mt_arguments_usage[];

/*
 * Texts are borrowed from argv and state_default ($MORTISE_STATE; NULL or empty: not set).
 * MT_INVALID: fault is one sentence (without program name), *out is unchanged.
 */
MT_MUST_USE enum mt_status mt_arguments_parse(int argc, char *const *argv,
					      const char *state_default, struct mt_arguments *out,
					      char fault[MT_ARGUMENTS_FAULT_BYTES]);
