/* Contexts of listeners: made from files, made anew when those change, renewed in time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/clock.h"
#include "shell/provision_tls.h"
#include "shell/pump.h"
#include "tls/certificate.h"

#include "folder.h"

#include <utime.h>

#define DAY_S ((int64_t)86400)

static struct mt_settings settings;
static struct mt_resumption resumption;
static struct mt_transport transport;
static struct mt_listener listeners[2];
static struct mt_now now;
static const char *folder;
static char fault[512];

static const char *at(const char *name)
{
	static char path[700];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void provision(enum mt_renewal renewal)
{
	bool is_renewed = false;
	if (mt_provision_tls(folder, now.wall_ns / MT_SECOND, renewal, &is_renewed, fault,
			     sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
	assert_true(is_renewed);
}

static int setup(void **state)
{
	struct mt_book *book = mt_book_create((struct mt_seed){{1, 2}});
	(void)state;
	folder = folder_make();
	memset(&settings, 0, sizeof(settings));
	memset(&resumption, 0, sizeof(resumption));
	memset(&transport, 0, sizeof(transport));
	memset(listeners, 0, sizeof(listeners));
	now = mt_clock_now();
	snprintf(settings.state_path, sizeof(settings.state_path), "%s", folder);
	settings.listener_count = 2;
	snprintf(settings.listeners[0].name, 64, "tls");
	snprintf(settings.listeners[0].identity, 64, "%%{user}");
	settings.listeners[0].is_tls = true;
	snprintf(settings.listeners[1].name, 64, "plain");
	listeners[0].settings = &settings.listeners[0];
	listeners[1].settings = &settings.listeners[1];
	provision(MT_RENEW_WHEN_DUE);
	mt_transport_open(&transport, &settings, &resumption, book, now);
	mt_book_unref(&book);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_tls_context_destroy(&listeners[0].tls);
	mt_transport_close(&transport);
	folder_remove(folder);
	return 0;
}

static void make(void)
{
	if (mt_transport_make(&transport, 0, &listeners[0].tls, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
}

/* A minute on, without waiting for it. */
static uint32_t tick(void)
{
	now.mono_ns += 61 * MT_SECOND;
	return mt_transport_tick(&transport, now, listeners, 2);
}

static void test_nothing_changes(void **state)
{
	struct mt_tls_context *was;
	(void)state;
	make();
	was = listeners[0].tls;
	assert_int_equal(tick(), 0);
	assert_ptr_equal(listeners[0].tls, was);
	assert_int_equal(mt_transport_facts(&transport, 0).reloads, 0);
}

static void test_a_new_certificate(void **state)
{
	struct mt_tls_context *was;
	(void)state;
	make();
	was = mt_tls_context_ref(listeners[0].tls);
	provision(MT_RENEW_NOW);
	assert_int_equal(tick(), 1);
	assert_ptr_not_equal(listeners[0].tls, was);
	assert_int_equal(mt_transport_facts(&transport, 0).reloads, 1);
	assert_int_equal(tick(), 0);
	mt_tls_context_destroy(&was);
}

/* The watched folder brings the next look forward. */
static void test_a_change_is_noticed(void **state)
{
	(void)state;
	make();
	mt_transport_wake(&transport, now);
	assert_int_equal(transport.due_ns, now.mono_ns + 60 * MT_SECOND);
	provision(MT_RENEW_NOW);
	mt_transport_wake(&transport, now);
	assert_true(transport.due_ns < now.mono_ns + MT_SECOND);
	now.mono_ns = transport.due_ns;
	assert_int_equal(mt_transport_tick(&transport, now, listeners, 2), 1);
}

static void test_what_cannot_be_loaded_changes_nothing(void **state)
{
	struct mt_tls_context *was;
	uint8_t *key;
	size_t len;
	(void)state;
	make();
	was = listeners[0].tls;
	key = file_get(at("tls/server.key"), &len);
	file_put(at("tls/server.key"), "no key", 6, 0600);
	assert_int_equal(tick(), 0);
	assert_ptr_equal(listeners[0].tls, was);
	assert_true(mt_transport_facts(&transport, 0).is_stale);
	/* Told once: the same files are not tried again. */
	assert_int_equal(tick(), 0);
	file_put(at("tls/server.key"), key, len, 0644);
	assert_int_equal(tick(), 0);
	file_put(at("tls/server.key"), key, len, 0600);
	assert_int_equal(tick(), 1);
	assert_false(mt_transport_facts(&transport, 0).is_stale);
	free(key);
}

