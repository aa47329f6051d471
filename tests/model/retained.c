/* Retained messages against a list of topics, limits and the search by name-tree included. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "naive_topic.h"
#include "topic/retained.h"
#include "topic/tree.h"

static struct mt_mem messages = {.max_bytes = SIZE_MAX};

#define LIST_MAX 80
#define COUNT_MAX 60u
#define BYTES_MAX 8000u

static const char *const words[] = {"a", "b", "", "$x", "c", "d"};

struct entry {
	struct naive_topic topic;
	struct mt_msg
		*msg; /* NULL: free; borrowed from the store, which holds the only reference */
};

struct world {
	struct mt_mem mem;
	struct mt_rng rng;
	struct mt_retained *retained;
	struct entry list[LIST_MAX];
};

static struct entry *entry_of(struct world *world, const struct naive_topic *topic)
{
	for (size_t i = 0; i < LIST_MAX; i++)
		if (world->list[i].msg && strcmp(world->list[i].topic.text, topic->text) == 0)
			return &world->list[i];
	return NULL;
}

static struct entry *free_entry(struct world *world)
{
	for (size_t i = 0; i < LIST_MAX; i++)
		if (!world->list[i].msg)
			return &world->list[i];
	return NULL;
}

static size_t sum(const struct world *world, uint32_t *count)
{
	size_t bytes = 0;
	*count = 0;
	for (size_t i = 0; i < LIST_MAX; i++) {
		if (!world->list[i].msg)
			continue;
		bytes += mt_msg_bytes(world->list[i].msg);
		++*count;
	}
	return bytes;
}

static void set(struct world *world)
{
	static const uint8_t payload[300];
	struct naive_topic topic = naive_random_name(&world->rng, words, MT_COUNT_OF(words), 4);
	struct mt_msg_facts facts = {
		.topic = naive_view(&topic),
		.payload = mt_bytes_of(payload, 1 + mt_rng_below(&world->rng, 299))};
	struct mt_msg *msg = mt_msg_create(&messages, &facts);
	struct entry *entry = entry_of(world, &topic);
	uint32_t count;
	size_t bytes = sum(world, &count);
	bool is_full;
	assert_non_null(msg);
	bytes += mt_msg_bytes(msg) - (entry ? mt_msg_bytes(entry->msg) : 0);
	is_full = bytes > BYTES_MAX || (!entry && count == COUNT_MAX);
	assert_int_equal(mt_retained_set(world->retained, msg), is_full ? MT_LIMIT : MT_OK);
	if (!is_full && !entry) {
		entry = free_entry(world);
		assert_non_null(entry);
		entry->topic = topic;
	}
	if (!is_full)
		entry->msg = msg;
	mt_msg_unref(&msg);
}

static void clear(struct world *world, struct entry *entry)
{
	assert_true(mt_retained_clear(world->retained, naive_view(&entry->topic)));
	assert_false(mt_retained_clear(world->retained, naive_view(&entry->topic)));
	entry->msg = NULL;
}

static void find(struct world *world)
{
	struct naive_topic topic = naive_random_name(&world->rng, words, MT_COUNT_OF(words), 4);
	const struct entry *entry = entry_of(world, &topic);
	assert_ptr_equal(mt_retained_find(world->retained, naive_view(&topic)),
			 entry ? entry->msg : NULL);
}

static bool holds_once(const struct mt_msg_list *list, const struct mt_msg *msg)
{
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++)
		count += list->items[i] == msg;
	assert_in_range(count, 0, 1);
	return count == 1;
}

static void match(struct world *world)
{
	struct naive_topic filter = naive_random_filter(&world->rng, words, MT_COUNT_OF(words), 5);
	struct mt_msg_list found = {.mem = &world->mem};
	size_t expected = 0;
	assert_int_equal(mt_retained_match(world->retained, naive_view(&filter), &found), MT_OK);
	for (size_t i = 0; i < LIST_MAX; i++) {
		const struct entry *entry = &world->list[i];
		bool is_expected = entry->msg && naive_matches(&filter, &entry->topic);
		expected += is_expected;
		if (entry->msg && holds_once(&found, entry->msg) != is_expected)
			fail_msg("'%s' and '%s'", filter.text, entry->topic.text);
	}
	assert_int_equal(found.count, expected);
	mt_msg_list_finish(&found);
}

static void check_sums(const struct world *world)
{
	uint32_t count;
	size_t bytes = sum(world, &count);
	assert_int_equal(mt_retained_count(world->retained), count);
	assert_int_equal(mt_retained_bytes(world->retained), bytes);
}

static void run(uint64_t seed)
{
	struct mt_retained_limits limits = {.count_max = COUNT_MAX, .bytes_max = BYTES_MAX};
	struct world world = {.retained = NULL};
	mt_mem_init(&world.mem, SIZE_MAX);
	mt_rng_init(&world.rng, seed);
	world.retained = mt_retained_create(&world.mem, (struct mt_seed){{seed, ~seed}}, limits);
	assert_non_null(world.retained);
	for (int step = 0; step < 4000; step++) {
		struct entry *entry = &world.list[mt_rng_below(&world.rng, LIST_MAX)];
		uint64_t kind = mt_rng_below(&world.rng, 5);
		if (kind < 2)
			set(&world);
		else if (kind == 2 && entry->msg)
			clear(&world, entry);
		else if (kind == 3)
			find(&world);
		else
			match(&world);
		check_sums(&world);
	}
	mt_retained_destroy(&world.retained);
	assert_int_equal(world.mem.used_bytes, 0);
}

static void store_equals_a_list(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		print_message("seed %u\n", (unsigned)seed);
		run(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(store_equals_a_list)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
