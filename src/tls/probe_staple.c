/* The OCSP response that a server staples to its certificate (RFC 6066, section 8). */
#include "tls/parts.h"
#include "tls/probe_parts.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <time.h>

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *time)
{
	struct tm parts;
	return time && ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

/* It speaks of our certificate, by the digest that it chose itself. */
static bool is_about(const OCSP_CERTID *id, X509 *leaf, X509 *issuer)
{
	ASN1_OBJECT *digest = NULL;
	OCSP_CERTID *ours;
	bool is_equal;
	/* The argument has no const; it is only read. */
	if (OCSP_id_get0_info(NULL, &digest, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id) != 1)
		return false;
	ours = OCSP_cert_to_id(EVP_get_digestbyobj(digest), leaf, issuer);
	is_equal = ours && OCSP_id_cmp(ours, id) == 0;
	OCSP_CERTID_free(ours);
	return is_equal;
}

static OCSP_SINGLERESP *find(OCSP_BASICRESP *response, X509 *leaf, X509 *issuer)
{
	for (int i = 0; i < OCSP_resp_count(response); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(response, i);
		if (is_about(OCSP_SINGLERESP_get0_id(single), leaf, issuer))
			return single;
	}
	return NULL;
}

/* The issuer, sent along or among the CAs; NULL: unknown. To be freed. */
static X509 *issuer_of(const struct mt_probe *probe, X509 *leaf)
{
	X509_STORE_CTX *search = X509_STORE_CTX_new();
	X509_STORE *store = SSL_CTX_get_cert_store(probe->trust->ctx);
	X509 *found = NULL;
	for (int i = 1; i < sk_X509_num(probe->chain) && !found; i++)
		if (X509_check_issued(sk_X509_value(probe->chain, i), leaf) == X509_V_OK)
			found = sk_X509_value(probe->chain, i);
	if (found)
		X509_up_ref(found);
	else if (search && X509_STORE_CTX_init(search, store, leaf, NULL) == 1 &&
		 X509_STORE_CTX_get1_issuer(&found, search, leaf) != 1)
		found = NULL;
	X509_STORE_CTX_free(search);
	return found;
}

static void read_single(const struct mt_probe *probe, OCSP_SINGLERESP *single,
			struct mt_probe_staple *out)
{
	ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
	int status = OCSP_single_get0_status(single, NULL, NULL, &this_update, &next_update);
	snprintf(out->status, sizeof(out->status), "%s", OCSP_cert_status_str(status));
	out->this_update_s = seconds_of(this_update);
	out->next_update_s = seconds_of(next_update);
	if (out->next_update_s != 0 && out->next_update_s < probe->settings->now_s)
		snprintf(out->fault, sizeof(out->fault), "it has expired");
}

static void judge(struct mt_probe *probe, OCSP_BASICRESP *response, struct mt_probe_staple *out)
{
	X509 *leaf = sk_X509_value(probe->chain, 0), *issuer = issuer_of(probe, leaf);
	OCSP_SINGLERESP *single = issuer ? find(response, leaf, issuer) : NULL;
	X509_STORE *store = SSL_CTX_get_cert_store(probe->trust->ctx);
	bool is_trusted = OCSP_basic_verify(response, probe->chain, store, 0) == 1;
	out->is_trusted = is_trusted ? MT_PROBE_YES : MT_PROBE_NO;
	if (!is_trusted)
		mt_tls_fault_say(out->fault, sizeof(out->fault), "its signature does not hold: %s",
				 mt_tls_fault_reason());
	if (single)
		read_single(probe, single, out);
	else
		snprintf(out->fault, sizeof(out->fault), "it is about another certificate");
	X509_free(issuer);
}

void mt_probe_staple_judge(struct mt_probe *probe, const uint8_t *der, long len)
{
	struct mt_probe_staple *out = &probe->facts->staple;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;
	int status;
	out->is_sent = der && len > 0 ? MT_PROBE_YES : MT_PROBE_NO;
	if (out->is_sent == MT_PROBE_NO || !probe->chain)
		return;
	ERR_clear_error();
	response = d2i_OCSP_RESPONSE(NULL, &der, len);
	status = response ? OCSP_response_status(response) : OCSP_RESPONSE_STATUS_INTERNALERROR;
	basic = response ? OCSP_response_get1_basic(response) : NULL;
	if (basic)
		judge(probe, basic, out);
	else
		snprintf(out->fault, sizeof(out->fault), "it says nothing: %s",
			 response ? OCSP_response_status_str(status) : "it is damaged");
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
}
