/* Subscriptions against a plain list that is searched filter by filter. */
#include "base/rng.h"
#include "session/subscription.h"
#include "topic/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SESSIONS 5u

static const char *const filters[] = {"#",
				      "+",
				      "a",
				      "a/b",
				      "a/+",
				      "a/#",
				      "+/b",
				      "/",
				      "a/b/c",
				      "+/+/c",
				      "$SYS/#",
				      "$share/g/a/b",
				      "$share/g/#",
				      "$share/h/a/b",
				      "$share/h/+/b",
				      "$share/g/$SYS/#"};
static const char *const topics[] = {"a", "a/b", "a/b/c", "/", "b", "x/b", "$SYS/x", "a/b/c/d"};

#define FILTERS MT_COUNT_OF(filters)

struct world {
	struct mt_mem mem;
	struct mt_subscriptions table;
	struct mt_session sessions[SESSIONS];
	struct mt_sub *twin[SESSIONS][FILTERS];
	uint32_t count;
};

static void open_world(struct world *world)
{
	memset(world, 0, sizeof(*world));
	mt_mem_init(&world->mem, SIZE_MAX);
	for (size_t i = 0; i < SESSIONS; i++)
		mt_list_init(&world->sessions[i].subs);
}

static void close_world(struct world *world)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		mt_subscriptions_remove_all(&world->table, &world->sessions[i]);
		assert_int_equal(world->sessions[i].sub_count, 0);
	}
	mt_subscriptions_finish(&world->table);
	assert_int_equal(world->mem.used_bytes, 0);
}

static bool is_matched(const char *filter, const char *topic)
{
	struct mt_bytes group, rest = mt_bytes_str(filter);
	mt_topic_share_split(mt_bytes_str(filter), &group, &rest);
	return mt_topic_matches(rest, mt_bytes_str(topic));
}

static void compare_match(struct world *world, const char *topic)
{
	bool is_seen[SESSIONS][FILTERS] = {{false}};
	struct mt_sub_cursor cursor = {0};
	struct mt_sub *sub;
	assert_int_equal(mt_subscriptions_match(&world->table, mt_bytes_str(topic)), MT_OK);
	while ((sub = mt_subscriptions_next(&world->table, &cursor))) {
		size_t s = (size_t)(sub->session - world->sessions), f = 0;
		while (!mt_bytes_equal(mt_sub_filter(sub), mt_bytes_str(filters[f])))
			f++;
		assert_ptr_equal(world->twin[s][f], sub);
		assert_false(is_seen[s][f]);
		is_seen[s][f] = true;
	}
	for (size_t s = 0; s < SESSIONS; s++)
		for (size_t f = 0; f < FILTERS; f++)
			assert_int_equal(is_seen[s][f],
					 world->twin[s][f] && is_matched(filters[f], topic));
}

static void compare_groups(struct world *world)
{
	uint32_t groups = 0;
	for (size_t f = 0; f < FILTERS; f++) {
		struct mt_group *group = NULL;
		uint32_t members = 0;
		for (size_t s = 0; s < SESSIONS; s++) {
			if (!world->twin[s][f])
				continue;
			assert_true(members == 0 || world->twin[s][f]->group == group);
			group = world->twin[s][f]->group;
			members++;
		}
		if (members > 0)
			assert_int_equal(group != NULL,
					 filters[f][0] == '$' && filters[f][1] == 's');
		if (group)
			assert_int_equal(group->member_count, members);
		groups += group != NULL;
	}
	assert_int_equal(world->table.groups.count, groups);
}

static void act(struct world *world, uint64_t roll)
{
	size_t s = roll % SESSIONS, f = (roll >> 8) % FILTERS;
	struct mt_session *session = &world->sessions[s];
	struct mt_sub **slot = &world->twin[s][f];
	uint64_t generation = world->table.generation;
	bool had = *slot != NULL, is_new;
	assert_ptr_equal(mt_subscriptions_find(&world->table, session, mt_bytes_str(filters[f])),
			 *slot);
	if ((roll >> 16) % 40 == 0) {
		mt_subscriptions_remove_all(&world->table, session);
		for (size_t i = 0; i < FILTERS; i++) {
			world->count -= world->twin[s][i] != NULL;
			world->twin[s][i] = NULL;
		}
		return;
	}
	if (roll & 0x80000000 || !had) {
		struct mt_sub *sub;
		assert_int_equal(mt_subscriptions_set(&world->table, session,
						      mt_bytes_str(filters[f]), &sub, &is_new),
				 MT_OK);
		assert_int_equal(is_new, !had);
		assert_true(!had || sub == *slot);
		*slot = sub;
		world->count += !had;
	} else {
		mt_subscriptions_remove(&world->table, slot);
		assert_null(*slot);
		world->count--;
	}
	assert_true(world->table.generation > generation);
}

