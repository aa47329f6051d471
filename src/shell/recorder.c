/* A recording on disk. */
#include "shell/recorder.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is there may be written over: a plain file of ours, alone in its name, that is a recording.
 */
static const char *refuse(int fd)
{
	uint8_t head[MT_RECORD_HEAD_BYTES] = {0};
	struct mt_bytes log = mt_bytes_of(head, sizeof(head));
	struct stat facts;
	if (fstat(fd, &facts) != 0)
		return strerror(errno);
	if (!S_ISREG(facts.st_mode) || facts.st_uid != geteuid() || facts.st_nlink != 1)
		return "something is there that is no file of our own";
	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    mt_records_open(&log) != MT_OK)
		return "a file is there that is no recording";
	return flock(fd, LOCK_EX | LOCK_NB) == 0 ? NULL : "another broker records there";
}

static int open_old(const char *path, const char **why)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		*why = errno == ELOOP ? "a symbolic link is there" : strerror(errno);
		return -1;
	}
	*why = refuse(fd);
	if (!*why && (ftruncate(fd, 0) != 0 || fchmod(fd, 0600) != 0))
		*why = strerror(errno);
	if (!*why)
		return fd;
	close(fd);
	return -1;
}

static int open_file(const char *path, const char **why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (fd < 0 && errno == EEXIST)
		return open_old(path, why);
	if (fd < 0)
		*why = strerror(errno);
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		mt_log(MT_LOG_WARNING, "record", "the file cannot be locked",
		       MT_STR("why", strerror(errno)));
	return fd;
}

static bool write_all(int fd, struct mt_bytes bytes)
{
	while (bytes.len > 0) {
		ssize_t taken = write(fd, bytes.data, bytes.len);
		if (taken < 0 && errno != EINTR)
			return false;
		if (taken > 0)
			bytes = mt_bytes_from(bytes, (size_t)taken);
	}
	return true;
}

static bool write_records(void *context, struct mt_bytes bytes, const char *end)
{
	const struct mt_recorder *recorder = context;
	if (!write_all(recorder->fd, bytes)) {
		mt_log(MT_LOG_ERROR, "record", "the recording ends: it cannot be written",
		       MT_STR("why", strerror(errno)), MT_STR("file", recorder->path));
		return false;
	}
	if (end)
		mt_log(MT_LOG_NOTICE, "record", "the recording ends", MT_STR("why", end),
		       MT_STR("file", recorder->path));
	return true;
}

enum mt_status mt_recorder_open(const char *path, uint64_t bytes_max, struct mt_recorder **out,
				char *fault, size_t cap)
{
	const char *why = "";
	struct mt_recorder *recorder = calloc(1, sizeof(*recorder));
	if (!recorder) {
		snprintf(fault, cap, "out of memory");
		return MT_MEMORY;
	}
	recorder->path = path;
	recorder->fd = open_file(path, &why);
	if (recorder->fd < 0) {
		snprintf(fault, cap, "--record %.300s: %s; choose another file", path, why);
		free(recorder);
		return MT_INVALID;
	}
	/* Beyond the limit of file sizes a write fails; that must not end the process. */
	(void)signal(SIGXFSZ, SIG_IGN);
	mt_tape_init(&recorder->tape, write_records, recorder, bytes_max);
	mt_log(MT_LOG_NOTICE, "record", "every call is recorded", MT_STR("file", path),
	       MT_U64("bytes_max", bytes_max));
	*out = recorder;
	return MT_OK;
}

void mt_recorder_close(struct mt_recorder **recorder, const struct mt_core *core)
{
	struct mt_recorder *old = *recorder;
	*recorder = NULL;
	if (!old)
		return;
	mt_tape_finish(&old->tape, core, "the broker ends");
	close(old->fd);
	free(old);
}
