/* Certificates of a server: what is said of them, and whether they hold; texts that would mislead.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe_world.h"

#include "base/utf8.h"

#include <openssl/ocsp.h>

static struct identity ca, middle;
static char *ca_pem;
static struct server server;
static struct mt_probe_facts facts;
static struct mt_bytes trusted;

static int open_world(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	ca = identity_make((struct wish){.subject = "Test CA", .is_ca = true});
	middle = identity_make((struct wish){.subject = "Middle", .is_ca = true, .issuer = &ca});
	ca_pem = identity_pem(&ca, false);
	trusted = mt_bytes_str(ca_pem);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	identity_free(&ca);
	identity_free(&middle);
	free(ca_pem);
	return 0;
}

/* Examined quickly: TLS 1.3 alone, without sessions. Takes the identity over. */
static void examine(struct identity leaf, const struct identity *sent, const char *name)
{
	struct mt_probe_settings settings = {.dial = server_dial,
					     .context = &server,
					     .name = name,
					     .trust = {.ca_pem = trusted},
					     .timeout_ms = 20000,
					     .now_s = (int64_t)time(NULL)};
	char fault[256] = "";
	if (!server.ctx)
		server.ctx = server_context(&leaf);
	SSL_CTX_set_min_proto_version(server.ctx, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(server.ctx, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set_num_tickets(server.ctx, 0);
	SSL_CTX_set_mode(server.ctx, SSL_MODE_NO_AUTO_CHAIN);
	if (sent)
		assert_int_equal(SSL_CTX_add1_chain_cert(server.ctx, sent->certificate), 1);
	if (mt_probe_run(&settings, &facts, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
	server_rest(&server);
	SSL_CTX_free(server.ctx);
	server.ctx = NULL;
	identity_free(&leaf);
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(facts.is_trusted == MT_PROBE_NO, *facts.distrust != '\0');
}

#define MAKE(...) identity_make((struct wish){__VA_ARGS__})

static void distrusted(const char *part)
{
	assert_int_equal(facts.is_trusted, MT_PROBE_NO);
	if (!strstr(facts.distrust, part))
		fail_msg("'%s' is not in '%s'", part, facts.distrust);
}

static void a_chain_that_holds(void **state)
{
	const struct mt_probe_certificate *at = &facts.chain[0];
	(void)state;
	examine(MAKE(.subject = "leaf", .names = "DNS:localhost,IP:127.0.0.1,IP:::1,URI:x:y",
		     .issuer = &middle),
		&middle, "localhost");
	assert_int_equal(facts.is_trusted, MT_PROBE_YES);
	assert_int_equal(facts.is_named, MT_PROBE_YES);
	assert_int_equal(facts.chain_count, 2);
	assert_string_equal(at->subject, "CN=leaf");
	assert_string_equal(at->issuer, "CN=Middle");
	assert_string_equal(at->key, "EC P-256");
	assert_int_equal(at->key_bits, 256);
	assert_string_equal(at->signature, "ecdsa-with-SHA256");
	assert_int_equal(at->name_count, 4);
	assert_string_equal(at->names[0], "DNS:localhost");
	assert_string_equal(at->names[1], "IP:127.0.0.1");
	assert_string_equal(at->names[2], "IP:::1");
	assert_string_equal(at->names[3], "URI:x:y");
	assert_true(at->not_before_s < time(NULL) && at->not_after_s > time(NULL) + 99 * DAY_S);
	assert_true(at->bytes > 200);
	assert_false(at->is_self_issued || at->is_rsa || at->is_signature_weak);
	assert_int_equal(facts.staple.is_sent, MT_PROBE_NO);
}

static void names_as_clients_check_them(void **state)
{
	static const struct {
		const char *names, *asked;
		bool is_named;
	} cases[] = {
		{"DNS:broker.example", "broker.example", true},
		{"DNS:broker.example", "broker.example.", true},
		{"DNS:broker.example", "other.example", false},
		{"DNS:*.example.org", "a.example.org", true},
		{"DNS:a*.example.org", "ab.example.org", false},
		{"IP:192.0.2.1", "192.0.2.1", true},
		{"DNS:192.0.2.1", "192.0.2.1", false},
		{"IP:2001:db8::1", "2001:db8:0::1", true},
		{NULL, "leaf", false}, /* the subject is no name */
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		examine(MAKE(.subject = "leaf", .names = cases[i].names, .issuer = &ca), NULL,
			cases[i].asked);
		assert_int_equal(facts.is_trusted, MT_PROBE_YES);
		assert_int_equal(facts.is_named, cases[i].is_named ? MT_PROBE_YES : MT_PROBE_NO);
	}
}

static void reasons_in_a_sentence(void **state)
{
	(void)state;
	examine(MAKE(.subject = "leaf", .issuer = &ca, .begin_days = -20, .end_days = -3), NULL,
		"localhost");
	distrusted("CN=leaf expired on 20");
	examine(MAKE(.subject = "leaf", .issuer = &ca, .begin_days = 5), NULL, "localhost");
	distrusted("CN=leaf is not valid before 20");
	examine(MAKE(.subject = "leaf"), NULL, "localhost");
	distrusted("signed itself");
	assert_true(facts.chain[0].is_self_issued);
	examine(MAKE(.subject = "leaf", .issuer = &middle), NULL, "localhost");
	distrusted("the issuer CN=Middle was not sent");
	examine(MAKE(.subject = "leaf", .issuer = &ca, .digest = EVP_sha1()), NULL, "localhost");
	distrusted("too weak");
	assert_true(facts.chain[0].is_signature_weak);
}

static void a_root_that_is_sent_along(void **state)
{
	struct identity other = MAKE(.subject = "Other CA", .is_ca = true);
	(void)state;
	examine(MAKE(.subject = "leaf", .issuer = &ca), &ca, "localhost");
	assert_int_equal(facts.is_trusted, MT_PROBE_YES);
	assert_true(facts.chain[1].is_self_issued);
	examine(MAKE(.subject = "leaf", .issuer = &other), &other, "localhost");
	distrusted("the CA CN=Other CA, which was sent along,");
	identity_free(&other);
}

static void many_names(void **state)
{
	char names[1024] = "";
	(void)state;
	for (int i = 0; i < 40; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%sDNS:h%d",
			 i ? "," : "", i);
	examine(MAKE(.subject = "leaf", .issuer = &ca, .names = names), NULL, "localhost");
	assert_int_equal(facts.chain[0].name_count, 40);
	assert_string_equal(facts.chain[0].names[MT_PROBE_NAMES_MAX - 1], "DNS:h15");
	examine(MAKE(.subject = "leaf", .issuer = &ca, .names = "RID:1.2.3.4,email:a@b"), NULL,
		"localhost");
	assert_string_equal(facts.chain[0].names[0], "of another kind");
	assert_string_equal(facts.chain[0].names[1], "email:a@b");
}

/* What a terminal would obey, or a reader misread. */
static void texts_are_made_harmless(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"plain", "plain"},
		{"\x1b[2J\x7f\n", "\\x1b[2J\\x7f\\x0a"},
		{"m\xc3\xbc\xc3\x9f", "m\xc3\xbc\xc3\x9f"},
		{"\xc2\x9b", "\\xc2\\x9b"},		  /* C1 */
		{"a\xe2\x80\xae", "a\\xe2\\x80\\xae"},	  /* from right to left */
		{"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},	  /* isolated */
		{"\xe2\x80\x94", "\xe2\x80\x94"},	  /* a dash */
		{"\xff\xc3\xbc", "\\xff\\xc3\\xbc"},	  /* no UTF-8 as a whole */
		{"\xf0\x9f\x94\x92", "\xf0\x9f\x94\x92"}, /* four bytes */
		{"", ""},
	};
	char out[64];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		mt_probe_text(mt_bytes_str(cases[i].from), out, sizeof(out));
		assert_string_equal(out, cases[i].to);
	}
	mt_probe_text(mt_bytes_of("a\0b", 3), out, sizeof(out));
	assert_string_equal(out, "a\\x00b");
}

/* At a character, never in its midst. */
static void texts_are_cut(void **state)
{
	static const char long_text[] = "\xc3\xbc\xe2\x82\xac\xf0\x9f\x94\x92\x1bz"
					"\xc3\xbc\xe2\x82\xac\xf0\x9f\x94\x92\x1bz";
	char out[64];
	size_t bad;
	(void)state;
	for (size_t cap = 5; cap < sizeof(out); cap++) {
		memset(out, 'x', sizeof(out));
		mt_probe_text(mt_bytes_str(long_text), out, cap);
		assert_true(strlen(out) < cap);
		assert_int_equal(mt_utf8_check(mt_bytes_str(out), &bad), MT_UTF8_GOOD);
		assert_true(cap >= 32 || strcmp(out + strlen(out) - 3, "...") == 0);
	}
}

static void names_that_would_mislead(void **state)
{
	(void)state;
	examine(MAKE(.subject = "\x1b[31mleaf\xe2\x80\xae", .issuer = &ca), NULL, "localhost");
	assert_null(strchr(facts.chain[0].subject, '\x1b'));
	assert_non_null(strstr(facts.chain[0].subject, "leaf\\xe2\\x80\\xae"));
}

/* ---- OCSP ---- */

static uint8_t *staple;
static int staple_len;

static int hand_out(SSL *ssl, void *context)
{
	(void)context;
	SSL_set_tlsext_status_ocsp_resp(ssl, OPENSSL_memdup(staple, (size_t)staple_len),
					staple_len);
	return SSL_TLSEXT_ERR_OK;
}

struct answer {
	X509 *about;
	const struct identity *signer;
	int status;
	int next_days;
};

static void make_staple(struct answer answer)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), answer.about, ca.certificate);
	ASN1_TIME *begin = X509_gmtime_adj(NULL, -10L * DAY_S);
	ASN1_TIME *next = X509_gmtime_adj(NULL, (long)answer.next_days * DAY_S + 60);
	OCSP_RESPONSE *response;
	OCSP_basic_add1_status(basic, id, answer.status, OCSP_REVOKED_STATUS_KEYCOMPROMISE, begin,
			       begin, next);
	assert_int_equal(OCSP_basic_sign(basic, answer.signer->certificate, answer.signer->key,
					 EVP_sha256(), NULL, 0),
			 1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	staple = NULL;
	staple_len = i2d_OCSP_RESPONSE(response, &staple);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(begin);
	ASN1_TIME_free(next);
}

