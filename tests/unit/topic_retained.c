/* Retained messages: replace, clear, search, limits, references, memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "spec.h"
#include "topic/retained.h"

#include <stdio.h>

static struct mt_mem messages = {.max_bytes = SIZE_MAX};

static const struct mt_seed seed = {{1, 2}};

struct world {
	struct mt_mem mem;
	struct mt_retained *retained;
};

static int begin(void **state)
{
	static struct world world;
	mt_mem_init(&world.mem, SIZE_MAX);
	world.retained = mt_retained_create(
		&world.mem, seed,
		(struct mt_retained_limits){.count_max = 100, .bytes_max = 10000});
	*state = &world;
	return world.retained ? 0 : -1;
}

static int end(void **state)
{
	struct world *world = *state;
	mt_retained_destroy(&world->retained);
	return world->mem.used_bytes == 0 ? 0 : -1;
}

static struct mt_msg *message(const char *topic, const char *payload)
{
	struct mt_msg_facts facts = {
		.topic = mt_bytes_str(topic), .payload = mt_bytes_str(payload), .is_retain = true};
	struct mt_msg *msg = mt_msg_create(&messages, &facts);
	assert_non_null(msg);
	return msg;
}

/* The store alone holds it afterwards; borrowed. */
static struct mt_msg *keep(struct world *world, const char *topic, const char *payload)
{
	struct mt_msg *msg = message(topic, payload), *borrowed = msg;
	assert_int_equal(mt_retained_set(world->retained, msg), MT_OK);
	mt_msg_unref(&msg);
	return borrowed;
}

static struct mt_msg *find(const struct world *world, const char *topic)
{
	return mt_retained_find(world->retained, mt_bytes_str(topic));
}

static size_t count_matches(struct world *world, const char *filter)
{
	struct mt_msg_list list = {.mem = &world->mem};
	size_t count;
	assert_int_equal(mt_retained_match(world->retained, mt_bytes_str(filter), &list), MT_OK);
	count = list.count;
	mt_msg_list_finish(&list);
	assert_null(list.items);
	return count;
}

static void the_newest_replaces(void **state)
{
	struct world *world = *state;
	struct mt_msg *first = message("a/b", "one"), *second;
	SPEC(MQTT5, "3.3.1-5");
	assert_int_equal(mt_retained_set(world->retained, first), MT_OK);
	assert_int_equal(first->ref_count, 2);
	second = keep(world, "a/b", "second");
	assert_int_equal(first->ref_count, 1);
	assert_ptr_equal(find(world, "a/b"), second);
	assert_int_equal(mt_retained_count(world->retained), 1);
	assert_int_equal(mt_retained_bytes(world->retained), mt_msg_bytes(second));
	mt_msg_unref(&first);
}

static void setting_the_same_message_again_is_safe(void **state)
{
	struct world *world = *state;
	struct mt_msg *msg = keep(world, "a", "x");
	assert_int_equal(mt_retained_set(world->retained, msg), MT_OK);
	assert_int_equal(msg->ref_count, 1);
	assert_ptr_equal(find(world, "a"), msg);
}

static void clear_removes(void **state)
{
	struct world *world = *state;
	keep(world, "a/b", "x");
	keep(world, "a", "y");
	assert_true(mt_retained_clear(world->retained, mt_bytes_str("a")));
	assert_false(mt_retained_clear(world->retained, mt_bytes_str("a")));
	assert_false(mt_retained_clear(world->retained, mt_bytes_str("a/b/c")));
	assert_null(find(world, "a"));
	assert_non_null(find(world, "a/b"));
	assert_true(mt_retained_clear(world->retained, mt_bytes_str("a/b")));
	assert_int_equal(mt_retained_count(world->retained), 0);
	assert_int_equal(mt_retained_bytes(world->retained), 0);
}

static void filters_find_what_they_match(void **state)
{
	struct world *world = *state;
	keep(world, "a", "1");
	keep(world, "a/b", "2");
	keep(world, "a/c", "3");
	keep(world, "a/b/d", "4");
	keep(world, "$SYS/b", "5");
	keep(world, "/b", "6");
	SPEC(MQTT5, "4.7.2-1");
	assert_int_equal(count_matches(world, "a/b"), 1);
	assert_int_equal(count_matches(world, "a/+"), 2);
	assert_int_equal(count_matches(world, "a/#"), 4);
	assert_int_equal(count_matches(world, "+/b"), 2);
	assert_int_equal(count_matches(world, "#"), 5);
	assert_int_equal(count_matches(world, "$SYS/#"), 1);
	assert_int_equal(count_matches(world, "x/#"), 0);
	assert_int_equal(count_matches(world, "a/+/+/#"), 1);
	assert_int_equal(count_matches(world, "a/+/+/+/#"), 0);
	assert_int_equal(count_matches(world, "+/+/d"), 1);
}

