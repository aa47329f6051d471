/* Resumption by id and by ticket, TLS 1.2 and 1.3: who resumes, who does not, and what is counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include "tls/parts.h"

#include <openssl/err.h>

#define HOUR_S 3600

static struct world world;
static int64_t ahead_s; /* of the clock that OpenSSL asks */
static struct mt_tls_tickets *tickets;
static struct mt_tls_cache *cache;

/* Takes the place of the C library's, for OpenSSL too. */
__attribute__((visibility("default"))) time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead_s;
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

static void use(struct mt_tls_cache *ids, struct mt_tls_tickets *keys, const char *scope)
{
	struct mt_tls_resumption how = {ids, keys, scope, HOUR_S};
	mt_tls_context_destroy(&world.server);
	mt_tls_context_destroy(&world.client);
	world_make_contexts(&world);
	assert_int_equal(mt_tls_context_resume(world.server, &how), MT_OK);
}

/* A server beside the client that is there. */
static void use_server(struct mt_tls_cache *ids, struct mt_tls_tickets *keys, const char *scope)
{
	struct mt_tls_context *client = world.client;
	world.client = NULL;
	use(ids, keys, scope);
	mt_tls_context_destroy(&world.client);
	world.client = client;
}

static int open_world(void **state)
{
	(void)state;
	world_open(&world);
	assert_int_equal(mt_tls_tickets_create(time(NULL), 12 * HOUR_S, &tickets), MT_OK);
	assert_int_equal(mt_tls_cache_create(1 << 20, (struct mt_seed){{1, 2}}, &cache), MT_OK);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&world);
	mt_tls_tickets_destroy(&tickets);
	mt_tls_cache_destroy(&cache);
	return 0;
}

/* One connection that says something and breaks off, or says goodbye; was it resumed? */
static bool connect_once(int version, bool is_abrupt)
{
	struct end *client, *server;
	bool is_resumed;
	SSL_CTX_set_max_proto_version(world.server->ctx, version);
	client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	server = end_of(mt_tls_session_create_server(world.server));
	settle(client, server, SIZE_MAX);
	assert_true(mt_tls_session_is_open(client->session));
	assert_true(mt_tls_session_is_open(server->session));
	assert_int_equal(mt_tls_session_write(client->session, mt_bytes_str("hello"), &client->out),
			 MT_OK);
	carry(client, server, SIZE_MAX);
	assert_int_equal(server->plain_len, 5);
	is_resumed = mt_tls_session_is_resumed(server->session);
	assert_int_equal(mt_tls_session_is_resumed(client->session), is_resumed);
	if (!is_abrupt) {
		mt_tls_session_close(client->session, &client->out);
		carry(client, server, SIZE_MAX);
	}
	end_free(client);
	end_free(server);
	assert_int_equal(ERR_peek_error(), 0);
	return is_resumed;
}

static uint64_t counted(enum mt_tls_outcome outcome)
{
	return mt_tls_context_counted(world.server, outcome);
}

/* Five hundred of five hundred, whether the former connection said goodbye or not. */
static void resumes_each_time(int version, enum mt_tls_outcome way)
{
	assert_false(connect_once(version, true));
	for (int i = 0; i < 500; i++)
		assert_true(connect_once(version, i % 2 == 0));
	assert_int_equal(counted(MT_TLS_FULL), 1);
	assert_int_equal(counted(way), 500);
	assert_int_equal(counted(MT_TLS_UNKNOWN_ID) + counted(MT_TLS_UNKNOWN_TICKET), 0);
}

static void by_ticket(void **state)
{
	(void)state;
	use(NULL, tickets, "a");
	resumes_each_time(TLS1_2_VERSION, MT_TLS_BY_TICKET);
	use(NULL, tickets, "a");
	resumes_each_time(TLS1_3_VERSION, MT_TLS_BY_TICKET);
	use(cache, tickets, "a");
	resumes_each_time(TLS1_3_VERSION, MT_TLS_BY_TICKET);
	assert_int_equal(mt_tls_cache_counts(cache).sessions, 0);
}