static void examine_staple(struct identity leaf)
{
	server.ctx = server_context(&leaf);
	SSL_CTX_set_tlsext_status_cb(server.ctx, hand_out);
	examine(leaf, &ca, "localhost");
	assert_int_equal(facts.staple.is_sent, MT_PROBE_YES);
	OPENSSL_free(staple);
}

static void staples(void **state)
{
	struct identity leaf, other = MAKE(.subject = "Other CA", .is_ca = true);
	(void)state;
	leaf = MAKE(.subject = "leaf", .issuer = &ca);
	make_staple((struct answer){leaf.certificate, &ca, V_OCSP_CERTSTATUS_GOOD, 5});
	examine_staple(leaf);
	assert_int_equal(facts.staple.is_trusted, MT_PROBE_YES);
	assert_string_equal(facts.staple.status, "good");
	assert_string_equal(facts.staple.fault, "");
	assert_true(facts.staple.next_update_s > time(NULL) + 4 * DAY_S);
	assert_true(facts.staple.this_update_s < time(NULL));
	leaf = MAKE(.subject = "leaf", .issuer = &ca);
	make_staple((struct answer){leaf.certificate, &ca, V_OCSP_CERTSTATUS_REVOKED, 5});
	examine_staple(leaf);
	assert_string_equal(facts.staple.status, "revoked");
	leaf = MAKE(.subject = "leaf", .issuer = &ca);
	make_staple((struct answer){leaf.certificate, &ca, V_OCSP_CERTSTATUS_GOOD, -1});
	examine_staple(leaf);
	assert_string_equal(facts.staple.fault, "it has expired");
	leaf = MAKE(.subject = "leaf", .issuer = &ca);
	make_staple((struct answer){leaf.certificate, &other, V_OCSP_CERTSTATUS_GOOD, 5});
	examine_staple(leaf);
	assert_int_equal(facts.staple.is_trusted, MT_PROBE_NO);
	assert_non_null(strstr(facts.staple.fault, "signature does not hold"));
	leaf = MAKE(.subject = "leaf", .issuer = &ca);
	make_staple((struct answer){other.certificate, &ca, V_OCSP_CERTSTATUS_GOOD, 5});
	examine_staple(leaf);
	assert_string_equal(facts.staple.fault, "it is about another certificate");
	identity_free(&other);
}

