/* What a client proved: its certificate's names, whom they stand for, and whether that still holds.
 */
#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define URI_PREFIX "mortise:"

/* ---- the note in each session ---- */

/* | kind 1 | proved_s 8 | certificate: issuer 32; key: user 8, identity | */
#define NOTE_BYTES_MAX (1 + 8 + 8 + MT_PSK_IDENTITY_BYTES_MAX)
_Static_assert(NOTE_BYTES_MAX >= 1 + 8 + MT_FINGERPRINT_BYTES, "room for an issuer");

bool mt_tls_note_put(SSL_SESSION *session, const struct mt_tls_note *note)
{
	uint8_t data[NOTE_BYTES_MAX];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	mt_buf_put_u8(&buf, (uint8_t)note->kind);
	mt_buf_put_u64(&buf, (uint64_t)note->proved_s);
	if (note->kind == MT_TLS_NOTE_CERTIFICATE) {
		mt_buf_put(&buf, mt_bytes_of(note->issuer, sizeof(note->issuer)));
	} else if (note->kind == MT_TLS_NOTE_KEY) {
		mt_buf_put_u64(&buf, note->user_id);
		mt_buf_put(&buf, note->identity);
	}
	return !buf.is_overflown && SSL_SESSION_set1_ticket_appdata(session, data, buf.pos) == 1;
}

static bool read_note(struct mt_bytes data, struct mt_tls_note *note)
{
	struct mt_reader in = mt_reader_of(data);
	struct mt_bytes issuer;
	note->kind = (enum mt_tls_note_kind)mt_reader_u8(&in);
	note->proved_s = (int64_t)mt_reader_u64(&in);
	if (note->kind == MT_TLS_NOTE_CERTIFICATE) {
		issuer = mt_reader_take(&in, sizeof(note->issuer));
		memcpy(note->issuer, issuer.data, issuer.len);
	} else if (note->kind == MT_TLS_NOTE_KEY) {
		note->user_id = mt_reader_u64(&in);
		note->identity = mt_reader_take(&in, mt_reader_left(&in));
	}
	return !in.is_short && mt_reader_left(&in) == 0;
}

struct mt_tls_note mt_tls_note_of(SSL_SESSION *session)
{
	struct mt_tls_note note = {.kind = MT_TLS_NOTE_NOTHING};
	void *data = NULL;
	size_t len = 0;
	if (SSL_SESSION_get0_ticket_appdata(session, &data, &len) == 1 &&
	    read_note(mt_bytes_of(data, len), &note))
		return note;
	/* In TLS 1.2 a session without a certificate is kept by id as it is: its own time holds. */
	return (struct mt_tls_note){.proved_s = SSL_SESSION_get_time(session)};
}

/* ---- certificates ---- */

bool mt_tls_fingerprint(const X509 *certificate, uint8_t out[MT_FINGERPRINT_BYTES])
{
	unsigned len = 0;
	return X509_digest(certificate, EVP_sha256(), out, &len) == 1;
}

bool mt_tls_key_fingerprint(const X509 *certificate, uint8_t out[MT_FINGERPRINT_BYTES])
{
	unsigned char *key = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
	bool is_made = len > 0 && EVP_Digest(key, (size_t)len, out, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(key);
	return is_made;
}

/* The only CN of a name; NULL when there is none, or two that could be confused. */
static const ASN1_STRING *only_cn(const X509_NAME *name)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return NULL;
	return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
}

bool mt_tls_peer_cn(X509 *certificate, char *out, size_t cap)
{
	const ASN1_STRING *cn = only_cn(X509_get_subject_name(certificate));
	unsigned char *text;
	bool is_whole;
	int len = cn ? ASN1_STRING_to_UTF8(&text, cn) : -1;

	ERR_clear_error();
	if (len < 0)
		return false;
	/* A zero inside would make two names look like one. */
	is_whole = len > 0 && (size_t)len < cap && !memchr(text, '\0', (size_t)len);
	if (is_whole) {
		memcpy(out, text, (size_t)len);
		out[len] = '\0';
	}
	OPENSSL_free(text);
	return is_whole;
}

/* What the views of the names point into. */
struct names {
	GENERAL_NAMES *alternatives;
	char cn[MT_TLS_IDENTITY_BYTES + 1];
	char *serial;
	struct mt_certificate_names views;
};

