/* A map with versions against plain arrays, one for each version. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hamt.h"
#include "base/rng.h"

#include <stdlib.h>

#define KEYS 400u
#define VERSIONS 12u
#define STEPS 60000u

struct item {
	uint32_t key;
	uint32_t ref_count; /* of the map and ours */
};

static struct mt_bytes key_of(const void *value)
{
	const struct item *item = value;
	return mt_bytes_of(&item->key, sizeof(item->key));
}

static void ref(void *value)
{
	((struct item *)value)->ref_count++;
}

static unsigned item_count;

static void unref(void *value)
{
	struct item *item = value;
	if (--item->ref_count > 0)
		return;
	item_count--;
	free(item);
}

static const struct mt_hamt_kind kind = {key_of, ref, unref};

static struct item *make(uint32_t key)
{
	struct item *item = malloc(sizeof(*item));
	assert_non_null(item);
	*item = (struct item){key, 1};
	item_count++;
	return item;
}

/* One version, and what it should hold. */
struct version {
	struct mt_hamt map;
	struct item *items[KEYS];
};

static struct mt_bytes bytes_of(const uint32_t *key)
{
	return mt_bytes_of(key, sizeof(*key));
}

static void put(struct version *version, uint32_t key)
{
	struct item *item = make(key);
	assert_int_equal(mt_hamt_put(&version->map, item), MT_OK);
	version->items[key] = item;
	unref(item);
}

static void drop(struct version *version, uint32_t key)
{
	enum mt_status status = mt_hamt_remove(&version->map, bytes_of(&key));
	assert_int_equal(status, version->items[key] ? MT_OK : MT_NOT_FOUND);
	version->items[key] = NULL;
}

static bool count(void *context, const void *value)
{
	(void)value;
	++*(size_t *)context;
	return true;
}

static void check(const struct version *version)
{
	size_t held = 0, seen = 0;
	for (uint32_t key = 0; key < KEYS; key++) {
		assert_ptr_equal(mt_hamt_find(&version->map, bytes_of(&key)), version->items[key]);
		held += version->items[key] != NULL;
	}
	assert_int_equal(version->map.count, held);
	assert_true(mt_hamt_each(&version->map, count, &seen));
	assert_int_equal(seen, held);
}

static void versions_stay_what_they_were(void **state)
{
	static struct version versions[VERSIONS];
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 5);
	for (uint32_t i = 0; i < VERSIONS; i++)
		mt_hamt_init(&versions[i].map, &kind, (struct mt_seed){{1, 2}});
	for (uint32_t step = 0; step < STEPS; step++) {
		struct version *version = &versions[mt_rng_below(&rng, VERSIONS)];
		uint32_t key = (uint32_t)mt_rng_below(&rng, KEYS);
		uint64_t what = mt_rng_below(&rng, 100);
		if (what < 50) {
			put(version, key);
		} else if (what < 97) {
			drop(version, key);
		} else {
			struct version *to = &versions[mt_rng_below(&rng, VERSIONS)];
			struct version copy = *version;
			mt_hamt_share(&version->map, &copy.map);
			mt_hamt_finish(&to->map);
			*to = copy;
		}
		if (step % 500 == 0)
			for (uint32_t i = 0; i < VERSIONS; i++)
				check(&versions[i]);
	}
	for (uint32_t i = 0; i < VERSIONS; i++) {
		check(&versions[i]);
		mt_hamt_finish(&versions[i].map);
	}
	assert_int_equal(item_count, 0);
}

static bool stop(void *context, const void *value)
{
	(void)value;
	return --*(int *)context > 0;
}

static void a_visit_may_stop(void **state)
{
	struct version version = {0};
	int left = 3;
	(void)state;
	mt_hamt_init(&version.map, &kind, (struct mt_seed){{1, 2}});
	assert_true(mt_hamt_each(&version.map, stop, &left));
	for (uint32_t key = 0; key < KEYS; key++)
		put(&version, key);
	assert_false(mt_hamt_each(&version.map, stop, &left));
	assert_int_equal(left, 0);
	for (uint32_t key = 0; key < KEYS; key++)
		drop(&version, key);
	assert_null(version.map.root);
	assert_int_equal(item_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_stay_what_they_were),
		cmocka_unit_test(a_visit_may_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
