/* What the files of this folder share among themselves; nobody else includes it. */
#pragma once

#include "tls/cache.h"
#include "tls/context.h"
#include "tls/session.h"
#include "tls/tickets.h"

#include "identity/template.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

/* A certificate of ours, loaded. */
struct mt_tls_own {
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* without the leaf */
	uint8_t *staple;	/* malloc'ed; NULL: none */
	size_t staple_bytes;
	int64_t staple_until_s;
};

#define MT_TLS_IDENTITY_BYTES 256u

#define MT_TLS_SUITES_12 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

struct mt_tls_context {
	_Atomic uint32_t ref_count;
	SSL_CTX *ctx;
	struct mt_tls_cache *cache;	/* NULL: no ids */
	struct mt_tls_tickets *tickets; /* NULL: no tickets */
	struct mt_tls_counts *counts;	/* own_counts, or of whoever made the context */
	struct mt_tls_counts own_counts;
	pthread_mutex_t lock; /* of book */
	struct mt_book *book; /* of a server; NULL: none */
	enum mt_tls_demand demand;
	bool has_psk;
	bool is_old_crl_accepted;
	char identity[MT_TLS_IDENTITY_BYTES]; /* template */
	STACK_OF(X509_CRL) * crls;	      /* NULL: none */
	uint8_t trust[32];		      /* digest of the CAs whose clients are let in */
	struct mt_tls_own
		own[MT_TLS_PAIRS_MAX]; /* of a server; the first one for all other names */
	uint32_t own_count;
	char warning[256];		   /* "": none */
	uint8_t pin[MT_FINGERPRINT_BYTES]; /* of a client that has one */
	bool is_pin_alone;
	SSL_SESSION *latest; /* of a client: to resume; NULL: none */
	char *latest_host;   /* that it belongs to */
	bool is_latest_new;  /* and was not saved yet */
	uint8_t scope[32];   /* of sessions. A client: its trust and its certificate; a server: its
				listener, what it demands of clients and whom it trusts */
};

/* A context with the rules that clients and servers have in common. MT_TLS with *fault. */
MT_MUST_USE enum mt_status mt_tls_context_create(const SSL_METHOD *method,
						 struct mt_tls_context **out, char *fault,
						 size_t cap);
/* Ends the making of a context: with MT_OK into *out, else destroyed. */
enum mt_status mt_tls_context_conclude(struct mt_tls_context *context, enum mt_status status,
				       struct mt_tls_context **out);
/* Loads a PEM chain (leaf first) and its key. MT_NOT_FOUND, MT_DENIED, MT_LIMIT, MT_INVALID,
 * MT_MEMORY with *fault. What was loaded is freed by mt_tls_own_finish in any case. */
MT_MUST_USE enum mt_status mt_tls_own_load(const char *certificate_path, const char *key_path,
					   struct mt_tls_own *out, char *fault, size_t cap);
/* And for a context that has one alone. */
MT_MUST_USE enum mt_status mt_tls_identity_load(SSL_CTX *ctx, const char *certificate_path,
						const char *key_path, char *fault, size_t cap);
void mt_tls_own_finish(struct mt_tls_own *own);
MT_MUST_USE enum mt_status mt_tls_own_use(SSL_CTX *ctx, const struct mt_tls_own *own,
					  const char *path, char *fault, size_t cap);
/* An OCSP response for the certificate. MT_INVALID: for another one, or not good. */
MT_MUST_USE enum mt_status mt_tls_staple_load(struct mt_tls_own *own, const char *path, char *fault,
					      size_t cap);
MT_MUST_USE bool mt_tls_staple_offer(SSL_CTX *ctx);
/* In the ClientHello callback: the name that the client asks for decides which certificate it gets,
 * and whose sessions it may go on from. */
MT_MUST_USE bool mt_tls_choose_own(struct mt_tls_context *context, SSL *ssl);

/* What a server does with each ClientHello: certificate, scope, ids or tickets. */
void mt_tls_meet_clients(SSL_CTX *ctx);

/* ---- trust.c: whose clients are let in ---- */
MT_MUST_USE enum mt_status mt_tls_trust_load(struct mt_tls_context *context,
					     const struct mt_tls_server_settings *settings,
					     char *fault, size_t cap);
/* Every CA of a PEM text; *why: static. */
MT_MUST_USE bool mt_tls_trust_pem(SSL_CTX *ctx, BIO *pem, const char **why);
/* By the CRLs that are there. */
MT_MUST_USE bool mt_tls_trust_revokes(const struct mt_tls_context *context, X509 *certificate);
/* By chain, purpose, date and CRLs, as a handshake would. */
MT_MUST_USE int mt_tls_trust_verify(struct mt_tls_context *context, X509 *certificate,
				    STACK_OF(X509) * chain);

