/* The examination of a TLS server: its order, and what takes one connection to find out. */
#include "tls/probe.h"

#include "tls/parts.h"
#include "tls/probe_parts.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdlib.h>

#define CHAIN_BYTES_MAX (64 * 1024) /* of a server whose chain is examined, whatever it is */

static bool set_name(struct mt_probe *probe, const char *name)
{
	size_t len = strlen(name);
	uint8_t parsed[16];
	/* "broker.example." is asked of DNS; certificates and SNI bear no last dot. */
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len >= sizeof(probe->name))
		return false;
	mt_bytes_cut(probe->name, len + 1, mt_bytes_of(name, len));
	probe->is_address = inet_pton(AF_INET, probe->name, parsed) == 1 ||
			    inet_pton(AF_INET6, probe->name, parsed) == 1;
	return true;
}

/* A client that believes everything, for it tells nothing: what it finds is judged afterwards. */
static SSL_CTX *make_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
	return ctx;
}

/* With the certificate that the trust's context has loaded. */
static bool identify(struct mt_probe *probe)
{
	SSL_CTX *from = probe->trust->ctx;
	STACK_OF(X509) *chain = NULL;
	X509 *own = SSL_CTX_get0_certificate(from);
	if (!own)
		return true;
	SSL_CTX_get0_chain_certs(from, &chain);
	probe->identified = make_context();
	return probe->identified &&
	       SSL_CTX_use_cert_and_key(probe->identified, own, SSL_CTX_get0_privatekey(from),
					chain, 1) == 1;
}

static enum mt_status prepare(struct mt_probe *probe, char *fault, size_t cap)
{
	if (!set_name(probe, probe->settings->name)) {
		mt_tls_fault_say(fault, cap, "a host has 1 to 253 characters");
		return MT_LIMIT;
	}
	MT_TRY(mt_tls_context_create_client(&probe->settings->trust, &probe->trust, fault, cap));
	probe->anonymous = make_context();
	if (probe->anonymous && identify(probe))
		return MT_OK;
	mt_tls_fault_say(fault, cap, "the TLS library cannot do what is needed: %s",
			 mt_tls_fault_reason());
	return MT_TLS;
}

static void finish(struct mt_probe *probe)
{
	sk_X509_pop_free(probe->chain, X509_free);
	SSL_CTX_free(probe->anonymous);
	SSL_CTX_free(probe->identified);
	mt_tls_context_destroy(&probe->trust);
	ERR_clear_error();
}

/* Nothing that we know, and no TLS. */
static enum mt_status say_unknown(const struct mt_probe_link *link, char *fault, size_t cap)
{
	if (link->end == MT_PROBE_SILENT) {
		mt_tls_fault_say(fault, cap, "%s",
				 link->wire.first_count > 0
					 ? "its answer does not come to an end in time"
					 : "it takes the connection and says nothing");
		return MT_TIMEOUT;
	}
	if (link->end == MT_PROBE_CLOSED)
		mt_tls_fault_say(fault, cap, "it closes the connection when TLS is offered");
	else if (link->end == MT_PROBE_BROKEN)
		mt_tls_fault_say(fault, cap, "its answer is no proper TLS: %s", link->fault);
	else
		mt_tls_fault_say(fault, cap, "what it answers is not TLS");
	return MT_VIOLATION;
}

static enum mt_status conclude_contact(struct mt_probe *probe, struct mt_probe_link *link,
				       char *fault, size_t cap)
{
	const char *name;
	if (link->has_hello || link->end == MT_PROBE_REFUSED)
		return MT_OK;
	if (link->end == MT_PROBE_UNREACHED) {
		mt_tls_fault_say(fault, cap, "%s", link->fault);
		return MT_UNREACHABLE;
	}
	mt_probe_wire_close(&link->wire);
	name = link->end == MT_PROBE_BROKEN ? NULL : mt_probe_plain(probe, link);
	if (!name)
		return say_unknown(link, fault, cap);
	mt_tls_fault_say(fault, cap, "it speaks %s, not TLS", name);
	return MT_VIOLATION;
}

/* Does it speak TLS at all? One that refuses our ALPN is asked again without. */
static enum mt_status contact(struct mt_probe *probe, char *fault, size_t cap)
{
	struct mt_probe_link link;
	enum mt_status status;
	probe->offers_alpn = true;
	mt_probe_link_once(probe, &mt_probe_anything, &link);
	if (link.alert == SSL_AD_NO_APPLICATION_PROTOCOL) {
		mt_probe_link_free(&link);
		probe->offers_alpn = false;
		probe->facts->has_alpn = MT_PROBE_NO;
		mt_probe_link_once(probe, &mt_probe_anything, &link);
	}
	status = conclude_contact(probe, &link, fault, cap);
	mt_probe_link_free(&link);
	return status;
}

static enum mt_probe_answer answer_of(bool is_true)
{
	return is_true ? MT_PROBE_YES : MT_PROBE_NO;
}

static void note_extensions(struct mt_probe_facts *facts, const struct mt_probe_link *link)
{
	const unsigned char *protocol = NULL;
	unsigned len = 0;
	SSL_get0_alpn_selected(link->ssl, &protocol, &len);
	facts->has_alpn =
		answer_of(mt_bytes_equal(mt_bytes_of(protocol, len), mt_bytes_str("mqtt")));
	if (link->hello.version != TLS1_2_VERSION)
		return;
	facts->has_extended_master_secret = answer_of(link->hello.has_master_secret);
	facts->has_secure_renegotiation = answer_of(link->hello.has_renegotiation);
}

