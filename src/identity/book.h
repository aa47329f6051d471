/*
 * The book of proofs: which certificates, pre-shared keys and subjects of tokens stand for which
 * user, which of them ended before their time, and what SCRAM knows of whose password. Counted;
 * filled once, by who made it, before anybody else sees it.
 *
 *   (issuer, name in the certificate) -> user        identity -> user, key
 *   issuer of tokens -> its key and rules            (issuer of tokens, subject) -> user
 *   user -> verifier of SCRAM
 *   fingerprint, user -> not before: what was proven then or earlier holds no longer
 *
 * Threading: the count is atomic, all else immutable once it is shown around.
 */
#pragma once

#include "base/hash.h"
#include "base/status.h"
#include "crypto/scram.h"

struct mt_book;

#define MT_FINGERPRINT_BYTES \
	32u /* SHA-256 of a certificate, or of an issuer's public key (SPKI) \
	     */
#define MT_PROOF_NAME_BYTES_MAX 1024u
#define MT_PSK_IDENTITY_BYTES_MAX 128u
#define MT_PSK_BYTES_MAX 64u
#define MT_PSK_BYTES_MIN 16u

/* Empty, with one reference. NULL without memory. */
MT_MUST_USE struct mt_book *mt_book_create(struct mt_seed seed);
struct mt_book *mt_book_ref(struct mt_book *book);
/* The last one wipes the keys. NULL is fine. */
void mt_book_unref(struct mt_book **book);

/* A certificate with this name stands for the user; issuer: its direct issuer's fingerprint; NULL:
 * any that is trusted. MT_EXISTS: it stands for somebody already. MT_INVALID: no name, or a longer
 * one. */
MT_MUST_USE enum mt_status mt_book_add_certificate(struct mt_book *book, uint64_t user_id,
						   struct mt_bytes name, const uint8_t *issuer);
/* MT_EXISTS, MT_INVALID (lengths). The key is copied. */
MT_MUST_USE enum mt_status mt_book_add_psk(struct mt_book *book, uint64_t user_id,
					   struct mt_bytes identity, struct mt_bytes key);
/* MT_EXISTS, MT_INVALID (iterations out of range). Copied. */
MT_MUST_USE enum mt_status mt_book_add_scram(struct mt_book *book, uint64_t user_id,
					     const struct mt_scram_verifier *verifier);
/* unix time; INT64_MAX: for ever, which is a revocation. The later of two holds. */
MT_MUST_USE enum mt_status mt_book_end_certificate(struct mt_book *book, const uint8_t *fingerprint,
						   int64_t not_before_s);
MT_MUST_USE enum mt_status mt_book_end_user(struct mt_book *book, uint64_t user_id,
					    int64_t not_before_s);

#define MT_ISSUER_KEYS_MAX 4u

/* An issuer of JSON Web Tokens. */
struct mt_issuer {
	struct mt_bytes name;			  /* of its record */
	struct mt_bytes issuer;			  /* what its tokens call it: `iss` */
	struct mt_bytes keys[MT_ISSUER_KEYS_MAX]; /* public, in PEM, or a secret */
	uint32_t key_count;			  /* at least one */
	const char *audience;			  /* that must be named; "": none may be */
	const char *claim;			  /* that names the subject */
	uint32_t algorithms;			  /* bits of shell/jwt_key.h; never 0 */
	uint32_t leeway_s;
	uint8_t key_digests[MT_ISSUER_KEYS_MAX][MT_FINGERPRINT_BYTES]; /* SHA-256 of each */
};
/* All is copied. MT_EXISTS: one of this name, or of this `iss`; MT_INVALID: something is empty. */
MT_MUST_USE enum mt_status mt_book_add_issuer(struct mt_book *book, const struct mt_issuer *issuer);
/* Tokens of the issuer of that name with this subject stand for the user. MT_EXISTS; MT_INVALID. */
MT_MUST_USE enum mt_status mt_book_add_subject(struct mt_book *book, uint64_t user_id,
					       struct mt_bytes issuer_name,
					       struct mt_bytes subject);
/* By `iss`; borrowed from the book; NULL: unknown. */
const struct mt_issuer *mt_book_issuer(const struct mt_book *book, struct mt_bytes issuer);
/* Whom the subject stands for; 0: nobody. */
uint64_t mt_book_subject(const struct mt_book *book, const struct mt_issuer *issuer,
			 struct mt_bytes subject);

/* Whom the certificate stands for; 0: nobody. */
uint64_t mt_book_certificate(const struct mt_book *book, struct mt_bytes name,
			     const uint8_t *issuer);
/* The same of a key, which is borrowed from the book. */
uint64_t mt_book_psk(const struct mt_book *book, struct mt_bytes identity, struct mt_bytes *key);
/* Borrowed from the book; NULL: the user has none. */
const struct mt_scram_verifier *mt_book_scram(const struct mt_book *book, uint64_t user_id);
/* What was proven at this time or before it is void; INT64_MIN: nothing is. fingerprint NULL: a
 * key; user_id 0: nobody. */
int64_t mt_book_not_before(const struct mt_book *book, const uint8_t *fingerprint,
			   uint64_t user_id);
