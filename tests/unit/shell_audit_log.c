/* The audit log: the chain goes on over files and starts, and shows each change of a byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/audit_chain.h"

#include "folder.h"
#include "io/file.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	const char *state;
	char folder[700];
	struct mt_audit_log *log;
	char fault[512];
};

static int setup(void **context)
{
	static struct place place;
	place = (struct place){.state = folder_make()};
	snprintf(place.folder, sizeof(place.folder), "%s/audit", place.state);
	*context = &place;
	return sodium_init() < 0;
}

static int teardown(void **context)
{
	struct place *place = *context;
	char command[800];
	mt_audit_log_close(&place->log);
	snprintf(command, sizeof(command), "rm -rf '%s'", place->folder);
	assert_int_equal(system(command), 0);
	folder_remove(place->state);
	return 0;
}

static enum mt_status open_log(struct place *place, uint64_t file_bytes, uint32_t files)
{
	const struct mt_audit_settings settings = {place->state, file_bytes, files};
	return mt_audit_log_open(&settings, &place->log, place->fault, sizeof(place->fault));
}

static void write_some(struct place *place, int count)
{
	struct mt_audit_entry entry = {
		.kind = MT_AUDIT_EVENT_CHANGE, .author = "uid 0", .revision = 4};
	for (int i = 0; i < count; i++) {
		snprintf(entry.what, sizeof(entry.what), "change %d", i);
		mt_audit_log_write(place->log, &entry);
		/* The ring is no larger than that: none is to be lost here. */
		while (i % 500 == 499 &&
		       mt_audit_log_counts(place->log).written < (uint64_t)i - 400)
			usleep(1000);
	}
}

static struct mt_audit_check verify(struct place *place, enum mt_status wanted)
{
	struct mt_audit_check check;
	enum mt_status status = mt_audit_verify(place->folder, NULL, &check, NULL, NULL);
	if (status != wanted)
		fail_msg("%s: %s", mt_status_text(status), check.fault);
	return check;
}

static struct mt_audit_head head_of(struct place *place)
{
	struct mt_audit_head head;
	char path[800];
	uint8_t *data;
	size_t len;
	snprintf(path, sizeof(path), "%s/head.json", place->folder);
	assert_int_equal(mt_file_read(path, 4096, &data, &len), MT_OK);
	assert_true(mt_audit_head_parse((const char *)data, &head));
	free(data);
	return head;
}

static void a_line_holds_what_it_is_given(void **context)
{
	struct mt_audit_entry entry = {.kind = MT_AUDIT_EVENT_CONNECT_REFUSED,
				       .has_address = true,
				       .address = {[10] = 0xff, 0xff, 192, 0, 2, 7},
				       .port = 4711,
				       .reason = 0x86,
				       .user_id = 9,
				       .listener = "tls",
				       .user = "e\"v\\e\n\xc3\xa9",
				       .what = "wrong"};
	char line[MT_AUDIT_LINE_BYTES], prev[MT_AUDIT_DIGEST_TEXT], found[MT_AUDIT_DIGEST_TEXT];
	uint64_t seq = 0;
	size_t len;
	(void)context;
	memset(prev, 'a', sizeof(prev) - 1);
	prev[64] = '\0';
	len = mt_audit_line(&entry, 17, INT64_C(1700000000123456789), prev, line);
	assert_int_equal(len, strlen(line));
	assert_non_null(strstr(line,
			       "{\"seq\":17,\"time\":\"2023-11-14T22:13:20.123456Z\",\"id\":102,"
			       "\"event\":\"connect_refused\",\"address\":\"192.0.2.7\","));
	assert_non_null(strstr(line, "\"user\":\"e\\u0022v\\u005ce\\u000a\\u00c3\\u00a9\""));
	assert_true(mt_audit_line_parse(line, len, &seq, found));
	assert_int_equal(seq, 17);
	assert_string_equal(found, prev);
	assert_false(mt_audit_line_parse(line, len - 1, &seq, found));
	assert_false(mt_audit_line_parse("", 0, &seq, found));
	/* However long what is given, the end is there. */
	memset(entry.user, '"', sizeof(entry.user) - 1);
	memset(entry.client_id, '"', sizeof(entry.client_id) - 1);
	memset(entry.topic, 1, sizeof(entry.topic) - 1);
	memset(entry.what, 1, sizeof(entry.what) - 1);
	memset(entry.author, 1, sizeof(entry.author) - 1);
	len = mt_audit_line(&entry, UINT64_MAX / 32, 0, prev, line);
	assert_true(len < MT_AUDIT_LINE_BYTES);
	assert_true(mt_audit_line_parse(line, len, &seq, found));
	assert_string_equal(found, prev);
}

