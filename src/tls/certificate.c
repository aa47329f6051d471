/* Reading a certificate for people and for dates. */
#include "tls/certificate.h"

#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static X509 *read_first(const struct mt_pem *pem)
{
	BIO *bio = pem->len <= INT32_MAX ? BIO_new_mem_buf(pem->text, (int)pem->len) : NULL;
	X509 *certificate =
		bio ? PEM_read_bio_X509(bio, NULL, mt_tls_pem_no_passphrase, NULL) : NULL;
	BIO_free(bio);
	return certificate;
}

/* What was written to the BIO, cut; the BIO is freed. */
static void take_text(BIO *bio, bool is_written, char *out, size_t cap)
{
	int len = is_written ? BIO_read(bio, out, (int)cap - 1) : 0;
	out[len > 0 ? len : 0] = '\0';
	BIO_free(bio);
}

static void describe_name(const X509_NAME *name, char *out, size_t cap)
{
	BIO *bio = BIO_new(BIO_s_mem());
	take_text(bio,
		  bio && X509_NAME_print_ex(bio, name, 0,
					    XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0,
		  out, cap);
}

static void describe_names(const X509 *certificate, char *out, size_t cap)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	bool is_good = bio != NULL;
	for (int i = 0; is_good && i < sk_GENERAL_NAME_num(names); i++)
		is_good = BIO_puts(bio, i > 0 ? ", " : "") >= 0 &&
			  GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names, i)) == 1;
	GENERAL_NAMES_free(names);
	take_text(bio, is_good, out, cap);
}

static void describe_key(const X509 *certificate, char *out, size_t cap)
{
	const EVP_PKEY *key = X509_get0_pubkey(certificate);
	char group[24] = "";
	const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL;
	if (key && EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1)
		snprintf(out, cap, "ECDSA %s", strcmp(group, "prime256v1") == 0 ? "P-256" : group);
	else if (key)
		snprintf(out, cap, "%s %d", type ? type : "?", EVP_PKEY_get_bits(key));
	else
		snprintf(out, cap, "unknown");
}

static int64_t unix_time(const ASN1_TIME *when)
{
	struct tm parts;
	return ASN1_TIME_to_tm(when, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static void describe_serial(const X509 *certificate, char *out, size_t cap)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *text = number ? BN_bn2hex(number) : NULL;
	snprintf(out, cap, "%s", text ? text : "");
	OPENSSL_free(text);
	BN_free(number);
}

enum mt_status mt_certificate_read(const struct mt_pem *pem, struct mt_certificate *out)
{
	X509 *certificate;
	bool is_good;
	ERR_clear_error();
	certificate = read_first(pem);
	if (!certificate) {
		ERR_clear_error();
		return MT_INVALID;
	}
	memset(out, 0, sizeof(*out));
	describe_name(X509_get_subject_name(certificate), out->subject, sizeof(out->subject));
	describe_name(X509_get_issuer_name(certificate), out->issuer, sizeof(out->issuer));
	describe_serial(certificate, out->serial, sizeof(out->serial));
	describe_names(certificate, out->names, sizeof(out->names));
	describe_key(certificate, out->key, sizeof(out->key));
	out->not_before_s = unix_time(X509_get0_notBefore(certificate));
	out->not_after_s = unix_time(X509_get0_notAfter(certificate));
	out->is_ca = X509_check_ca(certificate) == 1;
	is_good = mt_tls_fingerprint(certificate, out->fingerprint) &&
		  mt_tls_key_fingerprint(certificate, out->key_fingerprint);
	X509_free(certificate);
	ERR_clear_error();
	return is_good ? MT_OK : MT_INVALID;
}

bool mt_certificate_is_of(const struct mt_pem *pem, const struct mt_pem *issuer)
{
	X509 *certificate = read_first(pem), *above = read_first(issuer);
	bool is_of = certificate && above && X509_check_issued(above, certificate) == X509_V_OK &&
		     X509_verify(certificate, X509_get0_pubkey(above)) == 1;
	X509_free(certificate);
	X509_free(above);
	ERR_clear_error();
	return is_of;
}

bool mt_certificate_covers(const struct mt_pem *pem, const struct mt_server_names *names)
{
	X509 *certificate = read_first(pem);
	bool is_covering = certificate != NULL;
	for (size_t i = 0; is_covering && i < names->dns_count; i++)
		is_covering = X509_check_host(certificate, names->dns[i], 0,
					      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
	for (size_t i = 0; is_covering && i < names->address_count; i++)
		is_covering = X509_check_ip_asc(certificate, names->addresses[i], 0) == 1;
	X509_free(certificate);
	ERR_clear_error();
	return is_covering;
}
