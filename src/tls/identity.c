/* Our own certificate chains and keys, from PEM files, and which of them a client gets. */
#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* A chain goes out in every handshake and must fit into one flight. */
#define CHAIN_COUNT_MAX 8
#define CHAIN_BYTES_MAX (16 * 1024)
#define NAME_BYTES_MAX 255u

void mt_tls_own_finish(struct mt_tls_own *own)
{
	X509_free(own->certificate);
	EVP_PKEY_free(own->key);
	sk_X509_pop_free(own->chain, X509_free);
	free(own->staple);
	memset(own, 0, sizeof(*own));
}

/* The leaf, then those behind it. */
static bool keep_certificate(struct mt_tls_own *own, X509 *certificate)
{
	if (!own->certificate) {
		own->certificate = certificate;
		return true;
	}
	if (sk_X509_push(own->chain, certificate) > 0)
		return true;
	X509_free(certificate);
	return false;
}

/* Why the chain cannot be used, or NULL. */
static const char *read_chain(struct mt_tls_own *own, BIO *pem)
{
	int count = 0, bytes = 0;
	X509 *certificate;

	own->chain = sk_X509_new_null();
	if (!own->chain)
		return "no memory";
	while ((certificate = PEM_read_bio_X509(pem, NULL, mt_tls_pem_no_passphrase, NULL))) {
		bytes += i2d_X509(certificate, NULL);
		if (!keep_certificate(own, certificate))
			return "no memory";
		if (++count > CHAIN_COUNT_MAX || bytes > CHAIN_BYTES_MAX)
			return "the chain has more than 8 certificates or 16 KiB";
	}
	if (count == 0)
		return "no certificate in it";
	/* A clean end is reported as "no start line"; anything else is a damaged block. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return mt_tls_fault_reason();
	ERR_clear_error();
	return NULL;
}

static enum mt_status load_chain(struct mt_tls_own *own, const char *path, char *fault, size_t cap)
{
	const char *why;
	BIO *pem;

	MT_TRY(mt_tls_pem_read(path, false, &pem, fault, cap));
	ERR_clear_error();
	why = read_chain(own, pem);
	BIO_free(pem);
	if (!why)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot use the certificate %s: %s", path, why);
	return MT_INVALID;
}

static enum mt_status load_key(struct mt_tls_own *own, const char *path, char *fault, size_t cap)
{
	BIO *pem;

	MT_TRY(mt_tls_pem_read(path, true, &pem, fault, cap));
	ERR_clear_error();
	own->key = PEM_read_bio_PrivateKey(pem, NULL, mt_tls_pem_no_passphrase, NULL);
	BIO_free(pem);
	if (!own->key) {
		mt_tls_fault_say(fault, cap, "no private key without a passphrase in %s: %s", path,
				 mt_tls_fault_reason());
		return MT_INVALID;
	}
	if (X509_check_private_key(own->certificate, own->key) == 1)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "the key %s does not belong to the certificate: %s", path,
			 mt_tls_fault_reason());
	return MT_INVALID;
}

enum mt_status mt_tls_own_load(const char *certificate_path, const char *key_path,
			       struct mt_tls_own *out, char *fault, size_t cap)
{
	MT_TRY(load_chain(out, certificate_path, fault, cap));
	return load_key(out, key_path, fault, cap);
}

enum mt_status mt_tls_own_use(SSL_CTX *ctx, const struct mt_tls_own *own, const char *path,
			      char *fault, size_t cap)
{
	ERR_clear_error();
	if (SSL_CTX_use_cert_and_key(ctx, own->certificate, own->key, own->chain, 1) == 1)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot use the certificate %s: %s", path,
			 mt_tls_fault_reason());
	return MT_INVALID;
}

enum mt_status mt_tls_identity_load(SSL_CTX *ctx, const char *certificate_path,
				    const char *key_path, char *fault, size_t cap)
{
	struct mt_tls_own own = {0};
	enum mt_status status = mt_tls_own_load(certificate_path, key_path, &own, fault, cap);
	if (status == MT_OK)
		status = mt_tls_own_use(ctx, &own, certificate_path, fault, cap);
	mt_tls_own_finish(&own);
	return status;
}

/* ---- which one ---- */

/* The name that the client asks for, in lower case (RFC 6066 section 3); 0: none that is one. */
static size_t server_name(SSL *ssl, char out[NAME_BYTES_MAX + 1])
{
	const unsigned char *data;
	size_t len, name_len;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) != 1 || len < 5)
		return 0;
	name_len = (size_t)data[3] << 8 | data[4];
	/* One list of one host name; what else there may be, OpenSSL refuses itself. */
	if (data[2] != TLSEXT_NAMETYPE_host_name || name_len > len - 5 ||
	    name_len > NAME_BYTES_MAX || memchr(data + 5, '\0', name_len))
		return 0;
	for (size_t i = 0; i < name_len; i++)
		out[i] = (char)(data[5 + i] >= 'A' && data[5 + i] <= 'Z' ? data[5 + i] | 0x20
									 : data[5 + i]);
	out[name_len] = '\0';
	return name_len;
}

static bool serves(const struct mt_tls_own *own, const char *name, size_t len)
{
	return X509_check_host(own->certificate, name, len,
			       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
				       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
			       NULL) == 1;
}

static const struct mt_tls_own *find_own(const struct mt_tls_context *context, const char *name,
					 size_t len)
{
	/* Each look decodes the names of a certificate: 5 us. */
	for (uint32_t i = 0; len > 0 && context->own_count > 1 && i < context->own_count; i++)
		if (serves(&context->own[i], name, len))
			return &context->own[i];
	return &context->own[0];
}

/* Whatever a session proved, it proved to this scope: another one does not take it. */
static bool bind_to(const struct mt_tls_context *context, SSL *ssl, const char *name, size_t len)
{
	uint8_t text[sizeof(context->scope) + NAME_BYTES_MAX], digest[32];
	memcpy(text, context->scope, sizeof(context->scope));
	memcpy(text + sizeof(context->scope), name, len);
	return EVP_Digest(text, sizeof(context->scope) + len, digest, NULL, EVP_sha256(), NULL) ==
		       1 &&
	       SSL_set_session_id_context(ssl, digest, sizeof(digest)) == 1;
}

bool mt_tls_choose_own(struct mt_tls_context *context, SSL *ssl)
{
	char name[NAME_BYTES_MAX + 1];
	size_t len = server_name(ssl, name);
	const struct mt_tls_own *own = find_own(context, name, len);
	struct mt_tls_session *session = mt_tls_session_of(ssl);
	mt_tls_session_note_own(session, own);
	if ((context->cache || context->tickets) && !bind_to(context, ssl, name, len))
		return false;
	return own == &context->own[0] ||
	       SSL_use_cert_and_key(ssl, own->certificate, own->key, own->chain, 1) == 1;
}
