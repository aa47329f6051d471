/* -D PACKET PROPERTY VALUE: names as in the standard, values by kind, every other word refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/connection.h"

#include "cli_line.h"

#include <string.h>

static struct mt_options options;
static struct mt_cli_properties found;

static int take_user(const char *name, const char *value)
{
	CLI_LINE(&options, "pub", "-t", "t", "-m", "m", "-D", "publish", "user-property", name,
		 value);
	return mt_cli_connection_properties(&options, "publish", &found);
}

static int take(const char *packet, const char *property, const char *value)
{
	int failed;
	CLI_LINE(&options, "pub", "-t", "t", "-m", "m", "-D", packet, property, value);
	failed = mt_cli_connection_check(&options, "connect will publish disconnect");
	return failed ? failed : mt_cli_connection_properties(&options, "publish", &found);
}

static void test_each_kind_has_its_form(void **state)
{
	(void)state;
	assert_int_equal(take("publish", "content-type", "a=b"), 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].id, MORTISE_CONTENT_TYPE);
	assert_int_equal(found.items[0].text_bytes, 3);
	assert_memory_equal(found.items[0].text, "a=b", 3);
	assert_null(found.items[0].value);
	assert_int_equal(take("publish", "message-expiry-interval", "4294967295"), 0);
	assert_int_equal(found.items[0].id, MORTISE_MESSAGE_EXPIRY_INTERVAL);
	assert_int_equal(found.items[0].number, UINT32_MAX);
	assert_int_equal(take_user("k", "v=w"), 0);
	assert_int_equal(found.items[0].text_bytes, 1);
	assert_int_equal(found.items[0].value_bytes, 3);
	assert_memory_equal(found.items[0].value, "v=w", 3);
	assert_int_equal(take_user("", ""), 0);
	assert_int_equal(found.items[0].text_bytes, 0);
	assert_int_equal(found.items[0].value_bytes, 0);
}

static void test_what_is_wrong_is_refused(void **state)
{
	static const char *const numbers[] = {"",   "-1",  "+1",	 " 1",
					      "1 ", "0x1", "4294967296", "99999999999999999999999"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(numbers); i++)
		assert_int_equal(take("publish", "message-expiry-interval", numbers[i]), 2);
	assert_int_equal(take("publish", "content-typ", "x"), 2);
	assert_int_equal(take("publish", "content-typee", "x"), 2);
	assert_int_equal(take("publish", "", "x"), 2);
	assert_int_equal(take("publishh", "content-type", "x"), 2);
	assert_int_equal(take("", "content-type", "x"), 2);
	assert_int_equal(take("publish", "payload-format-indicator", "2"), 2);
	assert_int_equal(take("connect", "receive-maximum", "0"), 2);
	assert_int_equal(take("connect", "receive-maximum", "65536"), 2);
	assert_int_equal(take("connect", "maximum-packet-size", "0"), 2);
}

/* Before anything is sent: of another packet, or to one that this verb does not send. */
static void test_properties_have_their_packets(void **state)
{
	(void)state;
	assert_int_equal(take("connect", "content-type", "x"), 2);
	assert_int_equal(take("publish", "session-expiry-interval", "1"), 2);
	assert_int_equal(take("publish", "subscription-identifier", "1"), 2);
	assert_int_equal(take("disconnect", "server-reference", "x"), 2);
	assert_int_equal(take("connack", "reason-string", "x"), 2);
	assert_int_equal(take("subscribe", "subscription-identifier", "1"), 2);
	assert_int_equal(take("connect", "receive-maximum", "65535"), 0);
	assert_int_equal(take("disconnect", "session-expiry-interval", "1"), 0);
	assert_int_equal(take("disconnect", "reason-string", "x"), 0);
	assert_int_equal(take("will", "will-delay-interval", "1"), 0);
	assert_int_equal(take("will", "content-type", "x"), 0);
}

static void test_names_have_no_spaces(void **state)
{
	char name[MT_PROPERTY_NAME_BYTES];
	(void)state;
	mt_cli_property_name(MORTISE_CONTENT_TYPE, name);
	assert_string_equal(name, "content-type");
	mt_cli_property_name(0x2a, name);
	assert_string_equal(name, "shared-subscription-available");
	mt_cli_property_name(0x7f, name);
	assert_string_equal(name, "property-127");
}

static void test_each_packet_takes_its_own(void **state)
{
	(void)state;
	CLI_LINE(&options, "pub", "-t", "t", "-m", "m", "-D", "connect", "user-property", "a", "1",
		 "-D", "publish", "user-property", "b", "2", "-D", "publish", "content-type", "c");
	assert_int_equal(mt_cli_connection_properties(&options, "publish", &found), 0);
	assert_int_equal(found.count, 2);
	assert_memory_equal(found.items[0].text, "b", 1);
	assert_int_equal(found.items[1].id, MORTISE_CONTENT_TYPE);
	assert_int_equal(mt_cli_connection_properties(&options, "connect", &found), 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(mt_cli_connection_properties(&options, "will", &found), 0);
	assert_int_equal(found.count, 0);
}

/* `pub` with so many properties: what the packet gets. */
static int take_many(int count)
{
	const char *argv[6 + 5 * (MT_PROPERTIES_MAX + 1)] = {"mortise", "pub", "-t",
							     "t",	"-m",  "m"};
	char fault[256];
	int argc = 6;
	for (int i = 0; i < count; i++) {
		argv[argc++] = "-D";
		argv[argc++] = "publish";
		argv[argc++] = "user-property";
		argv[argc++] = "k";
		argv[argc++] = "v";
	}
	assert_int_equal(mt_options_parse(&options, argc, argv, fault, sizeof(fault)), MT_OK);
	return mt_cli_connection_properties(&options, "publish", &found);
}

static void test_half_a_pair_is_refused(void **state)
{
	static const char *const argv[] = {"mortise", "pub",	       "-t",  "t", "-m", "m", "-D",
					   "publish", "user-property", "name"};
	char fault[256];
	(void)state;
	assert_int_equal(mt_options_parse(&options, MT_COUNT_OF(argv), argv, fault, sizeof(fault)),
			 MT_INVALID);
	assert_non_null(strstr(fault, "a NAME and a VALUE"));
}

static void test_there_is_a_limit(void **state)
{
	(void)state;
	assert_int_equal(take_many(MT_PROPERTIES_MAX), 0);
	assert_int_equal(found.count, MT_PROPERTIES_MAX);
	assert_int_equal(take_many(MT_PROPERTIES_MAX + 1), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind_has_its_form),
		cmocka_unit_test(test_what_is_wrong_is_refused),
		cmocka_unit_test(test_properties_have_their_packets),
		cmocka_unit_test(test_names_have_no_spaces),
		cmocka_unit_test(test_each_packet_takes_its_own),
		cmocka_unit_test(test_half_a_pair_is_refused),
		cmocka_unit_test(test_there_is_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
