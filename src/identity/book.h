/*
 * The book of proofs: which certificates and pre-shared keys stand for which user, and which of
 * them ended before their time. Counted; filled once, by who made it, before anybody else sees it.
 *
 *   (issuer, name in the certificate) -> user        identity -> user, key
 *   fingerprint, user -> not before: what was proven then or earlier holds no longer
 *
 * Threading: the count is atomic, all else immutable once it is shown around.
 */
#pragma once

#include "base/hash.h"
#include "base/status.h"

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
/* unix time; INT64_MAX: for ever, which is a revocation. The later of two holds. */
MT_MUST_USE enum mt_status mt_book_end_certificate(struct mt_book *book, const uint8_t *fingerprint,
						   int64_t not_before_s);
MT_MUST_USE enum mt_status mt_book_end_user(struct mt_book *book, uint64_t user_id,
					    int64_t not_before_s);

/* Whom the certificate stands for; 0: nobody. */
uint64_t mt_book_certificate(const struct mt_book *book, struct mt_bytes name,
			     const uint8_t *issuer);
/* The same of a key, which is borrowed from the book. */
uint64_t mt_book_psk(const struct mt_book *book, struct mt_bytes identity, struct mt_bytes *key);
/* What was proven at this time or before it is void; INT64_MIN: nothing is. fingerprint NULL: a
 * key; user_id 0: nobody. */
int64_t mt_book_not_before(const struct mt_book *book, const uint8_t *fingerprint,
			   uint64_t user_id);
