/* Finding the state directory without being led into somebody else's. */
#include "cli/state.h"

#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCAL_STATE "state"
#define SYSTEM_STATE "/var/lib/mortise"

/* The socket may be writable by its group: connecting is all that permits. */
static bool is_own(const char *path)
{
	struct stat facts;
	mode_t others = S_IWOTH;
	if (lstat(path, &facts) != 0 || S_ISLNK(facts.st_mode) || facts.st_uid != geteuid())
		return false;
	if (!S_ISSOCK(facts.st_mode))
		others |= S_IWGRP;
	return (facts.st_mode & others) == 0;
}

static bool is_local_safe(const char *needed)
{
	char path[MT_STATE_PATH_BYTES];
	snprintf(path, sizeof(path), "%s/%s", LOCAL_STATE, needed);
	return is_own(LOCAL_STATE) && is_own(path);
}

int mt_cli_state_find(const struct mt_options *options, const char *needed,
		      char out[MT_STATE_PATH_BYTES])
{
	const char *found = mt_options_value(options, "state");
	if (!found)
		found = getenv("MORTISE_STATE");
	if (!found || !*found)
		found = is_local_safe(needed) ? LOCAL_STATE : SYSTEM_STATE;
	if (strlen(found) >= MT_STATE_PATH_BYTES)
		return mt_cli_fail(2, "--state: the path is too long; expected fewer than %u bytes",
				   MT_STATE_PATH_BYTES);
	strcpy(out, found);
	return 0;
}

int mt_cli_state_path(const char *state, const char *name, char out[MT_STATE_PATH_BYTES])
{
	int len = snprintf(out, MT_STATE_PATH_BYTES, "%s/%s", state, name);
	if (len < 0 || (size_t)len >= MT_STATE_PATH_BYTES)
		return mt_cli_fail(2, "--state: the path is too long; expected fewer than %u bytes",
				   MT_STATE_PATH_BYTES);
	return 0;
}
