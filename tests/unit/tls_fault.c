/* Faults of TLS as one sentence: bounded, never empty, and the error queue is empty behind it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls/parts.h"

#include <openssl/err.h>
#include <string.h>

static SSL_CTX *ctx;
static SSL *ssl;
static char fault[200];

static int setup(void **state)
{
	(void)state;
	ctx = SSL_CTX_new(TLS_server_method());
	ssl = SSL_new(ctx);
	return ssl ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return 0;
}

static const char *describe(int library, int reason, uint8_t first_byte)
{
	ERR_clear_error();
	ERR_raise(library, reason);
	memset(fault, 'x', sizeof(fault));
	mt_tls_fault_describe(ssl, first_byte, fault, sizeof(fault));
	assert_non_null(memchr(fault, '\0', sizeof(fault)));
	assert_true(fault[0] != '\0');
	assert_int_equal(ERR_peek_error(), 0);
	return fault;
}

static void test_the_common_ones_are_worded_for_people(void **state)
{
	(void)state;
	assert_non_null(strstr(describe(ERR_LIB_SSL, SSL_R_HTTP_REQUEST, 'G'), "HTTP"));
	assert_non_null(
		strstr(describe(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER, 0x10), "plain MQTT"));
	assert_null(strstr(describe(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER, 0x11), "MQTT"));
	assert_non_null(strstr(describe(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL, 22), "TLS 1.2"));
	assert_non_null(strstr(describe(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER, 22), "cipher suite"));
	assert_non_null(strstr(describe(ERR_LIB_SSL, SSL_R_NO_SUITABLE_KEY_SHARE, 22), "P-256"));
}

static void test_alerts_name_the_peer(void **state)
{
	(void)state;
	assert_non_null(strstr(describe(ERR_LIB_SSL, SSL_R_TLSV1_ALERT_UNKNOWN_CA, 22),
			       "the peer refused with an alert: unknown CA"));
	/* A number that no alert has. */
	assert_non_null(strstr(describe(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + 254, 22), "alert"));
}

static void test_verification_says_what_was_wrong(void **state)
{
	(void)state;
	SSL_set_verify_result(ssl, X509_V_ERR_CERT_HAS_EXPIRED);
	assert_non_null(strstr(describe(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED, 22),
			       "certificate has expired"));
}

/* Reasons of other libraries have the same numbers; they are not taken for those of TLS. */
static void test_numbers_of_other_libraries(void **state)
{
	(void)state;
	assert_null(strstr(describe(ERR_LIB_RSA, SSL_R_HTTP_REQUEST, 'G'), "HTTP"));
	assert_null(strstr(describe(ERR_LIB_EVP, SSL_AD_REASON_OFFSET + 48, 22), "alert"));
}

static void test_without_an_error(void **state)
{
	(void)state;
	ERR_clear_error();
	assert_string_equal(mt_tls_fault_reason(), "no reason given");
	mt_tls_fault_describe(ssl, 22, fault, sizeof(fault));
	assert_true(strlen(fault) > 0);
}

static void test_every_reason_gives_a_sentence(void **state)
{
	(void)state;
	for (int reason = 1; reason < 1200; reason++)
		assert_true(strlen(describe(ERR_LIB_SSL, reason, (uint8_t)reason)) < sizeof(fault));
}

static void test_small_buffers_hold(void **state)
{
	char small[8];
	(void)state;
	memset(small, 'x', sizeof(small));
	mt_tls_fault_say(small, 4, "%s", "a long sentence");
	assert_memory_equal(small, "a l\0xxxx", sizeof(small));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_common_ones_are_worded_for_people),
		cmocka_unit_test(test_alerts_name_the_peer),
		cmocka_unit_test(test_verification_says_what_was_wrong),
		cmocka_unit_test(test_numbers_of_other_libraries),
		cmocka_unit_test(test_without_an_error),
		cmocka_unit_test(test_every_reason_gives_a_sentence),
		cmocka_unit_test(test_small_buffers_hold),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
