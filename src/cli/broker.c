/* mortise broker: becomes the broker daemon, which lies beside this program. */
#include "base/bytes.h"
#include "cli/verbs.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#define DAEMON_NAME "mortised"

/* The path of the daemon; false when this program's own path is not known or too long. */
static bool find_daemon(char out[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;
	if (len <= 0 || len >= PATH_MAX - 1)
		return false;
	out[len] = '\0';
	slash = strrchr(out, '/');
	if (!slash || (size_t)(slash - out) + sizeof("/" DAEMON_NAME) > PATH_MAX)
		return false;
	strcpy(slash + 1, DAEMON_NAME);
	return true;
}

int mt_cli_broker(const struct mt_options *options)
{
	static char daemon_name[] = DAEMON_NAME;
	static char state_option[] = "--state";
	char *argv[MT_OPTIONS_MAX + 4] = {daemon_name};
	char path[PATH_MAX];
	const char *state = mt_options_value(options, "state");
	uint32_t count = 1;
	if (!find_daemon(path))
		return mt_cli_fail(1,
				   "broker: the path of this program is not known; start %s itself",
				   DAEMON_NAME);
	if (state) {
		argv[count++] = state_option;
		argv[count++] = (char *)(uintptr_t)state; /* execv does not change it */
	}
	for (uint32_t i = 0; i < options->operand_count; i++)
		argv[count++] = (char *)(uintptr_t)options->operands[i];
	execv(path, argv);
	return mt_cli_fail(errno == EACCES ? 4 : 1, "broker: %s: %s; install it beside mortise",
			   path, strerror(errno));
}
