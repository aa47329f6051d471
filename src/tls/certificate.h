/*
 * What a certificate says, as plain values: for lists, for the date when it has to be replaced, for
 * the question whether it is one of ours.
 */
#pragma once

#include "tls/authority.h"

struct mt_certificate {
	char subject[256]; /* RFC 4514, cut */
	char issuer[256];
	char serial[64];	     /* hexadecimal, upper case */
	char names[512];	     /* "DNS:localhost, IP:127.0.0.1", cut */
	char key[32];		     /* "ECDSA P-256", "RSA 2048" */
	uint8_t fingerprint[32];     /* SHA-256 of the certificate */
	uint8_t key_fingerprint[32]; /* SHA-256 of the public key (SPKI) */
	int64_t not_before_s, not_after_s;
	bool is_ca;
};

/* The first one of a PEM text. MT_INVALID. */
MT_MUST_USE enum mt_status mt_certificate_read(const struct mt_pem *pem,
					       struct mt_certificate *out);
/* Did this issuer sign it? */
bool mt_certificate_is_of(const struct mt_pem *pem, const struct mt_pem *issuer);
/* Does the certificate bear all of these names and addresses? */
bool mt_certificate_covers(const struct mt_pem *pem, const struct mt_server_names *names);
