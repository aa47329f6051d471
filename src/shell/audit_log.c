/* The writer of the audit log: a ring, a thread, files. */
#include "shell/audit_log.h"

#include "base/bucket.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/file.h"
#include "shell/audit_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RING 2048u /* a power of two */
#define SYNC_S 1
#define HEAD_NS (3600 * MT_SECOND)
/* Of entries that clients cause: so many a second in the long run, and that many at once. */
#define PEER_RATE 100
#define PEER_BURST 2000
#define SECRET_BYTES crypto_sign_SECRETKEYBYTES

struct item {
	struct mt_audit_entry entry;
	int64_t wall_ns;
};

struct mt_audit_log {
	char folder[4096];
	uint64_t file_bytes;
	uint32_t files;
	uint8_t secret[SECRET_BYTES];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under the lock */
	struct item *ring;
	uint32_t first, count;
	bool is_over;
	struct mt_bucket peer_bucket;
	uint64_t untold_lost, untold_thinned;
	struct mt_audit_counts counts;
	/* of the thread */
	int fd;		/* -1: none */
	uint64_t bytes; /* of the file */
	uint64_t next_seq;
	char digest[MT_AUDIT_DIGEST_TEXT]; /* of the last line */
	bool is_dirty, is_failing;
	bool was_damaged; /* at the start */
	mt_time head_due_ns;
};

static const bool is_peer[] = {
#define PEER true
#define ADMIN false
#define BROKER false
#define X(word, id, name, by, meaning) by,
	MT_TABLE_AUDIT_EVENTS(X)
#undef X
#undef PEER
#undef ADMIN
#undef BROKER
};

/* ---- files ---- */

static void path_of(const struct mt_audit_log *log, const char *name, char out[4200])
{
	snprintf(out, 4200, "%s/%s", log->folder, name);
}

static void file_path(const struct mt_audit_log *log, uint64_t number, char out[4200])
{
	snprintf(out, 4200, "%s/%010" PRIu64 ".jsonl", log->folder, number);
}

/* The log cannot be written: said once, and the entries count as lost. */
static void fail(struct mt_audit_log *log, const char *what)
{
	if (!log->is_failing)
		mt_log(MT_LOG_ERROR, "audit", "the log cannot be written", MT_STR("what", what),
		       MT_STR("why", strerror(errno)), MT_STR("folder", log->folder));
	log->is_failing = true;
}

static void drop_oldest(const struct mt_audit_log *log)
{
	uint64_t *numbers = NULL;
	size_t count = 0;
	char path[4200];
	if (mt_audit_files(log->folder, &numbers, &count) != MT_OK)
		return;
	for (size_t i = 0; i + log->files < count; i++) {
		file_path(log, numbers[i], path);
		unlink(path);
	}
	free(numbers);
}

static bool next_file(struct mt_audit_log *log)
{
	char path[4200];
	if (log->fd >= 0) {
		fdatasync(log->fd);
		close(log->fd);
	}
	file_path(log, log->next_seq, path);
	log->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	log->bytes = 0;
	if (log->fd < 0) {
		fail(log, path);
		return false;
	}
	drop_oldest(log);
	return true;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		data += done;
		len -= (size_t)done;
	}
	return true;
}

/* A line that was written in part is taken back: the next one would not fit behind it. */
static bool append(struct mt_audit_log *log, const char *line, size_t len)
{
	if ((log->fd < 0 || log->bytes >= log->file_bytes) && !next_file(log))
		return false;
	if (!write_all(log->fd, line, len)) {
		fail(log, "write");
		if (ftruncate(log->fd, (off_t)log->bytes) != 0) {
			close(log->fd);
			log->fd = -1;
		}
		return false;
	}
	log->bytes += len;
	log->is_dirty = true;
	log->is_failing = false;
	return true;
}

static void write_entry(struct mt_audit_log *log, const struct mt_audit_entry *entry,
			int64_t wall_ns)
{
	char line[MT_AUDIT_LINE_BYTES + 1];
	size_t len = mt_audit_line(entry, log->next_seq, wall_ns, log->digest, line);
	bool is_written;
	line[len] = '\n';
	is_written = append(log, line, len + 1);
	if (is_written) {
		mt_audit_digest(line, len, log->digest);
		log->next_seq++;
	}
	MT_CHECK(pthread_mutex_lock(&log->lock) == 0);
	log->counts.written += is_written;
	log->counts.seq = log->next_seq - 1;
	log->counts.lost += !is_written;
	log->untold_lost += !is_written;
	MT_CHECK(pthread_mutex_unlock(&log->lock) == 0);
}

