/* mortise doctor: addresses, the advice that facts give, and how both are shown. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/doctor.h"

#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1800000000)
#define DAY_S 86400

static struct mt_doctor_report report;
static char *shown;

/* A broker without a fault, as ours is. */
static int set_up(void **state)
{
	struct mt_probe_facts *facts = &report.facts;
	(void)state;
	memset(&report, 0, sizeof(report));
	strcpy(report.host, "localhost");
	strcpy(report.name, "localhost");
	strcpy(report.address, "127.0.0.1");
	report.port = 8883;
	report.trust = "--cafile";
	report.now_s = NOW_S;
	for (int i = 0; i < MT_PROBE_TLS_12; i++)
		facts->versions[i] = MT_PROBE_NO;
	facts->versions[MT_PROBE_TLS_12] = facts->versions[MT_PROBE_TLS_13] = MT_PROBE_YES;
	facts->suites_13.items[0] = (struct mt_probe_suite){
		.name = "TLS_AES_128_GCM_SHA256", .is_forward_secret = true, .is_aead = true};
	facts->suites_13.count = 1;
	facts->suites_13.order = MT_PROBE_ORDER_SERVER;
	facts->suites_12.items[0] = facts->suites_13.items[0];
	facts->suites_12.count = 1;
	facts->has_old_suites = facts->has_psk = facts->compresses = MT_PROBE_NO;
	facts->groups[MT_PROBE_X25519] = MT_PROBE_YES;
	facts->chain_count = 1;
	facts->chain[0] = (struct mt_probe_certificate){.subject = "CN=leaf",
							.issuer = "CN=ca",
							.key = "EC P-256",
							.key_bits = 256,
							.not_before_s = NOW_S - DAY_S,
							.not_after_s = NOW_S + 90 * DAY_S};
	facts->is_trusted = facts->is_named = MT_PROBE_YES;
	facts->staple.is_sent = MT_PROBE_NO;
	facts->client_certificate = MT_PROBE_NOT_ASKED;
	for (int i = 0; i < MT_PROBE_WAYS; i++)
		facts->ways[i] = (struct mt_probe_resumption){.is_offered = MT_PROBE_YES,
							      .tries = 5,
							      .resumed = 5,
							      .cuts = 4,
							      .cuts_resumed = 4,
							      .tickets = 1,
							      .tickets_again = 1,
							      .lifetime_s = 86400};
	facts->renegotiates = MT_PROBE_NO;
	facts->has_secure_renegotiation = facts->has_extended_master_secret = MT_PROBE_YES;
	facts->has_alpn = MT_PROBE_YES;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(shown);
	shown = NULL;
	return 0;
}

static void addresses(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} good[] = {{"localhost", "localhost", 8883},
		    {"broker.example:1", "broker.example", 1},
		    {"127.0.0.1:65535", "127.0.0.1", 65535},
		    {"[::1]", "::1", 8883},
		    {"[fe80::1%eth0]:8884", "fe80::1%eth0", 8884}};
	static const char *const bad[] = {
		"",    ":8883",	  "[]", "[::1",	 "[::1]8883", "[::1]:",	  "::1",  "a:b",
		"a:0", "a:65536", "a:", "a:1:2", "a:-1",      "a:123456", "a: 1", "[::1]:x",
	};
	char host[MT_DOCTOR_HOST_BYTES], long_host[400];
	const char *fault;
	uint16_t port;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(good); i++) {
		assert_int_equal(mt_doctor_address(good[i].text, host, &port, &fault), MT_OK);
		assert_string_equal(host, good[i].host);
		assert_int_equal(port, good[i].port);
	}
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		fault = NULL;
		assert_int_equal(mt_doctor_address(bad[i], host, &port, &fault), MT_INVALID);
		assert_non_null(fault);
	}
	memset(long_host, 'a', sizeof(long_host));
	long_host[253] = '\0';
	assert_int_equal(mt_doctor_address(long_host, host, &port, &fault), MT_OK);
	long_host[253] = 'a';
	long_host[254] = '\0';
	assert_int_equal(mt_doctor_address(long_host, host, &port, &fault), MT_INVALID);
}

