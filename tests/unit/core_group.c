/* Shared subscriptions whose members are connections of different cores. */
#include "cores_world.h"

#define MEMBERS 4u
#define MESSAGES 60u

/* How many PUBLISHes wait at the client; all are taken. */
static uint32_t take_all(struct cores_conn *conn)
{
	uint32_t count = 0;
	while (!world_is_quiet(&conn->out)) {
		assert_int_equal(world_take(&conn->out).type, MT_PACKET_PUBLISH);
		count++;
	}
	return count;
}

struct group {
	struct cores *cores;
	struct cores_conn *member[MEMBERS], *pub;
};

/* Members at cores 0, 1, 2, 0; a publisher at core 1. */
static struct group group_open(enum mt_shared_strategy strategy, uint8_t qos, bool is_clean)
{
	struct mt_core_settings settings = world_settings();
	struct group group;
	settings.shared_strategy = strategy;
	group.cores = cores_open_with(3, &settings, world_policy(NULL, 0));
	for (uint32_t i = 0; i < MEMBERS; i++) {
		char name[8];
		snprintf(name, sizeof(name), "m%u", i);
		group.member[i] = cores_client_at(group.cores, i, name, is_clean);
		cores_subscribe(group.cores, group.member[i], "$share/g/a/+", qos);
	}
	group.pub = cores_client_at(group.cores, 1, "pub", true);
	return group;
}

static void leave(struct group *group, uint32_t which)
{
	struct cores_conn *conn = group->member[which];
	mt_core_closed(group->cores->core[conn->core], group->cores->now, conn->conn);
	conn->conn = MT_HANDLE_NONE;
	cores_serve(group->cores);
}

static void each_message_goes_to_one_member_in_turn(void **state)
{
	struct group group = group_open(MT_SHARED_ROUND_ROBIN, 0, true);
	struct cores_conn *plain = cores_client_at(group.cores, 2, "plain", true);
	(void)state;
	cores_subscribe(group.cores, plain, "a/b", 0);
	for (uint32_t i = 0; i < MESSAGES; i++)
		cores_publish(group.cores, group.pub, "a/b", "x", 0, false, 0);
	for (uint32_t i = 0; i < MEMBERS; i++)
		assert_int_equal(take_all(group.member[i]), MESSAGES / MEMBERS);
	assert_int_equal(take_all(plain), MESSAGES);
	cores_close(group.cores);
}

static void two_groups_get_one_each(void **state)
{
	struct group group = group_open(MT_SHARED_ROUND_ROBIN, 0, true);
	uint32_t sum = 0;
	(void)state;
	cores_subscribe(group.cores, group.member[2], "$share/h/#", 0);
	cores_subscribe(group.cores, group.member[3], "$share/h/#", 0);
	for (uint32_t i = 0; i < MESSAGES; i++)
		cores_publish(group.cores, group.pub, "a/b", "x", 0, false, 0);
	for (uint32_t i = 0; i < MEMBERS; i++)
		sum += take_all(group.member[i]);
	assert_int_equal(sum, 2 * MESSAGES);
	cores_close(group.cores);
}

static void a_sender_stays_with_one_member(void **state)
{
	struct group group = group_open(MT_SHARED_STICKY, 0, true);
	struct cores_conn *pubs[8];
	uint32_t busy = 0;
	(void)state;
	for (uint32_t p = 0; p < 8; p++) {
		uint32_t served = 0;
		pubs[p] = cores_client(group.cores, p, (char[]){'p', (char)('0' + p), 0}, true);
		for (uint32_t i = 0; i < 10; i++)
			cores_publish(group.cores, pubs[p], "a/b", "x", 0, false, 0);
		for (uint32_t i = 0; i < MEMBERS; i++) {
			uint32_t count = take_all(group.member[i]);
			assert_true(count == 0 || count == 10);
			served += count > 0;
			busy |= (uint32_t)(count > 0) << i;
		}
		assert_int_equal(served, 1);
	}
	/* Eight senders do not all choose the same. */
	assert_true((busy & (busy - 1)) != 0);
	cores_close(group.cores);
}

static void who_is_away_is_passed_over(void **state)
{
	struct group group = group_open(MT_SHARED_ROUND_ROBIN, 1, false);
	(void)state;
	leave(&group, 1);
	leave(&group, 2);
	for (uint32_t i = 1; i <= 10; i++)
		cores_publish(group.cores, group.pub, "a/b", "x", 1, false, (uint16_t)i);
	assert_int_equal(take_all(group.member[0]) + take_all(group.member[3]), 10);
	assert_int_equal(mt_core_counts(group.cores->core[1]).queued_messages, 0);
	assert_int_equal(mt_core_counts(group.cores->core[2]).queued_messages, 0);
	cores_close(group.cores);
}

