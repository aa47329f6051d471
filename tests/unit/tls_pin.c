/* Pinned keys: beside CAs, and instead of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include <openssl/err.h>

static struct world world;

static int open_world(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static enum mt_status make_client(const char *ca_path, const char *pin)
{
	struct mt_tls_client_settings settings = {.ca_path = ca_path, .pin = pin};
	char fault[256] = "";
	enum mt_status status;
	mt_tls_context_destroy(&world.client);
	status = mt_tls_context_create_client(&settings, &world.client, fault, sizeof(fault));
	assert_int_equal(fault[0] != '\0', status != MT_OK);
	assert_int_equal(ERR_peek_error(), 0);
	return status;
}

static bool is_met(const char *host)
{
	struct end *client = end_of(mt_tls_session_create_client(world.client, host));
	struct end *server = end_of(mt_tls_session_create_server(world.server));
	bool is_open;
	settle(client, server, SIZE_MAX);
	is_open = mt_tls_session_is_open(client->session);
	assert_int_equal(mt_tls_session_fault(client->session)[0] != '\0', !is_open);
	end_free(client);
	end_free(server);
	assert_int_equal(ERR_peek_error(), 0);
	return is_open;
}

static void test_keys_of_the_chain(void **state)
{
	const struct mt_pem *pems[] = {&world.chain, &world.issuer, &world.ca, &world.other};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(pems); i++) {
		char pin[45];
		assert_int_equal(mt_authority_pin(pems[i], pin), MT_OK);
		/* Alone: what the server shows, and the root is not among it. */
		assert_int_equal(make_client(NULL, pin), MT_OK);
		assert_int_equal(is_met("localhost"), i < 2);
		assert_false(is_met("elsewhere.example"));
		/* Beside the CA: all of the chain. */
		assert_int_equal(make_client(world.ca_path, pin), MT_OK);
		assert_int_equal(is_met("localhost"), i < 3);
		assert_false(is_met("elsewhere.example"));
		/* A pin does not make up for a wrong CA. */
		assert_int_equal(make_client(world.other_ca_path, pin), MT_OK);
		assert_false(is_met("localhost"));
	}
}

static void test_what_is_no_pin(void **state)
{
	static const char *const cases[] = {
		"",
		"abc",
		"nnXF6ezqT2WL6FUJ5F8VpA4kRentRGabD8DEaFKfuP0",
		"nnXF6ezqT2WL6FUJ5F8VpA4kRentRGabD8DEaFKfuP==",
		"nnXF6ezqT2WL6FUJ5F8VpA4kRentRGabD8DEaFKfuP00",
		"nnXF6ezqT2WL6FUJ5F8VpA4kRentRGab*8DEaFKfuP0=",
		"nnXF6ezqT2WL6FUJ5F8VpA4kRentRGabD8DEaFKfuP0=nnXF",
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++)
		assert_int_equal(make_client(world.ca_path, cases[i]), MT_INVALID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_the_chain),
		cmocka_unit_test(test_what_is_no_pin),
	};
	return cmocka_run_group_tests_name("tls_pin", tests, open_world, close_world);
}
