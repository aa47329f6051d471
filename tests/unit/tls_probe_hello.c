/* Hellos by hand: what is written is one that a server reads, and each damaged answer is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe_world.h"

static const uint8_t answer_12[] = {
	3,    3, /* TLS 1.2 */
	1,    2,    3,	  4,  5,  6,  7,    8,	9,  10, 11, 12, 13, 14, 15, 16,
	17,   18,   19,	  20, 21, 22, 23,   24, 25, 26, 27, 28, 29, 30, 31, 32, /* random */
	2,    0xaa, 0xbb,							/* session id */
	0xc0, 0x2f,								/* suite */
	1,									/* DEFLATE */
	0,    13,   0,	  23, 0,  0,  0xff, 1,	0,  1,	0,  0,	11, 0,	0,
};

static const uint8_t answer_13[] = {
	3,  3,	1,  2,	  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,
	15, 16, 17, 18,	  19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
	31, 32, 0,  0x13, 1,  0,  0,  6,  0,  43, 0,  2,  3,  4,
};

static void answers_are_read(void **state)
{
	struct mt_probe_hello hello;
	(void)state;
	assert_true(mt_probe_hello_read(mt_bytes_of(answer_12, sizeof(answer_12)), &hello));
	assert_int_equal(hello.version, 0x0303);
	assert_int_equal(hello.suite, 0xc02f);
	assert_int_equal(hello.compression, 1);
	assert_true(hello.has_master_secret && hello.has_renegotiation);
	assert_false(hello.is_retry);
	assert_true(mt_probe_hello_read(mt_bytes_of(answer_13, sizeof(answer_13)), &hello));
	assert_int_equal(hello.version, 0x0304);
	assert_int_equal(hello.suite, 0x1301);
	assert_false(hello.has_master_secret || hello.has_renegotiation || hello.is_retry);
}

/* Each shorter one is refused but the one without extensions, and nothing is read behind the end.
 */
static void truncated_answers(void **state)
{
	struct mt_probe_hello hello = {.version = 1};
	size_t bare = 2 + 32 + 3 + 2 + 1;
	(void)state;
	for (size_t len = 0; len < sizeof(answer_12); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		memcpy(copy, answer_12, len);
		assert_int_equal(mt_probe_hello_read(mt_bytes_of(copy, len), &hello), len == bare);
		free(copy);
	}
}

static void changed_answers(void **state)
{
	struct mt_probe_hello hello;
	uint8_t copy[sizeof(answer_12)];
	(void)state;
	for (size_t at = 0; at < sizeof(copy); at++)
		for (unsigned value = 0; value < 256; value += 5) {
			memcpy(copy, answer_12, sizeof(copy));
			copy[at] = (uint8_t)value;
			(void)!mt_probe_hello_read(mt_bytes_of(copy, sizeof(copy)), &hello);
		}
	memcpy(copy, answer_12, sizeof(copy));
	copy[41]++; /* the length of the extensions */
	assert_false(mt_probe_hello_read(mt_bytes_of(copy, sizeof(copy)), &hello));
}

static void lengths_agree(void **state)
{
	static const uint16_t suites[] = {0xc02f, 0x009c};
	struct mt_probe_offer offer = {.version = 0x0303, .suites = suites, .suite_count = 2};
	uint8_t data[2048];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	(void)state;
	for (int i = 0; i < 4; i++) {
		out.pos = 0;
		offer.name = i & 1 ? "broker.example" : NULL;
		offer.is_compressing = i & 2;
		mt_probe_hello_write(&offer, &out);
		assert_false(out.is_overflown);
		assert_int_equal(data[3] << 8 | data[4], out.pos - 5);
		assert_int_equal(data[6] << 16 | data[7] << 8 | data[8], out.pos - 9);
	}
	offer.version = 0x0300; /* which knows no extensions */
	out.pos = 0;
	mt_probe_hello_write(&offer, &out);
	assert_int_equal(out.pos, 5 + 4 + 2 + 32 + 1 + 2 + 4 + 3);
	for (size_t cap = 0; cap < 100; cap++) {
		out = mt_buf_of(data, cap);
		offer.version = 0x0303;
		mt_probe_hello_write(&offer, &out);
		assert_true(out.is_overflown && out.pos <= cap);
	}
}

/* What a server of OpenSSL says to ours; the probe around it is bare. */
static struct server server;
static struct mt_probe_facts facts;
static struct mt_probe_settings settings = {
	.dial = server_dial, .context = &server, .timeout_ms = 20000};
static struct mt_probe probe = {.settings = &settings, .facts = &facts, .name = "localhost"};

static enum mt_probe_answer ask(uint16_t version, uint16_t suite, struct mt_probe_hello *hello)
{
	struct mt_probe_offer offer = {.version = version,
				       .suites = &suite,
				       .suite_count = 1,
				       .is_compressing = true,
				       .name = "localhost"};
	enum mt_probe_answer answer = mt_probe_hello_try(&probe, &offer, hello);
	server_rest(&server);
	return answer;
}

