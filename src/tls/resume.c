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
	struct mt_tls_note note = {.proved_s = (int64_t)time(NULL)};
	void *data = NULL;
	size_t len = 0;
	(void)unused;
	if (SSL_SESSION_get0_ticket_appdata(session, &data, &len) == 1 && len > 0)
		return 1;
	return mt_tls_note_put(session, &note);
}

/* MT_TLS_FULL: nothing is wrong with it. In TLS 1.2 a session keeps its own time. */
static enum mt_tls_outcome judge(SSL *ssl, SSL_SESSION *session)
{
	int64_t age_s = (int64_t)time(NULL) - mt_tls_note_of(session).proved_s;
	if (age_s < 0 || age_s > SSL_CTX_get_timeout(SSL_get_SSL_CTX(ssl)))
		return MT_TLS_TOO_OLD;
	return mt_tls_peer_is_void(context_of(ssl), session) ? MT_TLS_VOID : MT_TLS_FULL;
}

static SSL_SESSION *find_session(SSL *ssl, const unsigned char *id, int len, int *is_copied)
{
	struct mt_tls_context *context = context_of(ssl);
	SSL_SESSION *session = mt_tls_cache_find(context->cache, mt_bytes_of(id, (size_t)len));
	struct mt_tls_session *own = mt_tls_session_of(ssl);
	enum mt_tls_outcome wrong = session ? judge(ssl, session) : MT_TLS_FULL;
	*is_copied = 0; /* the reference is OpenSSL's from here on */
	if (wrong != MT_TLS_FULL) {
		mt_tls_cache_remove(context->cache, mt_bytes_of(id, (size_t)len));
		SSL_SESSION_free(session);
		mt_tls_context_count(context, wrong);
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
	enum mt_tls_outcome wrong = MT_TLS_FULL;
	(void)name;
	(void)name_len;
	(void)unused;
	if (status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW)
		wrong = judge(ssl, session);
	if (wrong != MT_TLS_FULL) {
		mt_tls_context_count(context_of(ssl), wrong);
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

/* The first identity of pre_shared_key (RFC 8446 section 4.2.11); empty: none. */
static struct mt_bytes first_identity(SSL *ssl)
{
	const unsigned char *data;
	size_t len, identity_len;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &data, &len) != 1 || len < 4)
		return mt_bytes_of(NULL, 0);
	identity_len = (size_t)data[2] << 8 | data[3];
	return mt_bytes_of(data + 4, identity_len <= len - 4 ? identity_len : 0);
}

static bool knows(const struct mt_tls_context *context, struct mt_bytes session)
{
	if (session.len == ID_BYTES)
		return context->cache && mt_tls_cache_has(context->cache, session);
	return context->tickets && mt_tls_tickets_know(context->tickets, session);
}

static bool is_key(struct mt_tls_context *context, struct mt_bytes identity)
{
	struct mt_book *book = context->has_psk ? mt_tls_context_book(context) : NULL;
	struct mt_bytes key;
	bool is_known = book && mt_book_psk(book, identity, &key) != 0;
	mt_book_unref(&book);
	return is_known;
}

/* It brings a session of ours, as far as that shows before anything is opened; a pre-shared key is
 * as cheap. */
static bool comes_back(struct mt_tls_context *context, SSL *ssl)
{
	struct mt_bytes identity = first_identity(ssl);
	const unsigned char *data;
	size_t len;
	if (identity.len > 0)
		return knows(context, identity) || is_key(context, identity);
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &data, &len) == 1 && len > 0)
		return knows(context, mt_bytes_of(data, len));
	len = SSL_client_hello_get0_session_id(ssl, &data);
	return len > 0 && knows(context, mt_bytes_of(data, len));
}

/*
 * With both ways: who comes with an id of ours gets an id again, all others a ticket. But where a
 * certificate is required every session holds one, and a ticket would be a dear way to carry it.
 */
static void choose_way(struct mt_tls_context *context, SSL *ssl)
{
	if (!context->cache || !context->tickets)
		return;
	if (context->demand == MT_TLS_DEMAND_REQUIRED || first_identity(ssl).len == ID_BYTES)
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
}

static int meet_client(SSL *ssl, int *alert, void *unused)
{
	struct mt_tls_context *context = context_of(ssl);
	const unsigned char *data;
	size_t len;
	(void)unused;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &data, &len) == 1)
		mt_tls_session_note_invention(mt_tls_session_of(ssl));
	if (!comes_back(context, ssl) && !mt_tls_session_may_begin(mt_tls_session_of(ssl)))
		return SSL_CLIENT_HELLO_RETRY;
	if (!mt_tls_choose_own(context, ssl)) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	choose_way(context, ssl);
	return SSL_CLIENT_HELLO_SUCCESS;
}

void mt_tls_meet_clients(SSL_CTX *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx, meet_client, NULL);
}

/* The client's name for us is added in each connection. */
static bool make_scope(struct mt_tls_context *context, const char *scope)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint8_t demand = (uint8_t)context->demand;
	bool is_made = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
		       EVP_DigestUpdate(hash, context->trust, sizeof(context->trust)) == 1 &&
		       EVP_DigestUpdate(hash, &demand, sizeof(demand)) == 1 &&
		       EVP_DigestUpdate(hash, scope, strlen(scope)) == 1 &&
		       EVP_DigestFinal_ex(hash, context->scope, NULL) == 1;
	EVP_MD_CTX_free(hash);
	return is_made;
}

enum mt_status mt_tls_context_resume(struct mt_tls_context *context,
				     const struct mt_tls_resumption *how)
{
	SSL_CTX *ctx = context->ctx;
	context->cache = how->cache;
	context->tickets = how->tickets;
	if (!how->cache && !how->tickets)
		return MT_OK;
	if (!make_scope(context, how->scope) || SSL_CTX_set_num_tickets(ctx, 1) != 1) {
		ERR_clear_error();
		return MT_TLS;
	}
	SSL_CTX_set_timeout(ctx, (long)how->age_s);
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
