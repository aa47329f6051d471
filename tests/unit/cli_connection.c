/* From the options of pub and sub to a client: when there is TLS, when a password may travel, and
 * which exit code says what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/connection.h"
#include "wire/packet.h"

#include "cli_line.h"
#include "folder.h"

static struct mt_options options;
static struct mt_cli_connection made;

/* Exit code of `sub -t t` with these words more. */
#define MAKE(...) make_line((const char *const[]){"sub", "-t", "t", ##__VA_ARGS__, NULL})

static int make_line(const char *const *words)
{
	mt_cli_connection_finish(&made);
	memset(&made, 0, sizeof(made));
	cli_line(&options, words);
	return mt_cli_connection_make(&options, NULL, &made);
}

static int teardown(void **state)
{
	(void)state;
	mt_cli_connection_finish(&made);
	return 0;
}

static void assert_place(bool is_tls, const char *host, uint16_t port)
{
	assert_non_null(made.client);
	assert_int_equal(made.is_tls, is_tls);
	assert_string_equal(made.host, host);
	assert_int_equal(made.port, port);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(MAKE("--quiet"), 0);
	assert_place(false, "localhost", 1883);
	assert_true(made.is_v5 && made.is_quiet && !made.is_debug && !made.is_profile);
	assert_int_equal(made.qos, 0);
}

static void test_what_brings_tls(void **state)
{
	(void)state;
	assert_int_equal(MAKE("--tls"), 0);
	assert_place(true, "localhost", 8883);
	assert_int_equal(MAKE("-p", "8883"), 0);
	assert_place(true, "localhost", 8883);
	assert_int_equal(MAKE("--tls", "-p", "1883", "-h", "x.example"), 0);
	assert_place(true, "x.example", 1883);
	assert_int_equal(MAKE("-p", "1884"), 0);
	assert_place(false, "localhost", 1884);
}

/* An option that only TLS understands never goes by in silence. */
static void test_certificates_need_tls(void **state)
{
	(void)state;
	assert_int_equal(MAKE("--cert", "c.pem", "--key", "k.pem"), 2);
	assert_int_equal(MAKE("--key", "k.pem"), 2);
	assert_null(made.client);
}

static void test_a_password_travels_safely_or_not_at_all(void **state)
{
	(void)state;
	assert_int_equal(MAKE("-q", "1", "--quiet", "-u", "a", "-P", "p"), 0);
	assert_int_equal(made.qos, 1);
	assert_int_equal(MAKE("--quiet", "-h", "127.9.9.9", "-u", "a", "-P", "p"), 0);
	assert_int_equal(MAKE("--quiet", "-h", "::1", "-u", "a", "-P", "p"), 0);
	assert_int_equal(MAKE("--quiet", "-h", "192.0.2.1", "-u", "a", "-P", "p"), 2);
	assert_null(made.client);
	assert_int_equal(MAKE("--quiet", "-h", "localhost.example", "-u", "a", "-P", "p"), 2);
	assert_int_equal(MAKE("--quiet", "-h", "127.0.0.1.example", "-u", "a", "-P", "p"), 2);
	assert_int_equal(MAKE("--quiet", "-h", "192.0.2.1", "--tls", "-u", "a", "-P", "p"), 0);
	assert_int_equal(MAKE("--quiet", "-h", "192.0.2.1", "--allow-plain", "-u", "a", "-P", "p"),
			 0);
	/* A name alone is no secret. */
	assert_int_equal(MAKE("--quiet", "-h", "192.0.2.1", "-u", "a"), 0);
}

static void test_passwords_from_files(void **state)
{
	const char *folder = folder_make();
	char path[600];
	(void)state;
	snprintf(path, sizeof(path), "%s/password", folder);
	file_put(path, "secret\n", 7, 0600);
	assert_int_equal(MAKE("-u", "a", "--password-file", path), 0);
	assert_int_equal(MAKE("--quiet", "-h", "192.0.2.1", "-u", "a", "--password-file", path), 2);
	assert_int_equal(MAKE("-u", "a", "-P", "p", "--password-file", path), 2);
	assert_int_equal(MAKE("--password-file", path), 2);
	assert_int_equal(MAKE("-P", "p"), 2);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(MAKE("-u", "a", "--password-file", path), 2);
	assert_null(made.client);
	folder_remove(folder);
}

