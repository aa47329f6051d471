/* From facts to advice: short sentences, each with its reason. What is unknown gets none. */
#include "cli/doctor.h"

#include <stdarg.h>

#define DAY_S 86400
#define DAYS_BAD 7
#define DAYS_SOON 30
#define BITS_MIN 2048u
#define LIFETIME_S_MAX (7u * DAY_S) /* RFC 8446, section 4.6.1 */
#define NAMES_BYTES 128u
#define SAVING_BYTES 96u

static const char *const way_names[MT_PROBE_WAYS] = {
	[MT_PROBE_ID_12] = "by id (TLS 1.2)",
	[MT_PROBE_TICKET_12] = "by ticket (TLS 1.2)",
	[MT_PROBE_TICKET_13] = "by ticket (TLS 1.3)",
};

const char *mt_doctor_grade_name(enum mt_doctor_grade grade)
{
	switch (grade) {
	case MT_DOCTOR_BAD:
		return "bad";
	case MT_DOCTOR_BETTER:
		return "could be better";
	case MT_DOCTOR_FINE:
		break;
	}
	return "fine";
}

int64_t mt_doctor_days(int64_t now_s, int64_t then_s)
{
	int64_t left_s = then_s - now_s;
	return left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S);
}

/* Room behind the last one of that grade; NULL: there is none. */
static struct mt_doctor_advice *insert(struct mt_doctor_report *report, enum mt_doctor_grade grade)
{
	uint32_t at = report->advice_count;
	if (at == MT_DOCTOR_ADVICE_MAX)
		return NULL;
	while (at > 0 && report->advice[at - 1].grade > grade)
		at--;
	memmove(report->advice + at + 1, report->advice + at,
		(report->advice_count - at) * sizeof(report->advice[0]));
	report->advice_count++;
	return &report->advice[at];
}

MT_FORMAT(3, 4)
static void say(struct mt_doctor_report *report, enum mt_doctor_grade grade, const char *format,
		...)
{
	struct mt_doctor_advice *advice = insert(report, grade);
	va_list list;
	if (!advice)
		return;
	advice->grade = grade;
	va_start(list, format);
	vsnprintf(advice->text, sizeof(advice->text), format, list);
	va_end(list);
}

/* Says one of two sentences; unknown: none. NULL: nothing to say. */
static void say_if(struct mt_doctor_report *report, enum mt_probe_answer answer,
		   enum mt_doctor_grade grade_of_yes, const char *yes,
		   enum mt_doctor_grade grade_of_no, const char *no)
{
	if (answer == MT_PROBE_YES && yes)
		say(report, grade_of_yes, "%s", yes);
	if (answer == MT_PROBE_NO && no)
		say(report, grade_of_no, "%s", no);
}

static void advise_versions(struct mt_doctor_report *report)
{
	const enum mt_probe_answer *versions = report->facts.versions;
	bool is_old = false;
	for (int i = MT_PROBE_SSL_30; i <= MT_PROBE_TLS_11; i++) {
		if (versions[i] != MT_PROBE_YES)
			continue;
		is_old = true;
		say(report, MT_DOCTOR_BAD, "%s is accepted: refuse it (%s)",
		    mt_probe_version_name((enum mt_probe_version)i),
		    i == MT_PROBE_SSL_30 ? "RFC 7568" : "RFC 8996");
	}
	if (versions[MT_PROBE_TLS_12] == MT_PROBE_NO && versions[MT_PROBE_TLS_13] == MT_PROBE_NO)
		say(report, MT_DOCTOR_BAD,
		    "neither TLS 1.2 nor TLS 1.3 is accepted: clients of today cannot connect");
	else if (versions[MT_PROBE_TLS_13] == MT_PROBE_NO)
		say(report, MT_DOCTOR_BETTER,
		    "TLS 1.3 is not accepted: it takes one round trip less, and hides the "
		    "certificates");
	else if (versions[MT_PROBE_TLS_13] == MT_PROBE_YES && !is_old)
		say(report, MT_DOCTOR_FINE, "TLS 1.3 is accepted, and nothing below TLS 1.2");
	if (report->facts.has_psk == MT_PROBE_YES && report->facts.chain_count == 0)
		say(report, MT_DOCTOR_FINE,
		    "only clients with a pre-shared key are served: the rest could not be tried "
		    "without one");
	if (*report->facts.refusal)
		say(report, MT_DOCTOR_BAD, "a client by the rules of today cannot connect: %s",
		    report->facts.refusal);
}

