/* Unix sockets that others connect to: made with owner, group and mode, and taken away again. */
#pragma once

#include "base/status.h"

#include <stdint.h>

struct mt_local_settings {
	const char *path;
	const char *owner; /* name or number; "": our own */
	const char *group;
	uint32_t mode;
};

/*
 * Bound and listening, non-blocking; nobody can connect before owner and mode hold. A socket that
 * is there already is replaced when nobody answers at it. MT_EXISTS: somebody does, or what is
 * there is no socket. MT_NOT_FOUND: no such user or group. MT_SYSTEM: errno tells.
 */
MT_MUST_USE enum mt_status mt_local_listen(const struct mt_local_settings *settings, int *fd);
/* Removes the path of a listening socket; others are left alone. Call it before close(). */
void mt_local_forget(int fd);
/* Process and user at the other end; false for other sockets. */
bool mt_local_peer(int fd, uint32_t *pid, uint32_t *uid);
