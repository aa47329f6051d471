/* OCSP responses for our own certificates, from a file, given to clients that ask (RFC 6066 section
 * 8). */
#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PRESENT_S 300 /* how far our clock may lag behind the responder's */

static int64_t unix_time(const ASN1_GENERALIZEDTIME *when)
{
	struct tm parts;
	return when && ASN1_TIME_to_tm(when, &parts) == 1 ? (int64_t)timegm(&parts) : -1;
}

/* It speaks of the certificate: by its serial, and its issuer where the chain shows it. */
static bool is_about(const OCSP_SINGLERESP *single, const struct mt_tls_own *own)
{
	const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
	ASN1_INTEGER *serial = NULL;
	X509 *issuer = sk_X509_num(own->chain) > 0 ? sk_X509_value(own->chain, 0) : NULL;
	OCSP_CERTID *ours;
	ASN1_OBJECT *hash = NULL;
	bool is_same;
	/* The library's argument has no const; it is only read. */
	OCSP_id_get0_info(NULL, &hash, NULL, &serial, (OCSP_CERTID *)(uintptr_t)id);
	if (!serial || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(own->certificate)) != 0)
		return false;
	if (!issuer)
		return true;
	ours = OCSP_cert_to_id(EVP_get_digestbyobj(hash), own->certificate, issuer);
	is_same = ours && OCSP_id_issuer_cmp(ours, id) == 0;
	OCSP_CERTID_free(ours);
	return is_same;
}

/* Why not, or NULL. */
static const char *check_single(OCSP_BASICRESP *basic, const struct mt_tls_own *own,
				int64_t *until_s)
{
	ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		int reason, status;
		if (!is_about(single, own))
			continue;
		status = OCSP_single_get0_status(single, &reason, NULL, &this_update, &next_update);
		if (status != V_OCSP_CERTSTATUS_GOOD)
			return status == V_OCSP_CERTSTATUS_REVOKED
				       ? "it says that the certificate is revoked"
				       : "it does not know the certificate";
		if (OCSP_check_validity(this_update, next_update, PRESENT_S, -1) != 1)
			return "it is out of date";
		*until_s = next_update ? unix_time(next_update) : INT64_MAX;
		return NULL;
	}
	return "it is about another certificate";
}

static const char *check(const uint8_t *data, size_t len, const struct mt_tls_own *own,
			 int64_t *until_s)
{
	const unsigned char *at = data;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);
	OCSP_BASICRESP *basic = NULL;
	const char *why = "it is no OCSP response in DER";
	if (response && OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		why = "the responder had no answer";
	else if (response)
		basic = OCSP_response_get1_basic(response);
	if (basic)
		why = check_single(basic, own, until_s);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return why;
}

enum mt_status mt_tls_staple_load(struct mt_tls_own *own, const char *path, char *fault, size_t cap)
{
	char *data = NULL;
	const char *why;
	BIO *file;
	long len;
	MT_TRY(mt_tls_pem_read(path, false, &file, fault, cap));
	len = BIO_get_mem_data(file, &data);
	why = check((const uint8_t *)data, len > 0 ? (size_t)len : 0, own, &own->staple_until_s);
	if (!why) {
		own->staple = malloc((size_t)len);
		own->staple_bytes = own->staple ? (size_t)len : 0;
		if (own->staple)
			memcpy(own->staple, data, (size_t)len);
		else
			why = "no memory";
	}
	BIO_free(file);
	if (!why)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot staple %s: %s", path, why);
	return MT_INVALID;
}

/* None is better than one of yesterday, which a client would refuse. */
static int staple(SSL *ssl, void *unused)
{
	const struct mt_tls_own *own = mt_tls_session_own(mt_tls_session_of(ssl));
	unsigned char *copy;
	(void)unused;
	if (!own || !own->staple || own->staple_until_s < (int64_t)time(NULL))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(own->staple, own->staple_bytes);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)own->staple_bytes);
	return SSL_TLSEXT_ERR_OK;
}

bool mt_tls_staple_offer(SSL_CTX *ctx)
{
	return SSL_CTX_set_tlsext_status_cb(ctx, staple) == 1;
}
