/* mortise audit: the log of STATE/audit, read where it lies; the broker need not run. */
#include "shell/audit_chain.h"

#include "cli/print.h"
#include "cli/state.h"
#include "cli/verbs.h"
#include "crypto/digest.h"
#include "io/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES_MAX 4096u

/* Exit code. */
static int find_folder(const struct mt_options *options, char out[MT_STATE_PATH_BYTES])
{
	char state[MT_STATE_PATH_BYTES];
	int failed = mt_cli_state_find(options, "audit", state);
	return failed ? failed : mt_cli_state_path(state, "audit", out);
}

/* Exit code; 0 with is_there false: there is no such file. */
static int read_head(const char *path, struct mt_audit_head *out, bool *is_there)
{
	uint8_t *data = NULL;
	size_t len;
	enum mt_status status = mt_file_read(path, HEAD_BYTES_MAX, &data, &len);
	bool is_good = status == MT_OK && mt_audit_head_parse((const char *)data, out);
	free(data);
	*is_there = status != MT_NOT_FOUND;
	if (status == MT_NOT_FOUND || is_good)
		return 0;
	if (status != MT_OK)
		return mt_cli_fail(1, "%s: %s", path, strerror(errno));
	return mt_cli_fail(5, "%s: is no head of an audit log", path);
}

static int report(const char *folder, enum mt_status status, const struct mt_audit_check *check)
{
	if (status == MT_NOT_FOUND)
		return mt_cli_fail(1, "%s: there is no audit log; the broker makes it at its start",
				   folder);
	if (status == MT_CORRUPT)
		return mt_cli_fail(5, "%s", check->fault);
	if (status != MT_OK)
		return mt_cli_fail(1, "%s", *check->fault ? check->fault : mt_status_text(status));
	return 0;
}

/* The broker's own head, *is_there, may be older than the oldest file when much is written in an
 * hour: then the chain alone is checked. A head that was given must be reached. */
static enum mt_status check_chain(const char *folder, const struct mt_audit_head *head,
				  bool is_given, bool *is_there, struct mt_audit_check *check)
{
	enum mt_status status = mt_audit_verify(folder, *is_there ? head : NULL, check, NULL, NULL);
	if (status != MT_CORRUPT || is_given || !*is_there || head->seq + 1 >= check->first_seq)
		return status;
	*is_there = false;
	return mt_audit_verify(folder, NULL, check, NULL, NULL);
}

int mt_cli_audit_verify(const struct mt_options *options)
{
	const char *given = mt_options_value(options, "head");
	char folder[MT_STATE_PATH_BYTES], own[MT_STATE_PATH_BYTES + 16];
	struct mt_audit_head head;
	struct mt_audit_check check;
	bool is_there = false;
	int failed = find_folder(options, folder);
	if (failed)
		return failed;
	snprintf(own, sizeof(own), "%s/head.json", folder);
	failed = read_head(given ? given : own, &head, &is_there);
	if (failed)
		return failed;
	if (given && !is_there)
		return mt_cli_fail(2, "--head %s: %s", given, strerror(ENOENT));
	failed = report(folder, check_chain(folder, &head, given != NULL, &is_there, &check),
			&check);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		printf("{\"entries\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64
		       ",\"digest\":\"%s\",\"signed\":%" PRIu64 "}\n",
		       check.count, check.first_seq, check.last_seq, check.digest,
		       is_there ? head.seq : 0);
	else
		printf("good: %" PRIu64 " entries, %" PRIu64 " to %" PRIu64 "; signed to %" PRIu64
		       "\n",
		       check.count, check.first_seq, check.last_seq, is_there ? head.seq : 0);
	return 0;
}

/* ---- tail ---- */

struct lines {
	char **items; /* a ring */
	uint64_t cap, count;
};

static void keep(void *context, const char *line, size_t len)
{
	struct lines *lines = context;
	char **slot = &lines->items[lines->count++ % lines->cap];
	free(*slot);
	*slot = strndup(line, len);
}

static void print_lines(const struct lines *lines, uint64_t from)
{
	for (uint64_t i = from; i < lines->count; i++) {
		const char *line = lines->items[i % lines->cap];
		puts(line ? line : "");
	}
	fflush(stdout);
}

/* Prints what is new, and looks again, until it is interrupted or the log does not fit together. */
static int follow(const char *folder, struct lines *lines, uint64_t seen)
{
	struct mt_audit_check check;
	for (;;) {
		enum mt_status status;
		uint64_t from;
		usleep(300 * 1000);
		lines->count = 0;
		status = mt_audit_verify(folder, NULL, &check, keep, lines);
		/* A line that is being written is not whole yet. */
		if (status == MT_CORRUPT && strstr(check.fault, "is cut"))
			continue;
		if (status != MT_OK)
			return report(folder, status, &check);
		from = seen >= check.first_seq ? seen + 1 - check.first_seq : 0;
		if (lines->count > lines->cap && from < lines->count - lines->cap)
			from = lines->count - lines->cap;
		print_lines(lines, from);
		seen = check.last_seq;
	}
}

