/* What the files of this folder share among themselves; nobody else includes it. */
#pragma once

#include "tls/cache.h"
#include "tls/context.h"
#include "tls/session.h"
#include "tls/tickets.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct mt_tls_context {
	SSL_CTX *ctx;
	struct mt_tls_cache *cache;	/* NULL: no ids */
	struct mt_tls_tickets *tickets; /* NULL: no tickets */
	_Atomic uint64_t counts[MT_TLS_OUTCOMES];
	SSL_SESSION *latest; /* of a client: to resume; NULL: none */
	char *latest_host;   /* that it belongs to */
	bool is_latest_new;  /* and was not saved yet */
	uint8_t scope[32];   /* of a client's sessions: its trust and its certificate */
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
/* Forgets what a client could resume. */
void mt_tls_context_forget(struct mt_tls_context *context);
/* The host that a client asked for; NULL: none. */
const char *mt_tls_session_host(const struct mt_tls_session *session);
bool mt_tls_session_set_host(struct mt_tls_session *session, const char *host);
/* Its id was found in the cache. */
void mt_tls_session_note_id(struct mt_tls_session *session);
/* Who knows TLS 1.3 sends an id of no session, for middleboxes (RFC 8446 appendix D.4). */
void mt_tls_session_note_invention(struct mt_tls_session *session);
bool mt_tls_session_may_invent_id(const struct mt_tls_session *session);
/* What the servers give its clients to resume is kept. */
void mt_tls_client_remember(SSL_CTX *ctx);
/* The connection to the host goes on from what is kept, when it is of that host. */
void mt_tls_client_go_on(struct mt_tls_context *context, SSL *ssl, const char *host);
/* A client's handshake is finished. */
void mt_tls_client_opened(SSL *ssl);
void mt_tls_context_count(struct mt_tls_context *context, enum mt_tls_outcome outcome);
SSL *mt_tls_session_ssl(struct mt_tls_session *session);

/* Writes the sentence and empties the thread's error queue. */
MT_FORMAT(3, 4) void mt_tls_fault_say(char *fault, size_t cap, const char *format, ...);
/* What the thread's oldest error means, as a part of a sentence; never NULL. */
const char *mt_tls_fault_reason(void);
/* Why a session failed; first_byte: the first the peer ever sent. */
void mt_tls_fault_describe(const SSL *ssl, uint8_t first_byte, char *fault, size_t cap);

/* For OpenSSL's ticket callback: 0 no ticket, 1 done, 2 done and the client shall get a new one. */
int mt_tls_tickets_protect(struct mt_tls_tickets *tickets, uint8_t *name, uint8_t *iv,
			   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_encrypting);

/* Keeps a session, whose reference it takes over; false: it is not kept. */
bool mt_tls_cache_put(struct mt_tls_cache *cache, SSL_SESSION *session);
/* A new reference, or NULL. */
SSL_SESSION *mt_tls_cache_find(struct mt_tls_cache *cache, struct mt_bytes id);
void mt_tls_cache_remove(struct mt_tls_cache *cache, struct mt_bytes id);
