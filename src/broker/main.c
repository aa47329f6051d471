/* mortised, the broker daemon: arguments and configuration in, then it serves until it is told to
 * end. */
#include "broker/arguments.h"
#include "broker/config.h"
#include "mortise/version.h"
#include "shell/broker.h"

#include <stdio.h>
#include <stdlib.h>

static int print_report(const struct mt_report *report)
{
	fputs(report->text, stderr);
	if (report->lost_count > 0)
		fprintf(stderr, "mortised: and %u faults more\n", report->lost_count);
	return mt_status_exit(MT_INVALID);
}

/* NULL: it was not given. */
static bool take_path(const char *option, const char *path, char out[MT_PATH_BYTES])
{
	if (path && strlen(path) >= MT_PATH_BYTES) {
		fprintf(stderr,
			"mortised: %s: found too long a path; expected fewer than %d bytes\n",
			option, MT_PATH_BYTES);
		return false;
	}
	strcpy(out, path ? path : "");
	return true;
}

/* Fills the settings; 0, or the exit code after the reason was printed. */
static int configure(const struct mt_arguments *arguments, struct mt_settings *settings)
{
	static struct mt_report report;
	enum mt_status status = mt_config_load(arguments->config_path, arguments->sets,
					       arguments->set_count, settings, &report);
	if (status != MT_OK)
		return print_report(&report);
	return take_path("--state", arguments->state_path, settings->state_path) &&
			       take_path("--record", arguments->record_path, settings->record_path)
		       ? 0
		       : mt_status_exit(MT_INVALID);
}

static int serve(const struct mt_settings *settings)
{
	struct mt_broker *broker = NULL;
	char fault[512] = "";
	int exit_code = 1;
	enum mt_status status;
	mt_log_configure(settings->log);
	status = mt_broker_open(settings, &broker, fault, sizeof(fault), &exit_code);
	if (status != MT_OK) {
		fprintf(stderr, "mortised: %s\n", fault);
		return exit_code;
	}
	status = mt_broker_run(broker);
	mt_broker_close(&broker);
	if (status != MT_OK)
		fprintf(stderr, "mortised: ended: %s; %s\n", mt_status_text(status),
			mt_status_remedy(status));
	return mt_status_exit(status);
}

int main(int argc, char **argv)
{
	static struct mt_settings settings; /* too large for the stack of a careful program */
	struct mt_arguments arguments;
	char fault[MT_ARGUMENTS_FAULT_BYTES];
	int exit_code;
	if (mt_arguments_parse(argc, argv, getenv("MORTISE_STATE"), &arguments, fault) != MT_OK) {
		fprintf(stderr, "mortised: %s\n", fault);
		return mt_status_exit(MT_INVALID);
	}
	if (arguments.action == MT_ACTION_HELP)
		return fputs(mt_arguments_usage, stdout) < 0;
	if (arguments.action == MT_ACTION_VERSION)
		return printf("mortised %s\n", MORTISE_VERSION) < 0;
	exit_code = configure(&arguments, &settings);
	if (exit_code != 0)
		return exit_code;
	if (arguments.action == MT_ACTION_CHECK)
		return puts("ok") < 0;
	return serve(&settings);
}
