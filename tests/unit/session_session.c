/* Sessions by (owner, client id) against a table of what should be there. */
#include "base/rng.h"
#include "session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mt_mem messages = {.max_bytes = SIZE_MAX};

#define OWNERS 3u
#define CLIENTS 8u
#define SESSIONS_MAX 16u

static const char *const clients[CLIENTS] = {"",     "a",	 "b",	     "aa",
					     "a\0b", "device-1", "device-2", "device-10"};

static struct mt_session_identity identity(uint64_t owner, struct mt_bytes client_id)
{
	return (struct mt_session_identity){.owner = owner,
					    .subject = {.user_id = owner,
							.client_id = client_id,
							.user = mt_bytes_str("user"),
							.cn = mt_bytes_str("cn"),
							.anonymous_role = mt_bytes_str("role")}};
}

static struct mt_msg *message(void)
{
	struct mt_msg_facts facts = {.topic = mt_bytes_str("t"), .expires_ns = MT_TIME_NEVER};
	struct mt_msg *msg = mt_msg_create(&messages, &facts);
	assert_non_null(msg);
	return msg;
}

/* The bytes given to create and refresh may change afterwards. */
static void subjects_are_copied(void **state)
{
	uint8_t id[] = "client", user[] = "before";
	struct mt_session_identity who = identity(3, mt_bytes_of(id, 6));
	struct mt_sessions sessions;
	struct mt_session *session;
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_int_equal(mt_sessions_init(&sessions, &mem, (struct mt_seed){{1, 2}}, 4), MT_OK);
	who.subject.user = mt_bytes_of(user, 6);
	session = mt_sessions_create(&sessions, &who, 5);
	assert_non_null(session);
	memset(user, 'x', sizeof(user));
	assert_true(mt_bytes_equal(session->subject.user, mt_bytes_str("before")));
	assert_true(mt_bytes_equal(session->subject.cn, mt_bytes_str("cn")));
	assert_true(mt_bytes_equal(session->subject.anonymous_role, mt_bytes_str("role")));
	assert_int_equal(session->out.inflight_max, 5);
	assert_int_equal(session->conn, MT_HANDLE_NONE);
	who.subject.user = mt_bytes_str("a longer name than before");
	assert_int_equal(mt_session_refresh(&sessions, session, &who.subject), MT_OK);
	memset(id, 'y', sizeof(id));
	assert_true(
		mt_bytes_equal(session->subject.user, mt_bytes_str("a longer name than before")));
	assert_ptr_equal(mt_sessions_find(&sessions, 3, mt_bytes_str("client")), session);
	assert_null(mt_sessions_find(&sessions, 4, mt_bytes_str("client")));
	mt_sessions_finish(&sessions);
	assert_int_equal(mem.used_bytes, 0);
}

static void equals_the_naive_twin(void **state)
{
	struct mt_session *twin[OWNERS][CLIENTS] = {{NULL}};
	struct mt_sessions sessions;
	struct mt_mem mem;
	struct mt_rng rng;
	uint32_t count = 0;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_rng_init(&rng, 3);
	assert_int_equal(mt_sessions_init(&sessions, &mem, (struct mt_seed){{1, 2}}, SESSIONS_MAX),
			 MT_OK);
	for (int i = 0; i < 20000; i++) {
		uint64_t owner = mt_rng_below(&rng, OWNERS), client = mt_rng_below(&rng, CLIENTS);
		struct mt_session **slot = &twin[owner][client];
		/* one id holds a NUL, so that no function may stop there */
		struct mt_bytes id =
			client == 4 ? mt_bytes_of(clients[4], 3) : mt_bytes_str(clients[client]);
		struct mt_session_identity who = identity(owner, id);
		assert_ptr_equal(mt_sessions_find(&sessions, owner, id), *slot);
		if (!*slot) {
			*slot = mt_sessions_create(&sessions, &who, 1);
			assert_int_equal(*slot != NULL, count < SESSIONS_MAX);
			count += *slot != NULL;
		} else if (mt_rng_next(&rng) & 1) {
			assert_int_equal(mt_session_refresh(&sessions, *slot, &who.subject), MT_OK);
		} else {
			mt_sessions_destroy(&sessions, slot);
			count--;
		}
		assert_int_equal(sessions.pool.used_count, count);
	}
	mt_sessions_finish(&sessions);
	assert_int_equal(mem.used_bytes, 0);
}