/* The grade of the advice that holds the words; it must be there. */
static enum mt_doctor_grade grade_of(const char *words)
{
	mt_doctor_advise(&report);
	for (uint32_t i = 0; i < report.advice_count; i++)
		if (strstr(report.advice[i].text, words))
			return report.advice[i].grade;
	fail_msg("no advice with '%s'", words);
	return MT_DOCTOR_FINE;
}

static void without_a_fault_all_is_fine(void **state)
{
	(void)state;
	mt_doctor_advise(&report);
	assert_true(report.advice_count >= 8);
	for (uint32_t i = 0; i < report.advice_count; i++)
		assert_int_equal(report.advice[i].grade, MT_DOCTOR_FINE);
}

static void what_is_unknown_gives_no_advice(void **state)
{
	(void)state;
	memset(&report.facts, 0, sizeof(report.facts));
	mt_doctor_advise(&report);
	assert_int_equal(report.advice_count, 0);
}

static void the_worst_comes_first(void **state)
{
	(void)state;
	report.facts.versions[MT_PROBE_TLS_11] = MT_PROBE_YES;
	report.facts.has_alpn = MT_PROBE_NO;
	report.facts.renegotiates = MT_PROBE_YES;
	mt_doctor_advise(&report);
	for (uint32_t i = 1; i < report.advice_count; i++)
		assert_true(report.advice[i - 1].grade <= report.advice[i].grade);
	assert_string_equal(report.advice[0].text, "TLS 1.1 is accepted: refuse it (RFC 8996)");
	assert_int_equal(report.advice[1].grade, MT_DOCTOR_BAD);
	assert_int_equal(report.advice[2].grade, MT_DOCTOR_BETTER);
}

static void advice_on_versions(void **state)
{
	(void)state;
	report.facts.versions[MT_PROBE_SSL_30] = MT_PROBE_YES;
	assert_int_equal(grade_of("SSL 3.0 is accepted: refuse it (RFC 7568)"), MT_DOCTOR_BAD);
	report.facts.versions[MT_PROBE_TLS_13] = MT_PROBE_NO;
	assert_int_equal(grade_of("TLS 1.3 is not accepted"), MT_DOCTOR_BETTER);
	report.facts.versions[MT_PROBE_TLS_12] = MT_PROBE_NO;
	assert_int_equal(grade_of("neither TLS 1.2 nor TLS 1.3"), MT_DOCTOR_BAD);
	strcpy(report.facts.refusal, "dh key too small");
	assert_int_equal(grade_of("rules of today cannot connect: dh key"), MT_DOCTOR_BAD);
	report.facts.has_psk = MT_PROBE_YES;
	report.facts.chain_count = 0;
	assert_int_equal(grade_of("pre-shared key"), MT_DOCTOR_FINE);
}

static void add_suite(const char *name, bool is_secret, bool is_aead, bool is_broken)
{
	struct mt_probe_suites *suites = &report.facts.suites_12;
	struct mt_probe_suite *suite = &suites->items[suites->count++];
	*suite = (struct mt_probe_suite){
		.is_forward_secret = is_secret, .is_aead = is_aead, .is_broken = is_broken};
	snprintf(suite->name, sizeof(suite->name), "%s", name);
}

