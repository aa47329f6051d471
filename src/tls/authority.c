/* The local certificate authority: root, issuing intermediate, server certificate. */
#include "tls/authority.h"

#include "tls/names.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define SECONDS_PER_DAY ((int64_t)24 * 60 * 60)
#define DAYS_MAX 36500
/* A device whose clock lags does not refuse a fresh certificate. */
#define BACKDATE_S 3600
#define SERIAL_BITS 128
#define CN_BYTES_MAX 64

/* A certificate with its key; whoever holds one ends it with finish(). */
struct identity {
	X509 *certificate;
	EVP_PKEY *key;
};

/* What makes a certificate this kind of certificate. */
struct kind {
	const char *basic_constraints;
	const char *key_usage;
	const char *extended_key_usage; /* NULL: any */
};

static const struct kind kind_root = {"critical,CA:TRUE,pathlen:1", "critical,keyCertSign,cRLSign",
				      NULL};
static const struct kind kind_issuer = {"critical,CA:TRUE,pathlen:0",
					"critical,keyCertSign,cRLSign", "serverAuth"};
static const struct kind kind_server = {"critical,CA:FALSE", "critical,digitalSignature",
					"serverAuth"};
static const struct kind kind_client = {"critical,CA:FALSE", "critical,digitalSignature",
					"clientAuth"};

static void finish(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
	*identity = (struct identity){NULL, NULL};
}

/* The library's errors stay in no queue: ours is a status. */
static enum mt_status conclude(enum mt_status status)
{
	ERR_clear_error();
	return status;
}

void mt_pem_finish(struct mt_pem *pem)
{
	if (!pem || !pem->text)
		return;
	mt_bytes_wipe(pem->text, pem->len);
	free(pem->text);
	*pem = (struct mt_pem){NULL, 0};
}

/* The content of the BIO, which is freed (and wiped). */
static enum mt_status take_pem(BIO *bio, bool is_written, struct mt_pem *out)
{
	char *data = NULL;
	long len = is_written ? BIO_get_mem_data(bio, &data) : 0;
	struct mt_pem pem = {len > 0 ? malloc((size_t)len + 1) : NULL, (size_t)len};

	if (pem.text) {
		memcpy(pem.text, data, pem.len);
		pem.text[pem.len] = '\0';
		*out = pem;
	}
	BIO_free(bio);
	return pem.text ? MT_OK : MT_MEMORY;
}

static enum mt_status write_pems(const struct identity *identity, X509 *issuer,
				 struct mt_pem *certificate, struct mt_pem *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct mt_pem chain = {NULL, 0};
	bool is_written = bio && PEM_write_bio_X509(bio, identity->certificate) == 1 &&
			  (!issuer || PEM_write_bio_X509(bio, issuer) == 1);

	MT_TRY(take_pem(bio, is_written, &chain));
	bio = BIO_new(BIO_s_mem());
	is_written = bio && PEM_write_bio_PKCS8PrivateKey(bio, identity->key, NULL, NULL, 0, NULL,
							  NULL) == 1;
	if (take_pem(bio, is_written, key) != MT_OK) {
		mt_pem_finish(&chain);
		return MT_MEMORY;
	}
	*certificate = chain;
	return MT_OK;
}

static int no_passphrase(char *to, int cap, int is_writing, void *unused)
{
	(void)to;
	(void)cap;
	(void)is_writing;
	(void)unused;
	return -1;
}