static void sync_file(struct mt_audit_log *log)
{
	if (log->is_dirty && log->fd >= 0 && fdatasync(log->fd) != 0)
		fail(log, "sync");
	log->is_dirty = false;
}

/* Signs the last line: what is exported shows later that nothing before it was cut off. */
static void sign(struct mt_audit_log *log)
{
	struct mt_audit_entry entry = {.kind = MT_AUDIT_EVENT_HEAD};
	struct mt_audit_head head;
	struct mt_now now = mt_clock_now();
	char text[512], path[4200];
	time_t seconds = (time_t)(now.wall_ns / MT_SECOND);
	struct tm parts = {0};
	size_t len;
	head = (struct mt_audit_head){.seq = log->next_seq - 1};
	memcpy(head.digest, log->digest, sizeof(head.digest));
	gmtime_r(&seconds, &parts);
	strftime(head.time, sizeof(head.time), "%Y-%m-%dT%H:%M:%SZ", &parts);
	memcpy(head.key, log->secret + crypto_sign_SEEDBYTES, sizeof(head.key));
	len = mt_audit_head_text(&head, text);
	crypto_sign_detached(head.signature, NULL, (const unsigned char *)text, len, log->secret);
	len = mt_audit_head_print(&head, text);
	sync_file(log);
	path_of(log, "head.json", path);
	if (mt_file_write(path, mt_bytes_of(text, len), 0600) != MT_OK)
		fail(log, path);
	mt_log(MT_LOG_NOTICE, "audit", "head", MT_U64("seq", head.seq),
	       MT_STR("digest", head.digest));
	snprintf(entry.what, sizeof(entry.what), "%s", head.digest);
	write_entry(log, &entry, now.wall_ns);
	log->head_due_ns = now.mono_ns + HEAD_NS;
}

/* ---- the thread ---- */

static void tell_missing(struct mt_audit_log *log, enum mt_audit_kind kind, uint64_t *untold)
{
	struct mt_audit_entry entry = {.kind = kind};
	MT_CHECK(pthread_mutex_lock(&log->lock) == 0);
	entry.count = *untold;
	*untold = 0;
	MT_CHECK(pthread_mutex_unlock(&log->lock) == 0);
	if (entry.count > 0)
		write_entry(log, &entry, mt_clock_now().wall_ns);
}

/* False: the ring is empty. */
static bool take(struct mt_audit_log *log, struct item *out)
{
	bool is_there;
	MT_CHECK(pthread_mutex_lock(&log->lock) == 0);
	is_there = log->count > 0;
	if (is_there) {
		*out = log->ring[log->first];
		log->first = (log->first + 1) & (RING - 1);
		log->count--;
	}
	MT_CHECK(pthread_mutex_unlock(&log->lock) == 0);
	return is_there;
}

/* Until something comes, or a second has passed. False: it is over. */
static bool rest(struct mt_audit_log *log)
{
	struct timespec until;
	bool goes_on;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SYNC_S;
	MT_CHECK(pthread_mutex_lock(&log->lock) == 0);
	while (log->count == 0 && !log->is_over &&
	       pthread_cond_timedwait(&log->wake, &log->lock, &until) == 0)
		;
	goes_on = log->count > 0 || !log->is_over;
	MT_CHECK(pthread_mutex_unlock(&log->lock) == 0);
	return goes_on;
}

static void *work(void *context)
{
	struct mt_audit_log *log = context;
	struct item item;
	do {
		while (take(log, &item)) {
			write_entry(log, &item.entry, item.wall_ns);
			if (!is_peer[item.entry.kind])
				sync_file(log);
		}
		tell_missing(log, MT_AUDIT_EVENT_LOST, &log->untold_lost);
		tell_missing(log, MT_AUDIT_EVENT_THINNED, &log->untold_thinned);
		sync_file(log);
		if (mt_clock_now().mono_ns >= log->head_due_ns)
			sign(log);
	} while (rest(log));
	return NULL;
}

/* ---- opening ---- */

static enum mt_status say(char *fault, size_t cap, enum mt_status status, const char *path,
			  const char *why)
{
	snprintf(fault, cap, "audit log %s: %s", path, why);
	return status;
}

