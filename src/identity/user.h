/*
 * A user record: what stands in the state database about one identity, as the snapshot holds it.
 *
 * `id` is never used again after removal: sessions, authorship and revocation go by it, never by
 * the name.
 */
#pragma once

#include "base/bytes.h"

#define MT_USER_NAME_BYTES_MAX 255u
#define MT_USER_ROLES_MAX 64u

struct mt_user {
	uint64_t id; /* > 0 */
	struct mt_bytes name;
	bool is_enabled;
	struct mt_bytes password_hash; /* "$argon2id$..."; empty: no password login */
	struct mt_bytes
		token_hash; /* 32 bytes SHA-256 of a generated token "mt1...."; empty: none */
	struct mt_bytes client_id_rule; /* see identity/client_id.h; empty: any id */
	/* Filled by the snapshot: ids of its roles. */
	const uint32_t *roles;
	uint32_t role_count;
};

/* Why a name cannot be a user name (empty, too long, control characters, invalid UTF-8); NULL when
 * it can. Static text. */
const char *mt_user_name_fault(struct mt_bytes name);
