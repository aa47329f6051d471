/*
 * How the clients of a listener resume: what OpenSSL asks us, and what we count.
 *
 *   ClientHello -> choose: ids or tickets for this one -> get_session (ids) / ticket key (tickets)
 * -> full, or resumed
 */
#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

/* An id of ours; a stateless ticket is longer. */
#define ID_BYTES SSL_MAX_SSL_SESSION_ID_LENGTH

static struct mt_tls_context *context_of(SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* Of a stateless session of TLS 1.3 OpenSSL tells as well: the client alone holds it. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct mt_tls_context *context = context_of(ssl);
	if (SSL_version(ssl) == TLS1_3_VERSION && !(SSL_get_options(ssl) & SSL_OP_NO_TICKET))
		return 0;
	return mt_tls_cache_put(context->cache, session) ? 1 : 0;
}

/*
 * TLS 1.3 makes a new session of each resumption, with an age of its own. What it goes back to, the
 * handshake in full, is noted in each one, and handed on by OpenSSL from session to session.
 */
static int note_proof(SSL *ssl, void *unused)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	int64_t proved_s = (int64_t)time(NULL);
	void *data = NULL;
	size_t len = 0;
	(void)unused;
	if (SSL_SESSION_get0_ticket_appdata(session, &data, &len) == 1 && len > 0)
		return 1;
	return SSL_SESSION_set1_ticket_appdata(session, &proved_s, sizeof(proved_s));
}

/* In TLS 1.2 a session keeps its own time; by id nothing is noted in it. */
static bool is_too_old(SSL *ssl, SSL_SESSION *session)
{
	int64_t proved_s = SSL_SESSION_get_time(session), age_s;
	void *data = NULL;
	size_t len = 0;
	if (SSL_SESSION_get0_ticket_appdata(session, &data, &len) == 1 && len == sizeof(proved_s))
		memcpy(&proved_s, data, sizeof(proved_s));
	age_s = (int64_t)time(NULL) - proved_s;
	return age_s < 0 || age_s > SSL_CTX_get_timeout(SSL_get_SSL_CTX(ssl));
}

static SSL_SESSION *find_session(SSL *ssl, const unsigned char *id, int len, int *is_copied)
{
	struct mt_tls_context *context = context_of(ssl);
	SSL_SESSION *session = mt_tls_cache_find(context->cache, mt_bytes_of(id, (size_t)len));
	struct mt_tls_session *own = SSL_get_app_data(ssl);
	*is_copied = 0; /* the reference is OpenSSL's from here on */
	if (session && is_too_old(ssl, session)) {
		mt_tls_cache_remove(context->cache, mt_bytes_of(id, (size_t)len));
		SSL_SESSION_free(session);
		mt_tls_context_count(context, MT_TLS_TOO_OLD);
		return NULL;
	}
	if (session)
		mt_tls_session_note_id(own);
	else if (SSL_version(ssl) == TLS1_3_VERSION || !mt_tls_session_may_invent_id(own))
		mt_tls_context_count(context, MT_TLS_UNKNOWN_ID);
	return session;
}

static int protect_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
			  EVP_MAC_CTX *mac, int is_encrypting)
{
	return mt_tls_tickets_protect(context_of(ssl)->tickets, name, iv, cipher, mac,
				      is_encrypting != 0);
}

/* In TLS 1.3 a ticket is used once: without a new one every other reconnect would be in full. */
static SSL_TICKET_RETURN judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				      size_t name_len, SSL_TICKET_STATUS status, void *unused)
{
	(void)name;
	(void)name_len;
	(void)unused;
	if ((status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW) &&
	    is_too_old(ssl, session)) {
		mt_tls_context_count(context_of(ssl), MT_TLS_TOO_OLD);
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
	switch (status) {
	case SSL_TICKET_SUCCESS:
		return SSL_version(ssl) == TLS1_3_VERSION ? SSL_TICKET_RETURN_USE_RENEW
							  : SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	case SSL_TICKET_NO_DECRYPT:
		mt_tls_context_count(context_of(ssl), MT_TLS_UNKNOWN_TICKET);
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	default:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
}

/* Bytes of the first identity of pre_shared_key (RFC 8446 section 4.2.11); 0: none. */
static size_t first_identity(SSL *ssl)
{
	const unsigned char *data;
	size_t len;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &data, &len) != 1 || len < 4)
		return 0;
	return (size_t)data[2] << 8 | data[3];
}

/* With both ways: who comes with an id of ours gets an id again, all others a ticket. */
static int choose_way(SSL *ssl, int *alert, void *unused)
{
	struct mt_tls_context *context = context_of(ssl);
	const unsigned char *data;
	size_t len;
	(void)alert;
	(void)unused;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &data, &len) == 1)
		mt_tls_session_note_invention(SSL_get_app_data(ssl));
	if (!context->cache || !context->tickets)
		return SSL_CLIENT_HELLO_SUCCESS;
	if (first_identity(ssl) == ID_BYTES)
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* Whatever a session proved, it proved to this scope: another one does not take it. */
static bool bind_to(SSL_CTX *ctx, const char *scope)
{
	uint8_t digest[32];
	return EVP_Digest(scope, strlen(scope), digest, NULL, EVP_sha256(), NULL) == 1 &&
	       SSL_CTX_set_session_id_context(ctx, digest, sizeof(digest)) == 1;
}

enum mt_status mt_tls_context_resume(struct mt_tls_context *context,
				     const struct mt_tls_resumption *how)
{
	SSL_CTX *ctx = context->ctx;
	context->cache = how->cache;
	context->tickets = how->tickets;
	if (!how->cache && !how->tickets)
		return MT_OK;
	if (!bind_to(ctx, how->scope) || SSL_CTX_set_num_tickets(ctx, 1) != 1) {
		ERR_clear_error();
		return MT_TLS;
	}
	SSL_CTX_set_timeout(ctx, (long)how->age_s);
	SSL_CTX_set_client_hello_cb(ctx, choose_way, NULL);
	if (how->cache) {
		SSL_CTX_set_session_cache_mode(ctx,
					       SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
		SSL_CTX_sess_set_get_cb(ctx, find_session);
	}
	if (how->tickets) {
		SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, protect_ticket);
	}
	SSL_CTX_set_session_ticket_cb(ctx, note_proof, how->tickets ? judge_ticket : NULL, NULL);
	return MT_OK;
}
