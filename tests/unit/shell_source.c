/* Who may connect: counts and rates by address, and that nothing is kept for long. */
#include "shell/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mt_sources sources;
static struct mt_limits limits;
static enum mt_limit_id over;

static int setup(void **state)
{
	(void)state;
	mt_sources_init(&sources, (struct mt_seed){{1, 2}});
	limits = (struct mt_limits){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_sources_finish(&sources);
	assert_int_equal(sources.mem.used_bytes, 0);
	return 0;
}

static struct mt_peer_address ipv6(uint8_t site, uint8_t host)
{
	return (struct mt_peer_address){.byte = {0x20, 1, 0xd, 0xb8, 0, 0, 0, site, [15] = host}};
}

static struct mt_peer_address ipv4(uint8_t host)
{
	return (struct mt_peer_address){.byte = {[10] = 0xff, 0xff, 192, 0, 2, host}};
}

static bool admit(mt_time now, struct mt_peer_address peer)
{
	return mt_sources_admit(&sources, now, &peer, &limits, false, &over);
}

static void leave(mt_time now, struct mt_peer_address peer)
{
	mt_sources_leave(&sources, now, &peer);
}

static void a_site_of_ipv6_is_one_address(void **state)
{
	(void)state;
	limits.connections_per_address = 2;
	assert_true(admit(1, ipv6(1, 1)));
	assert_true(admit(1, ipv6(1, 2)));
	assert_false(admit(1, ipv6(1, 3)));
	assert_int_equal(over, MT_LIMIT_CONNECTIONS_PER_ADDRESS);
	assert_true(admit(1, ipv6(2, 3)));
	assert_true(admit(1, ipv4(1)));
	assert_true(admit(1, ipv4(2)));
	assert_int_equal(sources.by_address.count, 4);
	leave(2, ipv6(1, 2));
	assert_true(admit(2, ipv6(1, 9)));
	leave(3, ipv6(1, 1));
	leave(3, ipv6(1, 9));
	leave(3, ipv6(2, 3));
	leave(3, ipv4(1));
	leave(3, ipv4(2));
	assert_int_equal(sources.by_address.count, 0);
}

static void handshakes_have_a_share_of_their_own(void **state)
{
	struct mt_peer_address here = ipv4(1), there = ipv4(2);
	(void)state;
	limits.handshakes_per_address = 2;
	assert_true(mt_sources_admit(&sources, 1, &here, &limits, true, &over));
	assert_true(mt_sources_admit(&sources, 1, &here, &limits, true, &over));
	assert_false(mt_sources_admit(&sources, 1, &here, &limits, true, &over));
	assert_int_equal(over, MT_LIMIT_HANDSHAKES_PER_ADDRESS);
	assert_true(mt_sources_admit(&sources, 1, &here, &limits, false, &over));
	assert_true(mt_sources_admit(&sources, 1, &there, &limits, true, &over));
	mt_sources_met(&sources, &here);
	assert_true(mt_sources_admit(&sources, 1, &here, &limits, true, &over));
	limits.handshakes_per_address = 0;
	assert_true(mt_sources_admit(&sources, 1, &here, &limits, true, &over));
	for (int i = 0; i < 3; i++)
		mt_sources_met(&sources, &here);
	mt_sources_met(&sources, &there);
	for (int i = 0; i < 5; i++)
		mt_sources_leave(&sources, 2, &here);
	mt_sources_leave(&sources, 2, &there);
	assert_int_equal(sources.by_address.count, 0);
}

static void a_rate_outlives_its_connections(void **state)
{
	(void)state;
	limits.connect_rate = 4;
	for (int i = 0; i < 4; i++) {
		assert_true(admit(MT_SECOND, ipv4(1)));
		leave(MT_SECOND, ipv4(1));
	}
	assert_false(admit(MT_SECOND, ipv4(1)));
	assert_int_equal(over, MT_LIMIT_CONNECT_RATE);
	assert_true(admit(MT_SECOND, ipv4(2)));
	assert_false(admit(MT_SECOND + MT_SECOND / 4 - 1, ipv4(1)));
	assert_true(admit(MT_SECOND + MT_SECOND / 4, ipv4(1)));
	leave(2 * MT_SECOND, ipv4(1));
	leave(9 * MT_SECOND, ipv4(2));
	assert_true(admit(9 * MT_SECOND, ipv4(3)));
	leave(20 * MT_SECOND, ipv4(3));
	assert_int_equal(sources.by_address.count, 0);
}

static void idle_addresses_are_bounded(void **state)
{
	(void)state;
	limits.connect_rate = 1;
	for (uint32_t i = 0; i < 2 * MT_SOURCES_IDLE_MAX; i++) {
		struct mt_peer_address peer = ipv4(0);
		peer.byte[12] = (uint8_t)(i >> 16);
		peer.byte[13] = (uint8_t)(i >> 8);
		peer.byte[14] = (uint8_t)i;
		assert_true(admit(MT_SECOND, peer));
		leave(MT_SECOND, peer);
	}
	assert_true(sources.by_address.count <= MT_SOURCES_IDLE_MAX + 1);
	assert_int_equal(sources.idle_count, sources.by_address.count);
}

static void memory_that_fails_leaves_no_trace(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 2; n++) {
		sources.mem.fail_in = n;
		assert_false(admit(1, ipv4(1)));
		assert_int_equal(over, MT_LIMIT_MEMORY_BYTES);
		assert_int_equal(sources.by_address.count, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_site_of_ipv6_is_one_address),	 TEST(handshakes_have_a_share_of_their_own),
		TEST(a_rate_outlives_its_connections),	 TEST(idle_addresses_are_bounded),
		TEST(memory_that_fails_leaves_no_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