static X509 *read_certificate(const struct mt_pem *pem)
{
	BIO *bio = pem->len <= INT32_MAX ? BIO_new_mem_buf(pem->text, (int)pem->len) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *read_key(const struct mt_pem *pem)
{
	BIO *bio = pem->len <= INT32_MAX ? BIO_new_mem_buf(pem->text, (int)pem->len) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return key;
}

/* An issuer must be a CA and own the key. */
static enum mt_status read_issuer(const struct mt_pem *certificate, const struct mt_pem *key,
				  struct identity *out)
{
	struct identity issuer = {read_certificate(certificate), read_key(key)};

	if (!issuer.certificate || !issuer.key ||
	    X509_check_private_key(issuer.certificate, issuer.key) != 1 ||
	    X509_check_ca(issuer.certificate) != 1) {
		finish(&issuer);
		return MT_INVALID;
	}
	*out = issuer;
	return MT_OK;
}

static bool set_serial(X509 *certificate)
{
	BIGNUM *serial = BN_new();
	bool is_set = serial &&
		      BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
		      !BN_is_zero(serial) &&
		      BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;

	BN_free(serial);
	return is_set;
}

/* issuer: NULL for a root. */
static bool set_validity(X509 *certificate, const X509 *issuer, int64_t now_s, int days)
{
	const ASN1_TIME *limit = issuer ? X509_get0_notAfter(issuer) : NULL;
	time_t end = (time_t)(now_s + days * SECONDS_PER_DAY);

	if (!ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(now_s - BACKDATE_S)) ||
	    !ASN1_TIME_set(X509_getm_notAfter(certificate), end))
		return false;
	if (limit && ASN1_TIME_compare(limit, X509_get0_notAfter(certificate)) < 0)
		return X509_set1_notAfter(certificate, limit) == 1;
	return true;
}

static bool set_subject(X509 *certificate, const char *common_name)
{
	X509_NAME *name = X509_NAME_new();
	bool is_set =
		name &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					   (const unsigned char *)common_name, -1, -1, 0) == 1 &&
		X509_set_subject_name(certificate, name) == 1;

	X509_NAME_free(name);
	return is_set;
}

/* Only texts of ours come here; names of people go through mt_names. */
static bool add_text(X509 *certificate, X509 *issuer, int nid, const char *text)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	bool is_added;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static bool add_kind(X509 *certificate, X509 *issuer, const struct kind *kind)
{
	return add_text(certificate, issuer, NID_basic_constraints, kind->basic_constraints) &&
	       add_text(certificate, issuer, NID_key_usage, kind->key_usage) &&
	       (!kind->extended_key_usage ||
		add_text(certificate, issuer, NID_ext_key_usage, kind->extended_key_usage)) &&
	       add_text(certificate, issuer, NID_subject_key_identifier, "hash") &&
	       add_text(certificate, issuer, NID_authority_key_identifier, "keyid:always");
}

/* A new key and an unsigned certificate for it; issuer is NULL for a root. */
static enum mt_status draft(const char *common_name, const struct kind *kind, X509 *issuer,
			    int64_t now_s, int days, struct identity *out)
{
	struct identity made = {NULL, NULL};
	X509 *x;

	if (days < 1 || days > DAYS_MAX || now_s < BACKDATE_S)
		return MT_INVALID;
	made.key = EVP_EC_gen("P-256");
	made.certificate = x = X509_new();
	if (!made.key || !x || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) ||
	    !set_validity(x, issuer, now_s, days) || !set_subject(x, common_name) ||
	    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) != 1 ||
	    X509_set_pubkey(x, made.key) != 1 || !add_kind(x, issuer ? issuer : x, kind)) {
		finish(&made);
		return MT_TLS;
	}
	*out = made;
	return MT_OK;
}

static bool is_common_name(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= CN_BYTES_MAX;
}

enum mt_status mt_authority_create(const char *common_name, int64_t now_s, int days,
				   struct mt_pem *certificate, struct mt_pem *key)
{
	struct identity root;
	enum mt_status status;

	if (!is_common_name(common_name))
		return MT_INVALID;
	ERR_clear_error();
	status = draft(common_name, &kind_root, NULL, now_s, days, &root);
	if (status != MT_OK)
		return conclude(status);
	status = X509_sign(root.certificate, root.key, EVP_sha256()) > 0 ? MT_OK : MT_TLS;
	if (status == MT_OK)
		status = write_pems(&root, NULL, certificate, key);
	finish(&root);
	return conclude(status);
}

