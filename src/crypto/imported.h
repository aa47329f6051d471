/*
 * Hashes that mosquitto_passwd wrote, for users who were imported: they are checked, and replaced
 * by Argon2id at the first login.
 *
 *   $6$salt$hash             SHA-512 of password and salt, once
 *   $7$iterations$salt$hash  PBKDF2-HMAC-SHA512 (RFC 8018)        salt and hash in base64
 *
 * Pure. Threading: any thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

/* What one check may cost; more is no hash of ours. */
#define MT_IMPORTED_ITERATIONS_MAX 1000000u

bool mt_imported_has_form(struct mt_bytes hash);
/* MT_OK matches, MT_DENIED does not (a malformed hash too). Its time tells which hash it was: the
 * caller runs the dummy of crypto/password.h besides. */
MT_MUST_USE enum mt_status mt_imported_verify(struct mt_bytes password, struct mt_bytes hash);
