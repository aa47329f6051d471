/*
 * Pre-shared keys (RFC 8446 section 4.2.11, RFC 4279): who shows one proves to be its user. With
 * ephemeral keys beside it, so that a key that is lost later opens nothing that was said before.
 */
#include "tls/parts.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SUITES_PSK \
	"ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES128-GCM-SHA256:DHE-PSK-CHACHA20-POLY1305:" \
	"DHE-PSK-AES256-GCM-SHA384"
#define TLS_AES_128_GCM_SHA256 "\x13\x01"

/* The key into out, and the note of it for the session; 0: nobody has this identity. */
static size_t find_key(SSL *ssl, struct mt_bytes identity, uint8_t out[MT_PSK_BYTES_MAX],
		       struct mt_tls_note *note)
{
	struct mt_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct mt_book *book = mt_tls_context_book(context);
	struct mt_bytes key = mt_bytes_of(NULL, 0);
	uint64_t user_id = book ? mt_book_psk(book, identity, &key) : 0;
	*note = (struct mt_tls_note){.kind = MT_TLS_NOTE_KEY,
				     .proved_s = (int64_t)time(NULL),
				     .user_id = user_id,
				     .identity = identity};
	if (user_id != 0)
		memcpy(out, key.data, key.len);
	mt_book_unref(&book);
	return user_id != 0 ? key.len : 0;
}

/* Only where a suite with a key was chosen; a wrong key fails the handshake. */
static unsigned find_key_12(SSL *ssl, const char *identity, unsigned char *out, unsigned cap)
{
	uint8_t key[MT_PSK_BYTES_MAX];
	struct mt_tls_note note;
	size_t len = find_key(ssl, mt_bytes_str(identity), key, &note);
	if (len > cap || len == 0 || !mt_tls_note_put(SSL_get_session(ssl), &note))
		return 0;
	memcpy(out, key, len);
	mt_bytes_wipe(key, sizeof(key));
	return (unsigned)len;
}

static SSL_SESSION *make_session(SSL *ssl, const uint8_t *key, size_t len,
				 const struct mt_tls_note *note)
{
	static const unsigned char suite[] = TLS_AES_128_GCM_SHA256;
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
	SSL_SESSION *session = SSL_SESSION_new();
	if (session && cipher && SSL_SESSION_set1_master_key(session, key, len) == 1 &&
	    SSL_SESSION_set_cipher(session, cipher) == 1 &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1 &&
	    mt_tls_note_put(session, note))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

/*
 * Tickets pass here too: what is no identity of ours is left to others, and is no fault. The key is
 * proven when the handshake ends with this session, by the note in it, and not before: OpenSSL may
 * pass over it for another identity of the same hello.
 */
static int find_key_13(SSL *ssl, const unsigned char *identity, size_t identity_len,
		       SSL_SESSION **out)
{
	uint8_t key[MT_PSK_BYTES_MAX];
	struct mt_tls_note note;
	size_t len;
	*out = NULL;
	if (identity_len > MT_PSK_IDENTITY_BYTES_MAX)
		return 1;
	len = find_key(ssl, mt_bytes_of(identity, identity_len), key, &note);
	if (len > 0)
		*out = make_session(ssl, key, len, &note);
	/* It is as cheap as a session, and is asked whose it is each time. */
	if (len > 0)
		SSL_set_num_tickets(ssl, 0);
	mt_bytes_wipe(key, sizeof(key));
	ERR_clear_error();
	return 1;
}

bool mt_tls_psk_offer(struct mt_tls_context *context)
{
	char suites[512];
	int len = snprintf(suites, sizeof(suites), "%s:%s", MT_TLS_SUITES_12, SUITES_PSK);
	MT_CHECK(len > 0 && (size_t)len < sizeof(suites));
	context->has_psk = true;
	SSL_CTX_set_psk_server_callback(context->ctx, find_key_12);
	SSL_CTX_set_psk_find_session_callback(context->ctx, find_key_13);
	return SSL_CTX_set_cipher_list(context->ctx, suites) == 1 &&
	       SSL_CTX_set_dh_auto(context->ctx, 1) == 1;
}
