/* Small files: read whole, replaced whole; folders and locks of our own. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROWTH_BYTES 4096u

/* What is collected while a file is read; it may be a secret, so nothing of it stays behind. */
struct content {
	uint8_t *data;
	size_t len;
	size_t cap;
};

static void content_drop(struct content *content)
{
	int error = errno;

	if (content->data)
		mt_bytes_wipe(content->data, content->cap);
	free(content->data);
	errno = error;
}

static bool content_grow(struct content *content, size_t cap)
{
	uint8_t *data = malloc(cap);

	if (!data)
		return false;
	if (content->len > 0)
		memcpy(data, content->data, content->len);
	content_drop(content);
	content->data = data;
	content->cap = cap;
	return true;
}

static enum mt_status close_with(int fd, enum mt_status status)
{
	int error = errno;

	close(fd);
	errno = error;
	return status;
}

static bool is_private(const struct stat *facts)
{
	return facts->st_uid == geteuid() && (facts->st_mode & 077) == 0;
}

static enum mt_status open_regular(const char *path, bool is_secret, int *fd, size_t *bytes)
{
	/* O_NONBLOCK: a pipe put in place of the file must not hold us. */
	int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat facts;

	if (opened < 0)
		return errno == ENOENT || errno == ENOTDIR ? MT_NOT_FOUND : MT_SYSTEM;
	if (fstat(opened, &facts) != 0)
		return close_with(opened, MT_SYSTEM);
	if (!S_ISREG(facts.st_mode)) {
		errno = S_ISDIR(facts.st_mode) ? EISDIR : EINVAL;
		return close_with(opened, MT_SYSTEM);
	}
	if (is_secret && !is_private(&facts))
		return close_with(opened, MT_DENIED);
	*fd = opened;
	*bytes = (size_t)facts.st_size;
	return MT_OK;
}

/* Reads on to the end; one byte of room is always left for the terminator. */
static enum mt_status read_rest(int fd, size_t bytes_max, struct content *content)
{
	for (;;) {
		ssize_t got;
		if (content->len > bytes_max)
			return MT_LIMIT;
		if (content->len + 1 >= content->cap &&
		    !content_grow(content, content->cap + GROWTH_BYTES))
			return MT_MEMORY;
		got = read(fd, content->data + content->len, content->cap - content->len - 1);
		if (got == 0)
			return MT_OK;
		if (got < 0 && errno != EINTR)
			return MT_SYSTEM;
		if (got > 0)
			content->len += (size_t)got;
	}
}

static enum mt_status read_file(const char *path, bool is_secret, size_t bytes_max, uint8_t **data,
				size_t *len)
{
	struct content content = {NULL, 0, 0};
	enum mt_status status;
	size_t bytes;
	int fd;

	MT_TRY(open_regular(path, is_secret, &fd, &bytes));
	status = bytes > bytes_max ? MT_LIMIT : MT_OK;
	/* Room for the end to show without growing: one byte more, and the terminator. */
	if (status == MT_OK && !content_grow(&content, bytes + 2))
		status = MT_MEMORY;
	if (status == MT_OK)
		status = read_rest(fd, bytes_max, &content);
	status = close_with(fd, status);
	if (status != MT_OK) {
		content_drop(&content);
		return status;
	}
	content.data[content.len] = '\0';
	*data = content.data;
	*len = content.len;
	return MT_OK;
}

enum mt_status mt_file_read(const char *path, size_t bytes_max, uint8_t **data, size_t *len)
{
	return read_file(path, false, bytes_max, data, len);
}

enum mt_status mt_file_read_secret(const char *path, size_t bytes_max, uint8_t **data, size_t *len)
{
	return read_file(path, true, bytes_max, data, len);
}

/* Opens the folder that holds `path`; *name is the part behind it. */
static enum mt_status open_parent(const char *path, int *fd, const char **name)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	size_t len = slash ? (size_t)(slash - path) : 0;
	int opened;

	if (len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return MT_SYSTEM;
	}
	if (slash) {
		memcpy(folder, len > 0 ? path : "/", len > 0 ? len : 1);
		folder[len > 0 ? len : 1] = '\0';
	}
	opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (opened < 0)
		return errno == ENOENT ? MT_NOT_FOUND : MT_SYSTEM;
	*fd = opened;
	*name = slash ? slash + 1 : path;
	return MT_OK;
}

