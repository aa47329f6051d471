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
