/* Lines, digests, heads, and the walk along the chain. */
#include "shell/audit_chain.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	uint16_t id;
	const char *name;
} kinds[] = {
#define X(word, id, name, by, meaning) {id, name},
	MT_TABLE_AUDIT_EVENTS(X)
#undef X
};

/* ---- a line ---- */

struct text {
	char *at;
	size_t len, cap;
};

static void put(struct text *out, const char *text)
{
	size_t len = strlen(text);
	if (len > out->cap - out->len)
		len = out->cap - out->len;
	memcpy(out->at + out->len, text, len);
	out->len += len;
}

/* Bytes that are no printable ASCII are told by their number: each reader sees the same. */
static void put_string(struct text *out, const char *key, const char *value)
{
	char code[8];
	if (*value == '\0')
		return;
	put(out, ",\"");
	put(out, key);
	put(out, "\":\"");
	for (; *value; value++) {
		uint8_t byte = (uint8_t)*value;
		bool is_plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
		snprintf(code, sizeof(code), is_plain ? "%c" : "\\u%04x", byte);
		put(out, code);
	}
	put(out, "\"");
}

static void put_number(struct text *out, const char *key, uint64_t value)
{
	char room[64];
	if (value == 0)
		return;
	snprintf(room, sizeof(room), ",\"%s\":%" PRIu64, key, value);
	put(out, room);
}

static void put_address(struct text *out, const struct mt_audit_entry *entry)
{
	static const uint8_t nowhere[16], mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_v4 = memcmp(entry->address, mapped, sizeof(mapped)) == 0;
	char address[INET6_ADDRSTRLEN] = "unix";
	if (!entry->has_address)
		return;
	if (memcmp(entry->address, nowhere, sizeof(nowhere)) != 0)
		inet_ntop(is_v4 ? AF_INET : AF_INET6, entry->address + (is_v4 ? 12 : 0), address,
			  sizeof(address));
	put_string(out, "address", address);
	put_number(out, "port", entry->port);
}

static void print_time(int64_t wall_ns, char out[40])
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	struct tm parts = {0};
	size_t len;
	gmtime_r(&seconds, &parts);
	len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out + len, 40 - len, ".%06dZ", (int)(wall_ns % 1000000000 / 1000));
}

size_t mt_audit_line(const struct mt_audit_entry *entry, uint64_t seq, int64_t wall_ns,
		     const char prev[MT_AUDIT_DIGEST_TEXT], char out[MT_AUDIT_LINE_BYTES])
{
	/* Room for the end is kept, whatever stands before it. */
	struct text text = {out, 0, MT_AUDIT_LINE_BYTES - MT_AUDIT_DIGEST_TEXT - 16};
	char head[128], time[40];
	print_time(wall_ns, time);
	snprintf(head, sizeof(head),
		 "{\"seq\":%" PRIu64 ",\"time\":\"%s\",\"id\":%u,\"event\":\"%s\"", seq, time,
		 kinds[entry->kind].id, kinds[entry->kind].name);
	put(&text, head);
	put_address(&text, entry);
	put_string(&text, "listener", entry->listener);
	put_string(&text, "author", entry->author);
	put_number(&text, "user_id", entry->user_id);
	put_number(&text, "reason", entry->reason);
	if (entry->mechanism)
		put_string(&text, "mechanism", entry->mechanism);
	put_number(&text, "rule", entry->rule_id);
	put_number(&text, "revision", entry->revision);
	put_number(&text, "count", entry->count);
	put_string(&text, "statement", entry->statement);
	put_string(&text, "user", entry->user);
	put_string(&text, "client_id", entry->client_id);
	put_string(&text, "topic", entry->topic);
	put_string(&text, "what", entry->what);
	text.cap = MT_AUDIT_LINE_BYTES - 1;
	put(&text, ",\"prev\":\"");
	put(&text, prev);
	put(&text, "\"}");
	out[text.len] = '\0';
	return text.len;
}

void mt_audit_digest(const char *line, size_t len, char out[MT_AUDIT_DIGEST_TEXT])
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(digest, (const unsigned char *)line, len);
	sodium_bin2hex(out, MT_AUDIT_DIGEST_TEXT, digest, sizeof(digest));
}

