/* inotify on folders: files are replaced by renaming, which a watch on the file itself would miss.
 */
#include "io/watch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_CREATE | \
	 IN_ONLYDIR)

enum mt_status mt_watch_open(struct mt_watch *watch)
{
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return watch->fd >= 0 ? MT_OK : MT_SYSTEM;
}

void mt_watch_close(struct mt_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
}

bool mt_watch_folder(struct mt_watch *watch, const char *path)
{
	return watch->fd >= 0 && inotify_add_watch(watch->fd, path, EVENTS) >= 0;
}

static bool watch_above(struct mt_watch *watch, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) : 0;
	if (len >= PATH_MAX)
		return false;
	snprintf(folder, sizeof(folder), "%.*s", len, path);
	if (len == 0)
		snprintf(folder, sizeof(folder), "%s", slash ? "/" : ".");
	return mt_watch_folder(watch, folder);
}

bool mt_watch_file(struct mt_watch *watch, const char *path)
{
	char real[PATH_MAX];
	bool is_watched = watch_above(watch, path);
	if (realpath(path, real) && strcmp(real, path) != 0)
		is_watched = watch_above(watch, real) && is_watched;
	return is_watched;
}

bool mt_watch_drain(struct mt_watch *watch)
{
	char events[4096];
	bool has_events = false;
	while (watch->fd >= 0 && read(watch->fd, events, sizeof(events)) > 0)
		has_events = true;
	return has_events;
}
