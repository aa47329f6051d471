/* The certificates of a server: what stands in them, and whether they hold. */
#include "base/utf8.h"
#include "tls/parts.h"
#include "tls/probe_parts.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#define LEVEL 2 /* as our clients: 112 bits */

/* Bytes of a character that could mislead a terminal or a reader, 0 when it is none: C1, and what
 * has no width or changes the direction (U+200B..U+202E but the dashes, U+2060..U+206F). */
static size_t harm_bytes(const uint8_t *at, size_t left)
{
	if (left >= 2 && at[0] == 0xc2 && at[1] < 0xa0)
		return 2;
	if (left < 3 || at[0] != 0xe2)
		return 0;
	if (at[1] == 0x80 && ((at[2] >= 0x8b && at[2] <= 0x8f) || (at[2] >= 0xa8 && at[2] <= 0xae)))
		return 3;
	return at[1] == 0x81 && at[2] >= 0xa0 && at[2] <= 0xaf ? 3 : 0;
}

static size_t sequence_bytes(uint8_t lead)
{
	return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static void put_escaped(struct mt_buf *out, const uint8_t *at, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		const char text[4] = {'\\', 'x', digits[at[i] >> 4], digits[at[i] & 15]};
		mt_buf_put(out, mt_bytes_of(text, sizeof(text)));
	}
}

/* The character at `at`, or its escape: bytes that were read. is_utf8: the text is, as a whole. */
static size_t put_character(struct mt_buf *out, const uint8_t *at, size_t left, bool is_utf8)
{
	size_t len = is_utf8 ? sequence_bytes(*at) : 1;
	size_t harm = is_utf8 ? harm_bytes(at, left) : 0;
	if (harm > 0 || *at < 0x20 || *at == 0x7f || (!is_utf8 && *at >= 0x80)) {
		put_escaped(out, at, len);
		return len;
	}
	mt_buf_put(out, mt_bytes_of(at, len));
	return len;
}

void mt_probe_text(struct mt_bytes from, char *out, size_t cap)
{
	size_t bad, at = 0, whole = 0;
	bool is_utf8 = mt_utf8_check(from, &bad) == MT_UTF8_GOOD;
	struct mt_buf text = mt_buf_of(out, cap - 4);
	while (at < from.len && !text.is_overflown) {
		whole = text.pos;
		at += put_character(&text, from.data + at, from.len - at, is_utf8);
	}
	if (text.is_overflown)
		memcpy(out + whole, "...", 4);
	else
		out[text.pos] = '\0';
}

static void take_bio(BIO *bio, bool is_written, char *out, size_t cap)
{
	char *data = NULL;
	long len = is_written ? BIO_get_mem_data(bio, &data) : 0;
	mt_probe_text(mt_bytes_of(data, len > 0 ? (size_t)len : 0), out, cap);
	BIO_free(bio);
}

static void print_name(const X509_NAME *name, char *out, size_t cap)
{
	/* Other encodings become UTF-8, which stays as it is; quoting is that of RFC 2253. */
	const unsigned long flags =
		(XN_FLAG_RFC2253 & ~(unsigned long)(ASN1_STRFLGS_ESC_MSB | XN_FLAG_SEP_MASK)) |
		XN_FLAG_SEP_CPLUS_SPC;
	BIO *bio = BIO_new(BIO_s_mem());
	take_bio(bio, bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0, out, cap);
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm parts;
	return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static void describe_key(X509 *x509, struct mt_probe_certificate *out)
{
	EVP_PKEY *key = X509_get0_pubkey(x509);
	char curve[32];
	const char *nist;
	if (!key)
		return;
	out->key_bits = (uint32_t)EVP_PKEY_get_bits(key);
	out->is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
	mt_probe_text(mt_bytes_str(EVP_PKEY_get0_type_name(key)), out->key, sizeof(out->key));
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
	    EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) != 1)
		return;
	nist = EC_curve_nid2nist(OBJ_sn2nid(curve));
	snprintf(out->key, sizeof(out->key), "EC %.24s", nist ? nist : curve);
}

static void describe_signature(X509 *x509, struct mt_probe_certificate *out)
{
	int digest = NID_undef, id = X509_get_signature_nid(x509);
	const char *name = OBJ_nid2ln(id);
	mt_probe_text(mt_bytes_str(name ? name : "unknown"), out->signature,
		      sizeof(out->signature));
	if (X509_get_signature_info(x509, &digest, NULL, NULL, NULL) == 1)
		out->is_signature_weak =
			digest == NID_sha1 || digest == NID_md5 || digest == NID_md5_sha1;
}

static void print_address(const ASN1_OCTET_STRING *address, char *out, size_t cap)
{
	char text[INET6_ADDRSTRLEN] = "?";
	int len = ASN1_STRING_length(address);
	const uint8_t *data = ASN1_STRING_get0_data(address);
	if (len == 4 || len == 16)
		(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, data, text, sizeof(text));
	snprintf(out, cap, "IP:%s", text);
}

static void print_alternative(const GENERAL_NAME *name, char *out, size_t cap)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	const char *kind = type == GEN_DNS ? "DNS:" : type == GEN_URI ? "URI:" : "email:";
	if (type == GEN_IPADD) {
		print_address(value, out, cap);
		return;
	}
	if (type != GEN_DNS && type != GEN_URI && type != GEN_EMAIL) {
		snprintf(out, cap, "of another kind");
		return;
	}
	memcpy(out, kind, strlen(kind) + 1);
	mt_probe_text(mt_bytes_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)),
		      out + strlen(kind), cap - strlen(kind));
}