/* Nobody is there, but sessions are: one of them keeps it. */
static void when_all_are_away_one_keeps_it(void **state)
{
	struct group group = group_open(MT_SHARED_ROUND_ROBIN, 1, false);
	uint64_t queued = 0;
	(void)state;
	for (uint32_t i = 0; i < MEMBERS; i++)
		leave(&group, i);
	cores_publish(group.cores, group.pub, "a/b", "x", 1, false, 1);
	for (uint32_t i = 0; i < 3; i++)
		queued += mt_core_counts(group.cores->core[i]).queued_messages;
	assert_int_equal(queued, 1);
	cores_close(group.cores);
}

/* On their way to a core whose members have left meanwhile, messages go on to another. */
static void what_finds_no_member_goes_on(void **state)
{
	struct group group = group_open(MT_SHARED_ROUND_ROBIN, 0, true);
	struct cores_conn *plain = cores_client_at(group.cores, 2, "plain", true);
	uint32_t sum = 0;
	(void)state;
	cores_subscribe(group.cores, plain, "a/b", 0);
	cores_hold(group.cores, true);
	for (uint32_t i = 0; i < 20; i++)
		cores_publish(group.cores, group.pub, "a/b", "x", 0, false, 0);
	cores_unsubscribe(group.cores, group.member[2], "$share/g/a/+");
	cores_unsubscribe(group.cores, group.member[3], "$share/g/a/+");
	cores_unsubscribe(group.cores, group.member[0], "$share/g/a/+");
	cores_hold(group.cores, false);
	for (uint32_t i = 0; i < MEMBERS; i++)
		sum += take_all(group.member[i]);
	assert_int_equal(sum, 20);
	assert_int_equal(take_all(plain), 20);
	cores_close(group.cores);
}

static void an_acknowledgement_waits_for_who_gets_it_in_the_end(void **state)
{
	struct group group = group_open(MT_SHARED_ROUND_ROBIN, 1, false);
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		group.cores->is_store_held[i] = true;
	leave(&group, 0);
	leave(&group, 1);
	leave(&group, 3);
	cores_publish(group.cores, group.pub, "a/b", "x", 1, false, 7);
	assert_true(world_is_quiet(&group.pub->out));
	assert_int_equal(take_all(group.member[2]), 1);
	for (uint32_t i = 0; i < 3; i++)
		while (group.cores->ticket_count[i] > 0)
			cores_stored(group.cores, i, MT_OK);
	world_take_ack(&group.pub->out, MT_PACKET_PUBACK, 7);
	cores_close(group.cores);
}

/* What it did not acknowledge is sent to who is left, wherever that is. */
static void what_a_member_leaves_goes_to_another_core(void **state)
{
	struct group group = group_open(MT_SHARED_ROUND_ROBIN, 1, true);
	uint32_t left;
	(void)state;
	leave(&group, 0);
	leave(&group, 3);
	for (uint32_t i = 1; i <= 10; i++)
		cores_publish(group.cores, group.pub, "a/b", "x", 1, false, (uint16_t)i);
	left = take_all(group.member[2]);
	assert_int_equal(left, 5);
	assert_int_equal(take_all(group.member[1]), 5);
	leave(&group, 2);
	/* The window of the other is full of its own: it acknowledges them. */
	for (uint16_t id = 1; id <= 5; id++)
		cores_ack(group.cores, group.member[1], MT_PACKET_PUBACK, id);
	assert_int_equal(take_all(group.member[1]), left);
	cores_close(group.cores);
}

static void memory_returns_to_its_baseline(void **state)
{
	struct cores *cores = cores_open(3);
	struct cores_conn *pub = cores_client_at(cores, 1, "p", true);
	uint64_t before[3];
	(void)state;
	for (int round = 0; round < 3; round++) {
		struct cores_conn *sub[2];
		for (uint32_t i = 0; i < 2; i++) {
			sub[i] = cores_client_at(cores, i * 2, "s", true);
			cores_subscribe(cores, sub[i], "$share/g/a/+", 1);
		}
		for (uint16_t i = 1; i < 9; i++)
			cores_publish(cores, pub, "a/b", "x", 1, false, i);
		for (uint32_t i = 0; i < 2; i++) {
			mt_core_closed(cores->core[sub[i]->core], cores->now, sub[i]->conn);
			sub[i]->conn = MT_HANDLE_NONE;
			cores_serve(cores);
		}
		/* The routes of what was left behind. */
		cores_publish(cores, pub, "a/b", "x", 0, false, 0);
		for (uint32_t i = 0; i < 3; i++) {
			uint64_t now = mt_core_counts(cores->core[i]).memory_bytes;
			if (round == 2)
				assert_int_equal(now, before[i]);
			before[i] = now;
		}
	}
	cores_close(cores);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_goes_to_one_member_in_turn),
		cmocka_unit_test(two_groups_get_one_each),
		cmocka_unit_test(a_sender_stays_with_one_member),
		cmocka_unit_test(who_is_away_is_passed_over),
		cmocka_unit_test(when_all_are_away_one_keeps_it),
		cmocka_unit_test(what_finds_no_member_goes_on),
		cmocka_unit_test(an_acknowledgement_waits_for_who_gets_it_in_the_end),
		cmocka_unit_test(what_a_member_leaves_goes_to_another_core),
		cmocka_unit_test(memory_returns_to_its_baseline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
