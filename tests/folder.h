/* A folder of a test's own under $TMPDIR, and whole small files in it. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0700. The result is static: one folder at a time. */
static inline const char *folder_make(void)
{
	static char path[512];
	const char *parent = getenv("TMPDIR");
	snprintf(path, sizeof(path), "%s/mortise-test-XXXXXX", parent && *parent ? parent : "/tmp");
	assert_non_null(mkdtemp(path));
	return path;
}

static inline int folder_remove_entry(const char *path, const struct stat *facts, int kind,
				      struct FTW *walk)
{
	(void)facts;
	(void)kind;
	(void)walk;
	return remove(path);
}

static inline void folder_remove(const char *path)
{
	assert_int_equal(nftw(path, folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void file_put(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd;
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* The content, malloc'ed, with a 0 behind it. */
static inline uint8_t *file_get(const char *path, size_t *len)
{
	struct stat facts;
	int fd = open(path, O_RDONLY);
	uint8_t *data;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &facts), 0);
	data = calloc(1, (size_t)facts.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)facts.st_size), facts.st_size);
	close(fd);
	*len = (size_t)facts.st_size;
	return data;
}

static inline bool file_is_there(const char *path)
{
	struct stat facts;
	return lstat(path, &facts) == 0;
}
