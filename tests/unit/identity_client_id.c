/* Client-id rules, against a recursive twin too, and assigned ids. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "identity/client_id.h"
#include "spec.h"

#include <stdio.h>
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
	assert_true(keeps("50%%", "bob", "50%"));
	assert_true(keeps("%%u", "bob", "%u"));
	assert_true(keeps("%*", "bob", "*"));
	assert_false(keeps("%*", "bob", "x"));
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

/* Who has no name is nobody: an empty one would stand everywhere. */
static void without_a_user_no_rule_with_one_is_kept(void **state)
{
	(void)state;
	assert_false(keeps("%u", "", ""));
	assert_false(keeps("%u*", "", "anything"));
	assert_false(keeps("*%u", "", "anything"));
	assert_true(keeps("line-*", "", "line-1"));
}

static void formats_stand_in_rules(void **state)
{
	static const char uuid[] = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
	char id[128];
	(void)state;
	snprintf(id, sizeof(id), "th-%s", uuid);
	assert_true(keeps("%{uuid}", "u", uuid));
	assert_true(keeps("%{uuid}", "u", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"));
	assert_false(keeps("%{uuid}", "u", id));
	assert_true(keeps("th-%{uuid}", "u", id));
	assert_true(keeps("*%{uuid}", "u", id));
	assert_true(keeps("th-%{uuid}*", "u", id));
	assert_false(keeps("th-%{uuid}-*", "u", id));
	assert_false(keeps("th-%{uuid}", "u", "th-%{uuid}"));
	assert_true(keeps("%u-%{mac}", "bob", "bob-00:1b:63:84:45:e6"));
	assert_true(keeps("%u-%{mac}", "bob", "bob-001b638445e6"));
	assert_false(keeps("%u-%{mac}", "bob", "eve-001b638445e6"));
	assert_false(keeps("%u-%{mac}", "bob", "bob-001b638445e67"));
	assert_true(keeps("%{mac}%{mac}", "bob", "001b638445e600-1b-63-84-45-e6"));
	assert_true(keeps("%{serial:SN-%4d}", "u", "SN-1234"));
	assert_true(keeps("*-%{serial:%4X}-*", "u", "a-b-00-BEEF-x"));
	assert_false(keeps("*-%{serial:%4X}-*", "u", "a-b-00-beef-x"));
	assert_true(keeps("%{serial:%2d%}%%%*}*", "u", "12}%*"));
	assert_false(keeps("%{serial:%2d}+", "u", "12"));
}

/* All that cannot be read lets nobody in. */
static void rules_that_are_none(void **state)
{
	static const char *const wrong[] = {"%",
					    "a%",
					    "%c",
					    "%{uid}",
					    "%{}",
					    "%{uuid",
					    "%{UUID}",
					    "*%{mac",
					    "%{serial}",
					    "%{serial:}",
					    "%{serial:%u}",
					    "x%{mac}%",
					    "%{serial:%8d",
					    "%{serial:%8d%}",
					    "%{uuid:4}",
					    "%U",
					    "a%{ uuid}",
					    "\xff",
					    "a\x01",
					    "%{serial:*}",
					    "%{serial:abc}"};
	char longest[MT_CLIENT_ID_RULE_BYTES_MAX + 2];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(wrong); i++) {
		if (!mt_client_id_rule_fault(mt_bytes_str(wrong[i])))
			fail_msg("'%s' is a rule", wrong[i]);
		if (wrong[i][0] != '\xff' && wrong[i][0] != 'a')
			assert_false(keeps(wrong[i], "u", wrong[i]));
	}
	memset(longest, '*', sizeof(longest));
	assert_null(mt_client_id_rule_fault(mt_bytes_of(longest, MT_CLIENT_ID_RULE_BYTES_MAX)));
	assert_non_null(
		mt_client_id_rule_fault(mt_bytes_of(longest, MT_CLIENT_ID_RULE_BYTES_MAX + 1)));
	assert_false(mt_client_id_keeps(mt_bytes_of(longest, MT_CLIENT_ID_RULE_BYTES_MAX + 1),
					mt_bytes_str("u"), mt_bytes_str("id")));
}

static void ids_that_are_none(void **state)
{
	static uint8_t id[65536];
	(void)state;
	memset(id, 'a', sizeof(id));
	assert_null(mt_client_id_fault(mt_bytes_of(id, 65535)));
	assert_non_null(mt_client_id_fault(mt_bytes_of(id, 65536)));
	assert_non_null(mt_client_id_fault(mt_bytes_str("")));
	assert_non_null(mt_client_id_fault(mt_bytes_str("a\x7f")));
	assert_non_null(mt_client_id_fault(mt_bytes_str("a\xc3")));
	assert_non_null(mt_client_id_fault(mt_bytes_of("a\0b", 3)));
	assert_null(mt_client_id_fault(mt_bytes_str("+/# k\xc3\xbc")));
}

static void rules_that_are_some(void **state)
{
	static const char *const good[] = {
		"",	"th-17", "%u",	   "*", "%u-%{mac}",	    "th-%{uuid}*",
		"50%%", "%*",	 "{uuid}", "}", "%{serial:a%}%3n}", "k\xc3\xbc"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(good); i++)
		if (mt_client_id_rule_fault(mt_bytes_str(good[i])))
			fail_msg("'%s': %s", good[i],
				 mt_client_id_rule_fault(mt_bytes_str(good[i])));
	assert_true(mt_client_id_rule_has_user(mt_bytes_str("th-%u")));
	assert_true(mt_client_id_rule_has_user(mt_bytes_str("%{mac}%%%u")));
	assert_false(mt_client_id_rule_has_user(mt_bytes_str("%%u%{serial:%d%%u}")));
	assert_false(mt_client_id_rule_has_user(mt_bytes_str("%{uid}%u")));
}

/* A rule that ends in '%', and each of its prefixes, in blocks of their own. */
static void every_prefix_of_a_rule_is_safe(void **state)
{
	static const char sample[] = "a%u*b%%";
	(void)state;
	for (size_t len = 1; len < sizeof(sample); len++) {
		uint8_t *rule = malloc(len);
		assert_non_null(rule);
		memcpy(rule, sample, len);
		assert_int_equal(mt_client_id_keeps(mt_bytes_of(rule, len), mt_bytes_str("u"),
						    mt_bytes_str("auxxb%")),
				 len == 4 || len == 7);
		free(rule);
	}
}

static bool twin(const char *rule, const char *user, const char *id);

/* Every length that a MAC address can have, and no thought of which comes first. */
static bool twin_of_format(const char *rule, const char *user, const char *id)
{
	static const char mac[] = "%{mac}", uuid[] = "%{uuid}", serial[] = "%{serial:a%2x}";
	char part[64];
	for (size_t len = 1; len <= strlen(id) && len < sizeof(part); len++) {
		bool is_one = false;
		const char *rest = rule;
		snprintf(part, sizeof(part), "%.*s", (int)len, id);
		if (strncmp(rule, mac, strlen(mac)) == 0) {
			unsigned octet[6];
			char end;
			is_one = (len == 12 &&
				  sscanf(part, "%2x%2x%2x%2x%2x%2x%c", &octet[0], &octet[1],
					 &octet[2], &octet[3], &octet[4], &octet[5], &end) == 6) ||
				 (len == 17 &&
				  sscanf(part, "%2x:%2x:%2x:%2x:%2x:%2x%c", &octet[0], &octet[1],
					 &octet[2], &octet[3], &octet[4], &octet[5], &end) == 6);
			is_one = is_one && strspn(part, "0123456789abcdef:") == len &&
				 octet[0] % 2 == 0 && strspn(part, "0:") != len &&
				 (len == 17 || !strchr(part, ':'));
			rest = rule + strlen(mac);
		} else if (strncmp(rule, uuid, strlen(uuid)) == 0) {
			is_one = len == 36 && strspn(part, "0123456789abcdef") == 8 &&
				 part[8] == '-' && strchr(part, ':') == NULL && part[13] == '-' &&
				 part[18] == '-' && part[23] == '-' &&
				 strcspn(part + 24, "-*u%") == 12;
			rest = rule + strlen(uuid);
		} else if (strncmp(rule, serial, strlen(serial)) == 0) {
			is_one = len == 3 && part[0] == 'a' &&
				 strspn(part + 1, "0123456789abcdef") == 2;
			rest = rule + strlen(serial);
		}
		if (is_one && twin(rest, user, id + len))
			return true;
	}
	return false;
}

static bool twin(const char *rule, const char *user, const char *id)
{
	size_t bytes = strlen(user);
	if (*rule == '\0')
		return *id == '\0';
	if (*rule == '*')
		return twin(rule + 1, user, id) || (*id != '\0' && twin(rule, user, id + 1));
	if (rule[0] == '%' && rule[1] == '{')
		return twin_of_format(rule, user, id);
	if (rule[0] == '%' && rule[1] == 'u')
		return strncmp(id, user, bytes) == 0 && twin(rule + 2, user, id + bytes);
	if (rule[0] == '%')
		return rule[1] == *id && twin(rule + 2, user, id + 1);
	return *rule == *id && twin(rule + 1, user, id + 1);
}

static void compare_with_twin(const char *const *parts, size_t part_count, const char *const *bits,
			      size_t bit_count, int rounds)
{
	static const char *const users[] = {"a", "ab", "*", "aba"};
	uint32_t kept = 0;
	struct mt_rng rng;
	mt_rng_init(&rng, 11);
	for (int i = 0; i < rounds; i++) {
		char rule[128] = "", id[256] = "";
		const char *user = users[mt_rng_below(&rng, MT_COUNT_OF(users))];
		for (uint64_t left = 1 + mt_rng_below(&rng, 5); left > 0; left--)
			strcat(rule, parts[mt_rng_below(&rng, part_count)]);
		for (uint64_t left = mt_rng_below(&rng, 7); left > 0; left--)
			strcat(id, bits[mt_rng_below(&rng, bit_count)]);
		kept += twin(rule, user, id);
		if (keeps(rule, user, id) != twin(rule, user, id))
			fail_msg("rule '%s', user '%s', id '%s'", rule, user, id);
	}
	assert_true(kept > 500); /* both ways are seen */
}

static void rules_equal_their_twin(void **state)
{
	static const char *const parts[] = {"a", "b", "*", "%u", "%%", "u", "%*"};
	static const char *const bits[] = {"a", "a", "b", "b", "*", "u", "%"};
	(void)state;
	compare_with_twin(parts, MT_COUNT_OF(parts), bits, MT_COUNT_OF(bits), 50000);
}

/* Addresses with and without signs run into each other, so that lengths are in doubt. */
static void rules_with_formats_equal_their_twin(void **state)
{
	static const char *const parts[] = {
		"*", "*", "%{mac}", "%{mac}", "%{uuid}", "%{serial:a%2x}", "a", "00", "%u"};
	static const char *const bits[] = {"0a:1b:63:84:45:e6",
					   "001b638445e6",
					   "0a",
					   "a",
					   "00:",
					   "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
					   "1b638445"};
	(void)state;
	compare_with_twin(parts, MT_COUNT_OF(parts), bits, MT_COUNT_OF(bits), 10000);
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

static void the_longest_id_stays_cheap(void **state)
{
	static uint8_t id[65535];
	static const char *const rules[] = {"*%{mac}*%{mac}*%{uuid}*%{serial:%99x}*b",
					    "%u%u*%u*%u*%{uuid}", "*%{serial:%99x%99x%57x}%{mac}b"};
	char user[256];
	(void)state;
	memset(id, 'a', sizeof(id));
	memset(user, 'a', sizeof(user) - 1);
	user[sizeof(user) - 1] = '\0';
	for (size_t i = 0; i < MT_COUNT_OF(rules); i++) {
		assert_null(mt_client_id_rule_fault(mt_bytes_str(rules[i])));
		assert_false(mt_client_id_keeps(mt_bytes_str(rules[i]), mt_bytes_str(user),
						mt_bytes_of(id, sizeof(id))));
	}
	assert_true(mt_client_id_keeps(mt_bytes_str("*%{mac}"), mt_bytes_str(user),
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
		cmocka_unit_test(without_a_user_no_rule_with_one_is_kept),
		cmocka_unit_test(formats_stand_in_rules),
		cmocka_unit_test(rules_that_are_none),
		cmocka_unit_test(ids_that_are_none),
		cmocka_unit_test(rules_that_are_some),
		cmocka_unit_test(every_prefix_of_a_rule_is_safe),
		cmocka_unit_test(rules_equal_their_twin),
		cmocka_unit_test(rules_with_formats_equal_their_twin),
		cmocka_unit_test(the_longest_id_stays_cheap),
		cmocka_unit_test(many_stars_stay_cheap),
		cmocka_unit_test(assigned_ids_are_plain_and_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
