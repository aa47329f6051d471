/* Listening at a path. */
#include "io/local.h"

#include "base/check.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NOBODY_ELSE 0177

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	MT_CHECK(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

static bool read_number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long value;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	/* The largest number says "leave it" to chown. */
	if (*end != '\0' || errno != 0 || value >= UINT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

static enum mt_status find_owner(const struct mt_local_settings *settings, uint32_t *uid,
				 uint32_t *gid)
{
	*uid = *gid = UINT32_MAX;
	if (settings->owner[0] != '\0' && !read_number(settings->owner, uid)) {
		const struct passwd *user = getpwnam(settings->owner);
		if (!user)
			return MT_NOT_FOUND;
		*uid = user->pw_uid;
	}
	if (settings->group[0] != '\0' && !read_number(settings->group, gid)) {
		const struct group *group = getgrnam(settings->group);
		if (!group)
			return MT_NOT_FOUND;
		*gid = group->gr_gid;
	}
	return MT_OK;
}

/* Only a socket whose listener is gone refuses; one that is merely busy does not. */
static bool is_served(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_refused;
	if (fd < 0)
		return true;
	is_refused = connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 &&
		     errno == ECONNREFUSED;
	close(fd);
	return !is_refused;
}

static enum mt_status clear_path(const char *path)
{
	struct stat info;
	if (lstat(path, &info) != 0)
		return errno == ENOENT ? MT_OK : MT_SYSTEM;
	if (!S_ISSOCK(info.st_mode) || is_served(path)) {
		errno = EEXIST;
		return MT_EXISTS;
	}
	return unlink(path) == 0 || errno == ENOENT ? MT_OK : MT_SYSTEM;
}

static bool bind_quietly(int fd, const char *path)
{
	struct sockaddr_un address = address_of(path);
	mode_t mask = umask(NOBODY_ELSE);
	bool is_bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	int error = errno;
	umask(mask);
	errno = error;
	return is_bound;
}

static bool open_to(const struct mt_local_settings *settings, uint32_t uid, uint32_t gid)
{
	if ((uid != UINT32_MAX || gid != UINT32_MAX) && lchown(settings->path, uid, gid) != 0)
		return false;
	return chmod(settings->path, (mode_t)settings->mode) == 0;
}

enum mt_status mt_local_listen(const struct mt_local_settings *settings, int *fd)
{
	uint32_t uid, gid;
	int opened, error;
	MT_TRY(find_owner(settings, &uid, &gid));
	MT_TRY(clear_path(settings->path));
	opened = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (opened < 0)
		return MT_SYSTEM;
	if (bind_quietly(opened, settings->path)) {
		if (open_to(settings, uid, gid) && listen(opened, SOMAXCONN) == 0) {
			*fd = opened;
			return MT_OK;
		}
		error = errno;
		unlink(settings->path);
		errno = error;
	}
	error = errno;
	close(opened);
	errno = error;
	return MT_SYSTEM;
}

void mt_local_forget(int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
	    address.sun_family != AF_UNIX || address.sun_path[0] == '\0')
		return;
	unlink(address.sun_path);
}

bool mt_local_peer(int fd, uint32_t *pid, uint32_t *uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.pid <= 0)
		return false;
	*pid = (uint32_t)peer.pid;
	*uid = peer.uid;
	return true;
}