static void advice_on_suites(void **state)
{
	(void)state;
	add_suite("AES128-GCM-SHA256", false, true, false);
	assert_int_equal(grade_of("without forward secrecy"), MT_DOCTOR_BETTER);
	assert_int_equal(grade_of("recorded: AES128-GCM-SHA256"), MT_DOCTOR_BETTER);
	for (int i = 0; i < 4; i++)
		add_suite("ECDHE-RSA-AES128-SHA", true, false, false);
	assert_int_equal(grade_of("ECDHE-RSA-AES128-SHA, ECDHE-RSA-AES128-SHA and 2 more"),
			 MT_DOCTOR_BETTER);
	add_suite("RC4-SHA", false, false, true);
	assert_int_equal(grade_of("prove nothing, are accepted: RC4-SHA"), MT_DOCTOR_BAD);
	add_suite("DHE", true, true, false);
	report.facts.suites_12.items[report.facts.suites_12.count - 1].dh_bits = 1024;
	assert_int_equal(grade_of("less than 2,048 bits: DHE"), MT_DOCTOR_BAD);
}

static void advice_on_dates(void **state)
{
	struct mt_probe_certificate *at = &report.facts.chain[0];
	(void)state;
	assert_int_equal(grade_of("valid for 90 more days"), MT_DOCTOR_FINE);
	at->not_after_s = NOW_S + 12 * DAY_S + 5;
	assert_int_equal(grade_of("the certificate expires in 12 days: renew it"),
			 MT_DOCTOR_BETTER);
	at->not_after_s = NOW_S + 5;
	assert_int_equal(grade_of("expires in 0 days"), MT_DOCTOR_BAD);
	at->not_after_s = NOW_S - 5;
	assert_int_equal(grade_of("expired 1 days ago"), MT_DOCTOR_BAD);
	at->not_before_s = NOW_S + 5;
	assert_int_equal(grade_of("not valid yet"), MT_DOCTOR_BAD);
	assert_int_equal(mt_doctor_days(NOW_S, NOW_S), 0);
	assert_int_equal(mt_doctor_days(NOW_S, NOW_S - DAY_S), -1);
	assert_int_equal(mt_doctor_days(NOW_S, NOW_S - DAY_S - 1), -2);
}

static void advice_on_certificates(void **state)
{
	struct mt_probe_facts *facts = &report.facts;
	(void)state;
	facts->chain[1] = facts->chain[0];
	facts->chain[1].is_self_issued = facts->chain[1].is_signature_weak = true;
	facts->chain_count = 2;
	assert_int_equal(grade_of("root CA is sent along"), MT_DOCTOR_BETTER);
	facts->chain[0].is_rsa = facts->chain[0].is_signature_weak = true;
	strcpy(facts->chain[0].signature, "sha1WithRSAEncryption");
	facts->chain[0].key_bits = 1024;
	assert_int_equal(grade_of("CN=leaf has 1024 bits"), MT_DOCTOR_BAD);
	assert_int_equal(grade_of("signed with sha1WithRSAEncryption"), MT_DOCTOR_BAD);
	facts->is_trusted = facts->is_named = MT_PROBE_NO;
	strcpy(facts->distrust, "for a reason");
	assert_int_equal(grade_of("does not verify: for a reason"), MT_DOCTOR_BAD);
	assert_int_equal(grade_of("does not bear the name localhost"), MT_DOCTOR_BAD);
	facts->staple = (struct mt_probe_staple){.is_sent = MT_PROBE_YES, .status = "good"};
	assert_int_equal(grade_of("stapled: good"), MT_DOCTOR_FINE);
	strcpy(facts->staple.fault, "it has expired");
	assert_int_equal(grade_of("worth nothing: it has expired"), MT_DOCTOR_BAD);
	strcpy(facts->staple.status, "revoked");
	assert_int_equal(grade_of("is revoked"), MT_DOCTOR_BAD);
	facts->client_certificate = MT_PROBE_REQUIRED;
	assert_int_equal(grade_of("give --cert and --key"), MT_DOCTOR_FINE);
	facts->is_certificate_taken = MT_PROBE_NO;
	strcpy(facts->certificate_refusal, "unknown CA");
	assert_int_equal(grade_of("not accepted: unknown CA"), MT_DOCTOR_BAD);
}

