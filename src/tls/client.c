/* The client's side: whom it trusts, and the name that the server's certificate must bear. */
#include "tls/parts.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define HOST_BYTES_MAX 253

/* What a session that is kept in a file was made under: hash(former | what). */
static bool bind_to(SSL_CTX *ctx, const void *what, size_t len)
{
	struct mt_tls_context *context = SSL_CTX_get_app_data(ctx);
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool is_bound =
		hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
		EVP_DigestUpdate(hash, context->scope, sizeof(context->scope)) == 1 &&
		EVP_DigestUpdate(hash, what, len) == 1 &&
		EVP_DigestFinal_ex(hash, context->scope, NULL) == 1 &&
		SSL_CTX_set_session_id_context(ctx, context->scope, sizeof(context->scope)) == 1;
	EVP_MD_CTX_free(hash);
	return is_bound;
}

static bool bind_to_certificate(SSL_CTX *ctx)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	X509 *own = SSL_CTX_get0_certificate(ctx);
	return own && X509_digest(own, EVP_sha256(), digest, &len) == 1 &&
	       bind_to(ctx, digest, len);
}

static enum mt_status trust_pem(SSL_CTX *ctx, BIO *pem, const char *name, char *fault, size_t cap)
{
	const char *why = "no memory";
	char *text = NULL;
	long len = pem ? BIO_get_mem_data(pem, &text) : 0;
	bool is_trusted;

	ERR_clear_error();
	is_trusted = pem && bind_to(ctx, text, (size_t)len) && mt_tls_trust_pem(ctx, pem, &why);
	BIO_free(pem);
	if (is_trusted)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot use the CA %s: %s", name, why);
	return MT_INVALID;
}

static enum mt_status load_trust(SSL_CTX *ctx, const struct mt_tls_client_settings *settings,
				 char *fault, size_t cap)
{
	BIO *pem;

	if (settings->ca_path) {
		MT_TRY(mt_tls_pem_read(settings->ca_path, false, &pem, fault, cap));
		return trust_pem(ctx, pem, settings->ca_path, fault, cap);
	}
	if (settings->ca_pem.len > 0) {
		if (settings->ca_pem.len > INT32_MAX) {
			mt_tls_fault_say(fault, cap, "the CA of the profile is too large");
			return MT_LIMIT;
		}
		pem = BIO_new_mem_buf(settings->ca_pem.data, (int)settings->ca_pem.len);
		return trust_pem(ctx, pem, "of the profile", fault, cap);
	}
	if (SSL_CTX_set_default_verify_paths(ctx) == 1 && bind_to(ctx, "system", 6))
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot load the system's CA certificates: %s",
			 mt_tls_fault_reason());
	return MT_TLS;
}

static enum mt_status pin(SSL_CTX *ctx, const struct mt_tls_client_settings *settings, char *fault,
			  size_t cap)
{
	bool is_alone = !settings->ca_path && settings->ca_pem.len == 0;
	if (mt_tls_pin_set(SSL_CTX_get_app_data(ctx), settings->pin, is_alone) != MT_OK) {
		mt_tls_fault_say(fault, cap,
				 "the pin is none: expected 44 characters of base64, as `mortise "
				 "cert show server` has it");
		return MT_INVALID;
	}
	if (bind_to(ctx, settings->pin, strlen(settings->pin)))
		return MT_OK;
	mt_tls_fault_say(fault, cap, "no memory for TLS");
	return MT_MEMORY;
}

static enum mt_status load(SSL_CTX *ctx, const struct mt_tls_client_settings *settings, char *fault,
			   size_t cap)
{
	static const uint8_t offer[] = {4, 'm', 'q', 't', 't'};

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	mt_tls_client_remember(ctx);
	/* Zero is success here, unlike everywhere else in the library. */
	if (SSL_CTX_set_alpn_protos(ctx, offer, sizeof(offer)) != 0) {
		mt_tls_fault_say(fault, cap, "no memory for TLS");
		return MT_MEMORY;
	}
	MT_TRY(load_trust(ctx, settings, fault, cap));
	if (settings->pin)
		MT_TRY(pin(ctx, settings, fault, cap));
	if (!settings->certificate_path)
		return MT_OK;
	if (!settings->key_path) {
		mt_tls_fault_say(fault, cap, "the certificate %s needs its key",
				 settings->certificate_path);
		return MT_INVALID;
	}
	MT_TRY(mt_tls_identity_load(ctx, settings->certificate_path, settings->key_path, fault,
				    cap));
	if (bind_to_certificate(ctx))
		return MT_OK;
	mt_tls_fault_say(fault, cap, "no memory for TLS");
	return MT_MEMORY;
}

enum mt_status mt_tls_context_create_client(const struct mt_tls_client_settings *settings,
					    struct mt_tls_context **out, char *fault, size_t cap)
{
	struct mt_tls_context *context;

	MT_TRY(mt_tls_context_create(TLS_client_method(), &context, fault, cap));
	return mt_tls_context_conclude(context, load(context->ctx, settings, fault, cap), out);
}

static bool is_address(const char *host)
{
	uint8_t parsed[16];

	return inet_pton(AF_INET, host, parsed) == 1 || inet_pton(AF_INET6, host, parsed) == 1;
}

/* "broker.example." is asked of DNS; certificates and SNI bear no last dot. */
static bool copy_name(const char *host, char out[HOST_BYTES_MAX + 1])
{
	size_t len = strlen(host);

	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len == 0 || len > HOST_BYTES_MAX)
		return false;
	memcpy(out, host, len);
	out[len] = '\0';
	return true;
}

static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char name[HOST_BYTES_MAX + 1];

	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
	if (!copy_name(host, name))
		return false;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
						       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
	       SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct mt_tls_session *mt_tls_session_create_client(struct mt_tls_context *context,
						    const char *host)
{
	struct mt_tls_session *session = mt_tls_session_create(context);

	if (session && (!expect_host(mt_tls_session_ssl(session), host) ||
			!mt_tls_session_set_host(session, host))) {
		ERR_clear_error();
		mt_tls_session_destroy(&session);
	}
	if (!session)
		return NULL;
	SSL_set_connect_state(mt_tls_session_ssl(session));
	mt_tls_client_go_on(context, mt_tls_session_ssl(session), host);
	return session;
}
