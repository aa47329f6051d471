/*
 * Digests that a standard prescribes where nothing secret depends on them, and base64 (RFC 4648).
 *
 * Pure. Threading: any thread.
 */
#pragma once

#include "base/bytes.h"

#define MT_SHA1_BYTES 20u
/* Text of so many bytes in base64, with the terminating 0. */
#define MT_BASE64_BYTES(bytes) (((bytes) + 2u) / 3u * 4u + 1u)

/* For the answer to a WebSocket handshake alone: SHA-1 proves nothing. */
void mt_digest_sha1(struct mt_bytes in, uint8_t out[MT_SHA1_BYTES]);
/* out: MT_BASE64_BYTES(in.len), 0-terminated. */
void mt_digest_base64(struct mt_bytes in, char *out);
/* Base64 with its padding, and no other form of the same bytes (RFC 4648 section 3.5). False: it is
 * none, or more than cap bytes; out may be written to all the same. */
MT_MUST_USE bool mt_digest_base64_read(struct mt_bytes text, uint8_t *out, size_t cap, size_t *len);