static void test_it_is_renewed_in_time(void **state)
{
	struct mt_transport_facts before, after;
	(void)state;
	make();
	before = mt_transport_facts(&transport, 0);
	now.wall_ns += (825 - 31) * DAY_S * MT_SECOND;
	assert_int_equal(tick(), 0);
	now.wall_ns += 2 * DAY_S * MT_SECOND;
	now.mono_ns += 3600 * MT_SECOND;
	assert_int_equal(tick(), 1);
	after = mt_transport_facts(&transport, 0);
	assert_true(after.not_after_s > before.not_after_s + 700 * DAY_S);
}

/* Nobody may sign a new one: it is served to its end, and the log warns. */
static void test_nobody_can_renew_it(void **state)
{
	(void)state;
	make();
	assert_int_equal(unlink(at("tls/issuer.key")), 0);
	now.wall_ns += 820 * DAY_S * MT_SECOND;
	assert_int_equal(tick(), 0);
	now.mono_ns += 3600 * MT_SECOND;
	now.wall_ns += 20 * DAY_S * MT_SECOND;
	assert_int_equal(tick(), 0);
	assert_non_null(listeners[0].tls);
}

/* One from elsewhere is nobody's to renew here. */
static void test_one_from_elsewhere(void **state)
{
	char certificate[700], key[700];
	(void)state;
	snprintf(certificate, sizeof(certificate), "%s/own.pem", folder);
	snprintf(key, sizeof(key), "%s/own.key", folder);
	assert_int_equal(rename(at("tls/server.pem"), certificate), 0);
	assert_int_equal(rename(at("tls/server.key"), key), 0);
	snprintf(settings.listeners[0].certificate_path, 4096, "%s", certificate);
	snprintf(settings.listeners[0].key_path, 4096, "%s", key);
	make();
	now.wall_ns += 820 * DAY_S * MT_SECOND;
	assert_int_equal(tick(), 0);
	assert_false(file_is_there(at("tls/server.pem")));
}

static void test_demands(void **state)
{
	struct mt_listener_settings *listener = &settings.listeners[0];
	(void)state;
	assert_int_equal(mt_transport_demand(listener), MT_TLS_DEMAND_OPTIONAL);
	listener->is_websocket = true;
	assert_int_equal(mt_transport_demand(listener), MT_TLS_DEMAND_NONE);
	listener->client_certificate = MT_CLIENT_CERTIFICATE_OPTIONAL;
	assert_int_equal(mt_transport_demand(listener), MT_TLS_DEMAND_OPTIONAL);
	listener->client_certificate = MT_CLIENT_CERTIFICATE_REQUIRED;
	assert_int_equal(mt_transport_demand(listener), MT_TLS_DEMAND_REQUIRED);
	listener->client_certificate = MT_CLIENT_CERTIFICATE_NONE;
	assert_int_equal(mt_transport_demand(listener), MT_TLS_DEMAND_NONE);
}

/* Without an authority nobody is asked for certificates, unless that was wanted. */
static void test_without_an_authority(void **state)
{
	(void)state;
	assert_int_equal(unlink(at("tls/ca.pem")), 0);
	make();
	mt_tls_context_destroy(&listeners[0].tls);
	settings.listeners[0].client_certificate = MT_CLIENT_CERTIFICATE_REQUIRED;
	assert_int_equal(mt_transport_make(&transport, 0, &listeners[0].tls, fault, sizeof(fault)),
			 MT_NOT_FOUND);
	assert_non_null(strstr(fault, "ca.pem"));
	assert_null(listeners[0].tls);
}

static char told[2048];

static void tell(void *context, const char *name, uint64_t value)
{
	size_t len = strlen(told);
	(void)context;
	snprintf(told + len, sizeof(told) - len, "%s=%d ", name, (int)value);
}

static void test_figures(void **state)
{
	(void)state;
	make();
	told[0] = '\0';
	mt_transport_tell(&transport, tell, NULL);
	assert_non_null(strstr(told, "tls/tls/full=0 "));
	assert_non_null(strstr(told, "tls/tls/by_ticket=0 "));
	assert_non_null(strstr(told, "tls/tls/days_left=82"));
	assert_null(strstr(told, "plain"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_nothing_changes),	  TEST(test_a_new_certificate),
		TEST(test_a_change_is_noticed),	  TEST(test_what_cannot_be_loaded_changes_nothing),
		TEST(test_it_is_renewed_in_time), TEST(test_nobody_can_renew_it),
		TEST(test_one_from_elsewhere),	  TEST(test_demands),
		TEST(test_without_an_authority),  TEST(test_figures),
	};
	return cmocka_run_group_tests_name("shell_transport", tests, NULL, NULL);
}
