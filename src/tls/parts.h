/* What the files of this folder share among themselves; nobody else includes it. */
#pragma once

#include "tls/context.h"
#include "tls/session.h"

#include <openssl/ssl.h>

struct mt_tls_context {
	SSL_CTX *ctx;
};

/* A context with the rules that clients and servers have in common. MT_TLS with *fault. */
MT_MUST_USE enum mt_status mt_tls_context_create(const SSL_METHOD *method,
						 struct mt_tls_context **out, char *fault,
						 size_t cap);
/* Ends the making of a context: with MT_OK into *out, else destroyed. */
enum mt_status mt_tls_context_conclude(struct mt_tls_context *context, enum mt_status status,
				       struct mt_tls_context **out);
/* Loads a PEM chain (leaf first) and its key. MT_NOT_FOUND, MT_DENIED, MT_LIMIT, MT_INVALID,
 * MT_MEMORY with *fault. */
MT_MUST_USE enum mt_status mt_tls_identity_load(SSL_CTX *ctx, const char *certificate_path,
						const char *key_path, char *fault, size_t cap);
/* A PEM file in a memory BIO, wiped when freed. is_secret: only its owner may have rights to it. */
MT_MUST_USE enum mt_status mt_tls_pem_read(const char *path, bool is_secret, BIO **out, char *fault,
					   size_t cap);
/* Never asks on the terminal: an encrypted key is refused. */
int mt_tls_pem_no_passphrase(char *to, int cap, int is_writing, void *unused);

/* A session around a new SSL object; the caller sets its role. NULL without memory. */
MT_MUST_USE struct mt_tls_session *mt_tls_session_create(struct mt_tls_context *context);
SSL *mt_tls_session_ssl(struct mt_tls_session *session);

/* Writes the sentence and empties the thread's error queue. */
MT_FORMAT(3, 4) void mt_tls_fault_say(char *fault, size_t cap, const char *format, ...);
/* What the thread's oldest error means, as a part of a sentence; never NULL. */
const char *mt_tls_fault_reason(void);
/* Why a session failed; first_byte: the first the peer ever sent. */
void mt_tls_fault_describe(const SSL *ssl, uint8_t first_byte, char *fault, size_t cap);
