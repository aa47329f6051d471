/*
 * Password hashes: Argon2id, 19 MiB, t = 2, p = 1, as "$argon2id$v=19$m=19456,t=2,p=1$salt$hash"
 * (RFC 9106; about 32 ms). Generated tokens: "mt1." and 26 characters of base32 (128 bit), kept as
 * SHA-256: they need no slow hash.
 *
 * Pure: salt and randomness are arguments. Threading: any thread; 19 MiB are taken for the time of
 * the call.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#define MT_PASSWORD_HASH_BYTES 128u
#define MT_PASSWORD_BYTES_MAX 1024u
#define MT_TOKEN_TEXT_BYTES 31u	   /* with the terminating 0 */
#define MT_PASSWORD_MADE_BYTES 33u /* with the terminating 0 */

/* out: 0-terminated. MT_LIMIT: password longer than MT_PASSWORD_BYTES_MAX. MT_MEMORY. */
MT_MUST_USE enum mt_status mt_password_hash(struct mt_bytes password, const uint8_t salt[16],
					    char out[MT_PASSWORD_HASH_BYTES]);
/* MT_OK matches, MT_DENIED does not (a malformed hash too: never a match), MT_MEMORY. Always runs
 * one full hash, on malformed input and on an empty `hash` (unknown user) the dummy, so that time
 * tells nothing. */
MT_MUST_USE enum mt_status mt_password_verify(struct mt_bytes password, struct mt_bytes hash);
/* How many Argon2id computations the process has done: for the proof that each case costs one. */
uint64_t mt_password_hash_count(void);

/* A generated password: 160 bit as 32 characters of base32. */
void mt_password_make(const uint8_t random[20], char out[MT_PASSWORD_MADE_BYTES]);

bool mt_token_has_form(struct mt_bytes secret); /* begins with "mt1." */
void mt_token_make(const uint8_t random[16], char out[MT_TOKEN_TEXT_BYTES]);
void mt_token_hash(struct mt_bytes token, uint8_t out[32]);
