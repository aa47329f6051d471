/* Retained messages of joined cores: set, cleared, asked for, and never an older after a newer one.
 */
#include "cores_world.h"

static void retained_messages_are_found_from_every_core(void **state)
{
	struct cores *cores = cores_open(3);
	struct cores_conn *pub = cores_client_at(cores, 0, "pub", true);
	uint32_t total = 0;
	char topic[16], text[16];
	(void)state;
	for (int i = 0; i < 12; i++) {
		snprintf(topic, sizeof(topic), "r/%d", i);
		snprintf(text, sizeof(text), "%d", i);
		cores_publish(cores, pub, topic, text, 1, true, (uint16_t)(i + 1));
		world_take_ack(&pub->out, MT_PACKET_PUBACK, (uint16_t)(i + 1));
	}
	for (uint32_t i = 0; i < 3; i++) {
		struct cores_conn *one = cores_client_at(cores, i, "one", true);
		struct cores_conn *all = cores_client_at(cores, i, "all", true);
		uint32_t seen = 0, count = mt_core_counts(cores->core[i]).retained_count;
		assert_in_range(count, 1, 11); /* each keeps some */
		total += count;
		cores_subscribe(cores, one, "r/7", 0);
		assert_true(world_expect(&one->out, "r/7", "7").is_retain);
		assert_true(world_is_quiet(&one->out));
		cores_subscribe(cores, all, "r/+", 0);
		for (int j = 0; j < 12; j++) {
			struct mt_publish publish = world_take_publish(&all->out);
			uint32_t bit =
				(uint32_t)strtoul((const char *)publish.topic.data + 2, NULL, 10);
			assert_true(publish.is_retain);
			assert_false(seen >> bit & 1);
			seen |= 1u << bit;
		}
		assert_int_equal(seen, 0xfff);
		assert_true(world_is_quiet(&all->out));
	}
	assert_int_equal(total, 12);
	cores_publish(cores, pub, "r/7", "", 1, true, 20);
	for (uint32_t i = 0; i < 3; i++) {
		struct cores_conn *late = cores_client_at(cores, i, "late", true);
		cores_subscribe(cores, late, "r/7", 0);
		assert_true(world_is_quiet(&late->out));
	}
	cores_close(cores);
}

/* The last value that a subscriber saw is the one that is kept, and the values of one publisher
 * rise, whatever the links do. */
static void follow(uint64_t seed, const char *topic)
{
	struct cores *cores = cores_open(3);
	struct cores_conn *pub = cores_client_at(cores, 0, "pub", true);
	struct cores_conn *sub = cores_client_at(cores, 1, "sub", true);
	long last = 0;
	char text[16];
	mt_rng_init(&cores->rng, seed);
	cores->jitter_ns = 20 * MT_MS;
	for (int i = 1; i <= 40; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cores_publish(cores, pub, topic, text, 0, true, 0);
		if (i == (int)(5 + seed % 20))
			cores_send_subscribe(cores, sub, seed & 1 ? "t/+" : topic, 0);
		cores_pass(cores, (mt_time)mt_rng_below(&cores->rng, 4) * MT_MS);
	}
	cores_pass(cores, MT_SECOND);
	while (!world_is_quiet(&sub->out)) {
		struct mt_frame frame = world_take(&sub->out);
		struct mt_publish publish;
		struct mt_violation why;
		long value;
		if (frame.type != MT_PACKET_PUBLISH)
			continue;
		assert_int_equal(
			mt_publish_decode(&frame, MT_VERSION_5, MT_SIDE_SERVER, &publish, &why),
			MT_OK);
		mt_bytes_cut(text, sizeof(text), publish.payload);
		value = strtol(text, NULL, 10);
		assert_true(value > last);
		last = value;
	}
	assert_int_equal(last, 40);
	cores_close(cores);
}

static void nobody_sees_an_older_value_after_a_newer_one(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		char topic[16];
		snprintf(topic, sizeof(topic), "t/%u", (unsigned)(seed % 7)); /* of any owner */
		follow(seed, topic);
	}
}

/* The owner cannot keep it: the publisher is told. */
static void a_full_owner_says_so(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct cores *cores;
	struct cores_conn *pub;
	uint32_t refused = 0;
	(void)state;
	settings.limits.retained_count = 1;
	cores = cores_open_with(2, &settings, world_policy(NULL, 0));
	pub = cores_client_at(cores, 0, "pub", true);
	for (uint16_t i = 1; i <= 10; i++) {
		char topic[16];
		snprintf(topic, sizeof(topic), "t/%u", i);
		cores_publish(cores, pub, topic, "x", 1, true, i);
		refused += world_take_ack(&pub->out, MT_PACKET_PUBACK, i).reason ==
			   MT_REASON_QUOTA_EXCEEDED;
	}
	assert_int_equal(refused, 8);
	cores_close(cores);
}

static void a_failed_store_of_the_owner_is_undone(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *pub = cores_client_at(cores, 0, "pub", true);
	struct cores_conn *sub;
	char topic[16];
	(void)state;
	cores->is_store_held[1] = true;
	for (int i = 0; cores->ticket_count[1] == 0; i++) {
		snprintf(topic, sizeof(topic), "t/%d", i);
		cores_publish(cores, pub, topic, "x", 1, true, 1);
		if (cores->ticket_count[1] == 0)
			world_take_ack(&pub->out, MT_PACKET_PUBACK, 1);
	}
	assert_true(world_is_quiet(&pub->out));
	cores_stored(cores, 1, MT_SYSTEM);
	assert_int_equal(world_take_ack(&pub->out, MT_PACKET_PUBACK, 1).reason,
			 MT_REASON_QUOTA_EXCEEDED);
	sub = cores_client_at(cores, 0, "sub", true);
	cores_subscribe(cores, sub, topic, 0);
	assert_true(world_is_quiet(&sub->out));
	cores_close(cores);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retained_messages_are_found_from_every_core),
		cmocka_unit_test(nobody_sees_an_older_value_after_a_newer_one),
		cmocka_unit_test(a_full_owner_says_so),
		cmocka_unit_test(a_failed_store_of_the_owner_is_undone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
