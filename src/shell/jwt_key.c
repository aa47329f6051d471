/* Keys of issuers: of the right kind, and long enough. */
#include "shell/jwt_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

enum family { HMAC, RSA_, EC };
#define FAMILY_HMAC HMAC
#define FAMILY_RSA RSA_
#define FAMILY_EC EC

static const struct {
	const char *name;
	enum family family;
	unsigned key_bits;
} algorithms_of[] = {
#define X(id, family, key_bits) {#id, FAMILY_##family, key_bits},
	MT_TABLE_JWT_ALGORITHMS(X)
#undef X
};

const char *mt_jwt_algorithm_name(enum mt_jwt_algorithm algorithm)
{
	MT_CHECK(algorithm < MT_JWT_ALGORITHM_COUNT);
	return algorithms_of[algorithm].name;
}

bool mt_jwt_algorithm_find(const char *name, enum mt_jwt_algorithm *out)
{
	for (unsigned i = 0; i < MT_JWT_ALGORITHM_COUNT; i++) {
		if (strcmp(algorithms_of[i].name, name) != 0)
			continue;
		*out = (enum mt_jwt_algorithm)i;
		return true;
	}
	return false;
}

/* Of the first of a set. */
static enum family family_of(uint32_t algorithms)
{
	unsigned i = 0;
	while (i + 1 < MT_JWT_ALGORITHM_COUNT && !(algorithms >> i & 1))
		i++;
	return algorithms_of[i].family;
}

bool mt_jwt_algorithms_agree(uint32_t algorithms)
{
	if (algorithms == 0 || algorithms >> MT_JWT_ALGORITHM_COUNT != 0)
		return false;
	for (unsigned i = 0; i < MT_JWT_ALGORITHM_COUNT; i++)
		if (algorithms >> i & 1 && algorithms_of[i].family != family_of(algorithms))
			return false;
	return true;
}

bool mt_jwt_algorithms_are_secret(uint32_t algorithms)
{
	return family_of(algorithms) == HMAC;
}

void mt_jwt_algorithms_print(uint32_t algorithms, char out[MT_JWT_ALGORITHMS_TEXT])
{
	size_t len = 0;
	MT_CHECK(mt_jwt_algorithms_agree(algorithms));
	for (unsigned i = 0; i < MT_JWT_ALGORITHM_COUNT; i++)
		if (algorithms >> i & 1)
			len += (size_t)snprintf(out + len, MT_JWT_ALGORITHMS_TEXT - len, "%s%s",
						len > 0 ? "," : "",
						algorithms_of[i].name + (len > 0 ? 2 : 0));
	MT_CHECK(len < MT_JWT_ALGORITHMS_TEXT);
}

bool mt_jwt_algorithms_read(const char *text, uint32_t *out)
{
	char kept[MT_JWT_ALGORITHMS_TEXT];
	uint32_t all = (uint32_t)1 << MT_JWT_ALGORITHM_COUNT;
	/* There are few sets, and each has one text. */
	for (uint32_t set = 1; set < all; set++) {
		if (!mt_jwt_algorithms_agree(set))
			continue;
		mt_jwt_algorithms_print(set, kept);
		if (strcmp(kept, text) != 0)
			continue;
		*out = set;
		return true;
	}
	return false;
}

static const char *secret_fault(uint32_t algorithms, struct mt_bytes key)
{
	/* A public key as the secret would let everybody sign. */
	if (mt_bytes_starts(key, mt_bytes_str("-----BEGIN ")))
		return "found a key in PEM where a secret is expected: the algorithms of a public "
		       "key begin with RS or ES";
	for (unsigned i = 0; i < MT_JWT_ALGORITHM_COUNT; i++)
		if (algorithms >> i & 1 && key.len * 8 < algorithms_of[i].key_bits)
			return "the secret is too short: expected as many bytes as the hash of "
			       "the algorithm has, 32, 48 or 64";
	return NULL;
}

static const char *size_fault(uint32_t algorithms, EVP_PKEY *key)
{
	bool is_rsa = family_of(algorithms) == RSA_;
	unsigned bits = (unsigned)EVP_PKEY_get_bits(key);
	if (EVP_PKEY_get_base_id(key) != (is_rsa ? EVP_PKEY_RSA : EVP_PKEY_EC))
		return is_rsa ? "expected an RSA key for these algorithms"
			      : "expected a key of an elliptic curve for this algorithm";
	for (unsigned i = 0; i < MT_JWT_ALGORITHM_COUNT; i++) {
		if (!(algorithms >> i & 1))
			continue;
		if (is_rsa && bits < algorithms_of[i].key_bits)
			return "the RSA key is too short: expected 2048 bits or more";
		if (!is_rsa && bits != algorithms_of[i].key_bits)
			return "the key is of another curve: ES256 has P-256, ES384 P-384, ES512 "
			       "P-521";
	}
	return NULL;
}

static const char begin[] = "-----BEGIN PUBLIC KEY-----";
static const char end[] = "-----END PUBLIC KEY-----";

/* The first block; *rest begins with the next one, behind the ends of lines. */
static bool take_block(struct mt_bytes *rest, struct mt_bytes *block)
{
	const uint8_t *found;
	size_t len;
	if (!mt_bytes_starts(*rest, mt_bytes_str(begin)))
		return false;
	found = memmem(rest->data, rest->len, end, sizeof(end) - 1);
	if (!found)
		return false;
	len = (size_t)(found - rest->data) + sizeof(end) - 1;
	*block = mt_bytes_of(rest->data, len);
	while (len < rest->len && (rest->data[len] == '\n' || rest->data[len] == '\r'))
		len++;
	*rest = mt_bytes_from(*rest, len);
	return true;
}

size_t mt_jwt_keys_split(uint32_t algorithms, struct mt_bytes key,
			 struct mt_bytes out[MT_ISSUER_KEYS_MAX])
{
	size_t count = 0;
	if (mt_jwt_algorithms_are_secret(algorithms)) {
		out[0] = key;
		return key.len > 0;
	}
	while (key.len > 0)
		if (count == MT_ISSUER_KEYS_MAX || !take_block(&key, &out[count++]))
			return 0;
	return count;
}

static const char *public_fault(uint32_t algorithms, struct mt_bytes block)
{
	const char *fault = "expected public keys in PEM (BEGIN PUBLIC KEY)";
	BIO *bio = BIO_new_mem_buf(block.data, (int)block.len);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	if (key)
		fault = size_fault(algorithms, key);
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return fault;
}

const char *mt_jwt_key_fault(uint32_t algorithms, struct mt_bytes key)
{
	struct mt_bytes keys[MT_ISSUER_KEYS_MAX];
	const char *fault = NULL;
	size_t count;
	if (key.len == 0 || key.len > MT_JWT_KEY_BYTES_MAX)
		return "expected a key of 1 to 16384 bytes";
	if (mt_jwt_algorithms_are_secret(algorithms))
		return secret_fault(algorithms, key);
	count = mt_jwt_keys_split(algorithms, key, keys);
	if (count == 0)
		return "expected one to four public keys in PEM (BEGIN PUBLIC KEY), and nothing "
		       "else";
	for (size_t i = 0; i < count && !fault; i++)
		fault = public_fault(algorithms, keys[i]);
	return fault;
}