bool mt_audit_line_parse(const char *line, size_t len, uint64_t *seq,
			 char prev[MT_AUDIT_DIGEST_TEXT])
{
	static const char start[] = "{\"seq\":", end[] = ",\"prev\":\"";
	size_t tail = sizeof(end) - 1 + MT_AUDIT_DIGEST_TEXT - 1 + 2, at = sizeof(start) - 1;
	uint64_t number = 0;
	if (len < at + tail || memcmp(line, start, at) != 0 ||
	    memcmp(line + len - tail, end, sizeof(end) - 1) != 0 ||
	    memcmp(line + len - 2, "\"}", 2) != 0)
		return false;
	for (; line[at] >= '0' && line[at] <= '9' && number < UINT64_MAX / 16; at++)
		number = number * 10 + (uint64_t)(line[at] - '0');
	if (line[at] != ',')
		return false;
	memcpy(prev, line + len - tail + sizeof(end) - 1, MT_AUDIT_DIGEST_TEXT - 1);
	prev[MT_AUDIT_DIGEST_TEXT - 1] = '\0';
	*seq = number;
	return true;
}

/* ---- files ---- */

/* "0000000017.jsonl" */
static bool is_file(const char *name, uint64_t *number)
{
	char *end;
	if (name[0] < '0' || name[0] > '9')
		return false;
	*number = strtoull(name, &end, 10);
	return strcmp(end, ".jsonl") == 0;
}

static int by_number(const void *left, const void *right)
{
	uint64_t a, b;
	memcpy(&a, left, sizeof(a));
	memcpy(&b, right, sizeof(b));
	return (a > b) - (a < b);
}

enum mt_status mt_audit_files(const char *folder, uint64_t **out, size_t *count)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	uint64_t *numbers = NULL, number;
	size_t have = 0;
	if (!dir)
		return errno == ENOENT ? MT_NOT_FOUND : MT_SYSTEM;
	while ((entry = readdir(dir))) {
		uint64_t *grown;
		if (!is_file(entry->d_name, &number))
			continue;
		grown = realloc(numbers, (have + 1) * sizeof(*numbers));
		if (!grown) {
			free(numbers);
			closedir(dir);
			return MT_MEMORY;
		}
		numbers = grown;
		numbers[have++] = number;
	}
	closedir(dir);
	if (have > 1)
		qsort(numbers, have, sizeof(*numbers), by_number);
	*out = numbers;
	*count = have;
	return MT_OK;
}

/* ---- the head ---- */

size_t mt_audit_head_text(const struct mt_audit_head *head, char out[256])
{
	int len = snprintf(out, 256, "mortise audit head 1\n%" PRIu64 "\n%s\n%s\n", head->seq,
			   head->digest, head->time);
	return (size_t)len;
}

bool mt_audit_head_verifies(const struct mt_audit_head *head)
{
	char text[256];
	size_t len = mt_audit_head_text(head, text);
	return sodium_init() >= 0 &&
	       crypto_sign_verify_detached(head->signature, (const unsigned char *)text, len,
					   head->key) == 0;
}

size_t mt_audit_head_print(const struct mt_audit_head *head, char out[512])
{
	char key[65], signature[129];
	sodium_bin2hex(key, sizeof(key), head->key, sizeof(head->key));
	sodium_bin2hex(signature, sizeof(signature), head->signature, sizeof(head->signature));
	return (size_t)snprintf(out, 512,
				"{\"seq\":%" PRIu64
				",\"digest\":\"%s\",\"time\":\"%s\",\"key\":\"%s\","
				"\"signature\":\"%s\"}\n",
				head->seq, head->digest, head->time, key, signature);
}

static bool take_hex(const char *text, uint8_t *out, size_t len)
{
	size_t got;
	const char *end;
	return sodium_hex2bin(out, len, text, len * 2, NULL, &got, &end) == 0 && got == len;
}

bool mt_audit_head_parse(const char *text, struct mt_audit_head *out)
{
	char key[65], signature[129];
	*out = (struct mt_audit_head){.seq = 0};
	return sscanf(text,
		      "{\"seq\":%" SCNu64 ",\"digest\":\"%64[0-9a-f]\",\"time\":\"%39[^\"]\","
		      "\"key\":\"%64[0-9a-f]\",\"signature\":\"%128[0-9a-f]\"}",
		      &out->seq, out->digest, out->time, key, signature) == 5 &&
	       strlen(out->digest) == 64 && strlen(key) == 64 && strlen(signature) == 128 &&
	       take_hex(key, out->key, sizeof(out->key)) &&
	       take_hex(signature, out->signature, sizeof(out->signature));
}

/* ---- the walk ---- */

struct walk {
	const char *folder;
	const struct mt_audit_head *head;
	struct mt_audit_check *check;
	mt_audit_visit_fn *visit;
	void *context;
	bool has_head; /* the line that was signed has been seen, and was the signed one */
};