/* The key of the heads, made when there is none. */
static enum mt_status load_key(struct mt_audit_log *log, char *fault, size_t cap)
{
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t *data = NULL;
	size_t len = 0;
	char path[4200];
	enum mt_status status;
	path_of(log, "key", path);
	status = mt_file_read_secret(path, SECRET_BYTES, &data, &len);
	if (status == MT_NOT_FOUND) {
		crypto_sign_keypair(public, log->secret);
		status = mt_file_write(path, mt_bytes_of(log->secret, SECRET_BYTES), 0600);
		return status == MT_OK ? MT_OK : say(fault, cap, status, path, strerror(errno));
	}
	if (status == MT_OK && len == SECRET_BYTES)
		memcpy(log->secret, data, SECRET_BYTES);
	if (data)
		mt_bytes_wipe(data, len);
	free(data);
	if (status == MT_DENIED)
		return say(fault, cap, status, path,
			   "others may read it; chmod 600 it when you trust it");
	if (status != MT_OK || len != SECRET_BYTES)
		return say(fault, cap, MT_CORRUPT, path,
			   "is no key; move it away, and another one is made");
	return MT_OK;
}

/* The bytes behind the last whole line are put aside: the line was being written when it ended. */
static enum mt_status cut_tail(struct mt_audit_log *log, const char *path, const uint8_t *tail,
			       size_t tail_len, off_t whole)
{
	char aside[4300];
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	mt_log(MT_LOG_WARNING, "audit", "the end of the log was damaged, and is put aside",
	       MT_STR("file", aside), MT_U64("bytes", tail_len));
	if (mt_file_write(aside, mt_bytes_of(tail, tail_len), 0600) != MT_OK ||
	    truncate(path, whole) != 0)
		return MT_SYSTEM;
	log->was_damaged = true;
	return MT_OK;
}

/* Number and digest of the last whole line. False: it is none of ours. */
static bool find_end(struct mt_audit_log *log, const uint8_t *data, size_t whole)
{
	char prev[MT_AUDIT_DIGEST_TEXT];
	size_t start = whole - 1;
	uint64_t seq;
	while (start > 0 && data[start - 1] != '\n')
		start--;
	if (!mt_audit_line_parse((const char *)data + start, whole - 1 - start, &seq, prev))
		return false;
	log->next_seq = seq + 1;
	mt_audit_digest((const char *)data + start, whole - 1 - start, log->digest);
	return true;
}

static enum mt_status resume(struct mt_audit_log *log, uint64_t number, char *fault, size_t cap)
{
	uint8_t *data = NULL;
	size_t len = 0, whole;
	char path[4200];
	enum mt_status status;
	file_path(log, number, path);
	status = mt_file_read(path, (size_t)1 << 31, &data, &len);
	if (status != MT_OK)
		return say(fault, cap, status, path, strerror(errno));
	whole = len;
	while (whole > 0 && data[whole - 1] != '\n')
		whole--;
	if (whole < len)
		status = cut_tail(log, path, data + whole, len - whole, (off_t)whole);
	log->next_seq = number;
	if (status != MT_OK)
		(void)say(fault, cap, status, path, strerror(errno));
	else if (whole > 0 && !find_end(log, data, whole))
		status = say(fault, cap, MT_CORRUPT, path,
			     "its last line is no entry of the log: somebody changed it; look with "
			     "`mortise audit verify`, and move the folder away to begin anew");
	free(data);
	if (status != MT_OK)
		return status;
	log->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	log->bytes = whole;
	return log->fd >= 0 ? MT_OK : say(fault, cap, MT_SYSTEM, path, strerror(errno));
}

/* An empty last file has lost its lines' digests with its former one's: that one tells. */
static enum mt_status find_last(struct mt_audit_log *log, char *fault, size_t cap)
{
	uint64_t *numbers = NULL;
	size_t count = 0;
	char path[4200];
	enum mt_status status = mt_audit_files(log->folder, &numbers, &count);
	if (status != MT_OK)
		return say(fault, cap, status, log->folder, strerror(errno));
	log->next_seq = 1;
	memset(log->digest, '0', MT_AUDIT_DIGEST_TEXT - 1);
	for (size_t i = count; i > 0 && status == MT_OK; i--) {
		if (log->fd >= 0)
			close(log->fd);
		log->fd = -1;
		status = resume(log, numbers[i - 1], fault, cap);
		if (log->bytes > 0)
			break;
		/* Its name is that of the next file, which must not be there. */
		file_path(log, numbers[i - 1], path);
		if (status == MT_OK && i > 1 && unlink(path) != 0)
			status = say(fault, cap, MT_SYSTEM, path, strerror(errno));
	}
	free(numbers);
	return status;
}