typedef bool suite_test(const struct mt_probe_suite *suite);

static bool is_broken(const struct mt_probe_suite *suite)
{
	return suite->is_broken;
}

static bool is_without_secrecy(const struct mt_probe_suite *suite)
{
	return !suite->is_broken && !suite->is_forward_secret;
}

static bool is_without_aead(const struct mt_probe_suite *suite)
{
	return !suite->is_broken && !suite->is_aead;
}

static bool is_short(const struct mt_probe_suite *suite)
{
	return suite->dh_bits > 0 && suite->dh_bits < BITS_MIN;
}

/* How many there are, and the names of the first ones. */
static uint32_t find(const struct mt_probe_suites *suites, suite_test *test,
		     char names[NAMES_BYTES])
{
	uint32_t count = 0;
	size_t len = 0;
	names[0] = '\0';
	for (uint32_t i = 0; i < suites->count; i++) {
		if (!test(&suites->items[i]))
			continue;
		if (++count <= 2)
			len += (size_t)snprintf(names + len, NAMES_BYTES - len, "%s%.47s",
						len ? ", " : "", suites->items[i].name);
	}
	if (count > 2)
		snprintf(names + len, NAMES_BYTES - len, " and %u more", count - 2);
	return count;
}

static void advise_suites(struct mt_doctor_report *report)
{
	const struct mt_probe_suites *suites = &report->facts.suites_12;
	char names[NAMES_BYTES];
	uint32_t broken, open, old;
	broken = find(suites, is_broken, names);
	if (broken)
		say(report, MT_DOCTOR_BAD,
		    "suites that are broken, or encrypt or prove nothing, are accepted: %s", names);
	if (find(suites, is_short, names))
		say(report, MT_DOCTOR_BAD, "Diffie-Hellman with less than 2,048 bits: %s", names);
	open = find(suites, is_without_secrecy, names);
	if (open)
		say(report, MT_DOCTOR_BETTER,
		    "suites without forward secrecy are accepted, so that who steals the key "
		    "reads what was recorded: %s",
		    names);
	old = find(suites, is_without_aead, names);
	if (old)
		say(report, MT_DOCTOR_BETTER,
		    "CBC suites are accepted, a source of padding attacks (RFC 9325, section "
		    "4.2): %s",
		    names);
	if (broken + open + old == 0 && suites->count + report->facts.suites_13.count > 0)
		say(report, MT_DOCTOR_FINE, "every suite has forward secrecy and an AEAD cipher");
}

static void advise_expiry(struct mt_doctor_report *report, const struct mt_probe_certificate *at,
			  bool is_leaf)
{
	int64_t days = mt_doctor_days(report->now_s, at->not_after_s);
	const char *whose = is_leaf ? "the certificate" : at->subject;
	if (report->now_s < at->not_before_s)
		say(report, MT_DOCTOR_BAD, "%s is not valid yet", whose);
	else if (days < 0)
		say(report, MT_DOCTOR_BAD, "%s expired %lld days ago", whose, -(long long)days);
	else if (days < DAYS_SOON)
		say(report, days < DAYS_BAD ? MT_DOCTOR_BAD : MT_DOCTOR_BETTER,
		    "%s expires in %lld days: renew it", whose, (long long)days);
	else if (is_leaf)
		say(report, MT_DOCTOR_FINE, "the certificate is valid for %lld more days",
		    (long long)days);
}

