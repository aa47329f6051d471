/* Topic names and filters: which are valid, what they match, contain and share. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "spec.h"
#include "topic/name.h"

#include <stdlib.h>

static struct mt_bytes text(const char *cstring)
{
	return mt_bytes_str(cstring);
}

static bool is_name(const char *name)
{
	return mt_topic_name_is_valid(text(name));
}

static bool is_filter(const char *filter)
{
	return mt_topic_filter_is_valid(text(filter));
}

static bool matches(const char *filter, const char *name)
{
	return mt_topic_matches(text(filter), text(name));
}

static bool contains(const char *outer, const char *inner)
{
	return mt_topic_contains(text(outer), text(inner));
}

/* Overlap has no direction. */
static bool overlaps(const char *a, const char *b)
{
	bool is_overlap = mt_topic_overlaps(text(a), text(b));
	assert_int_equal(mt_topic_overlaps(text(b), text(a)), is_overlap);
	return is_overlap;
}

static void names_have_no_wildcards(void **state)
{
	(void)state;
	SPEC(MQTT5, "4.7.0-1");
	SPEC(MQTT3, "4.7.3-1");
	assert_true(is_name("a"));
	assert_true(is_name("/"));
	assert_true(is_name("a//b/"));
	assert_true(is_name("$SYS/a b"));
	assert_false(is_name("+"));
	assert_false(is_name("a/#"));
	assert_false(is_name("a+b"));
	assert_false(is_name("a/b#"));
}

static void wildcards_stand_alone(void **state)
{
	(void)state;
	SPEC(MQTT5, "4.7.1-1");
	SPEC(MQTT5, "4.7.1-2");
	SPEC(MQTT3, "4.7.1-1");
	SPEC(MQTT3, "4.7.1-2");
	assert_true(is_filter("#"));
	assert_true(is_filter("+"));
	assert_true(is_filter("+/a/+/#"));
	assert_true(is_filter("/#"));
	assert_true(is_filter("/+"));
	assert_true(is_filter("a/b"));
	assert_false(is_filter("a#"));
	assert_false(is_filter("#/"));
	assert_false(is_filter("a/#/b"));
	assert_false(is_filter("##"));
	assert_false(is_filter("+a"));
	assert_false(is_filter("a/b+/c"));
	assert_false(is_filter("++"));
	assert_false(is_filter("+#"));
}

/* `levels` levels of one letter each. */
static struct mt_bytes deep(char *room, uint32_t levels)
{
	for (uint32_t i = 0; i < levels; i++) {
		room[2 * i] = 'a';
		room[2 * i + 1] = '/';
	}
	return mt_bytes_of(room, 2 * levels - 1);
}

static void sizes_are_bounded(void **state)
{
	char *room = malloc(UINT16_MAX + 1);
	(void)state;
	SPEC(MQTT5, "4.7.3-1");
	SPEC(MQTT5, "4.7.3-3");
	assert_non_null(room);
	assert_false(is_name(""));
	assert_false(is_filter(""));
	assert_true(mt_topic_name_is_valid(deep(room, MT_TOPIC_LEVELS_MAX)));
	assert_true(mt_topic_filter_is_valid(deep(room, MT_TOPIC_LEVELS_MAX)));
	assert_false(mt_topic_name_is_valid(deep(room, MT_TOPIC_LEVELS_MAX + 1)));
	assert_false(mt_topic_filter_is_valid(deep(room, MT_TOPIC_LEVELS_MAX + 1)));
	memset(room, 'x', UINT16_MAX + 1);
	assert_true(mt_topic_name_is_valid(mt_bytes_of(room, UINT16_MAX)));
	assert_true(mt_topic_filter_is_valid(mt_bytes_of(room, UINT16_MAX)));
	assert_false(mt_topic_name_is_valid(mt_bytes_of(room, UINT16_MAX + 1)));
	assert_false(mt_topic_filter_is_valid(mt_bytes_of(room, UINT16_MAX + 1)));
	free(room);
}

