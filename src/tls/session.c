/*
 * One TLS connection as a transformer of bytes, around an SSL object with a BIO of our own.
 *
 *   fed view <--take-- BIO <-- SSL --> BIO --give--> buffer of the call
 */
#include "tls/parts.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAULT_BYTES 201
#define SUMMARY_BYTES 48
/* A handshake that is larger is no handshake: a chain of 16 KiB and twice as much for the rest. */
#define HANDSHAKE_BYTES_MAX 49152u
/* Of one feed. Each costs 20 us for its 27 bytes, where data of that size cost less than one; and
 * the standard sets no bound (RFC 8446 section 4.6.3). */
#define KEY_UPDATES_MAX 16u

/* Who the client turned out to be. */
struct proof {
	bool is_key;
	uint64_t user_id;
	char name[256];
};

struct mt_tls_session {
	SSL *ssl;
	struct mt_tls_context *context;
	struct mt_bytes in;	      /* fed and not yet taken */
	struct mt_buf *out;	      /* of the call that runs, else NULL */
	char *fault;		      /* after a failure, or NULL */
	char *host;		      /* that a client asked for, or NULL */
	char *summary;		      /* once it was asked for, or NULL */
	const char *obstacle;	      /* why the BIO refused, or NULL */
	const struct mt_tls_own *own; /* of a server; belongs to the context */
	struct proof *proof;	      /* of a server's client; NULL: it proved nothing */
	uint32_t *full_left;	      /* of a server; NULL: it need not wait */
	uint8_t *held;		      /* what came behind a ClientHello that waits, or NULL */
	uint64_t handshake_ns;	      /* of a server's client: what it took us */
	uint32_t handshake_bytes;
	uint16_t key_updates; /* in what was fed last */
	uint8_t first_byte;
	bool is_waiting : 1;
	bool is_open : 1;
	bool is_failed : 1;
	bool is_closed : 1;
	bool is_id_known : 1; /* of a server's client: in the cache */
	bool may_invent_id : 1;
};

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_take(BIO *bio, char *to, int cap)
{
	struct mt_tls_session *session = BIO_get_data(bio);
	size_t len = session->in.len < (size_t)cap ? session->in.len : (size_t)cap;

	BIO_clear_retry_flags(bio);
	if (session->obstacle)
		return -1;
	if (len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (!session->is_open) {
		if (session->handshake_bytes == 0)
			session->first_byte = session->in.data[0];
		session->handshake_bytes += (uint32_t)len;
		if (session->handshake_bytes > HANDSHAKE_BYTES_MAX) {
			session->obstacle = "the peer's handshake is too large";
			return -1;
		}
	}
	memcpy(to, session->in.data, len);
	session->in = mt_bytes_from(session->in, len);
	return (int)len;
}

static int bio_give(BIO *bio, const char *from, int len)
{
	struct mt_tls_session *session = BIO_get_data(bio);
	uint8_t *at = session->out ? mt_buf_take(session->out, (size_t)len) : NULL;

	BIO_clear_retry_flags(bio);
	if (!at) {
		/* A peer can ask for an answer with every record: the room is the limit. */
		session->obstacle = "the peer causes more answers than one turn may hold";
		return -1;
	}
	memcpy(at, from, (size_t)len);
	return len;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void make_method(void)
{
	BIO_METHOD *made =
		BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mortise session");

	if (made && BIO_meth_set_read(made, bio_take) == 1 &&
	    BIO_meth_set_write(made, bio_give) == 1 && BIO_meth_set_ctrl(made, bio_control) == 1 &&
	    BIO_meth_set_create(made, bio_create) == 1)
		method = made;
	else
		BIO_meth_free(made);
}

static BIO *make_bio(struct mt_tls_session *session)
{
	BIO *bio;

	if (pthread_once(&method_once, make_method) != 0 || !method)
		return NULL;
	bio = BIO_new(method);
	if (bio)
		BIO_set_data(bio, session);
	return bio;
}

/* OpenSSL goes on to the next record without us: the BIO stops it. */
static void watch_message(int is_sent, int version, int type, const void *message, size_t len,
			  SSL *ssl, void *pointer)
{
	struct mt_tls_session *session = pointer;
	const uint8_t *kind = message;
	(void)version;
	(void)ssl;
	if (is_sent || type != SSL3_RT_HANDSHAKE || len == 0 || *kind != SSL3_MT_KEY_UPDATE)
		return;
	if (++session->key_updates > KEY_UPDATES_MAX)
		session->obstacle = "the peer changes its keys too often";
}

struct mt_tls_session *mt_tls_session_create(struct mt_tls_context *context)
{
	struct mt_tls_session *session = calloc(1, sizeof(*session));
	BIO *bio;

	if (!session)
		return NULL;
	session->context = mt_tls_context_ref(context);
	session->ssl = SSL_new(context->ctx);
	bio = session->ssl ? make_bio(session) : NULL;
	if (!bio) {
		ERR_clear_error();
		mt_tls_session_destroy(&session);
		return NULL;
	}
	SSL_set_bio(session->ssl, bio, bio);
	SSL_set_msg_callback(session->ssl, watch_message);
	SSL_set_msg_callback_arg(session->ssl, session);
	return session;
}

void mt_tls_session_destroy(struct mt_tls_session **session)
{
	if (!session || !*session)
		return;
	/* Without a close_notify OpenSSL would hold that the session must not be resumed; but a
	 * device that loses its radio did no wrong. After a fatal alert it is forgotten already. */
	if ((*session)->is_open && !(*session)->is_failed)
		SSL_set_shutdown((*session)->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free((*session)->ssl);
	mt_tls_context_destroy(&(*session)->context);
	free((*session)->proof);
	free((*session)->held);
	free((*session)->summary);
	free((*session)->fault);
	free((*session)->host);
	free(*session);
	*session = NULL;
	ERR_clear_error();
}

const char *mt_tls_session_host(const struct mt_tls_session *session)
{
	return session->host;
}

bool mt_tls_session_set_host(struct mt_tls_session *session, const char *host)
{
	session->host = strdup(host);
	return session->host != NULL;
}

void mt_tls_session_note_own(struct mt_tls_session *session, const struct mt_tls_own *own)
{
	session->own = own;
}

const struct mt_tls_own *mt_tls_session_own(const struct mt_tls_session *session)
{
	return session->own;
}

void mt_tls_session_note_refusal(struct mt_tls_session *session, const char *why)
{
	free(session->fault);
	session->fault = strdup(why);
}

void mt_tls_session_share(struct mt_tls_session *session, uint32_t *full_left)
{
	session->full_left = full_left;
}

bool mt_tls_session_is_waiting(const struct mt_tls_session *session)
{
	return session->is_waiting;
}

bool mt_tls_session_may_begin(struct mt_tls_session *session)
{
	session->is_waiting = session->full_left && *session->full_left == 0;
	if (session->full_left && !session->is_waiting)
		--*session->full_left;
	return !session->is_waiting;
}

void mt_tls_session_note_id(struct mt_tls_session *session)
{
	session->is_id_known = true;
}

void mt_tls_session_note_invention(struct mt_tls_session *session)
{
	session->may_invent_id = true;
}

bool mt_tls_session_may_invent_id(const struct mt_tls_session *session)
{
	return session->may_invent_id;
}

bool mt_tls_session_is_resumed(const struct mt_tls_session *session)
{
	return session->is_open && SSL_session_reused(session->ssl) == 1;
}

/* Whom the certificate, or the key, stands for. Without memory the client proved nothing that it is
 * let in for, so it is told apart from one that did not have to. */
static bool find_out(struct mt_tls_session *session)
{
	X509 *certificate = SSL_get0_peer_certificate(session->ssl);
	struct mt_tls_note note = mt_tls_note_of(SSL_get_session(session->ssl));
	struct mt_book *book;
	bool is_key = !certificate && note.kind == MT_TLS_NOTE_KEY;
	if (!certificate && !is_key)
		return true;
	if (certificate && (note.kind != MT_TLS_NOTE_CERTIFICATE ||
			    SSL_get_verify_result(session->ssl) != X509_V_OK))
		return false;
	session->proof = calloc(1, sizeof(*session->proof));
	if (!session->proof)
		return false;
	session->proof->is_key = is_key;
	session->proof->user_id = note.user_id;
	if (is_key) {
		mt_bytes_cut(session->proof->name, sizeof(session->proof->name), note.identity);
		return true;
	}
	book = mt_tls_context_book(session->context);
	session->proof->user_id =
		mt_tls_peer_user(session->context, book, certificate, note.issuer,
				 session->proof->name, sizeof(session->proof->name));
	mt_book_unref(&book);
	return true;
}

/* What was noted has gone out in the ticket; nobody asks for it here any more. */
static void drop_note(struct mt_tls_session *session)
{
	bool is_kept = SSL_get_options(session->ssl) & SSL_OP_NO_TICKET;
	if (!is_kept && !session->proof)
		(void)SSL_SESSION_set1_ticket_appdata(SSL_get_session(session->ssl), NULL, 0);
}

/* The handshake is finished. */
static bool open_up(struct mt_tls_session *session)
{
	enum mt_tls_outcome outcome = MT_TLS_FULL;
	session->is_open = true;
	if (session->host)
		mt_tls_client_opened(session->ssl);
	else if (!find_out(session))
		return false;
	else
		drop_note(session);
	/* A key in TLS 1.3 is a resumption to OpenSSL, and none to us. */
	if (mt_tls_session_is_resumed(session) && !(session->proof && session->proof->is_key))
		outcome = session->is_id_known ? MT_TLS_BY_ID : MT_TLS_BY_TICKET;
	mt_tls_context_count(session->context, outcome);
	mt_tls_context_add(session->context, MT_TLS_MICROSECONDS, session->handshake_ns / 1000);
	return true;
}

/* Not by SSL_set_app_data, which takes a list of its own for each connection. */
struct mt_tls_session *mt_tls_session_of(const SSL *ssl)
{
	return BIO_get_data(SSL_get_rbio(ssl));
}

SSL *mt_tls_session_ssl(struct mt_tls_session *session)
{
	return session->ssl;
}

void mt_tls_session_feed(struct mt_tls_session *session, struct mt_bytes cipher)
{
	if (session->is_failed || session->is_closed)
		return;
	MT_CHECK(session->in.len == 0);
	session->in = cipher;
	session->key_updates = 0;
}

/* Keeps the reason; from now on the session refuses everything. */
static enum mt_status fail(struct mt_tls_session *session)
{
	session->is_failed = true;
	session->in = mt_bytes_of(NULL, 0);
	if (!session->is_open) {
		mt_tls_context_count(session->context, MT_TLS_FAILED);
		mt_tls_context_add(session->context, MT_TLS_MICROSECONDS,
				   session->handshake_ns / 1000);
	}
	if (session->fault) {
		ERR_clear_error();
		return MT_TLS;
	}
	session->fault = malloc(FAULT_BYTES);
	if (session->fault && session->obstacle)
		mt_tls_fault_say(session->fault, FAULT_BYTES, "%s", session->obstacle);
	else if (session->fault)
		mt_tls_fault_describe(session->ssl, session->first_byte, session->fault,
				      FAULT_BYTES);
	ERR_clear_error();
	return MT_TLS;
}

/* The bytes that were not taken stay with us: they were lent until now. */
static enum mt_status hold(struct mt_tls_session *session)
{
	uint8_t *held;
	if (session->in.len == 0)
		return MT_AGAIN;
	held = malloc(session->in.len);
	if (!held)
		return fail(session);
	/* They may be what was held before, or the end of it. */
	memcpy(held, session->in.data, session->in.len);
	free(session->held);
	session->held = held;
	session->in.data = held;
	return MT_AGAIN;
}

static enum mt_status conclude_read(struct mt_tls_session *session, int error)
{
	if (error == SSL_ERROR_WANT_CLIENT_HELLO_CB)
		return hold(session);
	if (error == SSL_ERROR_WANT_READ && session->in.len == 0)
		return MT_AGAIN;
	if (error != SSL_ERROR_ZERO_RETURN)
		return fail(session);
	session->is_closed = true;
	session->in = mt_bytes_of(NULL, 0);
	return MT_CLOSED;
}

static uint64_t nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* SSL_ERROR_NONE: *got plain bytes. */
static int read_some(struct mt_tls_session *session, void *plain, size_t cap, size_t *got)
{
	uint64_t start_ns = session->is_open || session->host ? 0 : nanoseconds();
	int error = SSL_read_ex(session->ssl, plain, cap, got) == 1
			    ? SSL_ERROR_NONE
			    : SSL_get_error(session->ssl, 0);
	if (start_ns != 0)
		session->handshake_ns += nanoseconds() - start_ns;
	return error;
}

enum mt_status mt_tls_session_read(struct mt_tls_session *session, void *plain, size_t cap,
				   size_t *len, struct mt_buf *cipher)
{
	size_t got = 0;
	int error;

	MT_CHECK(cap > 0);
	if (session->is_failed)
		return MT_TLS;
	if (session->is_closed)
		return MT_CLOSED;
	ERR_clear_error();
	session->is_waiting = false;
	session->out = cipher;
	error = read_some(session, plain, cap, &got);
	session->out = NULL;
	if (!session->is_open && SSL_is_init_finished(session->ssl) == 1 && !open_up(session)) {
		session->obstacle = "no memory for what the client proved";
		return fail(session);
	}
	if (error != SSL_ERROR_NONE)
		return conclude_read(session, error);
	*len = got;
	return MT_OK;
}

enum mt_status mt_tls_session_write(struct mt_tls_session *session, struct mt_bytes plain,
				    struct mt_buf *cipher)
{
	size_t sent = 0;
	bool is_written;

	MT_CHECK(plain.len <= MT_TLS_RECORD_BYTES_MAX);
	if (session->is_failed)
		return MT_TLS;
	if (!session->is_open)
		return MT_AGAIN;
	if (plain.len == 0)
		return MT_OK;
	MT_CHECK(cipher->cap - cipher->pos >= plain.len + MT_TLS_OVERHEAD_BYTES);
	ERR_clear_error();
	session->out = cipher;
	is_written = SSL_write_ex(session->ssl, plain.data, plain.len, &sent) == 1;
	session->out = NULL;
	if (!is_written)
		return fail(session);
	MT_CHECK(sent == plain.len);
	return MT_OK;
}

void mt_tls_session_close(struct mt_tls_session *session, struct mt_buf *cipher)
{
	if (session->is_failed || !session->is_open)
		return;
	ERR_clear_error();
	session->out = cipher;
	/* Zero means that the peer's own close_notify has not come yet: nobody waits for it. */
	(void)SSL_shutdown(session->ssl);
	session->out = NULL;
	ERR_clear_error();
}

bool mt_tls_session_is_open(const struct mt_tls_session *session)
{
	return session->is_open;
}

/* RFC 9266 sections 2 and 4.2; no context. */
bool mt_tls_session_export(const struct mt_tls_session *session, uint8_t out[MT_TLS_EXPORT_BYTES])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	bool is_unique = session->is_open && (SSL_version(session->ssl) >= TLS1_3_VERSION ||
					      SSL_get_extms_support(session->ssl) == 1);
	bool is_done = is_unique && !session->is_failed &&
		       SSL_export_keying_material(session->ssl, out, MT_TLS_EXPORT_BYTES, label,
						  sizeof(label) - 1, NULL, 0, 0) == 1;
	ERR_clear_error();
	return is_done;
}

const char *mt_tls_session_summary(struct mt_tls_session *session)
{
	if (session->is_open && !session->summary)
		session->summary = malloc(SUMMARY_BYTES);
	if (!session->summary)
		return "";
	snprintf(session->summary, SUMMARY_BYTES, "%s %s%s", SSL_get_version(session->ssl),
		 SSL_get_cipher_name(session->ssl),
		 SSL_session_reused(session->ssl) == 1 ? ", resumed" : "");
	return session->summary;
}

const char *mt_tls_session_fault(const struct mt_tls_session *session)
{
	if (!session->is_failed)
		return "";
	return session->fault ? session->fault : "TLS failed, and there is no memory to say why";
}

bool mt_tls_session_peer_cn(const struct mt_tls_session *session, char *out, size_t cap)
{
	X509 *certificate = SSL_get0_peer_certificate(session->ssl);

	if (!session->is_open || !certificate || SSL_get_verify_result(session->ssl) != X509_V_OK)
		return false;
	return mt_tls_peer_cn(certificate, out, cap);
}

bool mt_tls_session_peer(const struct mt_tls_session *session, struct mt_tls_peer *out)
{
	X509 *certificate = SSL_get0_peer_certificate(session->ssl);
	if (!session->is_open || !session->proof)
		return false;
	*out = (struct mt_tls_peer){.is_key = session->proof->is_key,
				    .user_id = session->proof->user_id,
				    .not_after_s = INT64_MAX};
	memcpy(out->name, session->proof->name, sizeof(out->name));
	if (!certificate)
		return true;
	mt_tls_peer_describe(certificate, out);
	return true;
}

static enum mt_tls_review review_key(const struct mt_tls_session *session,
				     const struct mt_book *book, const struct mt_tls_note *note)
{
	struct mt_bytes key;
	if (mt_book_psk(book, note->identity, &key) != session->proof->user_id)
		return MT_TLS_UNTRUSTED;
	return note->proved_s <= mt_book_not_before(book, NULL, session->proof->user_id)
		       ? MT_TLS_REVOKED
		       : MT_TLS_HOLDS;
}

static enum mt_tls_review review_certificate(const struct mt_tls_session *session,
					     struct mt_tls_context *context,
					     const struct mt_book *book,
					     const struct mt_tls_note *note)
{
	X509 *certificate = SSL_get0_peer_certificate(session->ssl);
	uint8_t fingerprint[MT_FINGERPRINT_BYTES];
	uint64_t user_id = mt_tls_peer_user(context, book, certificate, note->issuer, NULL, 0);
	if (!mt_tls_fingerprint(certificate, fingerprint) ||
	    note->proved_s <= mt_book_not_before(book, fingerprint, user_id))
		return MT_TLS_REVOKED;
	return user_id == session->proof->user_id ? MT_TLS_HOLDS : MT_TLS_UNTRUSTED;
}

/* The library's certificates count their references themselves. */
static enum mt_tls_review review_chain(const struct mt_tls_session *session,
				       struct mt_tls_context *context)
{
	X509 *certificate = SSL_get0_peer_certificate(session->ssl);
	switch (mt_tls_trust_verify(context, certificate, SSL_get_peer_cert_chain(session->ssl))) {
	case X509_V_OK:
	/* That there is no word of the issuer is no word against its client. */
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_OUT_OF_MEM:
		return MT_TLS_HOLDS;
	case X509_V_ERR_CERT_REVOKED:
		return MT_TLS_REVOKED;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return MT_TLS_EXPIRED;
	default:
		return MT_TLS_UNTRUSTED;
	}
}

enum mt_tls_review mt_tls_session_review(const struct mt_tls_session *session,
					 struct mt_tls_context *context, int64_t now_s,
					 bool is_deep)
{
	struct mt_tls_note note;
	enum mt_tls_review found = MT_TLS_UNTRUSTED;
	struct mt_tls_peer peer;
	struct mt_book *book;
	if (!mt_tls_session_peer(session, &peer))
		return MT_TLS_HOLDS;
	if (peer.not_after_s < now_s)
		return MT_TLS_EXPIRED;
	note = mt_tls_note_of(SSL_get_session(session->ssl));
	book = mt_tls_context_book(context);
	if (book)
		found = peer.is_key ? review_key(session, book, &note)
				    : review_certificate(session, context, book, &note);
	mt_book_unref(&book);
	if (found == MT_TLS_HOLDS && is_deep && !peer.is_key)
		found = review_chain(session, context);
	return found;
}
