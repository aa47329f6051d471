/*
 * A profile: one file with all that a client needs (`admin.mortise`, 0600). Lines of `key: value`;
 * PEM blocks follow indented as YAML literals, so that the file is YAML: address, ca_pin, user,
 * password, client_id (optional), ca (PEM), certificate, key (optional, PEM). Written by provision
 * and `cert issue`, read by every verb with --profile and by libmortise.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct mt_profile {
	char host[256];
	uint16_t port;
	char user[256];
	char password[256];
	char client_id[256]; /* "": none */
	char ca_pin[64];
	char *ca_pem; /* malloc'ed; NULL: none */
	char *certificate_pem;
	char *key_pem;
};

#define MT_PROFILE_FILE_BYTES_MAX 65536u

/* A profile from the content of its file. Unknown, repeated or missing keys, and values that are no
 * plain text, are faults. */
MT_MUST_USE enum mt_status mt_profile_parse(struct mt_bytes content, struct mt_profile *out,
					    char *fault, size_t cap);
/* The content of its file, malloc'ed (to be wiped). MT_INVALID: it would not be read back.
 * MT_LIMIT: too long. */
MT_MUST_USE enum mt_status mt_profile_print(const struct mt_profile *profile, uint8_t **content,
					    size_t *len);
/* fault: what is wrong, with the line. MT_NOT_FOUND, MT_DENIED (others may read it), MT_INVALID. */
MT_MUST_USE enum mt_status mt_profile_read(const char *path, struct mt_profile *out, char *fault,
					   size_t cap);
MT_MUST_USE enum mt_status mt_profile_write(const char *path, const struct mt_profile *profile);
/* Wipes the secrets. */
void mt_profile_finish(struct mt_profile *profile);