static void advice_on_resumption(void **state)
{
	struct mt_probe_resumption *ways = report.facts.ways;
	(void)state;
	ways[MT_PROBE_ID_12].full_cost = (struct mt_probe_cost){740000, 300, 1500, 5};
	ways[MT_PROBE_ID_12].resumed_cost = (struct mt_probe_cost){120000, 290, 150, 5};
	assert_int_equal(grade_of("too: 0.12 ms instead of 0.74, 440 bytes instead of 1800"),
			 MT_DOCTOR_FINE);
	ways[MT_PROBE_ID_12].cuts_resumed = 0;
	assert_int_equal(grade_of("lost when a client disconnects abruptly"), MT_DOCTOR_BETTER);
	assert_int_equal(grade_of("0 of 4 are resumed by id (TLS 1.2)"), MT_DOCTOR_BETTER);
	ways[MT_PROBE_TICKET_13].resumed = 3;
	assert_int_equal(grade_of("only 3 of 5 sessions are resumed by ticket (TLS 1.3)"),
			 MT_DOCTOR_BETTER);
	ways[MT_PROBE_TICKET_13].tickets = 2;
	assert_int_equal(grade_of("2 tickets per handshake of TLS 1.3: one would do"),
			 MT_DOCTOR_BETTER);
	ways[MT_PROBE_TICKET_13].tickets_again = 0;
	assert_int_equal(grade_of("gives no new ticket"), MT_DOCTOR_BETTER);
	ways[MT_PROBE_TICKET_13].early_bytes = 16384;
	assert_int_equal(grade_of("0-RTT is offered (16384 bytes)"), MT_DOCTOR_BAD);
	ways[MT_PROBE_TICKET_13].lifetime_s = 8 * DAY_S;
	assert_int_equal(grade_of("seven days"), MT_DOCTOR_BAD);
	for (int i = 0; i < MT_PROBE_WAYS; i++)
		ways[i].resumed = 0;
	assert_int_equal(grade_of("offered by ticket (TLS 1.2) and never resumed"),
			 MT_DOCTOR_BETTER);
	assert_int_equal(grade_of("no session is resumed"), MT_DOCTOR_BETTER);
}

static void advice_on_the_protocol(void **state)
{
	struct mt_probe_facts *facts = &report.facts;
	(void)state;
	facts->compresses = MT_PROBE_YES;
	facts->has_secure_renegotiation = facts->has_extended_master_secret = MT_PROBE_NO;
	assert_int_equal(grade_of("CRIME"), MT_DOCTOR_BAD);
	assert_int_equal(grade_of("RFC 5746"), MT_DOCTOR_BAD);
	assert_int_equal(grade_of("RFC 7627"), MT_DOCTOR_BETTER);
}

/* However bad a server is: there is room for all, and texts of the greatest length are whole. */
static void everything_at_once(void **state)
{
	struct mt_probe_facts *facts = &report.facts;
	(void)state;
	for (int i = 0; i < MT_PROBE_VERSIONS; i++)
		facts->versions[i] = MT_PROBE_YES;
	facts->chain_count = MT_PROBE_CHAIN_MAX;
	for (uint32_t i = 0; i < MT_PROBE_CHAIN_MAX; i++) {
		struct mt_probe_certificate *at = &facts->chain[i];
		memset(at->subject, 's', sizeof(at->subject) - 1);
		at->is_rsa = at->is_signature_weak = at->is_self_issued = true;
		at->key_bits = 512;
		at->not_after_s = NOW_S - 1;
	}
	memset(facts->distrust, 'd', sizeof(facts->distrust) - 1);
	facts->is_trusted = MT_PROBE_NO;
	mt_doctor_advise(&report);
	assert_true(report.advice_count > 30 && report.advice_count <= MT_DOCTOR_ADVICE_MAX);
	assert_int_equal(grade_of("ddd"), MT_DOCTOR_BAD);
}

static const char *print(void)
{
	size_t len;
	FILE *out = open_memstream(&shown, &len);
	assert_non_null(out);
	mt_doctor_print(out, &report);
	fclose(out);
	return shown;
}

