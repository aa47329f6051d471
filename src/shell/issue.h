/*
 * Certificates for users from the broker's own authority, STATE/tls/ca.{pem,key}.
 *
 *   user th-17 -> URI SAN mortise:th-17 (percent-encoded where a URI must be), CN th-17 without
 * dots
 */
#pragma once

#include "tls/certificate.h"

#define MT_ISSUE_DAYS 365
#define MT_ISSUE_DAYS_MAX 3650
#define MT_ISSUE_NAME_BYTES 1024u

struct mt_issued {
	struct mt_pem certificate, key; /* PEM; the key is a secret */
	struct mt_pem ca;
	char ca_pin[45];
	char name[MT_ISSUE_NAME_BYTES]; /* as it stands in the certificate, behind "mortise:" */
	uint8_t issuer[32];		/* fingerprint of the CA's key */
	struct mt_certificate facts;
};

/* fault: one sentence with a remedy. MT_NOT_FOUND: there is no authority, or its key was exported.
 * MT_INVALID: the name is too long. */
MT_MUST_USE enum mt_status mt_issue_client(const char *state_path, const char *user, int64_t now_s,
					   int days, struct mt_issued *out, char *fault,
					   size_t cap);
void mt_issued_finish(struct mt_issued *issued);
/* Reads STATE/tls/NAME. MT_NOT_FOUND, MT_SYSTEM (errno). */
MT_MUST_USE enum mt_status mt_issue_read(const char *state_path, const char *name,
					 struct mt_pem *out);
/* A user's name as it stands in certificates; false: it does not fit. */
MT_MUST_USE bool mt_issue_name(const char *user, char out[MT_ISSUE_NAME_BYTES]);