static void levels_come_one_by_one(void **state)
{
	static const char *const expected[] = {"", "a", "", "bc", ""};
	struct mt_bytes topic = text("/a//bc/"), level = text("untouched");
	size_t pos = 0;
	(void)state;
	assert_int_equal(mt_topic_level_count(topic), MT_COUNT_OF(expected));
	for (size_t i = 0; i < MT_COUNT_OF(expected); i++) {
		assert_true(mt_topic_next_level(topic, &pos, &level));
		assert_true(mt_bytes_equal(level, text(expected[i])));
	}
	level = text("untouched");
	assert_false(mt_topic_next_level(topic, &pos, &level));
	assert_false(mt_topic_next_level(topic, &pos, &level));
	assert_true(mt_bytes_equal(level, text("untouched")));
}

static void filters_match_names(void **state)
{
	(void)state;
	assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1"));
	assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
	assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
	assert_true(matches("#", "a/b"));
	assert_true(matches("#", "/"));
	assert_true(matches("sport/tennis/+", "sport/tennis/player1"));
	assert_false(matches("sport/tennis/+", "sport/tennis/player1/ranking"));
	assert_false(matches("sport/+", "sport"));
	assert_true(matches("sport/+", "sport/"));
	assert_true(matches("+/+", "/finance"));
	assert_true(matches("/+", "/finance"));
	assert_false(matches("+", "/finance"));
	assert_false(matches("a", "a/"));
	assert_false(matches("a/", "a"));
	assert_true(matches("+/#", "a"));
}

static void matching_normalises_nothing(void **state)
{
	(void)state;
	SPEC(MQTT5, "4.7.3-4");
	assert_false(matches("ACCOUNTS", "Accounts"));
	assert_false(matches("a//b", "a/b"));
	assert_false(matches("/a", "a"));
	assert_false(matches("caf\xc3\xa9", "cafe\xcc\x81"));
	assert_true(matches("caf\xc3\xa9", "caf\xc3\xa9"));
}