static void sections_are_aligned(void **state)
{
	const char *text;
	size_t column = 0;
	(void)state;
	mt_doctor_advise(&report);
	for (int i = 0; i < 30; i++)
		add_suite("ECDHE-ECDSA-AES128-GCM-SHA256", true, true, i == 0);
	text = print();
	assert_non_null(strstr(text, "localhost:8883 (127.0.0.1), asked for as localhost"));
	assert_non_null(strstr(text, "\n  versions            TLS 1.2, TLS 1.3; not SSL 3.0, "));
	assert_non_null(strstr(text, "\n  suites of TLS 1.3   TLS_AES_128_GCM_SHA256\n"));
	assert_non_null(strstr(text, "GCM-SHA256 (broken),"));
	assert_non_null(strstr(text, "the server's preference decides\n"));
	assert_non_null(strstr(text, ": 90 days left\n"));
	assert_non_null(strstr(text, "\n  demand              not asked for\n"));
	assert_non_null(strstr(text, "\nadvice\n  fine                "));
	for (; *text; text++) {
		column = *text == '\n' ? 0 : column + 1;
		assert_true(column <= 100);
	}
}

static void a_host_of_ipv6_stands_in_brackets(void **state)
{
	(void)state;
	strcpy(report.host, "::1");
	strcpy(report.facts.stopped, "the server was silent too often");
	strcpy(report.facts.chain[0].names[0], "DNS:a");
	report.facts.chain[0].name_count = MT_PROBE_NAMES_MAX + 3;
	report.facts.staple = (struct mt_probe_staple){
		.is_sent = MT_PROBE_YES, .status = "good", .next_update_s = NOW_S};
	print();
	assert_non_null(strstr(shown, "[::1]:8883 "));
	assert_non_null(strstr(shown, "not finished        the server was silent too often"));
	assert_non_null(strstr(shown, "and 3 more"));
	assert_non_null(strstr(shown, "good, next update 2027-01-15"));
}

static void one_object_with_all_facts(void **state)
{
	json_t *object;
	const char *text;
	int port, tickets, count;
	double ms;
	(void)state;
	report.facts.ways[MT_PROBE_ID_12].full_cost = (struct mt_probe_cost){1500000, 300, 1500, 5};
	mt_doctor_advise(&report);
	object = mt_doctor_json(&report);
	assert_non_null(object);
	assert_int_equal(json_unpack(object, "{s:i, s:{s:{s:i}, s:{s:{s:f, s:i}, s:n}}}", "port",
				     &port, "resumption", "ticket_tls13", "tickets", &tickets,
				     "id_tls12", "full", "ms", &ms, "handshakes", &count, "short"),
			 0);
	assert_int_equal(port, 8883);
	assert_int_equal(tickets, 1);
	assert_int_equal(count, 5);
	assert_true(ms > 1.4 && ms < 1.6);
	assert_true(json_is_true(json_object_get(json_object_get(object, "versions"), "TLS 1.3")));
	assert_true(json_is_null(json_object_get(object, "stopped")));
	text = json_string_value(
		json_object_get(json_object_get(object, "client_certificate"), "demand"));
	assert_string_equal(text, "not asked");
	assert_int_equal(json_array_size(json_object_get(object, "advice")), report.advice_count);
	json_decref(object);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(addresses),
		TEST(without_a_fault_all_is_fine),
		TEST(what_is_unknown_gives_no_advice),
		TEST(the_worst_comes_first),
		TEST(advice_on_versions),
		TEST(advice_on_suites),
		TEST(advice_on_dates),
		TEST(advice_on_certificates),
		TEST(advice_on_resumption),
		TEST(advice_on_the_protocol),
		TEST(everything_at_once),
		TEST(sections_are_aligned),
		TEST(a_host_of_ipv6_stands_in_brackets),
		TEST(one_object_with_all_facts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
