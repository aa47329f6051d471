/* Mosquitto's hashes by OpenSSL. */
#include "crypto/imported.h"

#include <openssl/evp.h>

#define DIGEST_BYTES 64u
#define SALT_BYTES_MAX 64u

struct imported {
	uint32_t iterations; /* 0: one SHA-512 */
	uint8_t salt[SALT_BYTES_MAX + 3];
	size_t salt_len;
	uint8_t digest[DIGEST_BYTES + 3];
};

/* The part before the next '$', or the rest. */
static struct mt_bytes take_part(struct mt_bytes *rest)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, '$', rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	struct mt_bytes part = mt_bytes_of(rest->data, len);
	*rest = mt_bytes_from(*rest, end ? len + 1 : len);
	return part;
}

static bool is_base64(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

/* Base64 with padding; false: it is none, or more than fits. */
static bool decode(struct mt_bytes text, uint8_t *out, size_t cap, size_t *len)
{
	size_t padding = 0;
	if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > cap)
		return false;
	while (padding < 2 && text.data[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len - padding; i++)
		if (!is_base64(text.data[i]))
			return false;
	if (EVP_DecodeBlock(out, text.data, (int)text.len) < 0)
		return false;
	*len = text.len / 4 * 3 - padding;
	return true;
}

static bool take_iterations(struct mt_bytes text, uint32_t *out)
{
	uint32_t value = 0;
	if (text.len == 0 || text.len > 7 || text.data[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (text.data[i] - '0' + 0u);
	}
	*out = value;
	return value <= MT_IMPORTED_ITERATIONS_MAX;
}

static bool parse(struct mt_bytes hash, struct imported *out)
{
	struct mt_bytes rest = mt_bytes_from(hash, hash.len < 3 ? hash.len : 3);
	bool is_7 = mt_bytes_starts(hash, mt_bytes_str("$7$"));
	size_t digest_len = 0;
	*out = (struct imported){.iterations = 0};
	if (!is_7 && !mt_bytes_starts(hash, mt_bytes_str("$6$")))
		return false;
	if (is_7 && !take_iterations(take_part(&rest), &out->iterations))
		return false;
	return decode(take_part(&rest), out->salt, SALT_BYTES_MAX, &out->salt_len) &&
	       out->salt_len >= 8 && decode(rest, out->digest, sizeof(out->digest), &digest_len) &&
	       digest_len == DIGEST_BYTES;
}

bool mt_imported_has_form(struct mt_bytes hash)
{
	struct imported parsed;
	return parse(hash, &parsed);
}

static bool digest_once(struct mt_bytes password, const struct imported *from,
			uint8_t out[DIGEST_BYTES])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool is_done = digest && EVP_DigestInit_ex(digest, EVP_sha512(), NULL) == 1 &&
		       EVP_DigestUpdate(digest, password.data, password.len) == 1 &&
		       EVP_DigestUpdate(digest, from->salt, from->salt_len) == 1 &&
		       EVP_DigestFinal_ex(digest, out, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return is_done;
}

enum mt_status mt_imported_verify(struct mt_bytes password, struct mt_bytes hash)
{
	struct imported from;
	uint8_t found[DIGEST_BYTES] = {0};
	const char *text = password.len > 0 ? (const char *)password.data : "";
	bool is_done;
	if (!parse(hash, &from))
		return MT_DENIED;
	is_done = from.iterations == 0 ? digest_once(mt_bytes_of(text, password.len), &from, found)
				       : PKCS5_PBKDF2_HMAC(text, (int)password.len, from.salt,
							   (int)from.salt_len, (int)from.iterations,
							   EVP_sha512(), DIGEST_BYTES, found) == 1;
	is_done = is_done && mt_bytes_equal_secret(mt_bytes_of(found, sizeof(found)),
						   mt_bytes_of(from.digest, DIGEST_BYTES));
	mt_bytes_wipe(found, sizeof(found));
	return is_done ? MT_OK : MT_DENIED;
}