static void leading_wildcards_leave_system_topics_alone(void **state)
{
	(void)state;
	SPEC(MQTT5, "4.7.2-1");
	SPEC(MQTT3, "4.7.2-1");
	assert_false(matches("#", "$SYS"));
	assert_false(matches("#", "$"));
	assert_false(matches("+/monitor/Clients", "$SYS/monitor/Clients"));
	assert_true(matches("$SYS/#", "$SYS/monitor/Clients"));
	assert_true(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
	assert_true(matches("a/#", "a/$SYS"));
	assert_true(matches("+/+", "a/$SYS"));
	assert_true(matches("/#", "/$SYS"));
	assert_false(contains("#", "$SYS/#"));
	assert_false(contains("+/a", "$SYS/a"));
	assert_true(contains("$SYS/#", "$SYS/+/a"));
	assert_false(overlaps("#", "$SYS/a"));
	assert_false(overlaps("+/a", "$SYS/#"));
	assert_true(overlaps("$SYS/+", "$SYS/#"));
}

static void containment_is_set_inclusion(void **state)
{
	(void)state;
	assert_true(contains("a/#", "a"));
	assert_true(contains("a/#", "a/+/#"));
	assert_true(contains("a/#", "a/#"));
	assert_true(contains("+/+", "a/+"));
	assert_true(contains("+/+", "+/b"));
	assert_false(contains("a/+", "a/#"));
	assert_false(contains("a/+", "+/+"));
	assert_false(contains("+/b", "#"));
	assert_false(contains("+", "#"));
	assert_false(contains("a/+/#", "a/#"));
	assert_false(contains("a/b", "a/+"));
	assert_false(contains("a", "a/#"));
	assert_true(contains("#", "+/#"));
	assert_true(contains("+/#", "#")); /* every name has a first level */
	assert_false(contains("+/+/#", "#"));
	assert_false(contains("+/+/#", "+/#"));
}

static void overlap_is_a_common_name(void **state)
{
	(void)state;
	assert_true(overlaps("a/+", "+/b"));
	assert_true(overlaps("a/#", "a"));
	assert_true(overlaps("a/#", "+"));
	assert_true(overlaps("#", "+/+/c"));
	assert_true(overlaps("a/b/#", "a/#"));
	assert_false(overlaps("a/+", "b/+"));
	assert_false(overlaps("a/+", "a"));
	assert_false(overlaps("a/+/c", "a/b/d"));
	assert_false(overlaps("a/b/#", "a"));
}

static bool is_shared(const char *filter)
{
	struct mt_bytes group = text("untouched"), rest = text("untouched");
	bool is_split = mt_topic_share_split(text(filter), &group, &rest);
	if (!is_split) {
		assert_true(mt_bytes_equal(group, text("untouched")));
		assert_true(mt_bytes_equal(rest, text("untouched")));
	}
	return is_split;
}

static bool splits(const char *filter, const char *group, const char *rest)
{
	struct mt_bytes a, b;
	return mt_topic_share_split(text(filter), &a, &b) && mt_bytes_equal(a, text(group)) &&
	       mt_bytes_equal(b, text(rest));
}

static void share_prefix_comes_off(void **state)
{
	static const char *const bad[] = {
		"$share",      "$share/",     "$share/g",    "$share/g/",
		"$share//a",   "$share//",    "$share/+/a",  "$share/#/a",
		"$share/g#/a", "$share/g+/a", "$shared/g/a", "/$share/g/a",
		"$SHARE/g/a",  "$queue/a",    "share/g/a",   "$"};
	(void)state;
	SPEC(MQTT5, "4.8.2-1");
	SPEC(MQTT5, "4.8.2-2");
	assert_true(splits("$share/g/a/b", "g", "a/b"));
	assert_true(splits("$share/g//", "g", "/"));
	assert_true(splits("$share/g/#", "g", "#"));
	assert_true(splits("$share/$SYS/a", "$SYS", "a"));
	assert_true(splits("$share/g/$share/h/a", "g", "$share/h/a"));
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		if (is_shared(bad[i]))
			fail_msg("'%s' is shared", bad[i]);
}

/* A view of nothing has no first byte to look at. */
static void empty_views_have_no_bytes(void **state)
{
	struct mt_bytes none = mt_bytes_of(NULL, 0), a, b;
	(void)state;
	assert_false(mt_topic_name_is_valid(none));
	assert_false(mt_topic_filter_is_valid(none));
	assert_false(mt_topic_has_wildcard(none));
	assert_int_equal(mt_topic_level_count(none), 1);
	assert_false(mt_topic_share_split(none, &a, &b));
	assert_true(mt_topic_contains(none, none));
	assert_true(mt_topic_overlaps(none, none));
	assert_true(mt_topic_contains(text("#"), none));
	assert_false(mt_topic_contains(none, text("#")));
	assert_true(mt_topic_matches(text("+"), none));
	assert_false(mt_topic_matches(none, text("$")));
	assert_false(mt_topic_overlaps(none, text("$")));
}

/* Nothing is read outside the view: each prefix stands in a block of its own, where ASan sees a
 * step too far. */
static void every_prefix_is_safe(void **state)
{
	static const char sample[] = "$share/gr/+/b//#";
	(void)state;
	for (size_t len = 0; len < sizeof(sample); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct mt_bytes view = mt_bytes_of(copy, len), group, rest;
		assert_non_null(copy);
		memcpy(copy, sample, len);
		(void)mt_topic_name_is_valid(view);
		(void)mt_topic_filter_is_valid(view);
		assert_int_equal(mt_topic_share_split(view, &group, &rest), len >= 11);
		assert_true(mt_topic_contains(view, view));
		free(copy);
	}
}

static void plain_levels(void **state)
{
	static const char *const wrong[] = {"", "$SYS", "$", "a/b", "/", "a+", "+", "#", "x#y"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(wrong); i++)
		assert_false(mt_topic_is_plain_level(text(wrong[i])));
	assert_true(mt_topic_is_plain_level(text("th-17")));
	assert_true(mt_topic_is_plain_level(text("a$")));
	assert_true(mt_topic_is_plain_level(text("00:1b:63:84:45:e6")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_no_wildcards),
		cmocka_unit_test(wildcards_stand_alone),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(levels_come_one_by_one),
		cmocka_unit_test(filters_match_names),
		cmocka_unit_test(matching_normalises_nothing),
		cmocka_unit_test(leading_wildcards_leave_system_topics_alone),
		cmocka_unit_test(containment_is_set_inclusion),
		cmocka_unit_test(overlap_is_a_common_name),
		cmocka_unit_test(share_prefix_comes_off),
		cmocka_unit_test(empty_views_have_no_bytes),
		cmocka_unit_test(plain_levels),
		cmocka_unit_test(every_prefix_is_safe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