__attribute__((format(printf, 4, 5))) static enum mt_status
corrupt(struct walk *walk, uint64_t file, uint64_t line, const char *format, ...)
{
	int len = snprintf(walk->check->fault, sizeof(walk->check->fault),
			   "%s/%010" PRIu64 ".jsonl:%" PRIu64 ": ", walk->folder, file, line);
	va_list list;
	va_start(list, format);
	vsnprintf(walk->check->fault + len, sizeof(walk->check->fault) - (size_t)len, format, list);
	va_end(list);
	return MT_CORRUPT;
}

static enum mt_status take_line(struct walk *walk, uint64_t file, uint64_t number, const char *line,
				size_t len)
{
	struct mt_audit_check *check = walk->check;
	char prev[MT_AUDIT_DIGEST_TEXT];
	uint64_t seq;
	if (!mt_audit_line_parse(line, len, &seq, prev))
		return corrupt(walk, file, number, "is no entry of the log");
	if (check->count > 0 && seq != check->last_seq + 1)
		return corrupt(walk, file, number,
			       "entry %" PRIu64 " follows entry %" PRIu64
			       ": what was between them is gone",
			       seq, check->last_seq);
	if (check->count > 0 && strcmp(prev, check->digest) != 0)
		return corrupt(
			walk, file, number,
			"entry %" PRIu64 " does not fit the one before: that one was changed", seq);
	if (check->count == 0 && seq != file)
		return corrupt(walk, file, number, "the first entry of the file is gone");
	if (check->count == 0) {
		check->first_seq = seq;
		if (walk->head && walk->head->seq + 1 == seq)
			walk->has_head = strcmp(walk->head->digest, prev) == 0;
	}
	check->count++;
	check->last_seq = seq;
	mt_audit_digest(line, len, check->digest);
	if (walk->head && walk->head->seq == seq) {
		if (strcmp(walk->head->digest, check->digest) != 0)
			return corrupt(walk, file, number,
				       "entry %" PRIu64 " is not the one that was signed", seq);
		walk->has_head = true;
	}
	if (walk->visit)
		walk->visit(walk->context, line, len);
	return MT_OK;
}

static enum mt_status walk_file(struct walk *walk, uint64_t file)
{
	char path[4200], *line = NULL;
	size_t cap = 0;
	uint64_t number = 0;
	enum mt_status status = MT_OK;
	ssize_t len;
	FILE *in;
	snprintf(path, sizeof(path), "%s/%010" PRIu64 ".jsonl", walk->folder, file);
	in = fopen(path, "re");
	if (!in) {
		snprintf(walk->check->fault, sizeof(walk->check->fault), "%.400s: %s", path,
			 strerror(errno));
		return MT_SYSTEM;
	}
	while (status == MT_OK && (len = getline(&line, &cap, in)) > 0) {
		number++;
		if (line[len - 1] != '\n')
			status = corrupt(walk, file, number, "the last line is cut");
		else
			status = take_line(walk, file, number, line, (size_t)len - 1);
	}
	free(line);
	fclose(in);
	return status;
}

enum mt_status mt_audit_verify(const char *folder, const struct mt_audit_head *head,
			       struct mt_audit_check *out, mt_audit_visit_fn *visit, void *context)
{
	struct walk walk = {folder, head, out, visit, context, false};
	uint64_t *files = NULL;
	size_t count = 0;
	enum mt_status status;
	*out = (struct mt_audit_check){.count = 0};
	status = mt_audit_files(folder, &files, &count);
	for (size_t i = 0; i < count && status == MT_OK; i++)
		status = walk_file(&walk, files[i]);
	free(files);
	if (status != MT_OK)
		return status;
	if (out->count == 0)
		return MT_NOT_FOUND;
	if (head && !mt_audit_head_verifies(head)) {
		snprintf(out->fault, sizeof(out->fault),
			 "the signature of the head does not verify");
		return MT_CORRUPT;
	}
	if (head && !walk.has_head) {
		snprintf(out->fault, sizeof(out->fault),
			 "%s: entry %" PRIu64 " was signed at %s, and the log %s: %s", folder,
			 head->seq, head->time,
			 head->seq > out->last_seq ? "ends before it" : "begins behind it",
			 head->seq > out->last_seq
				 ? "its end was cut off"
				 : "older files are gone, and the head can prove nothing about "
				   "it");
		return MT_CORRUPT;
	}
	return MT_OK;
}
