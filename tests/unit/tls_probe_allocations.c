/*
 * The probe while memory fails: the n-th allocation inside OpenSSL is refused, for n = 1, 2 ...
 * until none is. Each try comes to an end, claims nothing that was not seen, and leaves no error in
 * the thread's queue; the next one, with memory, finds everything.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe_world.h"

#include <openssl/crypto.h>
#include <openssl/ocsp.h>

static uint64_t fail_in; /* 0: off; n: the n-th allocation of the probe's thread from now fails */
static bool has_failed;
static pthread_t ours; /* servers have memory */

static bool is_refused(void)
{
	if (!pthread_equal(pthread_self(), ours) || fail_in == 0 || --fail_in > 0)
		return false;
	has_failed = true;
	return true;
}

static void *take(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return is_refused() ? NULL : malloc(bytes);
}

static void *resize(void *at, size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return is_refused() ? NULL : realloc(at, bytes);
}

static void drop(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	free(at);
}

static struct identity ca, leaf;
static char *ca_pem;
static struct server server;
static struct mt_probe_facts facts;
static struct mt_probe_settings settings = {
	.dial = server_dial, .context = &server, .name = "localhost", .timeout_ms = 20000};

static int open_world(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	ours = pthread_self();
	ca = identity_make((struct wish){.subject = "Test CA", .is_ca = true});
	leaf = identity_make(
		(struct wish){.subject = "leaf", .names = "DNS:localhost,IP:::1", .issuer = &ca});
	ca_pem = identity_pem(&ca, false);
	settings.trust.ca_pem = mt_bytes_str(ca_pem);
	settings.now_s = (int64_t)time(NULL);
	server.ctx = server_context(&leaf);
	SSL_CTX_set_cipher_list(server.ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	fail_in = 0;
	server_rest(&server);
	SSL_CTX_free(server.ctx);
	identity_free(&ca);
	identity_free(&leaf);
	free(ca_pem);
	return 0;
}

static void sweep(void (*scenario)(void), uint64_t stride)
{
	uint64_t failures = 0;
	fail_in = 0;
	has_failed = false;
	scenario();
	for (uint64_t n = 1;; n += stride) {
		fail_in = n;
		has_failed = false;
		scenario();
		fail_in = 0;
		server_rest(&server);
		assert_int_equal(ERR_peek_error(), 0);
		if (!has_failed)
			break;
		failures++;
	}
	assert_true(failures > 10);
	scenario();
	server_rest(&server);
}

/* Nobody is there: what is made before the first connection. */
static void prepare(void)
{
	char fault[256] = "";
	enum mt_status status;
	server.gone_from = 1;
	status = mt_probe_run(&settings, &facts, fault, sizeof(fault));
	server.gone_from = 0;
	assert_true(status != MT_OK && *fault);
	if (!has_failed)
		assert_int_equal(status, MT_UNREACHABLE);
}

static void preparation(void **state)
{
	(void)state;
	sweep(prepare, 1);
}

static struct mt_probe bare(void)
{
	struct mt_probe probe = {.settings = &settings, .facts = &facts, .name = "localhost"};
	facts = (struct mt_probe_facts){.connections = 0};
	probe.anonymous = SSL_CTX_new(TLS_client_method());
	if (probe.anonymous)
		SSL_CTX_clear_mode(probe.anonymous, SSL_MODE_AUTO_RETRY);
	return probe;
}

static void bare_free(struct mt_probe *probe)
{
	sk_X509_pop_free(probe->chain, X509_free);
	SSL_CTX_free(probe->anonymous);
	ERR_clear_error();
}

static void connect_once(void)
{
	uint64_t begin = fail_in;
	struct mt_probe_how how = {.least = TLS1_2_VERSION, .most = TLS1_3_VERSION, .level = 2};
	struct mt_probe_link link;
	struct mt_probe probe;
	fail_in = 0;
	probe = bare();
	probe.offers_alpn = true;
	fail_in = begin;
	mt_probe_link_once(&probe, &how, &link);
	assert_true(has_failed || link.end == MT_PROBE_OPENED);
	assert_true(link.end == MT_PROBE_OPENED || link.fault[0] != '\0');
	/* Without memory nobody refused anything. */
	assert_true(link.end == MT_PROBE_OPENED || link.end == MT_PROBE_BROKEN ||
		    link.end == MT_PROBE_CLOSED);
	assert_int_not_equal(mt_probe_link_answer(&link, TLS1_1_VERSION), MT_PROBE_YES);
	mt_probe_link_free(&link);
	bare_free(&probe);
}

static void one_connection(void **state)
{
	(void)state;
	sweep(connect_once, 3);
}

static uint8_t staple[4096];
static long staple_len;

static void make_staple(void)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha256(), leaf.certificate, ca.certificate);
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	OCSP_RESPONSE *response;
	uint8_t *at = staple;
	OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, now, NULL);
	OCSP_basic_sign(basic, ca.certificate, ca.key, EVP_sha256(), NULL, 0);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	staple_len = i2d_OCSP_RESPONSE(response, NULL);
	assert_true(staple_len > 0 && (size_t)staple_len <= sizeof(staple));
	i2d_OCSP_RESPONSE(response, &at);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(now);
}

static struct mt_tls_context *judge_by;

/* The chain is described and judged, and the staple. */
static void judge(void)
{
	uint64_t begin = fail_in;
	struct mt_probe_how how = {.least = TLS1_3_VERSION, .most = TLS1_3_VERSION, .level = 2};
	struct mt_probe_link link;
	struct mt_probe probe;
	fail_in = 0;
	probe = bare();
	probe.trust = judge_by;
	mt_probe_link_once(&probe, &how, &link);
	sk_X509_pop_free(probe.chain, X509_free);
	probe.chain = NULL;
	facts.chain_count = 0;
	fail_in = begin;
	mt_probe_chain_keep(&probe, link.ssl);
	mt_probe_chain_judge(&probe);
	mt_probe_staple_judge(&probe, staple, staple_len);
	if (!has_failed) {
		assert_int_equal(facts.is_trusted, MT_PROBE_YES);
		assert_int_equal(facts.is_named, MT_PROBE_YES);
		assert_string_equal(facts.staple.status, "good");
		assert_string_equal(facts.staple.fault, "");
	}
	mt_probe_link_free(&link);
	bare_free(&probe);
}

static void certificates(void **state)
{
	char fault[256];
	(void)state;
	make_staple();
	assert_int_equal(
		mt_tls_context_create_client(&settings.trust, &judge_by, fault, sizeof(fault)),
		MT_OK);
	sweep(judge, 1);
	mt_tls_context_destroy(&judge_by);
}

static void examine(void)
{
	char fault[256] = "";
	enum mt_status status = mt_probe_run(&settings, &facts, fault, sizeof(fault));
	assert_int_equal(status == MT_OK, *fault == '\0');
	if (has_failed || status != MT_OK)
		return;
	assert_int_equal(facts.versions[MT_PROBE_TLS_13], MT_PROBE_YES);
	assert_int_equal(facts.ways[MT_PROBE_TICKET_13].resumed, MT_PROBE_ROUNDS);
	assert_string_equal(facts.stopped, "");
}

static void the_whole(void **state)
{
	(void)state;
	sweep(examine, 1009);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preparation),
		cmocka_unit_test(one_connection),
		cmocka_unit_test(certificates),
		cmocka_unit_test(the_whole),
	};
	/* Before the first allocation inside OpenSSL. */
	if (CRYPTO_set_mem_functions(take, resize, drop) != 1)
		return 1;
	return cmocka_run_group_tests(tests, open_world, close_world);
}
