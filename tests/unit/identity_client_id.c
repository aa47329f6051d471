/* Client-id rules, against a recursive twin too, and assigned ids. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "identity/client_id.h"
#include "spec.h"

#include <stdlib.h>

static bool keeps(const char *rule, const char *user, const char *id)
{
	return mt_client_id_keeps(mt_bytes_str(rule), mt_bytes_str(user), mt_bytes_str(id));
}

static void no_rule_means_any_id(void **state)
{
	(void)state;
	assert_true(keeps("", "u", ""));
	assert_true(keeps("", "u", "whatever"));
}

static void a_plain_rule_is_exact(void **state)
{
	(void)state;
	assert_true(keeps("th-17", "u", "th-17"));
	assert_false(keeps("th-17", "u", "th-1"));
	assert_false(keeps("th-17", "u", "th-171"));
	assert_false(keeps("th-17", "u", "TH-17"));
	assert_false(keeps("th-17", "u", ""));
}

static void the_user_stands_for_percent_u(void **state)
{
	(void)state;
	assert_true(keeps("%u", "bob", "bob"));
	assert_false(keeps("%u", "bob", "bo"));
	assert_false(keeps("%u", "bob", "%u"));
	assert_true(keeps("%u-gw", "bob", "bob-gw"));
	assert_false(keeps("%u-gw", "bob", "bob-gv"));
	assert_true(keeps("%u%u", "ab", "abab"));
	assert_true(keeps("%u-*", "bob", "bob-1"));
	assert_true(keeps("50%", "bob", "50%"));
	assert_true(keeps("%c", "bob", "%c"));
}

/* A user who calls himself '*' gains nothing. */
static void user_names_are_not_patterns(void **state)
{
	(void)state;
	assert_true(keeps("%u", "*", "*"));
	assert_false(keeps("%u", "*", "anything"));
	assert_false(keeps("%u", "%u", "anything"));
	assert_false(keeps("%u-x", "a*", "ab-x"));
}

static void a_star_is_any_run(void **state)
{
	(void)state;
	assert_true(keeps("*", "u", ""));
	assert_true(keeps("*", "u", "abc"));
	assert_true(keeps("line-*", "u", "line-"));
	assert_true(keeps("line-*", "u", "line-4/a"));
	assert_false(keeps("line-*", "u", "line"));
	assert_true(keeps("*-7", "u", "a-7-7"));
	assert_false(keeps("*-7", "u", "a-78"));
	assert_true(keeps("a*b*c", "u", "aXbbYc"));
	assert_false(keeps("a*b*c", "u", "acb"));
	assert_true(keeps("**", "u", ""));
}

/* A rule that ends in '%', and each of its prefixes, in blocks of their own. */
static void every_prefix_of_a_rule_is_safe(void **state)
{
	static const char sample[] = "a%u*b%";
	(void)state;
	for (size_t len = 1; len < sizeof(sample); len++) {
		uint8_t *rule = malloc(len);
		assert_non_null(rule);
		memcpy(rule, sample, len);
		assert_int_equal(mt_client_id_keeps(mt_bytes_of(rule, len), mt_bytes_str("u"),
						    mt_bytes_str("auxxb%")),
				 len == 4 || len == 6);
		free(rule);
	}
}

static bool twin(const char *rule, const char *user, const char *id)
{
	size_t bytes = strlen(user);
	if (*rule == '\0')
		return *id == '\0';
	if (*rule == '*')
		return twin(rule + 1, user, id) || (*id != '\0' && twin(rule, user, id + 1));
	if (rule[0] == '%' && rule[1] == 'u')
		return strncmp(id, user, bytes) == 0 && twin(rule + 2, user, id + bytes);
	return *rule == *id && twin(rule + 1, user, id + 1);
}

static void rules_equal_their_twin(void **state)
{
	static const char *const parts[] = {"a", "b", "*", "%u", "%", "u"};
	static const char *const users[] = {"a", "ab", "*", "aba"};
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 11);
	for (int i = 0; i < 50000; i++) {
		char rule[16] = "", id[8] = "";
		const char *user = users[mt_rng_below(&rng, MT_COUNT_OF(users))];
		for (uint64_t left = 1 + mt_rng_below(&rng, 5); left > 0; left--)
			strcat(rule, parts[mt_rng_below(&rng, MT_COUNT_OF(parts))]);
		for (uint64_t at = 0, end = mt_rng_below(&rng, 7); at < end; at++)
			id[at] = "aabb*u%"[mt_rng_below(&rng, 7)];
		if (keeps(rule, user, id) != twin(rule, user, id))
			fail_msg("rule '%s', user '%s', id '%s'", rule, user, id);
	}
}

/* What would take a backtracking matcher for ever. */
static void many_stars_stay_cheap(void **state)
{
	char rule[200], id[4000];
	(void)state;
	for (size_t i = 0; i < sizeof(rule); i++)
		rule[i] = i % 2 ? 'a' : '*';
	memset(id, 'a', sizeof(id));
	rule[sizeof(rule) - 1] = 'b';
	assert_false(mt_client_id_keeps(mt_bytes_of(rule, sizeof(rule)), mt_bytes_str("u"),
					mt_bytes_of(id, sizeof(id))));
}

static void assigned_ids_are_plain_and_differ(void **state)
{
	static const uint64_t samples[] = {0, 1, 61, 62, UINT64_MAX, UINT64_MAX - 1, 1ULL << 63};
	uint8_t ids[MT_COUNT_OF(samples) * MT_COUNT_OF(samples)][31];
	size_t count = 0;
	(void)state;
	SPEC(MQTT5, "3.1.3-6");
	for (size_t i = 0; i < MT_COUNT_OF(samples); i++)
		for (size_t j = 0; j < MT_COUNT_OF(samples); j++) {
			struct mt_bytes id =
				mt_client_id_assign(samples[i], samples[j], ids[count]);
			assert_int_equal(id.len, 30);
			assert_ptr_equal(id.data, ids[count]);
			assert_true(mt_bytes_starts(id, mt_bytes_str("mortise-")));
			for (size_t at = 8; at < id.len; at++)
				assert_non_null(strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
						       "HIJKLMNOPQRSTUVWXYZ",
						       id.data[at]));
			for (size_t other = 0; other < count; other++)
				assert_memory_not_equal(ids[other], ids[count], 30);
			count++;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rule_means_any_id),
		cmocka_unit_test(a_plain_rule_is_exact),
		cmocka_unit_test(the_user_stands_for_percent_u),
		cmocka_unit_test(user_names_are_not_patterns),
		cmocka_unit_test(a_star_is_any_run),
		cmocka_unit_test(every_prefix_of_a_rule_is_safe),
		cmocka_unit_test(rules_equal_their_twin),
		cmocka_unit_test(many_stars_stay_cheap),
		cmocka_unit_test(assigned_ids_are_plain_and_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
