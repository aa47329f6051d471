/*
 * The session that a client goes on from: the latest one of its context, in memory and as bytes.
 *
 *   handshake -> keep_latest -> go_on: the next handshake        save -> file -> load: the next
 * process
 */
#include "tls/parts.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "mortise session 1\n"

void mt_tls_context_forget(struct mt_tls_context *context)
{
	SSL_SESSION_free(context->latest);
	free(context->latest_host);
	context->latest = NULL;
	context->latest_host = NULL;
}

/* Of a connection to the host that it was made for: SSL_get_servername says nothing of addresses,
 * so the session keeps the name. */
static int keep_latest(SSL *ssl, SSL_SESSION *session)
{
	struct mt_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const char *host = mt_tls_session_host(mt_tls_session_of(ssl));
	char *copy = host ? strdup(host) : NULL;
	if (!copy)
		return 0;
	mt_tls_context_forget(context);
	context->latest = session;
	context->latest_host = copy;
	context->is_latest_new = true;
	return 1;
}

/* MAGIC | host | newline | DER. */
bool mt_tls_context_save_session(struct mt_tls_context *context, uint8_t **data, size_t *len)
{
	int der = context->is_latest_new && context->latest ? i2d_SSL_SESSION(context->latest, NULL)
							    : 0;
	size_t head = strlen(MAGIC), host = der > 0 ? strlen(context->latest_host) : 0;
	uint8_t *made = der > 0 ? malloc(head + host + 1 + (size_t)der) : NULL;
	uint8_t *at = made ? made + head + host + 1 : NULL;
	context->is_latest_new = false;
	ERR_clear_error();
	if (!made)
		return false;
	memcpy(made, MAGIC, head);
	memcpy(made + head, context->latest_host, host);
	made[head + host] = '\n';
	*len = head + host + 1 + (size_t)i2d_SSL_SESSION(context->latest, &at);
	*data = made;
	return true;
}

/* Of the same CAs and certificate: OpenSSL finds out in the midst of the handshake, and ends it. */
static bool is_ours(const struct mt_tls_context *context, const SSL_SESSION *session)
{
	unsigned len = 0;
	const uint8_t *scope = SSL_SESSION_get0_id_context(session, &len);
	return len == sizeof(context->scope) && memcmp(scope, context->scope, len) == 0 &&
	       SSL_SESSION_is_resumable(session) == 1;
}

enum mt_status mt_tls_context_load_session(struct mt_tls_context *context, struct mt_bytes data)
{
	size_t head = strlen(MAGIC);
	const uint8_t *host = data.data + head, *newline, *der;
	SSL_SESSION *session;
	if (data.len <= head || memcmp(data.data, MAGIC, head) != 0)
		return MT_CORRUPT;
	newline = memchr(host, '\n', data.len - head);
	if (!newline)
		return MT_CORRUPT;
	der = newline + 1;
	session = d2i_SSL_SESSION(NULL, &der, (long)(data.len - (size_t)(der - data.data)));
	ERR_clear_error();
	if (!session)
		return MT_CORRUPT;
	mt_tls_context_forget(context);
	context->latest_host = strndup((const char *)host, (size_t)(newline - host));
	if (context->latest_host && is_ours(context, session)) {
		context->latest = session;
		return MT_OK;
	}
	SSL_SESSION_free(session);
	mt_tls_context_forget(context);
	return MT_DENIED;
}

/* In TLS 1.2 OpenSSL does not tell of a ticket that is renewed. */
void mt_tls_client_opened(SSL *ssl)
{
	SSL_SESSION *session;
	if (SSL_session_reused(ssl) != 1 || SSL_version(ssl) == TLS1_3_VERSION)
		return;
	session = SSL_get1_session(ssl);
	if (session && keep_latest(ssl, session) != 1)
		SSL_SESSION_free(session);
}

void mt_tls_client_remember(SSL_CTX *ctx)
{
	SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_latest);
}

/* One that is used in TLS 1.3 is used up: the server sends another. */
void mt_tls_client_go_on(struct mt_tls_context *context, SSL *ssl, const char *host)
{
	if (!context->latest || strcmp(context->latest_host, host) != 0)
		return;
	if (SSL_SESSION_is_resumable(context->latest) != 1 ||
	    SSL_set_session(ssl, context->latest) != 1 ||
	    SSL_SESSION_get_protocol_version(context->latest) == TLS1_3_VERSION)
		mt_tls_context_forget(context);
	ERR_clear_error();
}