static enum mt_status make_intermediate(const struct identity *ca,
					const struct mt_server_names *names, int64_t now_s,
					int days, struct identity *out)
{
	NAME_CONSTRAINTS *constraints = mt_names_make_constraints(names);
	struct identity made = {NULL, NULL};
	enum mt_status status = constraints ? MT_OK : MT_MEMORY;

	if (status == MT_OK)
		status = draft("Mortise server issuer", &kind_issuer, ca->certificate, now_s, days,
			       &made);
	/*
	 * Not critical, against the letter of RFC 5280: mbedTLS, on most small devices, knows no
	 * constraints and would refuse the chain. Who knows them obeys them either way.
	 */
	if (status == MT_OK && (X509_add1_ext_i2d(made.certificate, NID_name_constraints,
						  constraints, 0, X509V3_ADD_DEFAULT) != 1 ||
				X509_sign(made.certificate, ca->key, EVP_sha256()) <= 0))
		status = MT_TLS;
	NAME_CONSTRAINTS_free(constraints);
	if (status != MT_OK) {
		finish(&made);
		return status;
	}
	*out = made;
	return MT_OK;
}

enum mt_status mt_authority_intermediate(const struct mt_pem *ca, const struct mt_pem *ca_key,
					 const struct mt_server_names *names, int64_t now_s,
					 int days, struct mt_pem *certificate, struct mt_pem *key)
{
	struct identity root, made;
	enum mt_status status;

	MT_TRY(mt_names_check(names));
	ERR_clear_error();
	status = read_issuer(ca, ca_key, &root);
	if (status != MT_OK)
		return conclude(status);
	status = make_intermediate(&root, names, now_s, days, &made);
	finish(&root);
	if (status != MT_OK)
		return conclude(status);
	status = write_pems(&made, NULL, certificate, key);
	finish(&made);
	return conclude(status);
}

/* The first name, when it fits; the space keeps the other text from being taken for a name. */
static const char *server_common_name(const struct mt_server_names *names)
{
	return names->dns_count > 0 && is_common_name(names->dns[0]) ? names->dns[0]
								     : "Mortise server";
}

/* Does the issuer's own constraint allow the names? An issuer without constraints allows all. */
static enum mt_status check_constraints(X509 *issuer, X509 *server)
{
	NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(issuer, NID_name_constraints, NULL, NULL);
	int verdict = X509_V_OK;

	/* Makes the library parse the extensions that the check relies on. */
	if (constraints)
		verdict = X509_check_purpose(server, -1, 0) == 1
				  ? NAME_CONSTRAINTS_check(server, constraints)
				  : X509_V_ERR_UNSPECIFIED;

	NAME_CONSTRAINTS_free(constraints);
	return verdict == X509_V_OK ? MT_OK : MT_DENIED;
}

static enum mt_status make_server(const struct identity *issuer,
				  const struct mt_server_names *names, int64_t now_s, int days,
				  struct identity *out)
{
	GENERAL_NAMES *san = mt_names_make_san(names);
	struct identity made = {NULL, NULL};
	enum mt_status status = san ? MT_OK : MT_MEMORY;

	if (status == MT_OK)
		status = draft(server_common_name(names), &kind_server, issuer->certificate, now_s,
			       days, &made);
	if (status == MT_OK && (X509_add1_ext_i2d(made.certificate, NID_subject_alt_name, san, 0,
						  X509V3_ADD_DEFAULT) != 1 ||
				X509_sign(made.certificate, issuer->key, EVP_sha256()) <= 0))
		status = MT_TLS;
	GENERAL_NAMES_free(san);
	if (status == MT_OK)
		status = check_constraints(issuer->certificate, made.certificate);
	if (status != MT_OK) {
		finish(&made);
		return status;
	}
	*out = made;
	return MT_OK;
}

enum mt_status mt_authority_server(const struct mt_pem *issuer, const struct mt_pem *issuer_key,
				   const struct mt_server_names *names, int64_t now_s, int days,
				   struct mt_pem *chain, struct mt_pem *key)
{
	struct identity signer, made;
	enum mt_status status;

	MT_TRY(mt_names_check(names));
	ERR_clear_error();
	status = read_issuer(issuer, issuer_key, &signer);
	if (status != MT_OK)
		return conclude(status);
	status = make_server(&signer, names, now_s, days, &made);
	if (status == MT_OK) {
		status = write_pems(&made, signer.certificate, chain, key);
		finish(&made);
	}
	finish(&signer);
	return conclude(status);
}

