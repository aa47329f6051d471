/*
 * One TLS connection as a transformer of bytes: cipher in -> plain out, plain in -> cipher out. It
 * has no socket; so that another record layer can take its place later, nothing of OpenSSL shows
 * here.
 *
 *   socket --cipher--> feed() --> read() --plain--> core        core --plain--> write() --cipher-->
 * mt_buf --> socket
 *
 * A custom BIO reads from the fed view and appends to the buffer given to each call, so that one
 * turn's output is one record and one write. The handshake goes on inside read(). Errors of one
 * connection never stay in the thread's error queue. Threading: one thread per session; contexts
 * are shared.
 */
#pragma once

#include "base/buf.h"
#include "base/status.h"

struct mt_tls_context;
struct mt_tls_session;

/* Room that `cipher` must have in each call: read() may write a handshake flight, write() a record.
 */
#define MT_TLS_FLIGHT_BYTES_MAX 32768u
#define MT_TLS_RECORD_BYTES_MAX 16384u /* plain bytes of one write() */
#define MT_TLS_OVERHEAD_BYTES 256u

MT_MUST_USE struct mt_tls_session *mt_tls_session_create_server(struct mt_tls_context *context);
/* host: for SNI and the check of the certificate's names (or its address). */
MT_MUST_USE struct mt_tls_session *mt_tls_session_create_client(struct mt_tls_context *context,
								const char *host);
/* A client that does not go on from a session of ours takes one of *full_left, and waits while
 * there are none: mt_tls_session_read has to be called again then, without feeding. It outlives the
 * session. */
void mt_tls_session_share(struct mt_tls_session *session, uint32_t *full_left);
bool mt_tls_session_is_waiting(const struct mt_tls_session *session);
void mt_tls_session_destroy(struct mt_tls_session **session);

/* Cipher bytes from the peer; the view must stay valid until read() has returned MT_AGAIN (then all
 * is consumed). */
void mt_tls_session_feed(struct mt_tls_session *session, struct mt_bytes cipher);
/*
 * MT_OK: *len plain bytes (1..cap). MT_AGAIN: feed more. MT_CLOSED: close_notify came. MT_TLS:
 * failed; mt_tls_session_fault says why. In every case `cipher` may have got bytes to send
 * (handshake, alert): send them before anything else.
 */
MT_MUST_USE enum mt_status mt_tls_session_read(struct mt_tls_session *session, void *plain,
					       size_t cap, size_t *len, struct mt_buf *cipher);
/* Encrypts up to MT_TLS_RECORD_BYTES_MAX bytes into one record. MT_AGAIN: the handshake is not
 * finished. MT_TLS. */
MT_MUST_USE enum mt_status mt_tls_session_write(struct mt_tls_session *session,
						struct mt_bytes plain, struct mt_buf *cipher);
/* Appends close_notify when the handshake is finished. */
void mt_tls_session_close(struct mt_tls_session *session, struct mt_buf *cipher);
/* It went on from a former session, without a certificate. */
bool mt_tls_session_is_resumed(const struct mt_tls_session *session);
/* What both ends of this connection, and nobody else, can compute (tls-exporter, RFC 9266). False:
 * the handshake is not finished, or it is TLS 1.2 without the extended master secret, by which two
 * connections could have the same. */
#define MT_TLS_EXPORT_BYTES 32u
MT_MUST_USE bool mt_tls_session_export(const struct mt_tls_session *session,
				       uint8_t out[MT_TLS_EXPORT_BYTES]);
bool mt_tls_session_is_open(const struct mt_tls_session *session); /* handshake finished */
/* "TLSv1.3 TLS_AES_128_GCM_SHA256"; "" before the handshake ended. Valid as long as the session. */
const char *mt_tls_session_summary(struct mt_tls_session *session);
/* Why the last call failed: one sentence of at most 200 characters; "" when nothing failed. */
const char *mt_tls_session_fault(const struct mt_tls_session *session);
/* CN of the peer's certificate, 0-terminated into out; false when there is none. */
bool mt_tls_session_peer_cn(const struct mt_tls_session *session, char *out, size_t cap);

/* What a client proved to a server. */
struct mt_tls_peer {
	bool is_key;	     /* by a pre-shared key, else by a certificate */
	uint64_t user_id;    /* by the book of the handshake; 0: nobody */
	int64_t not_after_s; /* INT64_MAX: without end */
	char name[256];	     /* in the book, for people: cut, "" when the certificate has none */
	char cn[257];	     /* "": none */
	char serial[64];     /* hexadecimal; "" of a key */
};
/* Of a server's client, behind the handshake; false: it proved nothing. */
MT_MUST_USE bool mt_tls_session_peer(const struct mt_tls_session *session, struct mt_tls_peer *out);

enum mt_tls_review {
	MT_TLS_HOLDS,
	MT_TLS_REVOKED,
	MT_TLS_EXPIRED,
	MT_TLS_UNTRUSTED, /* of no CA any more, or of another user */
};
/* Does it still hold, by the context of now? is_deep: by chain and CRLs too (150 us), else by the
 * book and the date (2 us). */
MT_MUST_USE enum mt_tls_review mt_tls_session_review(const struct mt_tls_session *session,
						     struct mt_tls_context *context, int64_t now_s,
						     bool is_deep);