int mt_cli_audit_tail(const struct mt_options *options)
{
	const char *text = mt_options_value(options, "lines");
	char folder[MT_STATE_PATH_BYTES], *end;
	struct mt_audit_check check;
	struct lines lines = {.cap = text ? strtoull(text, &end, 10) : 20};
	enum mt_status status;
	int failed = find_folder(options, folder);
	if (failed)
		return failed;
	if (text && (*text < '0' || *text > '9' || *end || lines.cap == 0 || lines.cap > 1000000))
		return mt_cli_fail(2, "--lines %s: expected a number, 1 to 1000000", text);
	lines.items = calloc(lines.cap, sizeof(char *));
	if (!lines.items)
		return mt_cli_fail(1, "out of memory");
	status = mt_audit_verify(folder, NULL, &check, keep, &lines);
	print_lines(&lines, lines.count > lines.cap ? lines.count - lines.cap : 0);
	failed = report(folder, status, &check);
	if (!failed && mt_options_has(options, "follow"))
		failed = follow(folder, &lines, check.last_seq);
	for (uint64_t i = 0; i < lines.cap; i++)
		free(lines.items[i]);
	free(lines.items);
	return failed;
}

/* ---- export ---- */

static int copy(const char *from, const char *to)
{
	uint8_t *data = NULL;
	size_t len;
	enum mt_status status = mt_file_read(from, (size_t)1 << 31, &data, &len);
	if (status == MT_OK)
		status = mt_file_write(to, mt_bytes_of(data, len), 0600);
	free(data);
	return status == MT_OK ? 0 : mt_cli_fail(1, "%s: %s", from, strerror(errno));
}

/* Of an Ed25519 key: what openssl pkey -pubin reads. */
static int write_key(const char *path, const uint8_t key[32])
{
	uint8_t der[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	char text[MT_BASE64_BYTES(sizeof(der))], pem[256];
	int len;
	memcpy(der + 12, key, 32);
	mt_digest_base64(mt_bytes_of(der, sizeof(der)), text);
	len = snprintf(pem, sizeof(pem),
		       "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", text);
	return mt_file_write(path, mt_bytes_of(pem, (size_t)len), 0600) == MT_OK
		       ? 0
		       : mt_cli_fail(1, "%s: %s", path, strerror(errno));
}

static int export_files(const char *folder, const char *out)
{
	char from[MT_STATE_PATH_BYTES + 32], to[MT_STATE_PATH_BYTES + 32];
	uint64_t *files = NULL;
	size_t count = 0;
	int failed = mt_audit_files(folder, &files, &count) == MT_OK
			     ? 0
			     : mt_cli_fail(1, "%s: %s", folder, strerror(errno));
	for (size_t i = 0; i < count && !failed; i++) {
		snprintf(from, sizeof(from), "%s/%010" PRIu64 ".jsonl", folder, files[i]);
		snprintf(to, sizeof(to), "%.4000s/%010" PRIu64 ".jsonl", out, files[i]);
		failed = copy(from, to);
	}
	free(files);
	return failed;
}

int mt_cli_audit_export(const struct mt_options *options)
{
	const char *out = mt_options_value(options, "out");
	char folder[MT_STATE_PATH_BYTES], path[MT_STATE_PATH_BYTES + 32];
	char digest[MT_AUDIT_DIGEST_TEXT];
	struct mt_audit_head head;
	bool is_there = false;
	int failed;
	if (!out)
		return mt_cli_fail(2, "audit export: --out DIR is missing");
	failed = find_folder(options, folder);
	if (failed)
		return failed;
	snprintf(path, sizeof(path), "%s/head.json", folder);
	failed = read_head(path, &head, &is_there);
	if (failed)
		return failed;
	if (!is_there)
		return mt_cli_fail(1,
				   "%s: nothing was signed yet; the broker signs hourly and when "
				   "it ends",
				   path);
	if (mkdir(out, 0700) != 0)
		return mt_cli_fail(1, "%s: %s", out, strerror(errno));
	failed = export_files(folder, out);
	snprintf(path, sizeof(path), "%.4000s/public.pem", out);
	if (!failed)
		failed = write_key(path, head.key);
	if (!failed) {
		char text[512];
		size_t len = mt_audit_head_print(&head, text);
		snprintf(path, sizeof(path), "%.4000s/head.json", out);
		if (mt_file_write(path, mt_bytes_of(text, len), 0600) != MT_OK)
			failed = mt_cli_fail(1, "%s: %s", path, strerror(errno));
	}
	if (failed)
		return failed;
	mt_audit_digest((const char *)head.key, sizeof(head.key), digest);
	printf("%s: signed to entry %" PRIu64 " at %s; fingerprint of the key: %s\n", out, head.seq,
	       head.time, digest);
	return 0;
}