static void test_numbers_and_versions(void **state)
{
	(void)state;
	assert_int_equal(MAKE("-V", "3.1.1"), 0);
	assert_false(made.is_v5);
	assert_int_equal(MAKE("-V", "mqttv311"), 0);
	assert_false(made.is_v5);
	assert_int_equal(MAKE("-V", "mqttv5"), 0);
	assert_true(made.is_v5);
	assert_int_equal(MAKE("-V", "3.1"), 2);
	assert_int_equal(MAKE("-V", ""), 2);
	assert_int_equal(MAKE("-q", "3"), 2);
	assert_int_equal(MAKE("-p", "65536"), 2);
	assert_int_equal(MAKE("-k", "65536"), 2);
	assert_int_equal(MAKE("-k", "65535"), 0);
	assert_int_equal(MAKE("-x", "4294967296"), 2);
	assert_int_equal(MAKE("-h", ""), 2);
}

static void test_long_hosts(void **state)
{
	char host[300];
	(void)state;
	memset(host, 'h', sizeof(host));
	for (size_t len = 250; len < sizeof(host); len++) {
		host[len] = '\0';
		assert_int_equal(MAKE("--quiet", "-h", host) == 0, len <= 253);
		host[len] = 'h';
	}
}

static void test_sessions_wills_and_properties(void **state)
{
	(void)state;
	assert_int_equal(MAKE("-c"), 2);
	assert_int_equal(MAKE("-c", "-i", "me"), 0);
	assert_int_equal(MAKE("--will-payload", "x"), 2);
	assert_int_equal(MAKE("--will-retain"), 2);
	assert_int_equal(MAKE("--will-topic", "w", "--will-payload", "x", "--will-qos", "2"), 0);
	assert_int_equal(MAKE("--will-topic", "w/#"), 2);
	assert_int_equal(MAKE("--will-topic", "w", "-D", "will", "will-delay-interval", "5"), 0);
	assert_int_equal(MAKE("-D", "connect", "payload-format-indicator", "2"), 2);
	assert_int_equal(MAKE("-V", "3.1.1", "-D", "connect", "user-property", "a", "b"), 2);
	assert_int_equal(MAKE("-D", "disconnect", "reason-string", "bye"), 0);
}

static void test_missing_profiles_and_cas(void **state)
{
	(void)state;
	assert_int_equal(MAKE("--profile", "/nonexistent.mortise"), 2);
	assert_null(made.client);
	assert_int_equal(MAKE("--profile", "/nonexistent.mortise", "-p", "1"), 2);
}

static void test_exit_codes(void **state)
{
	static const struct {
		int status;
		uint8_t reason;
		int code;
	} rows[] = {
		{MORTISE_OK, 0, 0},
		{MORTISE_OK, 0x87, 0},
		{MORTISE_INVALID, 0, 2},
		{MORTISE_NOT_FOUND, 0, 2},
		{MORTISE_DENIED, 0, 2},
		{MORTISE_DENIED, MT_REASON_NOT_AUTHORIZED, 4},
		{MORTISE_DENIED, MT_REASON_BAD_USER_NAME_OR_PASSWORD, 4},
		{MORTISE_CLOSED, MT_REASON_NOT_AUTHORIZED, 4},
		{MORTISE_DENIED, MT_REASON_QUOTA_EXCEEDED, 1},
		{MORTISE_CLOSED, 0, 3},
		{MORTISE_TIMEOUT, 0, 3},
		{MORTISE_UNREACHABLE, 0, 3},
		{MORTISE_TLS, 0, 5},
		{MORTISE_MEMORY, 0, 1},
		{MORTISE_LIMIT, 0, 1},
		{MORTISE_VIOLATION, 0, 1},
		{MORTISE_SYSTEM, 0, 1},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(rows); i++)
		assert_int_equal(mt_cli_connection_exit(rows[i].status, rows[i].reason),
				 rows[i].code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_what_brings_tls),
		cmocka_unit_test(test_certificates_need_tls),
		cmocka_unit_test(test_a_password_travels_safely_or_not_at_all),
		cmocka_unit_test(test_passwords_from_files),
		cmocka_unit_test(test_numbers_and_versions),
		cmocka_unit_test(test_long_hosts),
		cmocka_unit_test(test_sessions_wills_and_properties),
		cmocka_unit_test(test_missing_profiles_and_cas),
		cmocka_unit_test(test_exit_codes),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
