/* Passwords that were right: known for a while, to nobody else, and not under another hash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/login_cache.h"

static struct mt_user user_of(uint64_t id, const char *hash)
{
	return (struct mt_user){.id = id, .password_hash = mt_bytes_str(hash)};
}

static void what_was_right_is_known_for_a_while(void **state)
{
	struct mt_login_cache *cache = mt_login_cache_create(10);
	struct mt_user ann = user_of(1, "h1"), changed = user_of(1, "h2"), bob = user_of(2, "h1");
	struct mt_user crowd = user_of(1 + 16384, "h1");
	struct mt_bytes right = mt_bytes_str("right"), wrong = mt_bytes_str("wrong");
	(void)state;
	assert_non_null(cache);
	assert_false(mt_login_cache_knows(cache, 5, &ann, right));
	mt_login_cache_keep(cache, 5, &ann, right);
	assert_true(mt_login_cache_knows(cache, 5, &ann, right));
	assert_true(mt_login_cache_knows(cache, 14, &ann, right));
	assert_false(mt_login_cache_knows(cache, 15, &ann, right));
	assert_false(mt_login_cache_knows(cache, 6, &ann, wrong));
	assert_false(mt_login_cache_knows(cache, 6, &ann, mt_bytes_of(NULL, 0)));
	assert_false(mt_login_cache_knows(cache, 6, &changed, right));
	assert_false(mt_login_cache_knows(cache, 6, &bob, right));
	assert_false(mt_login_cache_knows(cache, 6, &crowd, right));
	assert_false(mt_login_cache_knows(cache, 6, NULL, right));
	assert_int_equal(mt_login_cache_counts(cache).hits, 2);
	assert_int_equal(mt_login_cache_counts(cache).misses, 8);
	/* Another one in its place. */
	mt_login_cache_keep(cache, 6, &crowd, right);
	assert_true(mt_login_cache_knows(cache, 6, &crowd, right));
	assert_false(mt_login_cache_knows(cache, 6, &ann, right));
	mt_login_cache_destroy(&cache);
	assert_null(cache);
	mt_login_cache_destroy(&cache);
}

/* Hash and password together are the same bytes, cut elsewhere. */
static void parts_stay_apart(void **state)
{
	struct mt_login_cache *cache = mt_login_cache_create(10);
	struct mt_user ann = user_of(1, "ab"), shifted = user_of(1, "a");
	(void)state;
	mt_login_cache_keep(cache, 5, &ann, mt_bytes_str("c"));
	assert_false(mt_login_cache_knows(cache, 5, &shifted, mt_bytes_str("bc")));
	mt_login_cache_destroy(&cache);
}

static void off_knows_nothing(void **state)
{
	struct mt_login_cache *cache = mt_login_cache_create(0);
	struct mt_user ann = user_of(1, "h1");
	(void)state;
	mt_login_cache_keep(cache, 5, &ann, mt_bytes_str("right"));
	assert_false(mt_login_cache_knows(cache, 5, &ann, mt_bytes_str("right")));
	mt_login_cache_destroy(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_right_is_known_for_a_while),
		cmocka_unit_test(parts_stay_apart),
		cmocka_unit_test(off_knows_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
