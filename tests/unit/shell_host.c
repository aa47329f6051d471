/* Names of this machine: what every machine has, each once, all fit for a certificate. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/host.h"

#include <arpa/inet.h>

static bool holds(const char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

static void assert_each_once(const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_false(holds(list, i, list[i]));
}

static void loopback_is_always_there(void **state)
{
	static struct mt_host host;
	(void)state;
	mt_host_ask(&host);
	assert_true(holds(host.names.dns, host.names.dns_count, "localhost"));
	assert_true(holds(host.names.dns, host.names.dns_count, host.name));
	assert_true(holds(host.names.addresses, host.names.address_count, "127.0.0.1"));
	assert_true(holds(host.names.addresses, host.names.address_count, "::1"));
	assert_each_once(host.names.dns, host.names.dns_count);
	assert_each_once(host.names.addresses, host.names.address_count);
}

static void every_entry_is_well_formed(void **state)
{
	static struct mt_host host;
	uint8_t byte[16];
	(void)state;
	mt_host_ask(&host);
	assert_null(strchr(host.name, '.'));
	assert_true(host.names.address_count <= MT_HOST_ADDRESSES_MAX);
	for (size_t i = 0; i < host.names.address_count; i++)
		assert_true(inet_pton(strchr(host.names.addresses[i], ':') ? AF_INET6 : AF_INET,
				      host.names.addresses[i], byte) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_always_there),
		cmocka_unit_test(every_entry_is_well_formed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
