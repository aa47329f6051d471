/*
 * The form of a JSON Web Token (RFC 7519, signed: RFC 7515, section 3.1), and what it says of
 * itself. Nothing of that is proven: see shell/jwt.h.
 *
 *   base64url(header) . base64url(payload) . base64url(signature)
 *
 * Read strictly: no padding and no other spare bits, objects without a key told twice, no `crit`.
 * Where a key, an algorithm or an issuer is told in the header (kid, jku, x5u, jwk ...), it is not
 * read.
 *
 * Threading: any thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#include <jansson.h>

#define MT_JWT_BYTES_MAX 4096u
#define MT_JWT_NO_TIME INT64_MIN

struct mt_jwt_form {
	json_t *header, *payload; /* objects */
	/* Borrowed from them: */
	const char *algorithm; /* "RS256"; what it claims */
	const char *issuer;
	int64_t expires_s;	/* exp */
	int64_t not_before_s;	/* nbf; MT_JWT_NO_TIME: it has none */
	int64_t issued_s;	/* iat; the same */
	const json_t *audience; /* text, or list of texts; NULL: none */
};

/* Begins as a JSON object in base64 does (eyJ), and has two dots: it is taken for a token, and no
 * password may look so. */
bool mt_jwt_has_form(struct mt_bytes secret);
/* MT_INVALID: it is none, or lacks alg, iss or exp. MT_MEMORY. Ended by finish. */
MT_MUST_USE enum mt_status mt_jwt_form_read(struct mt_bytes token, struct mt_jwt_form *out);
void mt_jwt_form_finish(struct mt_jwt_form *form);
/* Is it meant for this one? wanted "": for nobody in particular, so that there must be no audience.
 */
bool mt_jwt_form_is_for(const struct mt_jwt_form *form, const char *wanted);
/* Text of a claim of the payload; NULL when it is none. */
const char *mt_jwt_form_claim(const struct mt_jwt_form *form, const char *name);