/* In TLS 1.3 the refusal is an alert that comes when we hold that all is well. */
static enum mt_probe_demand demand_of(const struct mt_probe_link *link)
{
	if (!link->is_demanding)
		return link->is_open ? MT_PROBE_NOT_ASKED : MT_PROBE_DEMAND_UNKNOWN;
	if (link->end == MT_PROBE_OPENED)
		return MT_PROBE_OPTIONAL;
	return link->end == MT_PROBE_REFUSED || link->end == MT_PROBE_CLOSED
		       ? MT_PROBE_REQUIRED
		       : MT_PROBE_DEMAND_UNKNOWN;
}

static struct mt_probe_how as_our_clients(int version)
{
	return (struct mt_probe_how){.least = version, .most = version, .level = 2};
}

/* As our own clients come, but without a certificate. */
static void come_as_stranger(struct mt_probe *probe, int version)
{
	struct mt_probe_facts *facts = probe->facts;
	struct mt_probe_how how = as_our_clients(version);
	struct mt_probe_link link;
	const uint8_t *staple = NULL;
	enum mt_probe_demand demand;
	long len;
	how.is_stapling = true;
	mt_probe_link_try(probe, &how, &link);
	demand = demand_of(&link);
	if (demand != MT_PROBE_DEMAND_UNKNOWN)
		facts->client_certificate = demand;
	if (!link.is_open && !link.is_demanding && link.end != MT_PROBE_UNREACHED)
		mt_bytes_cut(facts->refusal, sizeof(facts->refusal), mt_bytes_str(link.fault));
	if (link.has_hello) {
		note_extensions(facts, &link);
		len = SSL_get_tlsext_status_ocsp_resp(link.ssl, &staple);
		if (facts->staple.is_sent != MT_PROBE_YES)
			mt_probe_staple_judge(probe, staple, len);
	}
	mt_probe_link_free(&link);
}

static void show_certificate(struct mt_probe *probe, int version)
{
	struct mt_probe_facts *facts = probe->facts;
	struct mt_probe_how how = as_our_clients(version);
	struct mt_probe_link link;
	if (!probe->identified)
		return;
	how.is_identified = true;
	mt_probe_link_try(probe, &how, &link);
	if (link.end == MT_PROBE_OPENED && link.is_demanding)
		facts->is_certificate_taken = MT_PROBE_YES;
	if (link.end == MT_PROBE_REFUSED || link.end == MT_PROBE_CLOSED) {
		facts->is_certificate_taken = MT_PROBE_NO;
		mt_bytes_cut(facts->certificate_refusal, sizeof(facts->certificate_refusal),
			     mt_bytes_str(link.fault));
	}
	mt_probe_link_free(&link);
}

static void come_in(struct mt_probe *probe)
{
	for (int i = MT_PROBE_TLS_12; i <= MT_PROBE_TLS_13; i++) {
		int version = i == MT_PROBE_TLS_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
		if (probe->facts->versions[i] != MT_PROBE_YES)
			continue;
		come_as_stranger(probe, version);
		show_certificate(probe, version);
	}
}

static void try_renegotiation(struct mt_probe *probe)
{
	struct mt_probe_how how = as_our_clients(TLS1_2_VERSION);
	struct mt_probe_link link;
	if (probe->facts->versions[MT_PROBE_TLS_12] != MT_PROBE_YES)
		return;
	how.is_identified = true;
	how.is_renegotiating = true;
	mt_probe_link_try(probe, &how, &link);
	if (link.is_open)
		probe->facts->renegotiates = answer_of(link.hellos > 1);
	mt_probe_link_free(&link);
}

/* Only suites of pre-shared keys: their version is accepted all the same, and what TLS 1.3 would do
 * with a key that is known cannot be tried. */
static void note_psk_alone(struct mt_probe_facts *facts)
{
	if (facts->has_psk != MT_PROBE_YES)
		return;
	for (int i = 0; i < MT_PROBE_VERSIONS; i++)
		if (facts->versions[i] == MT_PROBE_YES)
			return;
	facts->versions[MT_PROBE_TLS_12] = MT_PROBE_YES;
	facts->versions[MT_PROBE_TLS_13] = MT_PROBE_UNKNOWN;
}

static void examine(struct mt_probe *probe)
{
	mt_probe_versions(probe);
	mt_probe_suites_of(probe);
	mt_probe_chain_judge(probe);
	mt_probe_groups_of(probe);
	come_in(probe);
	mt_probe_resumptions(probe);
	try_renegotiation(probe);
	note_psk_alone(probe->facts);
}

enum mt_status mt_probe_run(const struct mt_probe_settings *settings, struct mt_probe_facts *out,
			    char *fault, size_t cap)
{
	struct mt_probe_facts *facts = calloc(1, sizeof(*facts));
	struct mt_probe probe = {.settings = settings, .facts = facts};
	enum mt_status status;
	MT_CHECK(settings->timeout_ms > 0);
	if (!facts) {
		mt_tls_fault_say(fault, cap, "no memory for TLS");
		return MT_MEMORY;
	}
	status = prepare(&probe, fault, cap);
	if (status == MT_OK)
		status = contact(&probe, fault, cap);
	if (status == MT_OK) {
		examine(&probe);
		*out = *facts;
	}
	finish(&probe);
	free(facts);
	return status;
}
