/* $SYS: every topic of the table is there, and its figures are those of what happened. */
#include "../core_world.h"
#include "../spec.h"

#include "spec/sys.h"

#include <stdio.h>

#define PREFIX "$SYS/broker/"

struct figure {
	char topic[96];
	char value[64];
};

static struct figure figures[256];
static uint32_t figure_count;

static void note(const struct mt_publish *publish)
{
	uint32_t i = 0;
	char topic[96];
	mt_bytes_cut(topic, sizeof(topic), publish->topic);
	while (i < figure_count && strcmp(figures[i].topic, topic) != 0)
		i++;
	assert_true(i < MT_COUNT_OF(figures));
	figure_count += i == figure_count;
	strcpy(figures[i].topic, topic);
	mt_bytes_cut(figures[i].value, sizeof(figures[i].value), publish->payload);
	assert_int_equal(publish->qos, 0);
}

static void read_all(struct world_conn *watcher)
{
	while (!world_is_quiet(watcher)) {
		struct mt_publish publish = world_take_publish(watcher);
		note(&publish);
	}
}

static const char *value_of(const char *name)
{
	char topic[96];
	snprintf(topic, sizeof(topic), PREFIX "%s", name);
	for (uint32_t i = 0; i < figure_count; i++)
		if (strcmp(figures[i].topic, topic) == 0)
			return figures[i].value;
	print_error("no %s\n", topic);
	return "";
}

static void open_world(struct world *world)
{
	struct mt_core_settings settings = world_settings();
	settings.sys_interval_ns = 10 * MT_SECOND;
	settings.limits.retained_count = 1000;
	settings.limits.output_bytes = 1 << 20;
	world_open_with(world, &settings, world_policy(NULL, 0));
	figure_count = 0;
}

static void every_topic_is_there(void **state)
{
	static const char *const names[] = {
#define X(topic, field, meaning) topic,
		MT_TABLE_SYS(X)
#undef X
#define X(topic, field, meaning) \
	"load/" topic "/1min", "load/" topic "/5min", "load/" topic "/15min",
			MT_TABLE_SYS_LOAD(X)
#undef X
	};
	struct world world;
	struct world_conn *watcher;
	(void)state;
	open_world(&world);
	watcher = world_client(&world, MT_VERSION_5, "watcher", true);
	assert_int_equal(world_subscribe(&world, watcher, "$SYS/#", 0), 0);
	world_pass(&world, 10 * MT_SECOND);
	read_all(watcher);
	assert_int_equal(figure_count, MT_COUNT_OF(names) + 2);
	for (size_t i = 0; i < MT_COUNT_OF(names); i++)
		assert_true(value_of(names[i])[0] != '\0');
	assert_string_equal(value_of("version"), "test");
	assert_string_equal(value_of("uptime"), "10 seconds");
	world_close(&world);
}

static void figures_are_those_of_what_happened(void **state)
{
	struct world world;
	struct world_conn *watcher, *from, *kept;
	(void)state;
	open_world(&world);
	watcher = world_client(&world, MT_VERSION_5, "watcher", true);
	from = world_client(&world, MT_VERSION_5, "from", true);
	kept = world_client(&world, MT_VERSION_5, "kept", false);
	world_subscribe(&world, kept, "t", 1);
	world_subscribe(&world, kept, "$share/g/u", 1);
	world_disconnect(&world, kept, 0);
	for (uint16_t i = 1; i <= 3; i++)
		world_publish(&world, from, "t", "12345", 1, false, i);
	world_subscribe(&world, watcher, "$SYS/#", 0);
	world_pass(&world, 10 * MT_SECOND);
	read_all(watcher);
	assert_string_equal(value_of("clients/total"), "3");
	assert_string_equal(value_of("clients/connected"), "2");
	assert_string_equal(value_of("clients/disconnected"), "1");
	assert_string_equal(value_of("clients/maximum"), "3");
	assert_string_equal(value_of("clients/expired"), "0");
	assert_string_equal(value_of("publish/messages/received"), "3");
	assert_string_equal(value_of("publish/bytes/received"), "15");
	assert_string_equal(value_of("store/messages/count"), "3");
	assert_string_equal(value_of("messages/stored"), "3");
	assert_string_equal(value_of("subscriptions/count"), "3");
	assert_string_equal(value_of("shared_subscriptions/count"), "1");
	assert_string_equal(value_of("mortise/connects/accepted"), "3");
	assert_true(strtoul(value_of("store/messages/bytes"), NULL, 10) > 15);
	/* The session of kept ends 600 s after its client went. */
	world_pass(&world, 600 * MT_SECOND);
	world_pass(&world, 10 * MT_SECOND);
	read_all(watcher);
	assert_string_equal(value_of("clients/expired"), "1");
	assert_string_equal(value_of("clients/total"), "2");
	assert_string_equal(value_of("store/messages/count"), "0");
	assert_string_equal(value_of("store/messages/bytes"), "0");
	assert_string_equal(value_of("subscriptions/count"), "1");
	world_close(&world);
}

