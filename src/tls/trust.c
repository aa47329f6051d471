/*
 * Whose clients a server lets in: CAs, CRLs, and the verification of a chain.
 *
 *   chain -> CA -> purpose -> dates -> CRL of each issuer -> ended by hand? -> the issuer is noted
 * in the session
 */
#include "tls/parts.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TRUSTED_COUNT_MAX 1000
#define CRL_COUNT_MAX 1000
#define DEPTH_MAX 8
#define SUBJECT_BYTES 96
#define PATH_BYTES 4352

bool mt_tls_trust_pem(SSL_CTX *ctx, BIO *pem, const char **why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	int count = 0;

	for (;;) {
		X509 *certificate = PEM_read_bio_X509(pem, NULL, mt_tls_pem_no_passphrase, NULL);
		bool is_added;
		if (!certificate)
			break;
		is_added = X509_STORE_add_cert(store, certificate) == 1;
		X509_free(certificate);
		*why = is_added ? "more than 1000 certificates" : mt_tls_fault_reason();
		if (!is_added || ++count > TRUSTED_COUNT_MAX)
			return false;
	}
	*why = "no certificate in it";
	if (count == 0)
		return false;
	/* A clean end is reported as "no start line"; anything else is a damaged block. */
	*why = mt_tls_fault_reason();
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

/* ---- CRLs ---- */

static bool keep_crl(struct mt_tls_context *context, X509_CRL *crl)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context->ctx);
	if (sk_X509_CRL_num(context->crls) >= CRL_COUNT_MAX ||
	    X509_STORE_add_crl(store, crl) != 1 || sk_X509_CRL_push(context->crls, crl) <= 0) {
		X509_CRL_free(crl);
		return false;
	}
	return true;
}

/* All of a PEM file, or the one of a DER file; how many, -1: it is damaged. */
static int read_crls(struct mt_tls_context *context, BIO *from)
{
	X509_CRL *crl;
	int count = 0;
	char *text = NULL;
	long len = BIO_get_mem_data(from, &text);
	const unsigned char *der = (const unsigned char *)text;
	while ((crl = PEM_read_bio_X509_CRL(from, NULL, mt_tls_pem_no_passphrase, NULL))) {
		if (!keep_crl(context, crl))
			return -1;
		count++;
	}
	if (count > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return count;
	}
	/* What was read of the memory BIO is still there: it is read-only. */
	crl = count == 0 && len > 0 && text ? d2i_X509_CRL(NULL, &der, len) : NULL;
	return crl && keep_crl(context, crl) ? 1 : -1;
}

static enum mt_status load_crl_file(struct mt_tls_context *context, const char *path, char *fault,
				    size_t cap)
{
	BIO *file, *view;
	char *text = NULL;
	long len;
	int count;
	MT_TRY(mt_tls_pem_read(path, false, &file, fault, cap));
	len = BIO_get_mem_data(file, &text);
	view = len > 0 && len <= INT32_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	ERR_clear_error();
	count = view ? read_crls(context, view) : -1;
	BIO_free(view);
	BIO_free(file);
	if (count > 0) {
		ERR_clear_error();
		return MT_OK;
	}
	mt_tls_fault_say(fault, cap, "%s is no CRL: %s; expected PEM or DER", path,
			 mt_tls_fault_reason());
	return MT_INVALID;
}

static enum mt_status load_crl_folder(struct mt_tls_context *context, DIR *folder, const char *path,
				      char *fault, size_t cap)
{
	const struct dirent *entry;
	while ((entry = readdir(folder))) {
		char file[PATH_BYTES];
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >= (int)sizeof(file))
			return MT_LIMIT;
		MT_TRY(load_crl_file(context, file, fault, cap));
	}
	if (sk_X509_CRL_num(context->crls) > 0)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "the folder %s holds no CRL", path);
	return MT_INVALID;
}

/* The CRL of a CA between the client's issuer and the root may be missing; the others may not. */
static int forgive_missing(int is_good, X509_STORE_CTX *chain)
{
	if (!is_good && X509_STORE_CTX_get_error(chain) == X509_V_ERR_UNABLE_TO_GET_CRL &&
	    X509_STORE_CTX_get_error_depth(chain) > 0) {
		X509_STORE_CTX_set_error(chain, X509_V_OK);
		return 1;
	}
	return is_good;
}

