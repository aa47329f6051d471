/*
 * What the connections of one listener (or one client) share: certificate, key, trust, rules.
 *
 * TLS 1.2 and 1.3 only, 1.3 preferred, X25519 before P-256, AEAD suites with forward secrecy only,
 * no renegotiation, no compression, no 0-RTT, ALPN `mqtt`, or `http/1.1` (none is accepted too),
 * SSL_MODE_RELEASE_BUFFERS. A server's clients resume when it is told how.
 */
#pragma once

#include "identity/book.h"

#include "spec/tls.h"

struct mt_tls_cache;
struct mt_tls_context;
struct mt_tls_tickets;

/* A certificate of ours for the names in it. */
struct mt_tls_pair {
	const char *certificate_path; /* PEM chain, leaf first */
	const char *key_path;	      /* PEM; refused when others than the owner may read it */
	const char *staple_path;      /* DER, an OCSP response for it; NULL: none */
};

/* Does a client show a certificate? */
enum mt_tls_demand { MT_TLS_DEMAND_NONE, MT_TLS_DEMAND_OPTIONAL, MT_TLS_DEMAND_REQUIRED };

/* What became of the handshakes of a server, and what they took. */
enum mt_tls_outcome {
#define X(name, id, meaning) MT_TLS_##id,
	MT_TABLE_TLS_COUNTS(X)
#undef X
		MT_TLS_OUTCOMES
};
/* "by_id" */
const char *mt_tls_outcome_name(enum mt_tls_outcome outcome);

/* How often; any thread. */
struct mt_tls_counts {
	_Atomic uint64_t of[MT_TLS_OUTCOMES];
};

#define MT_TLS_PAIRS_MAX 17

struct mt_tls_server_settings {
	const char *certificate_path; /* of the first pair, which serves all names of no other */
	const char *key_path;
	bool is_http; /* ALPN http/1.1, for WebSocket, instead of mqtt */
	const char *staple_path;
	const struct mt_tls_pair *more; /* chosen by the name that the client asks for (SNI) */
	uint32_t more_count;
	enum mt_tls_demand demand;
	const char *ca_path;	  /* whose clients are let in; with a demand */
	const char *crl_path;	  /* file or folder, PEM or DER; NULL: none */
	bool is_old_crl_accepted; /* one beyond its next update; else its clients are refused */
	const char *identity;	  /* a template of identity/template.h; with a demand */
	bool has_psk;
	struct mt_tls_counts *counts; /* NULL: the context's own; else they outlive it */
};

struct mt_tls_client_settings {
	const char *ca_path;	/* PEM file; NULL: see ca_pem, then the system's store */
	struct mt_bytes ca_pem; /* in memory (from a profile); empty: none. When given, only this CA
				   is trusted */
	const char *certificate_path; /* NULL: none */
	const char *key_path;
	const char *pin; /* base64 of the SHA-256 of a public key (SPKI) that must be in the
			    server's chain; without a CA it is all that is trusted; NULL: none */
};

/* fault: why not, one sentence with the path, written on failure into fault[0..cap). MT_NOT_FOUND,
 * MT_DENIED, MT_INVALID, MT_TLS. */
MT_MUST_USE enum mt_status
mt_tls_context_create_server(const struct mt_tls_server_settings *settings,
			     struct mt_tls_context **out, char *fault, size_t cap);
MT_MUST_USE enum mt_status
mt_tls_context_create_client(const struct mt_tls_client_settings *settings,
			     struct mt_tls_context **out, char *fault, size_t cap);

/* Has an SSL_CTX of somebody else, who has set up CAs and the check of names, look for the pin of
 * this client's context too. The context outlives it. */
void mt_tls_context_lend_pin(struct mt_tls_context *context, void *ssl_ctx);

/* One reference more; destroy takes one back. */
struct mt_tls_context *mt_tls_context_ref(struct mt_tls_context *context);
/* When the first certificate of any of the server's chains ends; unix time. */
int64_t mt_tls_context_not_after(const struct mt_tls_context *context);
/* What is left out of it and should not be, one sentence: a staple that cannot be used. "":
 * nothing.
 */
const char *mt_tls_context_warning(const struct mt_tls_context *context);
/* From the next handshake on. A reference is taken; NULL: nobody proves anything. Any thread. */
void mt_tls_context_set_book(struct mt_tls_context *context, struct mt_book *book);

/* The session that the client would resume, when there is a new one since the last call: false
 * otherwise. *data is a secret, malloc'ed: wipe and free it. */
MT_MUST_USE bool mt_tls_context_save_session(struct mt_tls_context *context, uint8_t **data,
					     size_t *len);
/* What was saved, by whichever process. MT_CORRUPT, MT_DENIED (it was made under other CAs, with
 * another certificate, or has expired): nothing to resume, which is no fault. */
enum mt_status mt_tls_context_load_session(struct mt_tls_context *context, struct mt_bytes data);

/* How the clients of a server resume. */
struct mt_tls_resumption {
	struct mt_tls_cache *cache;	/* by ids; NULL: not. Outlives the context */
	struct mt_tls_tickets *tickets; /* by tickets; NULL: not. Outlives the context */
	const char *scope; /* a session of one scope is none in another: listener, trust */
	int64_t age_s;	   /* from a handshake in full to the last resumption; at most seven days */
};
/* Before the first session of the context. MT_TLS. */
MT_MUST_USE enum mt_status mt_tls_context_resume(struct mt_tls_context *context,
						 const struct mt_tls_resumption *how);

/* Any thread. */
uint64_t mt_tls_context_counted(const struct mt_tls_context *context, enum mt_tls_outcome outcome);
void mt_tls_context_destroy(struct mt_tls_context **context);
