/*
 * Folders that are watched for changes (inotify): one descriptor that becomes readable when an
 * entry of any of them was written, came, went, or changed its rights. What changed is not told:
 * whoever asks looks for itself.
 */
#pragma once

#include "base/status.h"

struct mt_watch {
	int fd; /* -1: nothing can be watched */
};

/* MT_SYSTEM: errno tells; fd is -1. */
MT_MUST_USE enum mt_status mt_watch_open(struct mt_watch *watch);
void mt_watch_close(struct mt_watch *watch);
/* The folder of a file, and, where the file is a symbolic link, that of what it leads to. Again and
 * again for the same path is fine. False: one of them cannot be watched. */
bool mt_watch_file(struct mt_watch *watch, const char *path);
/* The folder itself. */
bool mt_watch_folder(struct mt_watch *watch, const char *path);
/* Takes all that came; false: nothing did. */
bool mt_watch_drain(struct mt_watch *watch);