/* ---- peer.c: what a session proves ---- */
/* Noted in each session of ours, and handed on to those that go on from it. */
enum mt_tls_note_kind { MT_TLS_NOTE_NOTHING, MT_TLS_NOTE_CERTIFICATE, MT_TLS_NOTE_KEY };
struct mt_tls_note {
	enum mt_tls_note_kind kind;
	int64_t proved_s;		      /* when the handshake was that it goes back to */
	uint8_t issuer[MT_FINGERPRINT_BYTES]; /* of the client's certificate */
	uint64_t user_id;		      /* of a key */
	struct mt_bytes identity;	      /* of a key; a view into the session */
};
MT_MUST_USE struct mt_tls_note mt_tls_note_of(SSL_SESSION *session);
MT_MUST_USE bool mt_tls_note_put(SSL_SESSION *session, const struct mt_tls_note *note);
MT_MUST_USE bool mt_tls_fingerprint(const X509 *certificate, uint8_t out[MT_FINGERPRINT_BYTES]);
/* Of the public key. */
MT_MUST_USE bool mt_tls_key_fingerprint(const X509 *certificate, uint8_t out[MT_FINGERPRINT_BYTES]);
/* A reference to the book of now, or NULL. */
struct mt_book *mt_tls_context_book(struct mt_tls_context *context);
/* Whom a certificate stands for; 0: nobody. name: its text in the book, 0-terminated, perhaps cut.
 */
uint64_t mt_tls_peer_user(struct mt_tls_context *context, const struct mt_book *book,
			  X509 *certificate, const uint8_t *issuer, char *name, size_t cap);
/* not_after_s, cn, serial. */
void mt_tls_peer_describe(X509 *certificate, struct mt_tls_peer *out);
/* May it be gone on from? By date, book and CRLs. */
MT_MUST_USE bool mt_tls_peer_is_void(struct mt_tls_context *context, SSL_SESSION *session);
/* The CN, 0-terminated; false: none, or none that is sure. */
MT_MUST_USE bool mt_tls_peer_cn(X509 *certificate, char *out, size_t cap);

/* ---- pin.c ---- */
/* is_alone: there are no CAs to trust. MT_INVALID: no pin. */
MT_MUST_USE enum mt_status mt_tls_pin_set(struct mt_tls_context *context, const char *text,
					  bool is_alone);

/* ---- psk.c ---- */
MT_MUST_USE bool mt_tls_psk_offer(struct mt_tls_context *context);
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
/* Its certificate was refused: why, a sentence. */
void mt_tls_session_note_refusal(struct mt_tls_session *session, const char *why);
/* The certificate that the client gets. */
void mt_tls_session_note_own(struct mt_tls_session *session, const struct mt_tls_own *own);
const struct mt_tls_own *mt_tls_session_own(const struct mt_tls_session *session);
/* A handshake in full may begin now; false: it waits. */
MT_MUST_USE bool mt_tls_session_may_begin(struct mt_tls_session *session);
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
void mt_tls_context_add(struct mt_tls_context *context, enum mt_tls_outcome outcome,
			uint64_t count);
void mt_tls_context_count(struct mt_tls_context *context, enum mt_tls_outcome outcome);
SSL *mt_tls_session_ssl(struct mt_tls_session *session);
struct mt_tls_session *mt_tls_session_of(const SSL *ssl);

/* Writes the sentence and empties the thread's error queue. */
MT_FORMAT(3, 4) void mt_tls_fault_say(char *fault, size_t cap, const char *format, ...);
/* What the thread's oldest error means, as a part of a sentence; never NULL. */
const char *mt_tls_fault_reason(void);
/* Why a session failed; first_byte: the first the peer ever sent. */
void mt_tls_fault_describe(const SSL *ssl, uint8_t first_byte, char *fault, size_t cap);

/* For OpenSSL's ticket callback: 0 no ticket, 1 done, 2 done and the client shall get a new one. */
int mt_tls_tickets_protect(struct mt_tls_tickets *tickets, uint8_t *name, uint8_t *iv,
			   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_encrypting);

/* It was made under a key that still opens it, as far as its name tells. */
bool mt_tls_tickets_know(struct mt_tls_tickets *tickets, struct mt_bytes ticket);

/* Keeps a session, whose reference it takes over; false: it is not kept. */
bool mt_tls_cache_put(struct mt_tls_cache *cache, SSL_SESSION *session);
/* A new reference, or NULL. */
bool mt_tls_cache_has(struct mt_tls_cache *cache, struct mt_bytes id);
SSL_SESSION *mt_tls_cache_find(struct mt_tls_cache *cache, struct mt_bytes id);
void mt_tls_cache_remove(struct mt_tls_cache *cache, struct mt_bytes id);
