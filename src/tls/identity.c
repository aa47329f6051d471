/* Our own certificate chain and key, from PEM files into a context. */
#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>

/* A chain goes out in every handshake and must fit into one flight. */
#define CHAIN_COUNT_MAX 8
#define CHAIN_BYTES_MAX (16 * 1024)

static bool use_certificate(SSL_CTX *ctx, X509 *certificate, int index)
{
	if (index == 0)
		return SSL_CTX_use_certificate(ctx, certificate) == 1;
	return SSL_CTX_add1_chain_cert(ctx, certificate) == 1;
}

/* Why the chain cannot be used, or NULL. */
static const char *use_chain(SSL_CTX *ctx, BIO *pem)
{
	int count = 0, bytes = 0;

	for (;;) {
		X509 *certificate = PEM_read_bio_X509(pem, NULL, mt_tls_pem_no_passphrase, NULL);
		bool is_used;
		if (!certificate)
			break;
		bytes += i2d_X509(certificate, NULL);
		is_used = count < CHAIN_COUNT_MAX && bytes <= CHAIN_BYTES_MAX &&
			  use_certificate(ctx, certificate, count);
		X509_free(certificate);
		if (count++ >= CHAIN_COUNT_MAX || bytes > CHAIN_BYTES_MAX)
			return "the chain has more than 8 certificates or 16 KiB";
		if (!is_used)
			return mt_tls_fault_reason();
	}
	if (count == 0)
		return "no certificate in it";
	/* A clean end is reported as "no start line"; anything else is a damaged block. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return mt_tls_fault_reason();
	ERR_clear_error();
	return NULL;
}

static enum mt_status load_chain(SSL_CTX *ctx, const char *path, char *fault, size_t cap)
{
	const char *why;
	BIO *pem;

	MT_TRY(mt_tls_pem_read(path, false, &pem, fault, cap));
	ERR_clear_error();
	why = use_chain(ctx, pem);
	BIO_free(pem);
	if (!why)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot use the certificate %s: %s", path, why);
	return MT_INVALID;
}

static enum mt_status load_key(SSL_CTX *ctx, const char *path, char *fault, size_t cap)
{
	bool is_used;
	EVP_PKEY *key;
	BIO *pem;

	MT_TRY(mt_tls_pem_read(path, true, &pem, fault, cap));
	ERR_clear_error();
	key = PEM_read_bio_PrivateKey(pem, NULL, mt_tls_pem_no_passphrase, NULL);
	BIO_free(pem);
	if (!key) {
		mt_tls_fault_say(fault, cap, "no private key without a passphrase in %s: %s", path,
				 mt_tls_fault_reason());
		return MT_INVALID;
	}
	is_used = SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	if (is_used && SSL_CTX_check_private_key(ctx) == 1)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "the key %s does not belong to the certificate: %s", path,
			 mt_tls_fault_reason());
	return MT_INVALID;
}

enum mt_status mt_tls_identity_load(SSL_CTX *ctx, const char *certificate_path,
				    const char *key_path, char *fault, size_t cap)
{
	MT_TRY(load_chain(ctx, certificate_path, fault, cap));
	return load_key(ctx, key_path, fault, cap);
}
