/* Publications, subscriptions and acknowledgements over links, and how much is on a link at once.
 */
#include "cores_world.h"

static void a_publish_reaches_subscribers_of_other_cores(void **state)
{
	struct cores *cores = cores_open(3);
	struct cores_conn *sub[3], *pub;
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		sub[i] = cores_client_at(cores, i, "sub", true);
		cores_subscribe(cores, sub[i], i == 1 ? "a/+" : "a/b", 0);
	}
	pub = cores_client_at(cores, 1, "pub", true);
	cores_publish(cores, pub, "a/b", "x", 0, false, 0);
	cores_publish(cores, pub, "a/c", "y", 0, false, 0);
	for (uint32_t i = 0; i < 3; i++)
		world_expect(&sub[i]->out, "a/b", "x");
	world_expect(&sub[1]->out, "a/c", "y");
	for (uint32_t i = 0; i < 3; i++)
		assert_true(world_is_quiet(&sub[i]->out));
	cores_close(cores);
}

static void what_is_published_after_suback_is_never_missed(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *sub = cores_client_at(cores, 0, "sub", true);
	struct cores_conn *pub = cores_client_at(cores, 1, "pub", true);
	(void)state;
	cores->queue[0][1].delay_ns = 5 * MT_MS;
	cores->queue[1][0].delay_ns = 7 * MT_MS;
	cores_send_subscribe(cores, sub, "t", 1);
	while (world_is_quiet(&sub->out)) {
		assert_true(cores->now.mono_ns < 1001 * MT_SECOND);
		cores_pass(cores, MT_MS);
	}
	assert_true(cores->now.mono_ns >= 1000 * MT_SECOND + 12 * MT_MS);
	assert_int_equal(cores_take_suback(sub), 1);
	cores_publish(cores, pub, "t", "x", 0, false, 0);
	cores_pass(cores, 20 * MT_MS);
	world_expect(&sub->out, "t", "x");
	cores_close(cores);
}

static void nothing_is_read_until_suback(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *sub = cores_client_at(cores, 0, "sub", true);
	(void)state;
	cores_hold(cores, true);
	cores_send_subscribe(cores, sub, "t", 0);
	assert_true(sub->is_paused);
	assert_true(world_is_quiet(&sub->out));
	cores_hold(cores, false);
	assert_false(sub->is_paused);
	assert_int_equal(cores_take_suback(sub), 0);
	cores_close(cores);
}

/* Gone, again, gone, again while nothing arrives: what holds in the end is the last word. */
static void interest_survives_races_with_unsubscribe(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *sub = cores_client_at(cores, 0, "sub", true);
	struct cores_conn *other = cores_client_at(cores, 0, "other", true);
	struct cores_conn *pub = cores_client_at(cores, 1, "pub", true);
	(void)state;
	cores_subscribe(cores, sub, "t", 0);
	cores_hold(cores, true);
	cores_unsubscribe(cores, sub, "t");
	cores_send_subscribe(cores, other, "t", 0);
	cores_hold(cores, false);
	assert_int_equal(cores_take_suback(other), 0);
	cores_publish(cores, pub, "t", "x", 0, false, 0);
	world_expect(&other->out, "t", "x");
	assert_true(world_is_quiet(&sub->out));
	cores_unsubscribe(cores, other, "t");
	/* Nobody wants it: nothing goes over the link. */
	cores_hold(cores, true);
	cores_publish(cores, pub, "t", "y", 0, false, 0);
	assert_int_equal(cores->queue[1][0].count, 0);
	cores_hold(cores, false);
	cores_close(cores);
}

static void an_acknowledgement_waits_for_every_part(void **state)
{
	struct cores *cores = cores_open(3);
	struct cores_conn *kept[3], *pub = cores_client_at(cores, 0, "pub", true);
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		kept[i] = cores_client_at(cores, i, "kept", false);
		cores_subscribe(cores, kept[i], "t", 1);
		cores->is_store_held[i] = true;
	}
	for (uint8_t qos = 1; qos <= 2; qos++) {
		cores_publish(cores, pub, "t", "x", qos, false, qos);
		cores_stored(cores, 0, MT_OK);
		cores_stored(cores, 2, MT_OK);
		assert_true(world_is_quiet(&pub->out));
		cores_stored(cores, 1, MT_OK);
		assert_int_equal(world_take_ack(&pub->out,
						qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC, qos)
					 .reason,
				 MT_REASON_SUCCESS);
	}
	cores_close(cores);
}