/* The issuer is not sent: it is found among the trusted. */
static void a_staple_without_the_issuer(void **state)
{
	struct identity leaf = MAKE(.subject = "leaf", .issuer = &ca);
	(void)state;
	make_staple((struct answer){leaf.certificate, &ca, V_OCSP_CERTSTATUS_GOOD, 5});
	server.ctx = server_context(&leaf);
	SSL_CTX_set_tlsext_status_cb(server.ctx, hand_out);
	examine(leaf, NULL, "localhost");
	assert_string_equal(facts.staple.status, "good");
	assert_string_equal(facts.staple.fault, "");
	OPENSSL_free(staple);
}

static void damaged_staples(void **state)
{
	OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
	(void)state;
	staple = NULL;
	staple_len = i2d_OCSP_RESPONSE(response, &staple);
	OCSP_RESPONSE_free(response);
	examine_staple(MAKE(.subject = "leaf", .issuer = &ca));
	assert_non_null(strstr(facts.staple.fault, "trylater"));
	staple = OPENSSL_memdup("rubbish", 7);
	staple_len = 7;
	examine_staple(MAKE(.subject = "leaf", .issuer = &ca));
	assert_non_null(strstr(facts.staple.fault, "damaged"));
	assert_string_equal(facts.staple.status, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_that_holds),
		cmocka_unit_test(names_as_clients_check_them),
		cmocka_unit_test(reasons_in_a_sentence),
		cmocka_unit_test(a_root_that_is_sent_along),
		cmocka_unit_test(many_names),
		cmocka_unit_test(texts_are_made_harmless),
		cmocka_unit_test(texts_are_cut),
		cmocka_unit_test(names_that_would_mislead),
		cmocka_unit_test(staples),
		cmocka_unit_test(a_staple_without_the_issuer),
		cmocka_unit_test(damaged_staples),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