/* A fresh file at the temporary name: what a crash left is removed, a symlink is an attack. */
static enum mt_status create_temporary(int folder, const char *name, int *fd)
{
	struct stat facts;
	int opened;

	if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISREG(facts.st_mode))
			return MT_DENIED;
		if (unlinkat(folder, name, 0) != 0)
			return MT_SYSTEM;
	}
	opened = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (opened < 0)
		return MT_SYSTEM;
	*fd = opened;
	return MT_OK;
}

static enum mt_status write_all(int fd, struct mt_bytes content)
{
	while (content.len > 0) {
		ssize_t sent = write(fd, content.data, content.len);
		if (sent < 0 && errno != EINTR)
			return MT_SYSTEM;
		if (sent > 0)
			content = mt_bytes_from(content, (size_t)sent);
	}
	return MT_OK;
}

static enum mt_status fill_temporary(int fd, struct mt_bytes content, unsigned mode)
{
	enum mt_status status = write_all(fd, content);

	/* The mode last, and not through the umask. */
	if (status == MT_OK && (fchmod(fd, mode & 0777) != 0 || fsync(fd) != 0))
		status = MT_SYSTEM;
	if (status != MT_OK)
		return close_with(fd, status);
	return close(fd) == 0 ? MT_OK : MT_SYSTEM;
}

static enum mt_status replace(int folder, const char *name, struct mt_bytes content, unsigned mode)
{
	char temporary[NAME_MAX + 1];
	enum mt_status status;
	int fd, error;
	int len = snprintf(temporary, sizeof(temporary), "%s.tmp", name);

	if (name[0] == '\0' || len < 0 || (size_t)len >= sizeof(temporary)) {
		errno = name[0] == '\0' ? EISDIR : ENAMETOOLONG;
		return MT_SYSTEM;
	}
	MT_TRY(create_temporary(folder, temporary, &fd));
	status = fill_temporary(fd, content, mode);
	if (status == MT_OK && renameat(folder, temporary, folder, name) != 0)
		status = MT_SYSTEM;
	if (status != MT_OK) {
		error = errno;
		(void)unlinkat(folder, temporary, 0);
		errno = error;
		return status;
	}
	return fsync(folder) == 0 ? MT_OK : MT_SYSTEM;
}

enum mt_status mt_file_write(const char *path, struct mt_bytes content, unsigned mode)
{
	const char *name;
	int folder;

	MT_TRY(open_parent(path, &folder, &name));
	return close_with(folder, replace(folder, name, content, mode));
}

/* The folder exists: is it ours alone to write? */
static enum mt_status check_folder(int fd)
{
	struct stat facts;

	if (fstat(fd, &facts) != 0)
		return MT_SYSTEM;
	return facts.st_uid == geteuid() && (facts.st_mode & 022) == 0 ? MT_OK : MT_DENIED;
}

static enum mt_status settle_folder(int fd, int parent, unsigned mode)
{
	return fchmod(fd, mode & 0777) == 0 && fsync(parent) == 0 ? MT_OK : MT_SYSTEM;
}

enum mt_status mt_folder_claim(const char *path, unsigned mode)
{
	enum mt_status status;
	bool is_new = mkdir(path, mode & 0700) == 0;
	const char *name;
	int fd, parent;

	if (!is_new && errno != EEXIST)
		return errno == ENOENT ? MT_NOT_FOUND : MT_SYSTEM;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? MT_DENIED : MT_SYSTEM;
	if (!is_new)
		return close_with(fd, check_folder(fd));
	status = open_parent(path, &parent, &name);
	if (status == MT_OK)
		status = close_with(parent, settle_folder(fd, parent, mode));
	return close_with(fd, status);
}

enum mt_status mt_file_lock(const char *path, int *fd)
{
	int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

	if (opened < 0)
		return errno == ENOENT ? MT_NOT_FOUND : MT_SYSTEM;
	if (flock(opened, LOCK_EX | LOCK_NB) != 0)
		return close_with(opened, errno == EWOULDBLOCK ? MT_EXISTS : MT_SYSTEM);
	*fd = opened;
	return MT_OK;
}