static struct mt_bytes text_of(const ASN1_STRING *string)
{
	struct mt_bytes text =
		mt_bytes_of(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
	bool is_plain = text.len > 0 && !memchr(text.data, '\0', text.len);
	return is_plain ? text : mt_bytes_of(NULL, 0);
}

/* A second one makes both unsure; *count tells. */
static void keep_only(struct mt_bytes *view, unsigned *count, struct mt_bytes text)
{
	*view = ++*count == 1 ? text : mt_bytes_of(NULL, 0);
}

static void read_alternatives(struct names *names)
{
	struct mt_certificate_names *views = &names->views;
	unsigned users = 0, uris = 0, domains = 0, mails = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names->alternatives); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names->alternatives, i);
		struct mt_bytes prefix = mt_bytes_str(URI_PREFIX), text;
		if (name->type != GEN_URI && name->type != GEN_DNS && name->type != GEN_EMAIL)
			continue;
		text = text_of(name->d.ia5);
		if (name->type == GEN_DNS)
			keep_only(&views->dns, &domains, text);
		else if (name->type == GEN_EMAIL)
			keep_only(&views->email, &mails, text);
		else if (mt_bytes_starts(text, prefix))
			keep_only(&views->user, &users, mt_bytes_from(text, prefix.len));
		else
			keep_only(&views->uri, &uris, text);
	}
}

static void names_open(struct names *names, X509 *certificate)
{
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	memset(names, 0, sizeof(*names));
	names->alternatives = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	if (names->alternatives)
		read_alternatives(names);
	if (mt_tls_peer_cn(certificate, names->cn, sizeof(names->cn)))
		names->views.cn = mt_bytes_str(names->cn);
	names->serial = serial ? BN_bn2hex(serial) : NULL;
	if (names->serial)
		names->views.serial = mt_bytes_str(names->serial);
	BN_free(serial);
}

static void names_close(struct names *names)
{
	GENERAL_NAMES_free(names->alternatives);
	OPENSSL_free(names->serial);
	ERR_clear_error();
}

uint64_t mt_tls_peer_user(struct mt_tls_context *context, const struct mt_book *book,
			  X509 *certificate, const uint8_t *issuer, char *name, size_t cap)
{
	uint8_t text[MT_PROOF_NAME_BYTES_MAX];
	struct names names;
	uint64_t user_id = 0;
	size_t len = 0;
	bool has_name;
	names_open(&names, certificate);
	has_name = mt_template_apply(mt_bytes_str(context->identity), &names.views, text,
				     sizeof(text), &len) == MT_OK;
	names_close(&names);
	if (name)
		mt_bytes_cut(name, cap, mt_bytes_of(text, has_name ? len : 0));
	if (has_name && book)
		user_id = mt_book_certificate(book, mt_bytes_of(text, len), issuer);
	return user_id;
}

struct mt_book *mt_tls_context_book(struct mt_tls_context *context)
{
	struct mt_book *book;
	pthread_mutex_lock(&context->lock);
	book = context->book ? mt_book_ref(context->book) : NULL;
	pthread_mutex_unlock(&context->lock);
	return book;
}

/* Did it end by hand, and when was that? */
static bool is_ended(struct mt_tls_context *context, X509 *certificate,
		     const struct mt_tls_note *note)
{
	struct mt_book *book = mt_tls_context_book(context);
	uint8_t fingerprint[MT_FINGERPRINT_BYTES];
	uint64_t user_id;
	int64_t not_before_s;
	if (!book)
		return false;
	user_id = mt_tls_peer_user(context, book, certificate, note->issuer, NULL, 0);
	not_before_s = mt_tls_fingerprint(certificate, fingerprint)
			       ? mt_book_not_before(book, fingerprint, user_id)
			       : INT64_MAX;
	mt_book_unref(&book);
	return note->proved_s <= not_before_s;
}

bool mt_tls_peer_is_void(struct mt_tls_context *context, SSL_SESSION *session)
{
	X509 *certificate = SSL_SESSION_get0_peer(session);
	struct mt_tls_note note = mt_tls_note_of(session);
	/* A key is as cheap as a session: whoever has one shows it each time. */
	if (!certificate)
		return note.kind != MT_TLS_NOTE_NOTHING;
	return note.kind != MT_TLS_NOTE_CERTIFICATE ||
	       X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0 ||
	       mt_tls_trust_revokes(context, certificate) || is_ended(context, certificate, &note);
}

void mt_tls_peer_describe(X509 *certificate, struct mt_tls_peer *out)
{
	struct names names;
	struct tm end;
	names_open(&names, certificate);
	mt_bytes_cut(out->cn, sizeof(out->cn), names.views.cn);
	mt_bytes_cut(out->serial, sizeof(out->serial), names.views.serial);
	names_close(&names);
	out->not_after_s = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1
				   ? (int64_t)timegm(&end)
				   : 0;
}
