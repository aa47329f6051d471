/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; tls-exporter of RFC 9266): both sides
 * as messages in, messages out.
 *
 *   client                                        server
 *   gs2-header n=user,r=nonce            ->
 *                                        <-       r=nonce+nonce,s=salt,i=iterations
 *   c=gs2-header+binding,r=...,p=proof   ->
 *                                        <-       v=signature
 *
 * Nobody sees the password: the server knows StoredKey and ServerKey, the client proves ClientKey,
 * the server proves ServerKey. Texts of the peer are bounded and read strictly; SASLprep is not
 * done (names and passwords are UTF-8, taken byte by byte).
 *
 * Pure: nonces, salts and what the channel exports are arguments. Threading: any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/status.h"

#define MT_SCRAM_METHOD "SCRAM-SHA-256"
#define MT_SCRAM_METHOD_PLUS "SCRAM-SHA-256-PLUS"

#define MT_SCRAM_KEY_BYTES 32u
#define MT_SCRAM_SALT_BYTES 16u	      /* of verifiers that we make */
#define MT_SCRAM_SALT_BYTES_MAX 64u   /* that a client takes */
#define MT_SCRAM_RANDOM_BYTES 24u     /* behind a nonce that we make */
#define MT_SCRAM_NONCE_BYTES_MAX 128u /* of one side */
#define MT_SCRAM_BINDING_BYTES 32u    /* RFC 9266 section 2 */
#define MT_SCRAM_USER_BYTES_MAX 255u
#define MT_SCRAM_PASSWORD_BYTES_MAX 1024u
#define MT_SCRAM_ITERATIONS_MIN 4096u /* RFC 7677 section 4 */
#define MT_SCRAM_ITERATIONS_MAX 10000000u
#define MT_SCRAM_ITERATIONS 600000u /* of verifiers that we make: docs/decisions/0012 */
#define MT_SCRAM_MESSAGE_BYTES_MAX 2304u

/* What the server keeps of a password. A secret: who holds it can play the server, and guess. */
struct mt_scram_verifier {
	uint32_t iterations;
	uint8_t salt[MT_SCRAM_SALT_BYTES];
	uint8_t stored_key[MT_SCRAM_KEY_BYTES];
	uint8_t server_key[MT_SCRAM_KEY_BYTES];
};

/* Costs `iterations` of HMAC-SHA-256 twice over. MT_INVALID: password empty or too long,
 * iterations out of range. MT_MEMORY. */
MT_MUST_USE enum mt_status mt_scram_verifier_make(struct mt_bytes password,
						  const uint8_t salt[MT_SCRAM_SALT_BYTES],
						  uint32_t iterations,
						  struct mt_scram_verifier *out);
/* For a name that has none: always the same under one secret, and no password fits it. */
MT_MUST_USE enum mt_status mt_scram_verifier_feign(const uint8_t secret[MT_SCRAM_KEY_BYTES],
						   struct mt_bytes user, uint32_t iterations,
						   struct mt_scram_verifier *out);
/* 0-terminated: MT_SCRAM_RANDOM_BYTES in base64. */
#define MT_SCRAM_NONCE_TEXT_BYTES 33u
void mt_scram_nonce(const uint8_t random[MT_SCRAM_RANDOM_BYTES],
		    char out[MT_SCRAM_NONCE_TEXT_BYTES]);
/* May the name stand in an exchange? 1 to 255 bytes of UTF-8 without control characters. */
bool mt_scram_takes_user(struct mt_bytes user);

/* ---- the server ---- */

struct mt_scram_server {
	char user[MT_SCRAM_USER_BYTES_MAX + 1]; /* as the client claims, unescaped */
	size_t user_bytes;
	uint16_t header_bytes; /* of the gs2 header, at the front of `text` */
	uint16_t text_bytes;
	uint16_t nonce_from, nonce_bytes; /* both sides' in one, in `text` */
	uint8_t step;
	bool is_plus;
	struct mt_scram_verifier verifier;
	uint8_t binding[MT_SCRAM_BINDING_BYTES];
	/* gs2-header | client-first-bare | "," | server-first */
	uint8_t text[MT_SCRAM_MESSAGE_BYTES_MAX];
};

/*
 * The client's first message. is_plus: by the method's name. binding: MT_SCRAM_BINDING_BYTES that
 * the channel exports; NULL: it exports none, and nothing can be bound to it. MT_INVALID:
 * malformed, or an extension that must be understood. MT_DENIED: the header does not fit the
 * method, or says that we offer no binding when we do, which somebody between us may have made the
 * client believe.
 */
MT_MUST_USE enum mt_status mt_scram_server_begin(struct mt_scram_server *server, bool is_plus,
						 const uint8_t *binding, struct mt_bytes message);
/* The answer, by the verifier of the name or one that is feigned. nonce: printable, without a
 * comma, fresh. A full out is a bug of the caller's: MT_SCRAM_MESSAGE_BYTES_MAX fit. */
void mt_scram_server_challenge(struct mt_scram_server *server,
			       const struct mt_scram_verifier *verifier, const char *nonce,
			       struct mt_buf *out);
/* The client's final message; out: ours. MT_INVALID: malformed, or not of this exchange (nonce,
 * header, binding). MT_DENIED: another password. MT_MEMORY. Nothing is written but with MT_OK. */
MT_MUST_USE enum mt_status mt_scram_server_finish(struct mt_scram_server *server,
						  struct mt_bytes message, struct mt_buf *out);

/* ---- the client ---- */

/* What a password is worth under one salt: kept, the next exchange costs nothing. A secret. */
struct mt_scram_keys {
	uint32_t iterations; /* 0: none yet */
	uint8_t salt_bytes;
	uint8_t salt[MT_SCRAM_SALT_BYTES_MAX];
	uint8_t client_key[MT_SCRAM_KEY_BYTES];
	uint8_t server_key[MT_SCRAM_KEY_BYTES];
};

struct mt_scram_client {
	bool is_plus;
	uint16_t header_bytes, nonce_from, nonce_bytes, text_bytes;
	uint8_t step;
	uint8_t signature[MT_SCRAM_KEY_BYTES]; /* that the server must show */
	uint8_t text[MT_SCRAM_MESSAGE_BYTES_MAX];
};

/* The first message: "p=tls-exporter,,", or "n,,". MT_INVALID: the user cannot stand in an
 * exchange.
 */
MT_MUST_USE enum mt_status mt_scram_client_begin(struct mt_scram_client *client, bool is_plus,
						 struct mt_bytes user, const char *nonce,
						 struct mt_buf *out);
/* The server's first message; out: our final one. binding: MT_SCRAM_BINDING_BYTES with PLUS, else
 * NULL. `keys` are made from the password when they are not those of the salt, which takes long.
 * MT_INVALID: not its turn, malformed, not of this exchange, or with less than
 * MT_SCRAM_ITERATIONS_MIN or more than MT_SCRAM_ITERATIONS_MAX iterations. MT_MEMORY. */
MT_MUST_USE enum mt_status mt_scram_client_prove(struct mt_scram_client *client,
						 const uint8_t *binding, struct mt_bytes password,
						 struct mt_scram_keys *keys,
						 struct mt_bytes message, struct mt_buf *out);
/* The server's final message. MT_OK: it knows our verifier. MT_DENIED: it does not. MT_INVALID:
 * malformed, or nothing was proven to it yet. */
MT_MUST_USE enum mt_status mt_scram_client_verify(struct mt_scram_client *client,
						  struct mt_bytes message);