/* QoS 2 gives its payload back at PUBREC, and the rest at PUBCOMP. */
static void stored_bytes_come_and_go(void **state)
{
	struct world world;
	struct world_conn *to, *from;
	uint16_t id;
	uint64_t whole;
	(void)state;
	world_open(&world);
	to = world_client(&world, MT_VERSION_5, "to", true);
	from = world_client(&world, MT_VERSION_5, "from", true);
	world_subscribe(&world, to, "t", 2);
	world_publish(&world, from, "t", "12345", 2, false, 1);
	id = world_take_publish(to).packet_id;
	whole = mt_core_counts(world.core).queued_bytes;
	world_send_ack(&world, to, MT_PACKET_PUBREC, id, 0);
	assert_true(mt_core_counts(world.core).queued_bytes < whole);
	assert_true(mt_core_counts(world.core).queued_bytes > 0);
	world_send_ack(&world, to, MT_PACKET_PUBCOMP, id, 0);
	assert_int_equal(mt_core_counts(world.core).queued_bytes, 0);
	world_close(&world);
}

/* 60 messages in every minute for a long time are 60 in the average of each span; and when they
 * stop, a minute later e^-1 of it is left in the first. */
static void load_follows_what_comes(void **state)
{
	struct world world;
	struct world_conn *watcher, *from;
	(void)state;
	open_world(&world);
	watcher = world_client(&world, MT_VERSION_5, "watcher", true);
	from = world_client(&world, MT_VERSION_5, "from", true);
	world_subscribe(&world, watcher, "$SYS/broker/load/publish/received/+", 0);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 10; i++)
			world_publish(&world, from, "t", "x", 0, false, 0);
		world_pass(&world, 10 * MT_SECOND);
		read_all(watcher);
	}
	assert_string_equal(value_of("load/publish/received/1min"), "60.00");
	assert_string_equal(value_of("load/publish/received/5min"), "60.00");
	assert_true(strtod(value_of("load/publish/received/15min"), NULL) > 59.9);
	for (int round = 0; round < 6; round++) {
		world_pass(&world, 10 * MT_SECOND);
		read_all(watcher);
	}
	assert_string_equal(value_of("load/publish/received/1min"), "22.07");
	world_close(&world);
}

static void limits_appear_once_met(void **state)
{
	struct world world;
	struct world_conn *from, *watcher;
	char topic[64];
	(void)state;
	memset(topic, '/', sizeof(topic) - 1);
	topic[sizeof(topic) - 1] = '\0';
	open_world(&world);
	from = world_client(&world, MT_VERSION_5, "from", true);
	watcher = world_client(&world, MT_VERSION_5, "watcher", true);
	world_subscribe(&world, watcher, "$SYS/broker/mortise/limits/#", 0);
	for (uint16_t i = 1; i <= 3; i++)
		world_publish(&world, from, topic, "m", 1, false, i);
	world_pass(&world, 10 * MT_SECOND);
	read_all(watcher);
	assert_int_equal(figure_count, 1);
	assert_string_equal(value_of("mortise/limits/topic_levels"), "3");
	world_close(&world);
}

/* What the shell counts stands beside it; where there is no $SYS, it stands nowhere. */
static void figures_of_the_shell(void **state)
{
	struct mt_bytes name = mt_bytes_str("tls/here/full");
	struct world world;
	struct world_conn *watcher;
	(void)state;
	open_world(&world);
	watcher = world_client(&world, MT_VERSION_5, "watcher", true);
	assert_int_equal(world_subscribe(&world, watcher, "$SYS/broker/mortise/tls/#", 0), 0);
	mt_core_publish_figure(world.core, world.now, name, 7);
	mt_core_publish_figure(world.core, world.now, name, 7);
	world_serve(&world);
	read_all(watcher);
	assert_int_equal(figure_count, 1);
	assert_string_equal(value_of("mortise/tls/here/full"), "7");
	mt_core_publish_figure(world.core, world.now, name, 1234567890123);
	world_serve(&world);
	read_all(watcher);
	assert_string_equal(value_of("mortise/tls/here/full"), "1234567890123");
	world_close(&world);
	world_open(&world);
	mt_core_publish_figure(world.core, world.now, name, 7);
	assert_int_equal(mt_core_counts(world.core).retained_count, 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_topic_is_there),
		cmocka_unit_test(figures_are_those_of_what_happened),
		cmocka_unit_test(stored_bytes_come_and_go),
		cmocka_unit_test(load_follows_what_comes),
		cmocka_unit_test(limits_appear_once_met),
		cmocka_unit_test(figures_of_the_shell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
