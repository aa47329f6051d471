/*
 * JSON Web Tokens as credentials: who is it, by which issuer of the book, and until when.
 *
 *   form -> issuer by `iss` -> algorithm is one of the issuer's -> signature (libjwt) -> times,
 * audience -> subject -> user of the book
 *
 * The algorithm comes from the issuer's record: the token's own claim must be one of those, and
 * chooses nothing else. The key is the issuer's, whatever the header names.
 *
 * Threading: any thread; a grant is one thread's at a time.
 */
#pragma once

#include "identity/book.h"
#include "identity/mechanism.h"

/* What a token proved, kept as long as it is believed. */
struct mt_jwt_grant;

/* True: *out is a grant, the caller's. False: *why, and without memory WRONG. The signature is
 * verified (5 to 700 us) whoever the subject is. */
MT_MUST_USE bool mt_jwt_check(const struct mt_book *book, struct mt_bytes token, int64_t now_s,
			      struct mt_jwt_grant **out, enum mt_refusal *why);
void mt_jwt_grant_destroy(struct mt_jwt_grant **grant);
uint64_t mt_jwt_grant_user(const struct mt_jwt_grant *grant);
/* exp and the issuer's leeway: from then on it proves nothing. */
int64_t mt_jwt_grant_until(const struct mt_jwt_grant *grant);
/* Does it hold, by the book of now? False: *why. */
MT_MUST_USE bool mt_jwt_grant_holds(const struct mt_jwt_grant *grant, const struct mt_book *book,
				    int64_t now_s, enum mt_refusal *why);