static void equals_the_naive_twin(void **state)
{
	struct world world;
	struct mt_rng rng;
	(void)state;
	open_world(&world);
	mt_rng_init(&rng, 11);
	assert_int_equal(mt_subscriptions_init(&world.table, &world.mem, (struct mt_seed){{1, 2}},
					       (struct mt_seed){{3, 4}}),
			 MT_OK);
	for (int i = 0; i < 5000; i++) {
		uint32_t sum = 0;
		act(&world, mt_rng_next(&rng));
		compare_match(&world, topics[mt_rng_below(&rng, MT_COUNT_OF(topics))]);
		compare_groups(&world);
		for (size_t s = 0; s < SESSIONS; s++)
			sum += world.sessions[s].sub_count;
		assert_int_equal(sum, world.count);
		assert_int_equal(world.table.by_key.count, world.count);
	}
	close_world(&world);
}

static void filters_are_shown_with_and_without_the_group(void **state)
{
	struct world world;
	struct mt_sub *sub;
	bool is_new;
	(void)state;
	open_world(&world);
	assert_int_equal(mt_subscriptions_init(&world.table, &world.mem, (struct mt_seed){{1, 2}},
					       (struct mt_seed){{3, 4}}),
			 MT_OK);
	assert_int_equal(mt_subscriptions_set(&world.table, &world.sessions[0],
					      mt_bytes_str("$share/team/a/#"), &sub, &is_new),
			 MT_OK);
	assert_true(mt_bytes_equal(mt_sub_filter(sub), mt_bytes_str("$share/team/a/#")));
	assert_true(mt_bytes_equal(mt_sub_plain_filter(sub), mt_bytes_str("a/#")));
	assert_true(mt_bytes_equal(sub->group->name, mt_bytes_str("team")));
	/* the plain filter is another subscription */
	assert_null(mt_subscriptions_find(&world.table, &world.sessions[0], mt_bytes_str("a/#")));
	assert_null(mt_subscriptions_find(&world.table, &world.sessions[1],
					  mt_bytes_str("$share/team/a/#")));
	assert_null(mt_subscriptions_find(&world.table, &world.sessions[0], mt_bytes_of(NULL, 0)));
	close_world(&world);
}

/* One run with the fail_in-th allocation failing; true when none failed. */
static bool run_with_failure(uint64_t fail_in)
{
	struct world world;
	open_world(&world);
	world.mem.fail_in = fail_in;
	if (mt_subscriptions_init(&world.table, &world.mem, (struct mt_seed){{1, 2}},
				  (struct mt_seed){{3, 4}}) != MT_OK) {
		mt_subscriptions_finish(&world.table);
		assert_int_equal(world.mem.used_bytes, 0);
		return false;
	}
	for (size_t s = 0; s < SESSIONS; s++)
		for (size_t f = 0; f < FILTERS; f++) {
			struct mt_bytes filter = mt_bytes_str(filters[f]);
			struct mt_sub *sub;
			bool is_new;
			if (mt_subscriptions_set(&world.table, &world.sessions[s], filter, &sub,
						 &is_new) == MT_OK)
				world.twin[s][f] = sub;
			else
				assert_null(mt_subscriptions_find(&world.table, &world.sessions[s],
								  filter));
		}
	world.mem.fail_in = 0;
	for (size_t t = 0; t < MT_COUNT_OF(topics); t++)
		compare_match(&world, topics[t]);
	compare_groups(&world);
	fail_in = world.mem.refused_count;
	close_world(&world);
	return fail_in == 0;
}

static void survives_every_failed_allocation(void **state)
{
	uint64_t fail_in = 1;
	(void)state;
	while (!run_with_failure(fail_in))
		fail_in++;
	assert_true(fail_in > SESSIONS * FILTERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_naive_twin),
		cmocka_unit_test(filters_are_shown_with_and_without_the_group),
		cmocka_unit_test(survives_every_failed_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
