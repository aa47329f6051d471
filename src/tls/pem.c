/* PEM files: read with care for who may read the key, never asking for a passphrase. */
#include "tls/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Enough for the bundle of a whole system. */
#define PEM_BYTES_MAX (1024 * 1024)

static const char *system_text(void)
{
	const char *text = strerrordesc_np(errno);

	return text ? text : "unknown error";
}

static enum mt_status check_facts(int fd, const char *path, bool is_secret, char *fault, size_t cap)
{
	struct stat facts;

	if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
		mt_tls_fault_say(fault, cap, "%s is not a file", path);
		return MT_INVALID;
	}
	if (is_secret && (facts.st_mode & 077) != 0) {
		mt_tls_fault_say(
			fault, cap,
			"%s holds a key and is open to others than its owner: chmod 600 %s", path,
			path);
		return MT_DENIED;
	}
	if (facts.st_size > PEM_BYTES_MAX) {
		mt_tls_fault_say(fault, cap, "%s is larger than 1 MiB", path);
		return MT_LIMIT;
	}
	return MT_OK;
}

static enum mt_status copy(int fd, BIO *to)
{
	uint8_t chunk[4096];
	enum mt_status status = MT_OK;
	size_t total = 0;

	while (status == MT_OK) {
		ssize_t got = read(fd, chunk, sizeof(chunk));
		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		total += got > 0 ? (size_t)got : 0;
		if (got < 0)
			status = MT_SYSTEM;
		else if (total > PEM_BYTES_MAX)
			status = MT_LIMIT;
		else if (BIO_write(to, chunk, (int)got) != (int)got)
			status = MT_MEMORY;
	}
	mt_bytes_wipe(chunk, sizeof(chunk));
	return status;
}

static enum mt_status read_open(int fd, const char *path, bool is_secret, BIO **out, char *fault,
				size_t cap)
{
	enum mt_status status;
	BIO *bio;

	MT_TRY(check_facts(fd, path, is_secret, fault, cap));
	bio = BIO_new(BIO_s_mem());
	status = bio ? copy(fd, bio) : MT_MEMORY;
	if (status != MT_OK) {
		mt_tls_fault_say(fault, cap, "cannot read %s: %s", path,
				 status == MT_SYSTEM ? system_text() : mt_status_text(status));
		BIO_free(bio);
		return status;
	}
	*out = bio;
	return MT_OK;
}

enum mt_status mt_tls_pem_read(const char *path, bool is_secret, BIO **out, char *fault, size_t cap)
{
	/* Symlinks are followed, as renewal tools use them; what was opened is checked. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum mt_status status;

	if (fd < 0) {
		status = errno == EACCES || errno == EPERM ? MT_DENIED : MT_SYSTEM;
		if (errno == ENOENT || errno == ENOTDIR)
			status = MT_NOT_FOUND;
		mt_tls_fault_say(fault, cap, "cannot open %s: %s", path, system_text());
		return status;
	}
	status = read_open(fd, path, is_secret, out, fault, cap);
	close(fd);
	return status;
}

int mt_tls_pem_no_passphrase(char *to, int cap, int is_writing, void *unused)
{
	(void)to;
	(void)cap;
	(void)is_writing;
	(void)unused;
	return -1;
}