static void the_chain_goes_on_over_starts_and_files(void **context)
{
	struct place *place = *context;
	struct mt_audit_check check;
	struct mt_audit_head head;
	uint64_t *files, seq = 0;
	size_t count;
	for (int start = 0; start < 3; start++) {
		assert_int_equal(open_log(place, 65536, 100), MT_OK);
		write_some(place, 1000);
		mt_audit_log_close(&place->log);
		check = verify(place, MT_OK);
		assert_int_equal(check.first_seq, 1);
		assert_int_equal(check.count, check.last_seq);
		/* start, stop, head and what is between */
		assert_int_equal(check.last_seq, seq + 1003);
		seq = check.last_seq;
	}
	assert_int_equal(mt_audit_files(place->folder, &files, &count), MT_OK);
	assert_true(count > 5);
	assert_int_equal(files[0], 1);
	free(files);
	head = head_of(place);
	assert_true(mt_audit_head_verifies(&head));
	assert_int_equal(mt_audit_verify(place->folder, &head, &check, NULL, NULL), MT_OK);
	head.seq++;
	assert_false(mt_audit_head_verifies(&head));
	head.seq--;
	head.digest[3] ^= 1;
	assert_int_equal(mt_audit_verify(place->folder, &head, &check, NULL, NULL), MT_CORRUPT);
}

