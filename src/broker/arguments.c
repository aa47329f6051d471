/* Parsing the command line of mortised: long options only, never abbreviated. */
#include "broker/arguments.h"

#include <stdio.h>
#include <string.h>

#define STATE_PATH "/var/lib/mortise"

const char mt_arguments_usage[] =
	"usage: mortised [--state DIR] [--config FILE] [--set KEY=VALUE]... [--check] [--record "
	"FILE]\n"
	"\n"
	"  --state DIR      where the broker keeps its state (default $MORTISE_STATE, "
	"else " STATE_PATH ")\n"
	"  --config FILE    configuration; without it one TLS listener on [::]:8883\n"
	"  --set KEY=VALUE  overrides a key of the configuration; listeners.NAME=off removes a "
	"listener\n"
	"  --record FILE    writes down every call into the core, without passwords, for mortise "
	"replay\n"
	"  --check          checks arguments and configuration, prints ok and ends\n"
	"  --version        prints the version\n"
	"  --help           prints this\n"
	"\n"
	"Keys: docs/reference/configuration.md. Limits: docs/reference/limits.md.\n"
	"Exit: 0 ended by SIGTERM or SIGINT, 1 failed, 2 the command line or a file is wrong.\n";

/* The value of option `name` at argv[*i], as `--name VALUE` or `--name=VALUE`; NULL when it is
 * another or has none. */
static const char *take_value(int argc, char *const *argv, int *i, const char *name)
{
	size_t len = strlen(name);
	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0' || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

static bool take_action(const char *argument, enum mt_arguments_action *action)
{
	if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
		*action = MT_ACTION_HELP;
	else if (strcmp(argument, "--version") == 0)
		*action = MT_ACTION_VERSION;
	else if (strcmp(argument, "--check") == 0)
		*action = MT_ACTION_CHECK;
	else
		return false;
	return true;
}

static enum mt_status take_path(const char **slot, const char *value, const char *name, char *fault)
{
	if (*slot || !*value) {
		snprintf(fault, MT_ARGUMENTS_FAULT_BYTES, "%s: %s; expected one path", name,
			 *slot ? "given twice" : "found nothing");
		return MT_INVALID;
	}
	*slot = value;
	return MT_OK;
}

static enum mt_status take_set(struct mt_arguments *arguments, const char *value, char *fault)
{
	if (arguments->set_count == MT_ARGUMENTS_SETS_MAX) {
		snprintf(fault, MT_ARGUMENTS_FAULT_BYTES,
			 "--set: more than %u; expected a configuration file instead",
			 MT_ARGUMENTS_SETS_MAX);
		return MT_INVALID;
	}
	arguments->sets[arguments->set_count++] = value;
	return MT_OK;
}

static bool needs_value(const char *argument)
{
	return strcmp(argument, "--state") == 0 || strcmp(argument, "--config") == 0 ||
	       strcmp(argument, "--set") == 0 || strcmp(argument, "--record") == 0;
}

static enum mt_status take_option(struct mt_arguments *arguments, int argc, char *const *argv,
				  int *i, char *fault)
{
	const char *value;
	if ((value = take_value(argc, argv, i, "--state")))
		return take_path(&arguments->state_path, value, "--state", fault);
	if ((value = take_value(argc, argv, i, "--config")))
		return take_path(&arguments->config_path, value, "--config", fault);
	if ((value = take_value(argc, argv, i, "--record")))
		return take_path(&arguments->record_path, value, "--record", fault);
	if ((value = take_value(argc, argv, i, "--set")))
		return take_set(arguments, value, fault);
	snprintf(fault, MT_ARGUMENTS_FAULT_BYTES, "%.100s: %s", argv[*i],
		 needs_value(argv[*i]) ? "found no value; expected one behind it"
				       : "unknown argument; see mortised --help");
	return MT_INVALID;
}

enum mt_status mt_arguments_parse(int argc, char *const *argv, const char *state_default,
				  struct mt_arguments *out, char fault[MT_ARGUMENTS_FAULT_BYTES])
{
	struct mt_arguments arguments = {.action = MT_ACTION_SERVE};
	for (int i = 1; i < argc; i++) {
		enum mt_arguments_action action;
		if (!take_action(argv[i], &action)) {
			MT_TRY(take_option(&arguments, argc, argv, &i, fault));
			continue;
		}
		/* --help wins over everything, --version over --check. */
		if (action > arguments.action)
			arguments.action = action;
	}
	if (!arguments.state_path)
		arguments.state_path = state_default && *state_default ? state_default : STATE_PATH;
	*out = arguments;
	return MT_OK;
}