static void a_failed_store_elsewhere_is_told(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *kept = cores_client_at(cores, 1, "kept", false);
	struct cores_conn *pub = cores_client_at(cores, 0, "pub", true);
	(void)state;
	cores_subscribe(cores, kept, "t", 1);
	mt_core_closed(cores->core[1], cores->now, kept->conn);
	kept->out.is_closed = true;
	cores->is_store_held[1] = true;
	cores_publish(cores, pub, "t", "x", 2, false, 5);
	cores_stored(cores, 1, MT_SYSTEM);
	assert_int_equal(world_take_ack(&pub->out, MT_PACKET_PUBREC, 5).reason,
			 MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(mt_core_counts(cores->core[1]).queued_messages, 0);
	/* The id is free again. */
	cores_publish(cores, pub, "t", "x", 2, false, 5);
	cores_stored(cores, 1, MT_OK);
	assert_int_equal(world_take_ack(&pub->out, MT_PACKET_PUBREC, 5).reason, MT_REASON_SUCCESS);
	assert_int_equal(mt_core_counts(cores->core[1]).queued_messages, 1);
	cores_close(cores);
}

static void qos_2_sent_again_is_delivered_once(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *sub = cores_client_at(cores, 1, "sub", true);
	struct cores_conn *pub = cores_client_at(cores, 0, "pub", true);
	(void)state;
	cores_subscribe(cores, sub, "t", 0);
	cores_hold(cores, true);
	cores_publish(cores, pub, "t", "x", 2, false, 5);
	cores_publish(cores, pub, "t", "x", 2, false, 5);
	assert_true(world_is_quiet(&pub->out));
	cores_hold(cores, false);
	world_take_ack(&pub->out, MT_PACKET_PUBREC, 5);
	assert_true(world_is_quiet(&pub->out));
	world_expect(&sub->out, "t", "x");
	assert_true(world_is_quiet(&sub->out));
	cores_close(cores);
}

static void a_publisher_waits_for_a_link_that_holds_too_much(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct cores *cores;
	struct cores_conn *sub, *pub;
	uint32_t sent = 0;
	char payload[1025];
	(void)state;
	settings.link_bytes = 32768;
	cores = cores_open_with(2, &settings, world_policy(NULL, 0));
	sub = cores_client_at(cores, 1, "sub", true);
	pub = cores_client_at(cores, 0, "pub", true);
	cores_subscribe(cores, sub, "t", 0);
	memset(payload, 'x', sizeof(payload));
	payload[1024] = '\0';
	cores_hold(cores, true);
	while (!pub->is_paused && sent < 1000) {
		cores_publish(cores, pub, "t", payload, 0, false, 0);
		sent++;
	}
	assert_in_range(sent, 8, 16); /* half of the window */
	cores_hold(cores, false);
	assert_false(pub->is_paused);
	for (uint32_t i = 0; i < sent; i++)
		world_take_publish(&sub->out);
	assert_true(world_is_quiet(&sub->out));
	cores_close(cores);
}

/* The receiver does not take what it gets: nothing of QoS 1 is lost before patience ends. */
static void a_full_receiver_holds_back_its_link(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct cores *cores;
	struct cores_conn *sub, *pub;
	uint32_t sent = 0, got = 0;
	char payload[1025];
	(void)state;
	settings.link_bytes = 32768;
	settings.limits.inflight = 1000;
	settings.limits.queue_messages = 20;
	cores = cores_open_with(2, &settings, world_policy(NULL, 0));
	sub = cores_client_at(cores, 1, "sub", false);
	pub = cores_client_at(cores, 0, "pub", true);
	cores_subscribe(cores, sub, "t", 1);
	memset(payload, 'x', sizeof(payload));
	payload[1024] = '\0';
	while (!pub->is_paused && sent < 500) {
		sent++;
		cores_publish(cores, pub, "t", payload, 1, false, (uint16_t)sent);
	}
	assert_true(sent < 500);
	assert_int_equal(mt_core_counts(cores->core[1]).publishes_dropped, 0);
	while (!world_is_quiet(&sub->out)) {
		struct mt_publish publish = world_take_publish(&sub->out);
		got++;
		cores_ack(cores, sub, MT_PACKET_PUBACK, publish.packet_id);
	}
	assert_int_equal(got, sent);
	assert_int_equal(mt_core_counts(cores->core[1]).publishes_dropped, 0);
	for (uint32_t i = 1; i <= sent; i++)
		world_take_ack(&pub->out, MT_PACKET_PUBACK, (uint16_t)i);
	assert_false(pub->is_paused);
	cores_close(cores);
}

/* The end of the cores, while a link waits for a receiver that is full. */
static void cores_end_while_a_link_is_held_back(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct cores *cores;
	struct cores_conn *sub, *pub;
	(void)state;
	settings.limits.queue_messages = 8;
	cores = cores_open_with(2, &settings, world_policy(NULL, 0));
	sub = cores_client_at(cores, 1, "sub", false);
	pub = cores_client_at(cores, 0, "pub", true);
	cores_subscribe(cores, sub, "t", 1);
	for (uint16_t i = 1; i < 8; i++)
		cores_publish(cores, pub, "t", "x", 1, false, i);
	assert_true(mt_core_counts(cores->core[1]).throttles > 0);
	cores_close(cores);
}

/* A change of policy reaches the receiving core while a publication is on its way. */
static void a_denial_of_the_receiving_core_wins(void **state)
{
	struct mt_rule rules[] = {
		{.operation = MT_OPERATION_BOTH, .qos_mask = 7, .filter = mt_bytes_str("#")},
		{.is_deny = true,
		 .operation = MT_OPERATION_SUBSCRIBE,
		 .qos_mask = 7,
		 .filter = mt_bytes_str("t")}};
	struct mt_core_settings settings = world_settings();
	struct mt_policy *policy = world_policy(rules, 2);
	struct cores *cores = cores_open_with(2, &settings, world_policy(rules, 1));
	struct cores_conn *sub = cores_dial(cores, 0, "r");
	struct cores_conn *pub;
	(void)state;
	cores_send_connect(cores, sub, "sub", true);
	assert_int_equal(world_take_connack(&sub->out).reason, MT_REASON_SUCCESS);
	pub = cores_client_at(cores, sub->core + 1, "pub", true);
	cores_subscribe(cores, sub, "#", 0);
	cores_publish(cores, pub, "t", "x", 0, false, 0);
	world_expect(&sub->out, "t", "x");
	cores_hold(cores, true);
	cores_publish(cores, pub, "t", "y", 0, false, 0);
	cores_publish(cores, pub, "u", "z", 0, false, 0);
	mt_core_set_policy(cores->core[sub->core], cores->now, policy);
	mt_policy_unref(&policy);
	cores_hold(cores, false);
	world_expect(&sub->out, "u", "z");
	assert_true(world_is_quiet(&sub->out));
	cores_close(cores);
}

static void memory_returns_to_its_baseline(void **state)
{
	struct cores *cores = cores_open(3);
	struct cores_conn *pub = cores_client(cores, 1, "p", true);
	uint64_t before[3];
	(void)state;
	for (int round = 0; round < 3; round++) {
		struct cores_conn *sub = cores_client(cores, 0, "s", true);
		cores_subscribe(cores, sub, "a/#", 1);
		for (uint16_t i = 1; i < 9; i++)
			cores_publish(cores, pub, "a/b", "x", 1, false, i);
		for (uint16_t i = 1; i < 9; i++)
			cores_ack(cores, sub, MT_PACKET_PUBACK, i);
		mt_core_closed(cores->core[sub->core], cores->now, sub->conn);
		sub->conn = MT_HANDLE_NONE;
		cores_serve(cores);
		/* The first round fills stocks and caches. */
		for (uint32_t i = 0; i < 3; i++) {
			uint64_t now = mt_core_counts(cores->core[i]).memory_bytes;
			if (round == 2)
				assert_int_equal(now, before[i]);
			before[i] = now;
		}
	}
	cores_close(cores);
}

#define CLIENTS 6u
static const char *const topics[] = {"a", "a/b", "b/c", "a/c"};
static const char *const filters[] = {"a/#", "+/c", "b/c", "#"};
static const bool is_matched[4][4] = {{1, 1, 0, 1}, {0, 0, 1, 1}, {0, 0, 1, 0}, {1, 1, 1, 1}};

/* Each pass is one hop at least. */
static void settle(struct cores *cores)
{
	for (int i = 0; i < 10; i++)
		cores_pass(cores, 10 * MT_MS);
}

/* Who gets what is the same for any number of cores, and what a table of filters says. */
static void play(uint32_t count, uint64_t seed)
{
	struct cores *cores = cores_open(count);
	struct cores_conn *conns[CLIENTS];
	bool has[CLIENTS][4] = {{false}};
	struct mt_rng rng;
	mt_rng_init(&rng, seed);
	mt_rng_init(&cores->rng, seed);
	cores->jitter_ns = 5 * MT_MS;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		char id[8];
		snprintf(id, sizeof(id), "c%u", i);
		conns[i] = cores_client(cores, i, id, true);
	}
	for (int step = 0; step < 150; step++) {
		uint32_t who = (uint32_t)mt_rng_below(&rng, CLIENTS);
		uint32_t which = (uint32_t)mt_rng_below(&rng, 4);
		uint32_t deed = (uint32_t)mt_rng_below(&rng, 4);
		if (deed == 0) {
			cores_send_subscribe(cores, conns[who], filters[which], 0);
			settle(cores);
			assert_int_equal(cores_take_suback(conns[who]), 0);
			has[who][which] = true;
		} else if (deed == 1) {
			cores_unsubscribe(cores, conns[who], filters[which]);
			settle(cores);
			has[who][which] = false;
		} else {
			for (char text[2] = "1"; text[0] < '4'; text[0]++)
				cores_publish(cores, conns[who], topics[which], text, 0, false, 0);
			settle(cores);
			for (uint32_t i = 0; i < CLIENTS; i++) {
				bool is_wanted = false;
				for (uint32_t j = 0; j < 4; j++)
					is_wanted |= has[i][j] && is_matched[j][which];
				for (char text[2] = "1"; is_wanted && text[0] < '4'; text[0]++)
					world_expect(&conns[i]->out, topics[which], text);
				assert_true(world_is_quiet(&conns[i]->out));
			}
		}
	}
	cores_close(cores);
}

static void the_number_of_cores_changes_no_delivery(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= 3; count++)
		for (uint64_t seed = 1; seed <= 5; seed++)
			play(count, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_publish_reaches_subscribers_of_other_cores),
		cmocka_unit_test(what_is_published_after_suback_is_never_missed),
		cmocka_unit_test(nothing_is_read_until_suback),
		cmocka_unit_test(interest_survives_races_with_unsubscribe),
		cmocka_unit_test(an_acknowledgement_waits_for_every_part),
		cmocka_unit_test(a_failed_store_elsewhere_is_told),
		cmocka_unit_test(qos_2_sent_again_is_delivered_once),
		cmocka_unit_test(a_publisher_waits_for_a_link_that_holds_too_much),
		cmocka_unit_test(a_full_receiver_holds_back_its_link),
		cmocka_unit_test(cores_end_while_a_link_is_held_back),
		cmocka_unit_test(a_denial_of_the_receiving_core_wins),
		cmocka_unit_test(memory_returns_to_its_baseline),
		cmocka_unit_test(the_number_of_cores_changes_no_delivery),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
