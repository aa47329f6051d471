/*
 * A pinned public key: whose SHA-256 (SPKI, RFC 7469 section 2.4) it is, must be in the server's
 * chain.
 *
 *   CAs given: the chain is verified by them, and must hold the key
 *   none given: the certificate with the key is trusted like a CA, and the chain verified up to it
 */
#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define PIN_TEXT_BYTES 44u

static X509 *find(const struct mt_tls_context *context, STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *certificate = sk_X509_value(chain, i);
		uint8_t found[MT_FINGERPRINT_BYTES];
		if (mt_tls_key_fingerprint(certificate, found) &&
		    memcmp(found, context->pin, sizeof(found)) == 0)
			return certificate;
	}
	return NULL;
}

/* The server's own chain holds what is trusted. */
static bool verify_alone(const struct mt_tls_context *context, X509_STORE_CTX *verified)
{
	X509 *pinned = find(context, X509_STORE_CTX_get0_untrusted(verified));
	STACK_OF(X509) *anchors = sk_X509_new_null();
	bool is_good = pinned && anchors && sk_X509_push(anchors, pinned) > 0;
	if (is_good) {
		X509_STORE_CTX_set0_trusted_stack(verified, anchors);
		X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(verified),
					    X509_V_FLAG_PARTIAL_CHAIN);
		is_good = X509_verify_cert(verified) == 1;
		X509_STORE_CTX_set0_trusted_stack(verified, NULL);
	} else {
		X509_STORE_CTX_set_error(verified, X509_V_ERR_CERT_UNTRUSTED);
	}
	sk_X509_free(anchors);
	return is_good;
}

static int verify_pinned(X509_STORE_CTX *verified, void *argument)
{
	const struct mt_tls_context *context = argument;
	if (context->is_pin_alone)
		return verify_alone(context, verified);
	if (X509_verify_cert(verified) != 1)
		return 0;
	if (find(context, X509_STORE_CTX_get0_chain(verified)))
		return 1;
	X509_STORE_CTX_set_error(verified, X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}

enum mt_status mt_tls_pin_set(struct mt_tls_context *context, const char *text, bool is_alone)
{
	unsigned char decoded[PIN_TEXT_BYTES / 4 * 3];
	size_t len = strlen(text);
	/* 32 bytes are 44 characters, the last one a padding. */
	if (len != PIN_TEXT_BYTES || text[len - 1] != '=' || text[len - 2] == '=' ||
	    EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)len) !=
		    (int)sizeof(decoded)) {
		ERR_clear_error();
		return MT_INVALID;
	}
	memcpy(context->pin, decoded, sizeof(context->pin));
	context->is_pin_alone = is_alone;
	SSL_CTX_set_cert_verify_callback(context->ctx, verify_pinned, context);
	return MT_OK;
}

void mt_tls_context_lend_pin(struct mt_tls_context *context, void *ssl_ctx)
{
	SSL_CTX_set_cert_verify_callback(ssl_ctx, verify_pinned, context);
}