static int forgive_old_too(int is_good, X509_STORE_CTX *chain)
{
	if (!is_good && X509_STORE_CTX_get_error(chain) == X509_V_ERR_CRL_HAS_EXPIRED) {
		X509_STORE_CTX_set_error(chain, X509_V_OK);
		return 1;
	}
	return forgive_missing(is_good, chain);
}

static enum mt_status load_crls(struct mt_tls_context *context,
				const struct mt_tls_server_settings *settings, char *fault,
				size_t cap)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context->ctx);
	DIR *folder;
	enum mt_status status;
	if (!settings->crl_path || settings->crl_path[0] == '\0')
		return MT_OK;
	context->crls = sk_X509_CRL_new_null();
	if (!context->crls)
		return MT_MEMORY;
	context->is_old_crl_accepted = settings->is_old_crl_accepted;
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	X509_STORE_set_verify_cb(store,
				 settings->is_old_crl_accepted ? forgive_old_too : forgive_missing);
	folder = opendir(settings->crl_path);
	if (!folder)
		return load_crl_file(context, settings->crl_path, fault, cap);
	status = load_crl_folder(context, folder, settings->crl_path, fault, cap);
	closedir(folder);
	return status;
}

/* Several of one issuer may lie side by side, old and new. */
bool mt_tls_trust_revokes(const struct mt_tls_context *context, X509 *certificate)
{
	const X509_NAME *issuer = X509_get_issuer_name(certificate);
	bool has_old = false, has_current = false;
	for (int i = 0; i < sk_X509_CRL_num(context->crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(context->crls, i);
		const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
		X509_REVOKED *entry;
		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) != 0)
			continue;
		if (X509_CRL_get0_by_cert(crl, &entry, certificate) == 1)
			return true;
		if (next && X509_cmp_current_time(next) < 0)
			has_old = true;
		else
			has_current = true;
	}
	/* The handshake in full says what is wrong with it. */
	return has_old && !has_current && !context->is_old_crl_accepted;
}

/* ---- the verdict of a handshake ---- */

static void describe_name(const X509_NAME *name, char out[SUBJECT_BYTES])
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len = -1;
	if (bio && X509_NAME_print_ex(bio, name, 0,
				      (XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) |
					      ASN1_STRFLGS_ESC_CTRL) >= 0)
		len = BIO_read(bio, out, SUBJECT_BYTES - 1);
	BIO_free(bio);
	out[len > 0 ? len : 0] = '\0';
}

static const char *remedy(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "it needs a new one";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "see to the clocks, its issuer's and ours";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "its issuer is none that client_ca trusts, or it came without its "
		       "intermediates";
	case X509_V_ERR_INVALID_PURPOSE:
		return "it was not issued for clients (extended key usage clientAuth)";
	case X509_V_ERR_CERT_REVOKED:
		return "its issuer took it back";
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return "put a newer CRL in the place of the old one, or set expired_crl: accept";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return "crl holds none of its issuer";
	default:
		return "it is refused";
	}
}

static void explain(struct mt_tls_session *session, X509 *certificate, int error)
{
	char subject[SUBJECT_BYTES] = "", text[200];
	describe_name(X509_get_subject_name(certificate), subject);
	snprintf(text, sizeof(text), "the client's certificate %.64s: %s: %s", subject,
		 X509_verify_cert_error_string(error), remedy(error));
	mt_tls_session_note_refusal(session, text);
}

/* Revoked here, by `mortise cert revoke`. */
static bool is_revoked_here(struct mt_tls_context *context, X509 *certificate)
{
	struct mt_book *book = mt_tls_context_book(context);
	uint8_t fingerprint[MT_FINGERPRINT_BYTES];
	bool is_revoked;
	if (!book)
		return false;
	is_revoked = !mt_tls_fingerprint(certificate, fingerprint) ||
		     mt_book_not_before(book, fingerprint, 0) == INT64_MAX;
	mt_book_unref(&book);
	return is_revoked;
}

/* Who issued it is known only now: it goes into the session, and to all that go on from it. */
static bool note_issuer(SSL *ssl, X509_STORE_CTX *verified)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(verified);
	struct mt_tls_note note = {.kind = MT_TLS_NOTE_CERTIFICATE,
				   .proved_s = (int64_t)time(NULL)};
	const X509 *issuer = sk_X509_num(chain) > 1 ? sk_X509_value(chain, 1)
						    : X509_STORE_CTX_get0_cert(verified);
	return mt_tls_key_fingerprint(issuer, note.issuer) &&
	       mt_tls_note_put(SSL_get_session(ssl), &note);
}