static void the_end_gives_back_queues_and_will(void **state)
{
	struct mt_msg *msg = message();
	struct mt_session_identity who = identity(1, mt_bytes_str("a"));
	struct mt_sessions sessions;
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_int_equal(mt_sessions_init(&sessions, &mem, (struct mt_seed){{1, 2}}, 4), MT_OK);
	for (int is_single = 0; is_single < 2; is_single++) {
		struct mt_session *session = mt_sessions_create(&sessions, &who, 4);
		struct mt_delivery *delivery;
		assert_non_null(session);
		session->will.msg = mt_msg_ref(msg);
		delivery = mt_flow_out_push(&session->out, msg, NULL, 1, false, 1);
		assert_int_equal(mt_flow_out_start(&session->out, delivery), MT_OK);
		assert_non_null(mt_flow_out_push(&session->out, msg, NULL, 2, false, 1));
		assert_int_equal(mt_flow_in_add(&session->in, 9), MT_OK);
		if (is_single)
			mt_sessions_destroy(&sessions, &session);
		else {
			mt_sessions_finish(&sessions);
			assert_int_equal(mem.used_bytes, 0);
			assert_int_equal(
				mt_sessions_init(&sessions, &mem, (struct mt_seed){{1, 2}}, 4),
				MT_OK);
		}
		assert_int_equal(msg->ref_count, 1);
	}
	mt_sessions_finish(&sessions);
	assert_int_equal(mem.used_bytes, 0);
	mt_msg_unref(&msg);
}

static void an_id_beyond_the_protocol_is_no_session(void **state)
{
	static uint8_t id[65536];
	struct mt_session_identity who = identity(1, mt_bytes_of(id, sizeof(id)));
	struct mt_sessions sessions;
	struct mt_session *session;
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_int_equal(mt_sessions_init(&sessions, &mem, (struct mt_seed){{1, 2}}, 4), MT_OK);
	assert_null(mt_sessions_find(&sessions, 1, who.subject.client_id));
	assert_null(mt_sessions_create(&sessions, &who, 1));
	who.subject.client_id.len--;
	session = mt_sessions_create(&sessions, &who, 1);
	assert_non_null(session);
	assert_ptr_equal(mt_sessions_find(&sessions, 1, who.subject.client_id), session);
	mt_sessions_finish(&sessions);
	assert_int_equal(mem.used_bytes, 0);
}

/* One run with the fail_in-th allocation failing; true when none failed. */
static bool run_with_failure(uint64_t fail_in)
{
	static const struct mt_seed seed = {{1, 2}};
	struct mt_sessions sessions;
	struct mt_mem mem;
	mt_mem_init(&mem, SIZE_MAX);
	mem.fail_in = fail_in;
	if (mt_sessions_init(&sessions, &mem, seed, 64) == MT_OK)
		for (uint8_t i = 0; i < 40; i++) {
			struct mt_session_identity who = identity(1, mt_bytes_of(&i, 1));
			struct mt_session *session = mt_sessions_create(&sessions, &who, 1);
			struct mt_subject changed = who.subject;
			changed.user = mt_bytes_str("renamed");
			assert_ptr_equal(mt_sessions_find(&sessions, 1, who.subject.client_id),
					 session);
			if (session && mt_session_refresh(&sessions, session, &changed) != MT_OK)
				assert_true(mt_bytes_equal(session->subject.user,
							   mt_bytes_str("user")));
		}
	mt_sessions_finish(&sessions);
	assert_int_equal(mem.used_bytes, 0);
	return mem.refused_count == 0;
}

static void survives_every_failed_allocation(void **state)
{
	uint64_t fail_in = 1;
	(void)state;
	while (!run_with_failure(fail_in))
		fail_in++;
	assert_true(fail_in > 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_are_copied),
		cmocka_unit_test(equals_the_naive_twin),
		cmocka_unit_test(the_end_gives_back_queues_and_will),
		cmocka_unit_test(an_id_beyond_the_protocol_is_no_session),
		cmocka_unit_test(survives_every_failed_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