static void by_id(void **state)
{
	(void)state;
	use(cache, NULL, "a");
	resumes_each_time(TLS1_2_VERSION, MT_TLS_BY_ID);
	use(cache, NULL, "a");
	resumes_each_time(TLS1_3_VERSION, MT_TLS_BY_ID);
	assert_true(mt_tls_cache_counts(cache).sessions > 0);
	assert_true(mt_tls_cache_clear(cache) > 0);
	assert_false(connect_once(TLS1_3_VERSION, true));
	assert_int_equal(counted(MT_TLS_UNKNOWN_ID), 1);
	assert_true(connect_once(TLS1_3_VERSION, true));
}

/* However often it is renewed: it ends so long after the handshake that was in full. */
static void sessions_grow_old(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		int version = i & 1 ? TLS1_3_VERSION : TLS1_2_VERSION;
		use(i & 2 ? cache : NULL, i & 2 ? NULL : tickets, "a");
		ahead_s = 0;
		assert_false(connect_once(version, false));
		ahead_s = HOUR_S / 2;
		assert_true(connect_once(version, false));
		ahead_s = HOUR_S - 60;
		assert_true(connect_once(version, false));
		ahead_s = HOUR_S + 60;
		assert_false(connect_once(version, false));
		if (version == TLS1_3_VERSION) /* the client of 1.2 knows by itself */
			assert_int_equal(counted(MT_TLS_TOO_OLD), 1);
		ahead_s += HOUR_S / 2;
		assert_true(connect_once(version, false));
		ahead_s -= HOUR_S; /* set back, to before that handshake */
		assert_false(connect_once(version, false));
		ahead_s = 0;
	}
}

/* A client without tickets has ids where tickets are the rule. */
static void both_ways_beside_each_other(void **state)
{
	(void)state;
	use(cache, tickets, "a");
	SSL_CTX_set_options(world.client->ctx, SSL_OP_NO_TICKET);
	assert_false(connect_once(TLS1_2_VERSION, true));
	assert_true(connect_once(TLS1_2_VERSION, true));
	assert_int_equal(counted(MT_TLS_BY_ID), 1);
	/* What an id of TLS 1.3 was given for stays an id when tickets come. */
	use(cache, NULL, "a");
	assert_false(connect_once(TLS1_3_VERSION, true));
	use_server(cache, tickets, "a");
	assert_true(connect_once(TLS1_3_VERSION, true));
	assert_true(connect_once(TLS1_3_VERSION, true));
	assert_int_equal(counted(MT_TLS_BY_ID), 2);
}

static void off_is_off(void **state)
{
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		use(NULL, NULL, "a");
		assert_false(connect_once(version, false));
		assert_false(connect_once(version, false));
		assert_null(world.client->latest);
		assert_int_equal(counted(MT_TLS_FULL), 2);
	}
}

/* By id and by ticket: what one listener gave out is nothing at another. */
static void another_scope_does_not_resume(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		int version = i & 1 ? TLS1_3_VERSION : TLS1_2_VERSION;
		use(i & 2 ? cache : NULL, i & 2 ? NULL : tickets, "a");
		assert_false(connect_once(version, false));
		use_server(i & 2 ? cache : NULL, i & 2 ? NULL : tickets, "b");
		assert_false(connect_once(version, false));
		assert_true(connect_once(version, false));
	}
}

/* The keys outlive the context, and what is dumped the process. */
static void tickets_outlive_a_restart(void **state)
{
	uint8_t data[MT_TICKET_KEYS_BYTES_MAX];
	struct mt_buf dump = mt_buf_of(data, sizeof(data));
	struct mt_tls_tickets *again;
	(void)state;
	assert_int_equal(mt_tls_tickets_create(time(NULL), 12 * HOUR_S, &again), MT_OK);
	mt_tls_tickets_dump(tickets, &dump);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		use(NULL, tickets, "a");
		assert_false(connect_once(version, false));
		use_server(NULL, again, "a");
		assert_int_equal(mt_tls_tickets_restore(again, mt_buf_view(&dump)), MT_OK);
		assert_true(connect_once(version, false));
		assert_true(mt_tls_tickets_drop(again, time(NULL)));
		assert_false(connect_once(version, false));
		assert_int_equal(counted(MT_TLS_UNKNOWN_TICKET), 1);
	}
	mt_tls_context_destroy(&world.server);
	mt_tls_context_destroy(&world.client);
	mt_tls_tickets_destroy(&again);
	world_make_contexts(&world);
}

