/* Argon2id hashes of passwords by libsodium, and generated tokens. */
#include "crypto/password.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>

#define PASSES 2u
#define MEMORY_BYTES ((size_t)19456 * 1024)
#define SALT_BYTES 16u
#define HASH_BYTES 32u
/* Sizes in base64 without padding. */
#define SALT_TEXT 22u
#define HASH_TEXT 43u
#define BASE64 sodium_base64_VARIANT_ORIGINAL_NO_PADDING

static const char prefix[] = "$argon2id$v=19$m=19456,t=2,p=1$";
#define PREFIX_TEXT (sizeof(prefix) - 1)
#define WHOLE_TEXT (PREFIX_TEXT + SALT_TEXT + 1 + HASH_TEXT)

static const char token_prefix[] = "mt1.";
#define TOKEN_PREFIX_TEXT (sizeof(token_prefix) - 1)

/* Well-formed, and compared with in vain: its verdict is never used. */
static const char dummy[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA"
			    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

_Static_assert(WHOLE_TEXT < MT_PASSWORD_HASH_BYTES, "a hash fits its buffer");
_Static_assert(sizeof(dummy) - 1 == WHOLE_TEXT, "the dummy has the form of a hash");
_Static_assert(TOKEN_PREFIX_TEXT + 26 + 1 == MT_TOKEN_TEXT_BYTES, "a token fits its buffer");

/* Process-wide by need: libsodium is set up once, and the count is the proof that every case costs
 * one hash. */
static pthread_once_t sodium_once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t hash_count;

static void start_sodium(void)
{
	MT_CHECK(sodium_init() >= 0);
}

static void begin_hash(void)
{
	MT_CHECK(pthread_once(&sodium_once, start_sodium) == 0);
	atomic_fetch_add_explicit(&hash_count, 1, memory_order_relaxed);
}

uint64_t mt_password_hash_count(void)
{
	return atomic_load_explicit(&hash_count, memory_order_relaxed);
}

/* libsodium refuses a NULL password, even of length 0. */
static const char *text_of(struct mt_bytes password)
{
	return password.len > 0 ? (const char *)password.data : "";
}

enum mt_status mt_password_hash(struct mt_bytes password, const uint8_t salt[16],
				char out[MT_PASSWORD_HASH_BYTES])
{
	uint8_t raw[HASH_BYTES];
	char *at = out;
	if (password.len > MT_PASSWORD_BYTES_MAX)
		return MT_LIMIT;
	begin_hash();
	if (crypto_pwhash(raw, sizeof(raw), text_of(password), password.len, salt, PASSES,
			  MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return MT_MEMORY;
	memcpy(at, prefix, PREFIX_TEXT);
	at += PREFIX_TEXT;
	sodium_bin2base64(at, SALT_TEXT + 1, salt, SALT_BYTES, BASE64);
	at += SALT_TEXT;
	*at++ = '$';
	sodium_bin2base64(at, HASH_TEXT + 1, raw, sizeof(raw), BASE64);
	mt_bytes_wipe(raw, sizeof(raw));
	return MT_OK;
}

static bool holds_base64(const uint8_t *text, size_t text_len, size_t bin_len)
{
	uint8_t bin[HASH_BYTES];
	size_t len = 0;
	return sodium_base642bin(bin, bin_len, (const char *)text, text_len, NULL, &len, NULL,
				 BASE64) == 0 &&
	       len == bin_len;
}

/* Exactly what mt_password_hash writes: another cost would tell users apart by time, or take all
 * our memory. */
static bool has_hash_form(struct mt_bytes hash)
{
	if (hash.len != WHOLE_TEXT || !mt_bytes_starts(hash, mt_bytes_str(prefix)))
		return false;
	return holds_base64(hash.data + PREFIX_TEXT, SALT_TEXT, SALT_BYTES) &&
	       hash.data[PREFIX_TEXT + SALT_TEXT] == '$' &&
	       holds_base64(hash.data + PREFIX_TEXT + SALT_TEXT + 1, HASH_TEXT, HASH_BYTES);
}

enum mt_status mt_password_verify(struct mt_bytes password, struct mt_bytes hash)
{
	char text[crypto_pwhash_STRBYTES] = {0};
	bool is_comparable = password.len <= MT_PASSWORD_BYTES_MAX && has_hash_form(hash);
	size_t password_len =
		password.len <= MT_PASSWORD_BYTES_MAX ? password.len : MT_PASSWORD_BYTES_MAX;
	int result;
	memcpy(text, is_comparable ? (const char *)hash.data : dummy, WHOLE_TEXT);
	begin_hash();
	errno = 0;
	result = crypto_pwhash_str_verify(text, text_of(password), password_len);
	/* A mismatch is EINVAL; anything else means that the computation itself did not take place.
	 */
	if (result != 0 && errno != EINVAL)
		return MT_MEMORY;
	return result == 0 && is_comparable ? MT_OK : MT_DENIED;
}

/* RFC 4648 alphabet in lower case; len is a multiple of 5, or ends in a group padded with zero
 * bits. Writes the 0. */
static void put_base32(const uint8_t *data, size_t len, char *out)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | data[i]) & 0xffff;
		for (have += 8; have >= 5; have -= 5)
			*out++ = alphabet[bits >> (have - 5) & 31];
	}
	if (have > 0)
		*out++ = alphabet[bits << (5 - have) & 31];
	*out = '\0';
}

void mt_password_make(const uint8_t random[20], char out[MT_PASSWORD_MADE_BYTES])
{
	put_base32(random, 20, out);
}

bool mt_token_has_form(struct mt_bytes secret)
{
	return mt_bytes_starts(secret, mt_bytes_str(token_prefix));
}

void mt_token_make(const uint8_t random[16], char out[MT_TOKEN_TEXT_BYTES])
{
	memcpy(out, token_prefix, TOKEN_PREFIX_TEXT);
	put_base32(random, 16, out + TOKEN_PREFIX_TEXT);
}

void mt_token_hash(struct mt_bytes token, uint8_t out[32])
{
	crypto_hash_sha256(out, token.data, token.len);
}