static void servers_understand(void **state)
{
	struct identity leaf = identity_make((struct wish){.subject = "leaf"});
	struct mt_probe_hello hello;
	(void)state;
	server = (struct server){.ctx = server_context(&leaf)};
	assert_int_equal(ask(0x0303, 0xc02b, &hello), MT_PROBE_YES);
	assert_int_equal(hello.suite, 0xc02b);
	assert_int_equal(hello.version, 0x0303);
	assert_int_equal(hello.compression, 0);
	assert_true(hello.has_master_secret && hello.has_renegotiation);
	assert_int_equal(ask(0x0301, 0xc009, &hello), MT_PROBE_YES);
	assert_int_equal(hello.version, 0x0301);
	assert_int_equal(ask(0x0303, 0x002f, &hello), MT_PROBE_NO); /* it has no key of RSA */
	assert_int_equal(ask(0x0300, 0x0035, &hello), MT_PROBE_NO);
	SSL_CTX_free(server.ctx);
	identity_free(&leaf);
}

static enum mt_probe_answer hear(const void *words, size_t len)
{
	struct mt_probe_hello hello;
	enum mt_probe_answer answer;
	server = (struct server){.words = mt_bytes_of(words, len)};
	answer = ask(0x0303, 0xc02f, &hello);
	return answer;
}

/* A ServerHello in a record, choosing `suite`. */
static enum mt_probe_answer hear_choice(uint16_t suite, size_t len)
{
	uint8_t record[9 + sizeof(answer_12)] = {
		22, 3, 3, 0, 4 + sizeof(answer_12), 2, 0, 0, sizeof(answer_12)};
	memcpy(record + 9, answer_12, sizeof(answer_12));
	record[9 + 37] = (uint8_t)(suite >> 8);
	record[9 + 38] = (uint8_t)suite;
	return hear(record, len < sizeof(record) ? len : sizeof(record));
}

static void answers_that_say_nothing(void **state)
{
	(void)state;
	assert_int_equal(hear_choice(0xc02f, SIZE_MAX), MT_PROBE_YES);
	assert_int_equal(hear_choice(0xc030, SIZE_MAX), MT_PROBE_UNKNOWN); /* nobody offered it */
	assert_int_equal(hear_choice(0xc02f, 30), MT_PROBE_UNKNOWN);
	assert_int_equal(hear("\x15\x03\x03\0\x02\x02\x28", 7), MT_PROBE_NO);
	assert_int_equal(hear("\x17\x03\x03\0\x02\x02\x28", 7), MT_PROBE_UNKNOWN);
	assert_int_equal(hear("\x16\x03\x03\xff\xff\x02\x28", 7), MT_PROBE_UNKNOWN);
	assert_int_equal(hear("\x16\x03\x03\0\x04\x0b\0\0\0", 9), MT_PROBE_UNKNOWN);
	assert_int_equal(hear("\x16\x03\x03\0\x04\x02\0\0\0", 9), MT_PROBE_UNKNOWN);
}

/* A server of old: it knows SSL 3.0, or takes what the library no longer has. */
static struct mt_bytes old_record(uint16_t version, uint16_t suite)
{
	static uint8_t record[9 + 38] = {22, 3, 0, 0, 42, 2, 0, 0, 38};
	record[9] = (uint8_t)(version >> 8);
	record[10] = (uint8_t)version;
	record[9 + 35] = (uint8_t)(suite >> 8);
	record[9 + 36] = (uint8_t)suite;
	return mt_bytes_of(record, sizeof(record));
}

static void servers_of_old(void **state)
{
	(void)state;
	facts = (struct mt_probe_facts){.connections = 0};
	server = (struct server){.words = old_record(0x0300, 0x000a)};
	mt_probe_old_version(&probe);
	assert_int_equal(facts.versions[MT_PROBE_SSL_30], MT_PROBE_YES);
	server_rest(&server); /* its words are static */
	server.words = old_record(0x0301, 0x000a);
	mt_probe_old_version(&probe);
	assert_int_equal(facts.versions[MT_PROBE_SSL_30], MT_PROBE_NO);
	/* It chooses the same when that is offered no more: then it is believed no longer. */
	mt_probe_old_suites(&probe);
	assert_int_equal(facts.has_old_suites, MT_PROBE_YES);
	assert_int_equal(facts.suites_12.count, 1);
	assert_string_equal(facts.suites_12.items[0].name, "DES-CBC3-SHA");
	assert_true(facts.suites_12.items[0].is_broken);
	server_rest(&server);
	server.words = old_record(0x0303, 0x000a);
	mt_probe_compression(&probe);
	assert_int_equal(facts.compresses, MT_PROBE_NO);
	server_rest(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_read),   cmocka_unit_test(truncated_answers),
		cmocka_unit_test(changed_answers),    cmocka_unit_test(lengths_agree),
		cmocka_unit_test(servers_understand), cmocka_unit_test(answers_that_say_nothing),
		cmocka_unit_test(servers_of_old),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