/* Two rotations old resumes and is renewed, three is refused. */
static void tickets_grow_old(void **state)
{
	int64_t now_s = time(NULL);
	struct mt_tls_tickets *keys;
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		assert_int_equal(mt_tls_tickets_create(now_s, HOUR_S, &keys), MT_OK);
		use(NULL, keys, "a");
		assert_false(connect_once(version, false));
		assert_false(mt_tls_tickets_tick(keys, now_s + HOUR_S - 1));
		assert_true(mt_tls_tickets_tick(keys, now_s + HOUR_S));
		assert_true(mt_tls_tickets_tick(keys, now_s + 2 * HOUR_S));
		assert_true(connect_once(version, false)); /* two old */
		assert_true(mt_tls_tickets_tick(keys, now_s + 3 * HOUR_S));
		assert_true(mt_tls_tickets_tick(keys, now_s + 4 * HOUR_S));
		assert_true(connect_once(version, false)); /* it was renewed */
		for (int i = 5; i < 8; i++)
			assert_true(mt_tls_tickets_tick(keys, now_s + i * HOUR_S));
		assert_false(connect_once(version, false)); /* three old */
		assert_int_equal(counted(MT_TLS_UNKNOWN_TICKET), 1);
		mt_tls_context_destroy(&world.server);
		mt_tls_context_destroy(&world.client);
		mt_tls_tickets_destroy(&keys);
		world_make_contexts(&world);
	}
}

/* A clock that was set back, or a machine that slept: no key of before is trusted for long. */
static void keys_follow_the_clock(void **state)
{
	int64_t now_s = 1800000000;
	struct mt_tls_tickets *keys;
	uint8_t data[MT_TICKET_KEYS_BYTES_MAX];
	struct mt_buf dump = mt_buf_of(data, sizeof(data));
	size_t one;
	(void)state;
	assert_int_equal(mt_tls_tickets_create(now_s, HOUR_S, &keys), MT_OK);
	mt_tls_tickets_dump(keys, &dump);
	one = dump.pos;
	assert_int_equal(mt_tls_tickets_due_s(keys), now_s + HOUR_S);
	assert_true(mt_tls_tickets_tick(keys, now_s + HOUR_S));
	dump.pos = 0;
	mt_tls_tickets_dump(keys, &dump);
	assert_true(dump.pos > one);
	assert_true(mt_tls_tickets_tick(keys, now_s + 9 * HOUR_S)); /* slept: nothing is kept */
	dump.pos = 0;
	mt_tls_tickets_dump(keys, &dump);
	assert_int_equal(dump.pos, one);
	assert_true(mt_tls_tickets_tick(keys, now_s)); /* set back */
	assert_int_equal(mt_tls_tickets_due_s(keys), now_s + HOUR_S);
	assert_false(mt_tls_tickets_tick(keys, now_s - 30));
	mt_tls_tickets_destroy(&keys);
}

static void damaged_keys_are_refused(void **state)
{
	uint8_t data[MT_TICKET_KEYS_BYTES_MAX], before[MT_TICKET_KEYS_BYTES_MAX];
	struct mt_buf dump = mt_buf_of(data, sizeof(data));
	struct mt_buf again = mt_buf_of(before, sizeof(before));
	struct mt_tls_tickets *keys;
	(void)state;
	assert_int_equal(mt_tls_tickets_create(1800000000, HOUR_S, &keys), MT_OK);
	assert_true(mt_tls_tickets_tick(keys, 1800000000 + HOUR_S));
	mt_tls_tickets_dump(keys, &dump);
	for (size_t len = 0; len < dump.pos; len++)
		if (len != dump.pos - 88) /* one key of two is a ring, too */
			assert_int_equal(mt_tls_tickets_restore(keys, mt_bytes_of(data, len)),
					 MT_CORRUPT);
	data[0] ^= 1;
	assert_int_equal(mt_tls_tickets_restore(keys, mt_buf_view(&dump)), MT_CORRUPT);
	data[0] ^= 1;
	data[18] = 0xff; /* made before all time */
	assert_int_equal(mt_tls_tickets_restore(keys, mt_buf_view(&dump)), MT_CORRUPT);
	data[18] = 0;
	memmove(data + 18 + 88, data + 18, 88); /* the same key twice */
	assert_int_equal(mt_tls_tickets_restore(keys, mt_buf_view(&dump)), MT_CORRUPT);
	mt_tls_tickets_dump(keys, &again);
	assert_int_equal(again.pos, dump.pos);
	mt_tls_tickets_destroy(&keys);
}

