/* What is wrong with a rule, and networks as text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/rule.h"

#include <stdlib.h>

static struct mt_rule good(void)
{
	return (struct mt_rule){.id = 1,
				.operation = MT_OPERATION_BOTH,
				.qos_mask = 7,
				.filter = mt_bytes_str("a/%c/#")};
}

static bool is_filter(const char *filter)
{
	struct mt_rule rule = good();
	rule.filter = mt_bytes_str(filter);
	return mt_rule_fault(&rule) == NULL;
}

static bool is_share(const char *share)
{
	struct mt_rule rule = good();
	rule.share = mt_bytes_str(share);
	return mt_rule_fault(&rule) == NULL;
}

static void filters_may_hold_variables(void **state)
{
	(void)state;
	assert_true(is_filter("#"));
	assert_true(is_filter("$SYS/#"));
	assert_true(is_filter("site/%c/+/%u"));
	assert_true(is_filter("%n"));
	assert_true(is_filter("dev-%c-%u/x"));
	assert_false(is_filter("%x"));
	assert_false(is_filter("a/%"));
	assert_false(is_filter("%/a"));
	assert_false(is_filter("%%c"));
	assert_false(is_filter("a/%C"));
}

static void filters_are_valid(void **state)
{
	(void)state;
	assert_false(is_filter(""));
	assert_false(is_filter("a/#/b"));
	assert_false(is_filter("a+"));
	assert_false(is_filter("%c+"));
	assert_false(is_filter("%c#"));
}

/* Groups are granted by share: alone; what looks like a grant of them and is none misleads. */
static void share_prefixes_are_no_topics(void **state)
{
	static const char *const bad[] = {"$share",	"$share/",     "$share/g",  "$share/g/a",
					  "$share/+/a", "$share/#",    "$share//a", "$share/+",
					  "$share/g/",	"$share/%c/a", "$share/g#"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		if (is_filter(bad[i]))
			fail_msg("'%s' is a topic of a rule", bad[i]);
	assert_true(is_filter("$shared/a"));
	assert_true(is_filter("$SHARE/a"));
	assert_true(is_filter("a/$share/#"));
}

static void axes_are_in_range(void **state)
{
	struct mt_rule rule = good();
	(void)state;
	assert_null(mt_rule_fault(&rule));
	for (unsigned operation = 0; operation < 256; operation++) {
		rule = good();
		rule.operation = (uint8_t)operation;
		assert_int_equal(mt_rule_fault(&rule) == NULL, operation >= 1 && operation <= 3);
	}
	for (unsigned mask = 0; mask < 256; mask++) {
		rule = good();
		rule.qos_mask = (uint8_t)mask;
		assert_int_equal(mt_rule_fault(&rule) == NULL, mask >= 1 && mask <= 7);
	}
	for (unsigned retain = 0; retain < 256; retain++) {
		rule = good();
		rule.retain = (uint8_t)retain;
		assert_int_equal(mt_rule_fault(&rule) == NULL, retain <= MT_RETAIN_NO);
	}
	rule = good();
	rule.until_s = -1;
	assert_non_null(mt_rule_fault(&rule));
	rule = good();
	rule.since_s = -1;
	assert_non_null(mt_rule_fault(&rule));
	rule.since_s = rule.until_s = 5;
	assert_non_null(mt_rule_fault(&rule));
	rule.since_s = 4;
	assert_null(mt_rule_fault(&rule));
	rule = good();
	rule.listener =
		mt_bytes_str("0123456789012345678901234567890123456789012345678901234567890123");
	assert_non_null(mt_rule_fault(&rule));
	rule.listener.len--;
	assert_null(mt_rule_fault(&rule));
	rule = good();
	rule.has_network = true;
	rule.network.prefix_bits = 128;
	assert_null(mt_rule_fault(&rule));
	rule.network.prefix_bits = 129;
	assert_non_null(mt_rule_fault(&rule));
}

static void shares_are_group_names(void **state)
{
	(void)state;
	assert_true(is_share(""));
	assert_true(is_share("any"));
	assert_true(is_share("workers"));
	assert_false(is_share("a/b"));
	assert_false(is_share("+"));
	assert_false(is_share("g#"));
}

static void shares_are_bounded(void **state)
{
	char share[257];
	struct mt_rule rule = good();
	(void)state;
	memset(share, 'x', sizeof(share));
	rule.share = mt_bytes_of(share, 256);
	assert_null(mt_rule_fault(&rule));
	rule.share = mt_bytes_of(share, 257);
	assert_non_null(mt_rule_fault(&rule));
}

/* Each prefix stands in a block of its own, where a byte too far is seen. */
static void every_prefix_of_a_filter_is_safe(void **state)
{
	static const char sample[] = "a/%c/$%u/%n%/%";
	(void)state;
	for (size_t len = 0; len < sizeof(sample); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct mt_rule rule = good();
		assert_non_null(copy);
		memcpy(copy, sample, len);
		rule.filter = mt_bytes_of(copy, len);
		if (len == 0 || copy[len - 1] == '%')
			assert_non_null(mt_rule_fault(&rule));
		free(copy);
	}
}

static bool parses(const char *text, struct mt_network *out)
{
	return mt_network_parse(mt_bytes_str(text), out);
}

static struct mt_address address(const char *text)
{
	struct mt_network network = {.prefix_bits = 0};
	assert_true(parses(text, &network));
	assert_int_equal(network.prefix_bits, 128);
	return network.address;
}

static bool holds(const char *text, const char *from)
{
	struct mt_network network = {.prefix_bits = 0};
	struct mt_address who = address(from);
	assert_true(parses(text, &network));
	return mt_network_holds(&network, &who);
}

static void addresses_have_one_meaning(void **state)
{
	static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 7, [15] = 255};
	static const uint8_t v6[16] = {0xfe, 0x80, [9] = 0x0a, [14] = 0xab, [15] = 0xcd};
	static const uint8_t loopback[16] = {[15] = 1};
	static const uint8_t none[16] = {0};
	static const uint8_t prefix[16] = {0x20, 0x01, 0x0d, 0xb8};
	(void)state;
	assert_memory_equal(address("10.7.0.255").byte, v4, 16);
	assert_memory_equal(address("::ffff:a07:ff").byte, v4, 16);
	assert_memory_equal(address("fe80::a:0:0:abcd").byte, v6, 16);
	assert_memory_equal(address("FE80:0:0:0:A:0:0:ABCD").byte, v6, 16);
	assert_memory_equal(address("::1").byte, loopback, 16);
	assert_memory_equal(address("::").byte, none, 16);
	assert_memory_equal(address("2001:db8::").byte, prefix, 16);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "/",
					  "/8",
					  "10",
					  "10.7.0",
					  "10.7.0.1.2",
					  "10.7.0.256",
					  "10.7.0.",
					  ".10.7.0.1",
					  "10.7.0.1/33",
					  "10.7.0.1/",
					  "10.7.0.1/8x",
					  "10.a.0.1",
					  "a.7.0.1",
					  "10.7.0.1/a",
					  "::1::2",
					  "::1::",
					  "10.7.0.1/08",
					  "10.7.0.1/00",
					  "10.7.0.1/010",
					  "::1/064",
					  "10.7.0.1/+8",
					  "10.7.0.1/ 8",
					  "10.7.0.1/1000",
					  "10.7.0.1/256",
					  "::/4294967296",
					  "10.7.0.1/8/8",
					  "1.2.3.4::",
					  "::1.2.3.4x",
					  "1:2:3:4:5:6:7:8::",
					  "::1:2:3:4:5:6:7:8",
					  "1::2:",
					  "::1:",
					  "1:::2",
					  " 10.7.0.1",
					  "10.7.0.1 ",
					  "010.7.0.1",
					  "10.7.0.00",
					  "10.7.0.0001",
					  "+1.2.3.4",
					  ":",
					  ":::",
					  "1::2::3",
					  "1:2:3:4:5:6:7",
					  "1:2:3:4:5:6:7:8:9",
					  "1:2:3:4:5:6:7:8:",
					  "1:",
					  ":1",
					  "12345::",
					  "g::",
					  "::/129",
					  "::1/-1",
					  "fe80::1%eth0",
					  "[::1]",
					  "1:2:3:4::5:6:7:8"};
	struct mt_network out = {.prefix_bits = 77};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		if (parses(bad[i], &out))
			fail_msg("'%s' is no network", bad[i]);
	assert_int_equal(out.prefix_bits, 77);
}