static void advise_certificate(struct mt_doctor_report *report,
			       const struct mt_probe_certificate *at, bool is_leaf)
{
	advise_expiry(report, at, is_leaf);
	if (at->is_rsa && at->key_bits < BITS_MIN)
		say(report, MT_DOCTOR_BAD, "the RSA key of %s has %u bits: 2,048 are the least",
		    at->subject, at->key_bits);
	if (at->is_signature_weak && !at->is_self_issued)
		say(report, MT_DOCTOR_BAD, "%s is signed with %s, which can be forged", at->subject,
		    at->signature);
	if (!is_leaf && at->is_self_issued)
		say(report, MT_DOCTOR_BETTER,
		    "the root CA is sent along: clients have it or do not trust it, and %u bytes "
		    "go with each handshake in full",
		    at->bytes);
}

static void advise_chain(struct mt_doctor_report *report)
{
	const struct mt_probe_facts *facts = &report->facts;
	for (uint32_t i = 0; i < facts->chain_count; i++)
		advise_certificate(report, &facts->chain[i], i == 0);
	if (facts->is_trusted == MT_PROBE_NO)
		say(report, MT_DOCTOR_BAD, "the certificate does not verify: %s", facts->distrust);
	if (facts->is_named == MT_PROBE_NO)
		say(report, MT_DOCTOR_BAD,
		    "the certificate does not bear the name %s: clients that check refuse it",
		    report->name);
	if (facts->is_trusted == MT_PROBE_YES && facts->is_named == MT_PROBE_YES)
		say(report, MT_DOCTOR_FINE, "the certificate verifies, and bears the name");
}

static void advise_staple(struct mt_doctor_report *report)
{
	const struct mt_probe_staple *staple = &report->facts.staple;
	if (staple->is_sent != MT_PROBE_YES)
		return;
	if (strcmp(staple->status, "revoked") == 0)
		say(report, MT_DOCTOR_BAD, "the certificate is revoked, by its own OCSP response");
	else if (*staple->fault)
		say(report, MT_DOCTOR_BAD, "the OCSP response is worth nothing: %s", staple->fault);
	else
		say(report, MT_DOCTOR_FINE, "an OCSP response is stapled: %s", staple->status);
}

static void advise_tickets(struct mt_doctor_report *report)
{
	const struct mt_probe_resumption *way = &report->facts.ways[MT_PROBE_TICKET_13];
	if (way->is_offered != MT_PROBE_YES)
		return;
	if (way->tickets > 1)
		say(report, MT_DOCTOR_BETTER,
		    "%u tickets per handshake of TLS 1.3: one would do, for a device has one "
		    "connection",
		    way->tickets);
	if (way->resumed > 0 && way->tickets_again == 0)
		say(report, MT_DOCTOR_BETTER,
		    "a resumed handshake of TLS 1.3 gives no new ticket: who watches sees that "
		    "the same one comes again (RFC 8446, appendix C.4)");
	if (way->early_bytes > 0)
		say(report, MT_DOCTOR_BAD,
		    "0-RTT is offered (%u bytes): what is sent so can be replayed, a PUBLISH too",
		    way->early_bytes);
	if (way->lifetime_s > LIFETIME_S_MAX)
		say(report, MT_DOCTOR_BAD,
		    "tickets live for %u seconds: seven days are the most (RFC 8446, section "
		    "4.6.1)",
		    way->lifetime_s);
}

static bool is_lossless(const struct mt_probe_resumption *way)
{
	return way->resumed == way->tries && way->cuts_resumed == way->cuts;
}

/* ": 0.12 ms instead of 0.74, ..."; "" when it was not measured. */
static void format_saving(const struct mt_probe_resumption *way, char out[SAVING_BYTES])
{
	const struct mt_probe_cost *full = &way->full_cost, *small = &way->resumed_cost;
	out[0] = '\0';
	if (full->count > 0 && small->count > 0)
		snprintf(out, SAVING_BYTES, ": %.2f ms instead of %.2f, %u bytes instead of %u",
			 (double)small->ns / 1e6, (double)full->ns / 1e6,
			 small->sent_bytes + small->received_bytes,
			 full->sent_bytes + full->received_bytes);
}