/* The longest unused go first, and no more bytes are held than may be. */
static void the_cache_is_bounded(void **state)
{
	struct mt_tls_cache *small;
	struct mt_tls_cache_counts counts;
	(void)state;
	assert_int_equal(mt_tls_cache_create(65536, (struct mt_seed){{3, 4}}, &small), MT_OK);
	use(small, NULL, "a");
	for (int i = 0; i < 200; i++) {
		mt_tls_context_forget(world.client);
		assert_false(connect_once(TLS1_2_VERSION, false));
		assert_true(mt_tls_cache_counts(small).bytes <= 65536);
	}
	counts = mt_tls_cache_counts(small);
	assert_true(counts.sessions > 20 && counts.evicted > 100);
	assert_int_equal(counts.sessions + counts.evicted, 200);
	assert_true(connect_once(TLS1_2_VERSION, false));
	mt_tls_cache_tick(small, time(NULL) + HOUR_S + 1);
	assert_int_equal(mt_tls_cache_counts(small).sessions, 0);
	assert_int_equal(mt_tls_cache_counts(small).bytes, 0);
	assert_false(connect_once(TLS1_2_VERSION, false));
	mt_tls_context_destroy(&world.server);
	mt_tls_cache_destroy(&small);
	mt_tls_context_destroy(&world.client);
	world_make_contexts(&world);
}

/* A session belongs to the name that was checked. */
static void another_host_does_not_resume(void **state)
{
	struct end *client, *server;
	(void)state;
	use(cache, tickets, "a");
	assert_false(connect_once(TLS1_3_VERSION, false));
	assert_non_null(world.client->latest);
	client = end_of(mt_tls_session_create_client(world.client, "broker.example.org"));
	server = end_of(mt_tls_session_create_server(world.server));
	settle(client, server, SIZE_MAX);
	assert_true(mt_tls_session_is_open(client->session));
	assert_false(mt_tls_session_is_resumed(client->session));
	end_free(client);
	end_free(server);
}

/* What a client saves, another process goes on from; but not with other CAs. */
static void sessions_can_be_kept(void **state)
{
	struct mt_tls_client_settings other = {.ca_path = world.other_ca_path};
	struct mt_tls_context *stranger;
	uint8_t *data = NULL;
	size_t len = 0;
	char fault[256];
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		use(cache, tickets, "a");
		assert_false(mt_tls_context_save_session(world.client, &data, &len));
		assert_false(connect_once(version, false));
		assert_true(mt_tls_context_save_session(world.client, &data, &len));
		mt_tls_context_forget(world.client);
		assert_false(mt_tls_context_save_session(world.client, &data, &len));
		for (size_t cut = 0; cut < len; cut += 7)
			assert_int_not_equal(
				mt_tls_context_load_session(world.client, mt_bytes_of(data, cut)),
				MT_OK);
		assert_int_equal(
			mt_tls_context_create_client(&other, &stranger, fault, sizeof(fault)),
			MT_OK);
		assert_int_equal(mt_tls_context_load_session(stranger, mt_bytes_of(data, len)),
				 MT_DENIED);
		assert_null(stranger->latest);
		mt_tls_context_destroy(&stranger);
		assert_int_equal(mt_tls_context_load_session(world.client, mt_bytes_of(data, len)),
				 MT_OK);
		free(data);
		assert_true(connect_once(version, false));
	}
	assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_ticket),
		cmocka_unit_test(by_id),
		cmocka_unit_test(sessions_grow_old),
		cmocka_unit_test(both_ways_beside_each_other),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(another_scope_does_not_resume),
		cmocka_unit_test(tickets_outlive_a_restart),
		cmocka_unit_test(tickets_grow_old),
		cmocka_unit_test(keys_follow_the_clock),
		cmocka_unit_test(damaged_keys_are_refused),
		cmocka_unit_test(the_cache_is_bounded),
		cmocka_unit_test(another_host_does_not_resume),
		cmocka_unit_test(sessions_can_be_kept),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