static enum mt_status prepare(struct mt_audit_log *log, const struct mt_audit_settings *settings,
			      char *fault, size_t cap)
{
	enum mt_status status;
	snprintf(log->folder, sizeof(log->folder), "%s/audit", settings->state_path);
	log->file_bytes = settings->file_bytes;
	log->files = settings->files;
	log->ring = calloc(RING, sizeof(*log->ring));
	if (!log->ring || sodium_init() < 0)
		return say(fault, cap, MT_MEMORY, log->folder, "out of memory");
	status = mt_folder_claim(log->folder, 0700);
	if (status != MT_OK)
		return say(fault, cap, status, log->folder,
			   "it cannot be made, or others may write there; see to its permissions");
	MT_TRY(load_key(log, fault, cap));
	return find_last(log, fault, cap);
}

static void destroy(struct mt_audit_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	mt_bytes_wipe(log->secret, sizeof(log->secret));
	free(log->ring);
	free(log);
}

static void start(struct mt_audit_log *log)
{
	pthread_condattr_t monotonic;
	MT_CHECK(pthread_mutex_init(&log->lock, NULL) == 0);
	MT_CHECK(pthread_condattr_init(&monotonic) == 0);
	MT_CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	MT_CHECK(pthread_cond_init(&log->wake, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	log->head_due_ns = mt_clock_now().mono_ns + HEAD_NS;
	log->counts.seq = log->next_seq - 1;
}

enum mt_status mt_audit_log_open(const struct mt_audit_settings *settings,
				 struct mt_audit_log **out, char *fault, size_t cap)
{
	struct mt_audit_log *log = calloc(1, sizeof(*log));
	enum mt_status status;
	if (!log)
		return say(fault, cap, MT_MEMORY, settings->state_path, "out of memory");
	log->fd = -1;
	status = prepare(log, settings, fault, cap);
	if (status == MT_OK) {
		start(log);
		if (pthread_create(&log->thread, NULL, work, log) != 0)
			status = say(fault, cap, MT_SYSTEM, log->folder, "no thread for it");
	}
	if (status != MT_OK) {
		destroy(log);
		return status;
	}
	*out = log;
	mt_audit_log_write(log, &(struct mt_audit_entry){.kind = MT_AUDIT_EVENT_START});
	if (log->was_damaged)
		mt_audit_log_write(log, &(struct mt_audit_entry){.kind = MT_AUDIT_EVENT_DAMAGED});
	return MT_OK;
}

void mt_audit_log_close(struct mt_audit_log **log)
{
	struct mt_audit_log *old = *log;
	*log = NULL;
	if (!old)
		return;
	mt_audit_log_write(old, &(struct mt_audit_entry){.kind = MT_AUDIT_EVENT_STOP});
	MT_CHECK(pthread_mutex_lock(&old->lock) == 0);
	old->is_over = true;
	MT_CHECK(pthread_cond_signal(&old->wake) == 0);
	MT_CHECK(pthread_mutex_unlock(&old->lock) == 0);
	MT_CHECK(pthread_join(old->thread, NULL) == 0);
	sign(old);
	sync_file(old);
	pthread_cond_destroy(&old->wake);
	pthread_mutex_destroy(&old->lock);
	destroy(old);
}

void mt_audit_log_write(struct mt_audit_log *log, const struct mt_audit_entry *entry)
{
	struct mt_now now;
	if (!log)
		return;
	now = mt_clock_now();
	MT_CHECK(pthread_mutex_lock(&log->lock) == 0);
	if (is_peer[entry->kind] &&
	    !mt_bucket_take(&log->peer_bucket, now.mono_ns, MT_SECOND / PEER_RATE,
			    MT_SECOND / PEER_RATE * PEER_BURST)) {
		log->counts.thinned++;
		log->untold_thinned++;
	} else if (log->count == RING) {
		log->counts.lost++;
		log->untold_lost++;
	} else {
		log->ring[(log->first + log->count) & (RING - 1)] =
			(struct item){*entry, now.wall_ns};
		log->count++;
		MT_CHECK(pthread_cond_signal(&log->wake) == 0);
	}
	MT_CHECK(pthread_mutex_unlock(&log->lock) == 0);
}

struct mt_audit_counts mt_audit_log_counts(struct mt_audit_log *log)
{
	struct mt_audit_counts counts;
	if (!log)
		return (struct mt_audit_counts){0};
	MT_CHECK(pthread_mutex_lock(&log->lock) == 0);
	counts = log->counts;
	MT_CHECK(pthread_mutex_unlock(&log->lock) == 0);
	return counts;
}