static void old_files_go(void **context)
{
	struct place *place = *context;
	struct mt_audit_check check;
	struct stat facts;
	uint64_t *files;
	size_t count;
	assert_int_equal(open_log(place, 65536, 3), MT_OK);
	write_some(place, 3000);
	mt_audit_log_close(&place->log);
	assert_int_equal(mt_audit_files(place->folder, &files, &count), MT_OK);
	assert_int_equal(count, 3);
	check = verify(place, MT_OK);
	assert_int_equal(check.first_seq, files[0]);
	assert_int_equal(check.last_seq, 3003);
	free(files);
	assert_int_equal(stat(place->folder, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0700);
}

/* The only file, its bytes, and a change of one of them. */
static uint8_t *read_first(struct place *place, char path[800], size_t *len)
{
	uint8_t *data;
	snprintf(path, 800, "%s/0000000001.jsonl", place->folder);
	assert_int_equal(mt_file_read(path, 1 << 20, &data, len), MT_OK);
	return data;
}

static void put(const char *path, const uint8_t *data, size_t len)
{
	assert_int_equal(mt_file_write(path, mt_bytes_of(data, len), 0600), MT_OK);
}

static void each_changed_byte_is_found(void **context)
{
	struct place *place = *context;
	struct mt_audit_head head;
	struct mt_audit_check check;
	char path[800];
	uint8_t *data;
	size_t len;
	assert_int_equal(open_log(place, 1 << 20, 3), MT_OK);
	write_some(place, 3);
	mt_audit_log_close(&place->log);
	head = head_of(place);
	data = read_first(place, path, &len);
	for (size_t i = 0; i < len; i++) {
		size_t last = len - 1;
		while (last > 0 && data[last - 1] != '\n')
			last--;
		data[i] ^= 1;
		put(path, data, len);
		/* What stands behind the signed entry, the entry that tells of the head, is not
		 * covered yet: but for its place in the chain. */
		if (mt_audit_verify(place->folder, &head, &check, NULL, NULL) == MT_OK && i < last)
			fail_msg("byte %zu of %zu", i, len);
		data[i] ^= 1;
	}
	put(path, data, len);
	assert_int_equal(mt_audit_verify(place->folder, &head, &check, NULL, NULL), MT_OK);
	free(data);
}

static void a_line_taken_out_is_found(void **context)
{
	struct place *place = *context;
	struct mt_audit_head head;
	struct mt_audit_check check;
	char path[800];
	uint8_t *data, *less;
	size_t len, start = 0;
	assert_int_equal(open_log(place, 1 << 20, 3), MT_OK);
	write_some(place, 5);
	mt_audit_log_close(&place->log);
	head = head_of(place);
	data = read_first(place, path, &len);
	less = malloc(len);
	while (start < len) {
		size_t end = start;
		while (data[end] != '\n')
			end++;
		end++;
		memcpy(less, data, start);
		memcpy(less + start, data + end, len - end);
		put(path, less, len - (end - start));
		/* All but the last, which nobody signed. */
		assert_int_equal(mt_audit_verify(place->folder, &head, &check, NULL, NULL),
				 end == len ? MT_OK : MT_CORRUPT);
		/* And all from there on. */
		if (start > 0 && start < len) {
			put(path, data, start);
			assert_int_equal(mt_audit_verify(place->folder, &head, &check, NULL, NULL),
					 end == len ? MT_OK : MT_CORRUPT);
		}
		start = end;
	}
	free(less);
	free(data);
}

static void a_torn_end_is_put_aside(void **context)
{
	struct place *place = *context;
	char path[800];
	uint8_t *data;
	size_t len;
	struct mt_audit_check before, after;
	assert_int_equal(open_log(place, 1 << 20, 3), MT_OK);
	write_some(place, 3);
	mt_audit_log_close(&place->log);
	before = verify(place, MT_OK);
	data = read_first(place, path, &len);
	data = realloc(data, len + 7);
	memcpy(data + len, "{\"seq\":", 7);
	put(path, data, len + 7);
	free(data);
	(void)verify(place, MT_CORRUPT);
	assert_int_equal(open_log(place, 1 << 20, 3), MT_OK);
	mt_audit_log_close(&place->log);
	after = verify(place, MT_OK);
	assert_int_equal(after.last_seq, before.last_seq + 4); /* start, damaged, stop, head */
	strcat(path, ".damaged");
	assert_int_equal(access(path, F_OK), 0);
}

/* A file was begun, and the disk was full before its first line: the log is not to stumble over it
 * when the former one is full. */
static void an_empty_last_file_is_no_obstacle(void **context)
{
	struct place *place = *context;
	struct mt_audit_check before, after;
	char path[800];
	assert_int_equal(open_log(place, 4096, 9), MT_OK);
	write_some(place, 40);
	mt_audit_log_close(&place->log);
	before = verify(place, MT_OK);
	snprintf(path, sizeof(path), "%s/%010llu.jsonl", place->folder,
		 (unsigned long long)before.last_seq + 1);
	put(path, NULL, 0);
	assert_int_equal(open_log(place, 1, 9), MT_OK); /* the former file counts as full */
	write_some(place, 5);
	mt_audit_log_close(&place->log);
	after = verify(place, MT_OK);
	assert_int_equal(after.last_seq, before.last_seq + 8); /* start, stop, head */
}

/* Else a new log that begins behind a head would pass for the one that was signed. */
static void a_log_that_begins_behind_the_head_proves_nothing(void **context)
{
	struct place *place = *context;
	struct mt_audit_head head;
	struct mt_audit_check check;
	char path[800];
	uint8_t *data;
	size_t len, start = 0;
	assert_int_equal(open_log(place, 1 << 20, 9), MT_OK);
	write_some(place, 2);
	mt_audit_log_close(&place->log);
	head = head_of(place);
	assert_int_equal(open_log(place, 1 << 20, 9), MT_OK);
	mt_audit_log_close(&place->log);
	data = read_first(place, path, &len);
	assert_int_equal(unlink(path), 0);
	for (uint64_t seq = 1; seq <= head.seq + 1; seq++) {
		while (data[start] != '\n')
			start++;
		start++;
		snprintf(path, sizeof(path), "%s/%010llu.jsonl", place->folder,
			 (unsigned long long)seq + 1);
		put(path, data + start, len - start);
		/* The first line still names the digest of the one that was signed. */
		assert_int_equal(mt_audit_verify(place->folder, &head, &check, NULL, NULL),
				 seq <= head.seq ? MT_OK : MT_CORRUPT);
		assert_int_equal(mt_audit_verify(place->folder, NULL, &check, NULL, NULL), MT_OK);
		assert_int_equal(unlink(path), 0);
	}
	free(data);
}

static void a_foreign_end_is_refused(void **context)
{
	struct place *place = *context;
	char path[800];
	assert_int_equal(open_log(place, 1 << 20, 3), MT_OK);
	mt_audit_log_close(&place->log);
	snprintf(path, sizeof(path), "%s/0000000001.jsonl", place->folder);
	put(path, (const uint8_t *)"hello\n", 6);
	assert_int_equal(open_log(place, 1 << 20, 3), MT_CORRUPT);
	assert_non_null(strstr(place->fault, path));
	assert_null(place->log);
}

static void a_key_that_others_read_is_refused(void **context)
{
	struct place *place = *context;
	char path[800];
	assert_int_equal(open_log(place, 1 << 20, 3), MT_OK);
	mt_audit_log_close(&place->log);
	snprintf(path, sizeof(path), "%s/key", place->folder);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(open_log(place, 1 << 20, 3), MT_DENIED);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(open_log(place, 1 << 20, 3), MT_CORRUPT);
}

/* Clients cannot flood what administrators did out of it; how many were left out is told. */
static void a_flood_of_clients_is_thinned(void **context)
{
	struct place *place = *context;
	struct mt_audit_entry entry = {.kind = MT_AUDIT_EVENT_DENY_PUBLISH, .has_address = true};
	struct mt_audit_counts counts;
	char path[800];
	uint8_t *data;
	size_t len;
	assert_int_equal(open_log(place, 1 << 24, 3), MT_OK);
	for (int i = 0; i < 50000; i++)
		mt_audit_log_write(place->log, &entry);
	write_some(place, 1);
	counts = mt_audit_log_counts(place->log);
	assert_true(counts.thinned > 30000);
	mt_audit_log_close(&place->log);
	data = read_first(place, path, &len);
	assert_non_null(memmem(data, len, "\"event\":\"thinned\"", 17));
	assert_non_null(memmem(data, len, "\"event\":\"stop\"", 14));
	free(data);
	(void)verify(place, MT_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_holds_what_it_is_given),
		TEST(the_chain_goes_on_over_starts_and_files),
		TEST(old_files_go),
		TEST(each_changed_byte_is_found),
		TEST(a_line_taken_out_is_found),
		TEST(a_torn_end_is_put_aside),
		TEST(an_empty_last_file_is_no_obstacle),
		TEST(a_log_that_begins_behind_the_head_proves_nothing),
		TEST(a_foreign_end_is_refused),
		TEST(a_key_that_others_read_is_refused),
		TEST(a_flood_of_clients_is_thinned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