static void describe_names(X509 *x509, struct mt_probe_certificate *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	out->name_count = names ? (uint32_t)sk_GENERAL_NAME_num(names) : 0;
	for (uint32_t i = 0; i < out->name_count && i < MT_PROBE_NAMES_MAX; i++)
		print_alternative(sk_GENERAL_NAME_value(names, (int)i), out->names[i],
				  sizeof(out->names[i]));
	GENERAL_NAMES_free(names);
}

static void describe(X509 *x509, struct mt_probe_certificate *out)
{
	const X509_NAME *subject = X509_get_subject_name(x509);
	const X509_NAME *issuer = X509_get_issuer_name(x509);
	int bytes = i2d_X509(x509, NULL);
	print_name(subject, out->subject, sizeof(out->subject));
	print_name(issuer, out->issuer, sizeof(out->issuer));
	out->is_self_issued = X509_NAME_cmp(subject, issuer) == 0;
	out->bytes = bytes > 0 ? (uint32_t)bytes : 0;
	out->not_before_s = seconds_of(X509_get0_notBefore(x509));
	out->not_after_s = seconds_of(X509_get0_notAfter(x509));
	describe_key(x509, out);
	describe_signature(x509, out);
	describe_names(x509, out);
}

void mt_probe_chain_keep(struct mt_probe *probe, SSL *ssl)
{
	struct mt_probe_facts *facts = probe->facts;
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
	if (probe->chain || !sent || sk_X509_num(sent) == 0)
		return;
	probe->chain = X509_chain_up_ref(sent);
	for (int i = 0; i < sk_X509_num(probe->chain) && facts->chain_count < MT_PROBE_CHAIN_MAX;
	     i++)
		describe(sk_X509_value(probe->chain, i), &facts->chain[facts->chain_count++]);
	ERR_clear_error();
}

static void say_expiry(const struct mt_probe_certificate *at, bool is_past, char *out, size_t cap)
{
	time_t when = (time_t)(is_past ? at->not_after_s : at->not_before_s);
	struct tm parts;
	char date[32] = "?";
	if (gmtime_r(&when, &parts))
		strftime(date, sizeof(date), "%Y-%m-%d", &parts);
	snprintf(out, cap, "the certificate of %s %s %s", at->subject,
		 is_past ? "expired on" : "is not valid before", date);
}

/* The reasons that people meet, in words that say what is missing. */
static void say_why(X509_STORE_CTX *judge, char *out, size_t cap)
{
	struct mt_probe_certificate at = {.key_bits = 0};
	X509 *culprit = X509_STORE_CTX_get_current_cert(judge);
	int error = X509_STORE_CTX_get_error(judge);
	if (culprit)
		describe(culprit, &at);
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		say_expiry(&at, error == X509_V_ERR_CERT_HAS_EXPIRED, out, cap);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		snprintf(out, cap, "it signed itself, and is not among the trusted CAs");
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		snprintf(out, cap, "the CA %s, which was sent along, is not among the trusted ones",
			 at.subject);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		snprintf(out, cap, "the issuer %s was not sent, and is not among the trusted CAs",
			 at.issuer);
		break;
	default:
		snprintf(out, cap, "%s (certificate of %s)", X509_verify_cert_error_string(error),
			 at.subject);
		break;
	}
}

static bool set_rules(const struct mt_probe *probe, X509_STORE_CTX *judge)
{
	X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(judge);
	if (X509_STORE_CTX_set_default(judge, "ssl_server") != 1)
		return false;
	X509_VERIFY_PARAM_set_auth_level(rules, LEVEL);
	X509_VERIFY_PARAM_set_time(rules, (time_t)probe->settings->now_s);
	return true;
}

static void judge_trust(struct mt_probe *probe)
{
	struct mt_probe_facts *facts = probe->facts;
	X509_STORE_CTX *judge = X509_STORE_CTX_new();
	X509_STORE *store = SSL_CTX_get_cert_store(probe->trust->ctx);
	X509 *leaf = sk_X509_value(probe->chain, 0);
	if (judge && X509_STORE_CTX_init(judge, store, leaf, probe->chain) == 1 &&
	    set_rules(probe, judge)) {
		facts->is_trusted = X509_verify_cert(judge) == 1 ? MT_PROBE_YES : MT_PROBE_NO;
		if (X509_STORE_CTX_get_error(judge) == X509_V_ERR_OUT_OF_MEM)
			facts->is_trusted = MT_PROBE_UNKNOWN;
		if (facts->is_trusted == MT_PROBE_NO)
			say_why(judge, facts->distrust, sizeof(facts->distrust));
	}
	X509_STORE_CTX_free(judge);
}

/* As our clients: the subject is no name, and "w*.example" no wildcard. */
static bool is_named(const struct mt_probe *probe, X509 *leaf)
{
	unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
	if (probe->is_address)
		return X509_check_ip_asc(leaf, probe->name, 0) == 1;
	return X509_check_host(leaf, probe->name, 0, flags, NULL) == 1;
}

void mt_probe_chain_judge(struct mt_probe *probe)
{
	if (!probe->chain)
		return;
	judge_trust(probe);
	probe->facts->is_named =
		is_named(probe, sk_X509_value(probe->chain, 0)) ? MT_PROBE_YES : MT_PROBE_NO;
	ERR_clear_error();
}
