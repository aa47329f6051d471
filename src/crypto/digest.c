/* SHA-1 by the TLS library, base64 by hand. */
#include "crypto/digest.h"

#include <openssl/sha.h>

void mt_digest_sha1(struct mt_bytes in, uint8_t out[MT_SHA1_BYTES])
{
	static const uint8_t nothing[1];
	const uint8_t *digest = SHA1(in.data ? in.data : nothing, in.len, out);
	MT_CHECK(digest != NULL);
}

void mt_digest_base64(struct mt_bytes in, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < in.len; i += 3) {
		size_t left = in.len - i;
		uint32_t group = (uint32_t)in.data[i] << 16;
		group |= left > 1 ? (uint32_t)in.data[i + 1] << 8 : 0;
		group |= left > 2 ? in.data[i + 2] : 0;
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[group & 63] : '=';
	}
	*out = '\0';
}

/* 64: no digit. */
static uint32_t value_of(uint8_t digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A' + 0u;
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26u;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52u;
	return digit == '+' ? 62 : digit == '/' ? 63 : 64;
}

bool mt_digest_base64_read(struct mt_bytes text, uint8_t *out, size_t cap, size_t *len)
{
	size_t padding = 0, bytes = 0;
	uint32_t group = 0;
	if (text.len % 4 != 0)
		return false;
	while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
		padding++;
	if (text.len / 4 * 3 - padding > cap)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint32_t value = i < text.len - padding ? value_of(text.data[i]) : 0;
		if (value == 64)
			return false;
		group = (group << 6 | value) & 0xffffff;
		for (unsigned shift = 16; i % 4 == 3 && shift < 24; shift -= 8) {
			/* What the padding stands for is zero. */
			if (bytes < text.len / 4 * 3 - padding)
				out[bytes++] = (uint8_t)(group >> shift);
			else if ((group >> shift & 255) != 0)
				return false;
		}
	}
	*len = bytes;
	return true;
}