static int verify_client(X509_STORE_CTX *verified, void *argument)
{
	struct mt_tls_context *context = argument;
	SSL *ssl = X509_STORE_CTX_get_ex_data(verified, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *certificate = X509_STORE_CTX_get0_cert(verified);
	bool is_good = X509_verify_cert(verified) == 1;
	if (is_good && is_revoked_here(context, certificate)) {
		X509_STORE_CTX_set_error(verified, X509_V_ERR_CERT_REVOKED);
		is_good = false;
	}
	if (is_good && !note_issuer(ssl, verified)) {
		X509_STORE_CTX_set_error(verified, X509_V_ERR_OUT_OF_MEM);
		is_good = false;
	}
	if (!is_good)
		explain(mt_tls_session_of(ssl), certificate, X509_STORE_CTX_get_error(verified));
	/* A ticket would carry the certificate, to be decoded at each return: 300 us. */
	else if (context->cache && SSL_version(ssl) == TLS1_3_VERSION)
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
	return is_good;
}

int mt_tls_trust_verify(struct mt_tls_context *context, X509 *certificate, STACK_OF(X509) * chain)
{
	X509_STORE_CTX *verified = X509_STORE_CTX_new();
	int error = X509_V_ERR_OUT_OF_MEM;
	if (verified &&
	    X509_STORE_CTX_init(verified, SSL_CTX_get_cert_store(context->ctx), certificate,
				chain) == 1 &&
	    X509_STORE_CTX_set_default(verified, "ssl_client") == 1)
		error = X509_verify_cert(verified) == 1 ? X509_V_OK
							: X509_STORE_CTX_get_error(verified);
	X509_STORE_CTX_free(verified);
	ERR_clear_error();
	return error;
}

/* ---- loading ---- */

/* In the request for a certificate: a client with several knows which one is meant. */
static bool name_cas(SSL_CTX *ctx, BIO *pem)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	X509 *certificate;
	bool is_good = names != NULL;
	while (is_good && (certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL))) {
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));
		is_good = name && sk_X509_NAME_push(names, name) > 0;
		X509_free(certificate);
	}
	ERR_clear_error();
	if (is_good)
		SSL_CTX_set_client_CA_list(ctx, names);
	else
		sk_X509_NAME_pop_free(names, X509_NAME_free);
	return is_good;
}

static enum mt_status load_cas(struct mt_tls_context *context, const char *path, char *fault,
			       size_t cap)
{
	const char *why = "no memory";
	char *text = NULL;
	bool is_good;
	BIO *pem, *again;
	long len;
	MT_TRY(mt_tls_pem_read(path, false, &pem, fault, cap));
	len = BIO_get_mem_data(pem, &text);
	again = BIO_new(BIO_s_mem());
	ERR_clear_error();
	is_good = again && BIO_write(again, text, (int)len) == (int)len &&
		  EVP_Digest(text, (size_t)len, context->trust, NULL, EVP_sha256(), NULL) == 1 &&
		  mt_tls_trust_pem(context->ctx, pem, &why) && name_cas(context->ctx, again);
	BIO_free(pem);
	BIO_free(again);
	if (is_good)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot use the CA of clients %s: %s", path, why);
	return MT_INVALID;
}

enum mt_status mt_tls_trust_load(struct mt_tls_context *context,
				 const struct mt_tls_server_settings *settings, char *fault,
				 size_t cap)
{
	int mode = SSL_VERIFY_PEER;
	context->demand = settings->demand;
	if (settings->demand == MT_TLS_DEMAND_NONE)
		return MT_OK;
	if (settings->demand == MT_TLS_DEMAND_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	snprintf(context->identity, sizeof(context->identity), "%s", settings->identity);
	SSL_CTX_set_verify(context->ctx, mode, NULL);
	SSL_CTX_set_verify_depth(context->ctx, DEPTH_MAX);
	SSL_CTX_set_cert_verify_callback(context->ctx, verify_client, context);
	MT_TRY(load_cas(context, settings->ca_path, fault, cap));
	return load_crls(context, settings, fault, cap);
}