/* True when sessions resume this way. */
static bool advise_way(struct mt_doctor_report *report, enum mt_probe_way id)
{
	const struct mt_probe_resumption *way = &report->facts.ways[id];
	char saving[SAVING_BYTES];
	if (way->is_offered != MT_PROBE_YES || way->tries == 0)
		return false;
	if (way->resumed == 0) {
		say(report, MT_DOCTOR_BETTER, "sessions are offered %s and never resumed",
		    way_names[id]);
		return false;
	}
	if (way->resumed < way->tries)
		say(report, MT_DOCTOR_BETTER, "only %u of %u sessions are resumed %s", way->resumed,
		    way->tries, way_names[id]);
	if (way->cuts_resumed < way->cuts)
		say(report, MT_DOCTOR_BETTER,
		    "sessions are lost when a client disconnects abruptly, as devices do: %u of "
		    "%u are resumed %s",
		    way->cuts_resumed, way->cuts, way_names[id]);
	format_saving(way, saving);
	if (is_lossless(way))
		say(report, MT_DOCTOR_FINE, "sessions are resumed %s, after an abrupt end too%s",
		    way_names[id], saving);
	return true;
}

static void advise_resumption(struct mt_doctor_report *report)
{
	bool is_any = false, is_refused = false;
	for (enum mt_probe_way id = 0; id < MT_PROBE_WAYS; id++) {
		is_any |= advise_way(report, id);
		is_refused |= report->facts.ways[id].is_offered != MT_PROBE_UNKNOWN;
	}
	if (!is_any && is_refused)
		say(report, MT_DOCTOR_BETTER,
		    "no session is resumed: each reconnect costs a handshake in full");
	advise_tickets(report);
}

static void advise_protocol(struct mt_doctor_report *report)
{
	const struct mt_probe_facts *facts = &report->facts;
	say_if(report, facts->renegotiates, MT_DOCTOR_BAD,
	       "clients may renegotiate: one of them can keep the broker busy with handshakes",
	       MT_DOCTOR_FINE, "renegotiation is refused");
	say_if(report, facts->has_secure_renegotiation, MT_DOCTOR_FINE, NULL, MT_DOCTOR_BAD,
	       "renegotiation is not bound to the connection (RFC 5746): clients of today refuse "
	       "such a server");
	say_if(report, facts->has_extended_master_secret, MT_DOCTOR_FINE, NULL, MT_DOCTOR_BETTER,
	       "no extended master secret in TLS 1.2: sessions can be made to look alike (RFC "
	       "7627)");
	say_if(report, facts->compresses, MT_DOCTOR_BAD,
	       "TLS compresses: its lengths betray what is encrypted (CRIME)", MT_DOCTOR_FINE,
	       NULL);
	say_if(report, facts->has_alpn, MT_DOCTOR_FINE, "ALPN chooses mqtt", MT_DOCTOR_BETTER,
	       "ALPN does not choose mqtt: a connection meant for another service with this "
	       "certificate goes unnoticed (RFC 9325, section 3.8)");
}

static void advise_client(struct mt_doctor_report *report)
{
	const struct mt_probe_facts *facts = &report->facts;
	if (facts->is_certificate_taken == MT_PROBE_NO)
		say(report, MT_DOCTOR_BAD, "the client certificate is not accepted: %s",
		    facts->certificate_refusal);
	else if (facts->client_certificate == MT_PROBE_REQUIRED &&
		 facts->is_certificate_taken == MT_PROBE_UNKNOWN)
		say(report, MT_DOCTOR_FINE,
		    "a client certificate is required; give --cert and --key to see the rest");
}

void mt_doctor_advise(struct mt_doctor_report *report)
{
	report->advice_count = 0;
	advise_versions(report);
	advise_suites(report);
	advise_chain(report);
	advise_staple(report);
	advise_client(report);
	advise_resumption(report);
	advise_protocol(report);
}