static bool add_uri(X509 *certificate, const char *uri)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool is_added = names && name && text && ASN1_STRING_set(text, uri, -1) == 1;

	if (is_added) {
		GENERAL_NAME_set0_value(name, GEN_URI, text);
		text = NULL;
		is_added = sk_GENERAL_NAME_push(names, name) > 0;
	}
	if (is_added) {
		name = NULL;
		is_added = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
					     X509V3_ADD_DEFAULT) == 1;
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return is_added;
}

enum mt_status mt_authority_client(const struct mt_pem *ca, const struct mt_pem *ca_key,
				   const char *common_name, const char *uri, int64_t now_s,
				   int days, struct mt_pem *certificate, struct mt_pem *key)
{
	struct identity signer, made = {NULL, NULL};
	enum mt_status status;

	if (!is_common_name(common_name))
		return MT_INVALID;
	ERR_clear_error();
	status = read_issuer(ca, ca_key, &signer);
	if (status != MT_OK)
		return conclude(status);
	status = draft(common_name, &kind_client, signer.certificate, now_s, days, &made);
	if (status == MT_OK && (!add_uri(made.certificate, uri) ||
				X509_sign(made.certificate, signer.key, EVP_sha256()) <= 0))
		status = MT_TLS;
	if (status == MT_OK)
		status = write_pems(&made, NULL, certificate, key);
	finish(&made);
	finish(&signer);
	return conclude(status);
}

bool mt_authority_is_pair(const struct mt_pem *certificate, const struct mt_pem *key)
{
	struct identity issuer;

	if (read_issuer(certificate, key, &issuer) != MT_OK) {
		(void)conclude(MT_INVALID);
		return false;
	}
	finish(&issuer);
	return true;
}

/* ---- the key under a passphrase ---- */

static int give_passphrase(char *to, int cap, int is_writing, void *passphrase)
{
	size_t len = strlen(passphrase);
	(void)is_writing;
	if (len > (size_t)cap)
		return -1;
	memcpy(to, passphrase, len);
	return (int)len;
}

static enum mt_status write_key(EVP_PKEY *key, const char *passphrase, struct mt_pem *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	/* The library's argument has no const; it is only read. */
	void *secret = (void *)(uintptr_t)passphrase;
	bool is_written = bio && PEM_write_bio_PKCS8PrivateKey(
					 bio, key, passphrase ? EVP_aes_256_cbc() : NULL, NULL, 0,
					 passphrase ? give_passphrase : NULL, secret) == 1;
	return take_pem(bio, is_written, out);
}

enum mt_status mt_authority_lock(const struct mt_pem *key, const char *passphrase,
				 struct mt_pem *out)
{
	EVP_PKEY *plain;
	enum mt_status status;

	ERR_clear_error();
	plain = read_key(key);
	status = plain ? write_key(plain, passphrase, out) : MT_INVALID;
	EVP_PKEY_free(plain);
	return conclude(status);
}

enum mt_status mt_authority_unlock(const struct mt_pem *locked, const char *passphrase,
				   struct mt_pem *out)
{
	BIO *bio =
		locked->len <= INT32_MAX ? BIO_new_mem_buf(locked->text, (int)locked->len) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase,
						      (void *)(uintptr_t)passphrase)
			    : NULL;
	enum mt_status status = key ? write_key(key, NULL, out) : MT_DENIED;

	BIO_free(bio);
	EVP_PKEY_free(key);
	return conclude(status);
}

enum mt_status mt_authority_pin(const struct mt_pem *certificate, char out[45])
{
	uint8_t digest[32];
	unsigned char *spki = NULL;
	X509 *x;
	int len;

	ERR_clear_error();
	x = read_certificate(certificate);
	if (!x)
		return conclude(MT_INVALID);
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
	X509_free(x);
	if (len <= 0)
		return conclude(MT_TLS);
	if (EVP_Digest(spki, (size_t)len, digest, NULL, EVP_sha256(), NULL) != 1) {
		OPENSSL_free(spki);
		return conclude(MT_TLS);
	}
	OPENSSL_free(spki);
	EVP_EncodeBlock((unsigned char *)out, digest, (int)sizeof(digest));
	return MT_OK;
}