static void networks_hold_their_addresses(void **state)
{
	(void)state;
	assert_true(holds("10.7.0.0/16", "10.7.255.1"));
	assert_false(holds("10.7.0.0/16", "10.8.0.1"));
	assert_true(holds("10.7.0.1", "10.7.0.1"));
	assert_false(holds("10.7.0.1", "10.7.0.2"));
	assert_true(holds("10.7.0.1/32", "10.7.0.1"));
	assert_false(holds("10.7.0.1/32", "10.7.0.0"));
	assert_true(holds("fe80::1/128", "fe80::1"));
	assert_false(holds("fe80::1/128", "fe80::"));
	assert_true(holds("192.168.4.0/22", "192.168.7.255"));
	assert_false(holds("192.168.4.0/22", "192.168.8.0"));
	assert_true(holds("0.0.0.0/0", "1.2.3.4"));
	assert_false(holds("0.0.0.0/0", "::1")); /* all of IPv4, nothing of IPv6 */
	assert_true(holds("::/0", "1.2.3.4"));
	assert_true(holds("fe80::/10", "febf::1"));
	assert_false(holds("fe80::/10", "fec0::1"));
	assert_true(holds("10.7.9.9/16", "10.7.0.1"));
}

/* Every prefix length, each bit turned once. */
static void exactly_the_prefix_counts(void **state)
{
	struct mt_network network = {.address = address("5a5a:a5a5:1234:5678:9abc:def0:1357:2468")};
	(void)state;
	for (unsigned bits = 0; bits <= 128; bits++)
		for (unsigned bit = 0; bit < 128; bit++) {
			struct mt_address other = network.address;
			other.byte[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
			network.prefix_bits = (uint8_t)bits;
			assert_int_equal(mt_network_holds(&network, &other), bit >= bits);
		}
}

static void every_prefix_and_change_is_safe(void **state)
{
	static const char *const samples[] = {"10.70.0.1/16", "fe80::12:ab/64",
					      "1:2:3:4:5:6:7:8/128"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(samples); i++)
		for (size_t len = 0; len <= strlen(samples[i]); len++) {
			uint8_t *copy = malloc(len ? len : 1);
			struct mt_network out = {.prefix_bits = 0};
			assert_non_null(copy);
			memcpy(copy, samples[i], len);
			(void)mt_network_parse(mt_bytes_of(copy, len), &out);
			for (size_t at = 0; at < len; at++)
				for (unsigned c = 0; c < 256; c++) {
					copy[at] = (uint8_t)c;
					if (mt_network_parse(mt_bytes_of(copy, len), &out))
						assert_in_range(out.prefix_bits, 0, 128);
					copy[at] = (uint8_t)samples[i][at];
				}
			free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_may_hold_variables),
		cmocka_unit_test(filters_are_valid),
		cmocka_unit_test(share_prefixes_are_no_topics),
		cmocka_unit_test(axes_are_in_range),
		cmocka_unit_test(shares_are_group_names),
		cmocka_unit_test(shares_are_bounded),
		cmocka_unit_test(every_prefix_of_a_filter_is_safe),
		cmocka_unit_test(addresses_have_one_meaning),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(networks_hold_their_addresses),
		cmocka_unit_test(exactly_the_prefix_counts),
		cmocka_unit_test(every_prefix_and_change_is_safe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