static void match_appends_to_the_list(void **state)
{
	struct world *world = *state;
	struct mt_msg_list list = {.mem = &world->mem};
	struct mt_msg *first = keep(world, "a", "1"), *second = keep(world, "b", "2");
	assert_int_equal(mt_retained_match(world->retained, mt_bytes_str("a"), &list), MT_OK);
	assert_int_equal(mt_retained_match(world->retained, mt_bytes_str("b"), &list), MT_OK);
	assert_int_equal(list.count, 2);
	assert_ptr_equal(list.items[0], first);
	assert_ptr_equal(list.items[1], second);
	assert_int_equal(first->ref_count, 1);
	mt_msg_list_finish(&list);
}

static void counts_are_limited(void **state)
{
	struct world *world = *state;
	char topic[16];
	struct mt_msg *more = message("one more", "x");
	for (int i = 0; i < 100; i++) {
		snprintf(topic, sizeof(topic), "%d", i);
		keep(world, topic, "x");
	}
	assert_int_equal(mt_retained_set(world->retained, more), MT_LIMIT);
	assert_int_equal(more->ref_count, 1);
	assert_null(find(world, "one more"));
	keep(world, "7", "a replacement is no further message");
	assert_true(mt_retained_clear(world->retained, mt_bytes_str("8")));
	assert_int_equal(mt_retained_set(world->retained, more), MT_OK);
	mt_msg_unref(&more);
}

static void bytes_are_limited(void **state)
{
	static char half[4800], whole[9990];
	struct world *world = *state;
	struct mt_msg *former, *more;
	memset(half, 'x', sizeof(half) - 1);
	memset(whole, 'x', sizeof(whole) - 1);
	former = keep(world, "a", half);
	keep(world, "b", half);
	more = message("c", half);
	assert_int_equal(mt_retained_set(world->retained, more), MT_LIMIT);
	mt_msg_unref(&more);
	more = message("a", whole);
	assert_int_equal(mt_retained_set(world->retained, more), MT_LIMIT);
	mt_msg_unref(&more);
	assert_ptr_equal(find(world, "a"), former);
	assert_int_equal(mt_retained_count(world->retained), 2);
	keep(world, "a", half); /* what it replaces does not count twice */
}

static void nothing_can_be_kept_with_no_room(void **state)
{
	struct mt_mem mem;
	struct mt_retained *retained;
	struct mt_msg *msg = message("a", "x");
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	retained = mt_retained_create(
		&mem, seed, (struct mt_retained_limits){.count_max = 0, .bytes_max = 1000});
	assert_non_null(retained);
	assert_int_equal(mt_retained_set(retained, msg), MT_LIMIT);
	mt_retained_destroy(&retained);
	mt_retained_destroy(&retained);
	assert_int_equal(mem.used_bytes, 0);
	mt_msg_unref(&msg);
}

/* One run in which allocation number fail_in fails; what failed has changed nothing. Returns how
 * many calls failed. */
static uint32_t run(uint64_t fail_in)
{
	static const char *const topics[] = {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", "a/b", "zz",
					     "a/b"};
	struct mt_mem mem;
	struct mt_retained *retained;
	struct mt_msg_list list = {.mem = &mem};
	uint32_t failures = 0;
	mt_mem_init(&mem, SIZE_MAX);
	mem.fail_in = fail_in;
	retained = mt_retained_create(
		&mem, seed, (struct mt_retained_limits){.count_max = 100, .bytes_max = 10000});
	for (size_t i = 0; retained && i < MT_COUNT_OF(topics); i++) {
		struct mt_msg *msg = message(topics[i], "x");
		uint32_t count = mt_retained_count(retained);
		size_t bytes = mt_retained_bytes(retained);
		if (mt_retained_set(retained, msg) != MT_OK) {
			failures++;
			assert_int_equal(msg->ref_count, 1);
			assert_int_equal(mt_retained_count(retained), count);
			assert_int_equal(mt_retained_bytes(retained), bytes);
			assert_null(mt_retained_find(retained, mt_bytes_str(topics[i])));
			assert_int_equal(mt_retained_set(retained, msg), MT_OK);
		}
		mt_msg_unref(&msg);
	}
	if (!retained || mt_retained_match(retained, mt_bytes_str("#"), &list) != MT_OK)
		failures++;
	else
		assert_int_equal(list.count, 3);
	mt_msg_list_finish(&list);
	mt_retained_destroy(&retained);
	assert_int_equal(mem.used_bytes, 0);
	return failures;
}

static void every_failed_allocation_is_survived(void **state)
{
	uint64_t fail_in = 1;
	(void)state;
	while (run(fail_in) > 0)
		fail_in++;
	assert_in_range(fail_in, 25, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_newest_replaces),
		TEST(setting_the_same_message_again_is_safe),
		TEST(clear_removes),
		TEST(filters_find_what_they_match),
		TEST(match_appends_to_the_list),
		TEST(counts_are_limited),
		TEST(bytes_are_limited),
		cmocka_unit_test(nothing_can_be_kept_with_no_room),
		cmocka_unit_test(every_failed_allocation_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
