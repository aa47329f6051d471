/*
 * Algorithms and keys of issuers of JSON Web Tokens (spec/jwt.tbl): what an administrator may set.
 *
 * Kept as text: "RS256", "HS256,384". Threading: any thread.
 */
#pragma once

#include "identity/book.h"

#include "spec/jwt.h"

enum mt_jwt_algorithm {
#define X(id, family, key_bits) MT_JWT_##id,
	MT_TABLE_JWT_ALGORITHMS(X)
#undef X
		MT_JWT_ALGORITHM_COUNT
};

#define MT_JWT_ALGORITHMS_TEXT 17u /* of a set, with its 0 */
#define MT_JWT_KEY_BYTES_MAX 16384u

/* "RS256" */
const char *mt_jwt_algorithm_name(enum mt_jwt_algorithm algorithm);
/* One by its name; false: it is none that is known, `none` among them. */
MT_MUST_USE bool mt_jwt_algorithm_find(const char *name, enum mt_jwt_algorithm *out);
/* A set (a bit each, never empty) as it is kept, and back. False: it is no set of one family. */
MT_MUST_USE bool mt_jwt_algorithms_read(const char *text, uint32_t *out);
void mt_jwt_algorithms_print(uint32_t algorithms, char out[MT_JWT_ALGORITHMS_TEXT]);
/* Are they of one family? Secrets and public keys never go together. */
bool mt_jwt_algorithms_agree(uint32_t algorithms);
bool mt_jwt_algorithms_are_secret(uint32_t algorithms);
/* The keys in what is kept of them, at most MT_ISSUER_KEYS_MAX: public ones in PEM, one behind the
 * other, or one secret as it is. Their count; 0: it is no such text. */
size_t mt_jwt_keys_split(uint32_t algorithms, struct mt_bytes key,
			 struct mt_bytes out[MT_ISSUER_KEYS_MAX]);
/* What is wrong with them for these algorithms, static; NULL: nothing. */
const char *mt_jwt_key_fault(uint32_t algorithms, struct mt_bytes key);
