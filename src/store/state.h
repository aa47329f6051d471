/*
 * The control plane's database, STATE/mortise.db: users, roles, rules, settings, revisions (SQLite,
 * WAL, synchronous=FULL, 0600).
 *
 * Every change is one transaction that raises the revision and notes author, time and what was
 * done. Ids of users are never used again (AUTOINCREMENT). The store knows shapes, not meanings:
 * filters and rules are checked above it.
 *
 * Threading: one thread at a time (the admin thread); opening checks integrity and refuses a
 * damaged or newer file: it never opens empty where a file was.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct mt_state;

/* fault: one sentence on failure. create: make the file when it is missing; else MT_NOT_FOUND.
 * MT_CORRUPT, MT_DENIED (others may write it), MT_SYSTEM. */
MT_MUST_USE enum mt_status mt_state_open(const char *path, bool create, struct mt_state **out,
					 char *fault, size_t cap);
void mt_state_close(struct mt_state **state);
uint64_t mt_state_revision(const struct mt_state *state);
/* Text of what the last call failed on; "" when nothing. */
const char *mt_state_fault(const struct mt_state *state);

/* A transaction: everything between begin and commit becomes one revision, or nothing. */
MT_MUST_USE enum mt_status mt_state_begin(struct mt_state *state, const char *author,
					  const char *what, int64_t now_s);
MT_MUST_USE enum mt_status mt_state_commit(struct mt_state *state);
void mt_state_rollback(struct mt_state *state); /* does nothing outside a transaction */

/* What the open change has touched so far, each perhaps more than once: names of roles whose rows
 * or rules, ids of users whose rows, grants or secrets it added, changed or removed. */
typedef bool mt_state_id_fn(void *context, uint64_t id);
struct mt_state_touch {
	bool (*role)(void *context, const char *name);
	mt_state_id_fn *user;
	void *context;
};
#define MT_TOUCHED_BOOK 1u /* what proves users besides their secrets */
#define MT_TOUCHED_ENDS 2u /* what users proved so far is void */
#define MT_TOUCHED_ALL 4u  /* anything: a row did not tell, or a visitor had enough */
MT_MUST_USE enum mt_status mt_state_touched(struct mt_state *state,
					    const struct mt_state_touch *visit, unsigned *what);
/*
 * Within an open change: users, roles, grants, rules, names of certificates and issuers become what
 * they were at `revision`. Secrets do not come back, nor do issuers of tokens or their former keys:
 * they are gone; who comes back proves nothing older than now.
 * MT_NOT_FOUND: a change in between is not kept (any more), or there is no such revision.
 */
MT_MUST_USE enum mt_status mt_state_undo(struct mt_state *state, uint64_t revision, int64_t now_s);

struct mt_state_user {
	uint64_t id; /* given by the database at add */
	const char *name;
	bool is_enabled;
	const char *password_hash;  /* "" none */
	struct mt_bytes token_hash; /* empty: none; else 32 bytes */
	const char *client_id_rule; /* "" any */
};

/* Rows are valid inside the visitor only; a visitor returns false to stop. */
typedef bool mt_state_user_fn(void *context, const struct mt_state_user *user);
typedef bool mt_state_name_fn(void *context, const char *name);

MT_MUST_USE enum mt_status mt_state_user_add(struct mt_state *state,
					     const struct mt_state_user *user,
					     uint64_t *id); /* MT_EXISTS */
MT_MUST_USE enum mt_status
mt_state_user_update(struct mt_state *state,
		     const struct mt_state_user *user); /* by id; MT_NOT_FOUND */
/* What it may do, its secrets left alone. MT_NOT_FOUND. */
MT_MUST_USE enum mt_status mt_state_user_settings(struct mt_state *state, uint64_t id,
						  bool is_enabled, const char *client_id_rule);
MT_MUST_USE enum mt_status
mt_state_user_remove(struct mt_state *state, const char *name); /* its grants too; MT_NOT_FOUND */
MT_MUST_USE enum mt_status mt_state_user_find(struct mt_state *state, const char *name,
					      mt_state_user_fn *visit, void *context);
/* Outside a change, and none of its own: another hash of the same password, if `former` is still
 * the one that is kept; else MT_NOT_FOUND. */
MT_MUST_USE enum mt_status mt_state_hash_replace(struct mt_state *state, uint64_t user_id,
						 struct mt_bytes former, const char *hash);
MT_MUST_USE enum mt_status mt_state_user_by_id(struct mt_state *state, uint64_t id,
					       mt_state_user_fn *visit, void *context);
MT_MUST_USE enum mt_status mt_state_users(struct mt_state *state, mt_state_user_fn *visit,
					  void *context); /* by name */

struct mt_state_role {
	const char *name;
	bool is_filtering; /* subscriptions are granted, and filtered at delivery */
};
typedef bool mt_state_role_fn(void *context, const struct mt_state_role *role);
/* Roles named `open` and `admin` are built in: they can be granted without a row. */
MT_MUST_USE enum mt_status mt_state_role_add(struct mt_state *state, const char *name);
MT_MUST_USE enum mt_status
mt_state_role_remove(struct mt_state *state,
		     const char *name); /* its rules too; MT_DENIED while a user holds it */
MT_MUST_USE enum mt_status mt_state_role_update(struct mt_state *state,
						const struct mt_state_role *role); /* by name */
MT_MUST_USE enum mt_status mt_state_roles(struct mt_state *state, mt_state_role_fn *visit,
					  void *context);
MT_MUST_USE enum mt_status mt_state_role_find(struct mt_state *state, const char *name,
					      mt_state_role_fn *visit,
					      void *context); /* MT_NOT_FOUND */
MT_MUST_USE enum mt_status mt_state_grant(struct mt_state *state, const char *user,
					  const char *role); /* MT_NOT_FOUND, MT_EXISTS */
MT_MUST_USE enum mt_status mt_state_ungrant(struct mt_state *state, const char *user,
					    const char *role);
MT_MUST_USE enum mt_status mt_state_user_roles(struct mt_state *state, uint64_t user_id,
					       mt_state_name_fn *visit, void *context);

struct mt_state_rule {
	uint32_t id;
	bool is_deny;
	uint8_t operation; /* 1 publish, 2 subscribe, 3 both */
	uint8_t qos_mask;
	uint8_t retain;		  /* 0 any, 1 yes, 2 no */
	int64_t since_s, until_s; /* 0: none */
	const char *filter;
	const char *share;    /* "" not shared */
	const char *network;  /* "" anywhere; else CIDR text */
	const char *listener; /* "" any; else its name */
};
typedef bool mt_state_rule_fn(void *context, const struct mt_state_rule *rule);
MT_MUST_USE enum mt_status mt_state_rule_add(struct mt_state *state, const char *role,
					     const struct mt_state_rule *rule, uint32_t *id);
MT_MUST_USE enum mt_status mt_state_rule_remove(struct mt_state *state, const char *role,
						uint32_t id);
MT_MUST_USE enum mt_status mt_state_rules(struct mt_state *state, const char *role,
					  mt_state_rule_fn *visit, void *context);

/* ---- what proves a user besides a password ---- */

struct mt_state_certificate_name {
	uint64_t user_id;
	const char *name;
	struct mt_bytes issuer; /* 32 bytes: fingerprint of its key; empty: any issuer */
};
typedef bool mt_state_certificate_name_fn(void *context,
					  const struct mt_state_certificate_name *row);
/* MT_EXISTS: it stands for somebody. */
MT_MUST_USE enum mt_status mt_state_certificate_name_add(struct mt_state *state, uint64_t user_id,
							 const char *name, struct mt_bytes issuer);
MT_MUST_USE enum mt_status mt_state_certificate_name_remove(struct mt_state *state,
							    uint64_t user_id,
							    const char *name); /* MT_NOT_FOUND */
MT_MUST_USE enum mt_status mt_state_certificate_names(struct mt_state *state,
						      mt_state_certificate_name_fn *visit,
						      void *context);

struct mt_state_psk {
	uint64_t user_id;
	const char *user; /* its name is the identity */
	bool is_enabled;
	struct mt_bytes key; /* 16 to 64 bytes; a secret */
};
typedef bool mt_state_psk_fn(void *context, const struct mt_state_psk *row);
MT_MUST_USE enum mt_status mt_state_psk_set(struct mt_state *state, uint64_t user_id,
					    struct mt_bytes key); /* in place of a former one */
MT_MUST_USE enum mt_status mt_state_psk_remove(struct mt_state *state,
					       uint64_t user_id); /* MT_NOT_FOUND */
MT_MUST_USE enum mt_status mt_state_psks(struct mt_state *state, mt_state_psk_fn *visit,
					 void *context);

/* An issuer of JSON Web Tokens. */
struct mt_state_issuer {
	const char *name;
	const char *algorithms; /* 1 to 16 bytes */
	struct mt_bytes key;	/* 1 to 16384 bytes; a secret perhaps */
	const char *issuer, *audience, *claim;
	uint32_t leeway_s; /* at most 3600 */
};
#define MT_STATE_ISSUERS_MAX 64u
typedef bool mt_state_issuer_fn(void *context, const struct mt_state_issuer *row);
/* MT_EXISTS: of this name, or of this `issuer`; MT_LIMIT: one more than MT_STATE_ISSUERS_MAX. */
MT_MUST_USE enum mt_status mt_state_issuer_add(struct mt_state *state,
					       const struct mt_state_issuer *issuer);
MT_MUST_USE enum mt_status mt_state_issuer_key(struct mt_state *state, const char *name,
					       struct mt_bytes key); /* MT_NOT_FOUND */
MT_MUST_USE enum mt_status
mt_state_issuer_remove(struct mt_state *state,
		       const char *name); /* its subjects too; MT_NOT_FOUND */
MT_MUST_USE enum mt_status mt_state_issuers(struct mt_state *state, mt_state_issuer_fn *visit,
					    void *context); /* by name */

struct mt_state_subject {
	const char *issuer; /* its name */
	const char *subject;
	uint64_t user_id;
	const char *user;
};
typedef bool mt_state_subject_fn(void *context, const struct mt_state_subject *row);
/* MT_EXISTS: it stands for somebody; MT_NOT_FOUND: no such issuer. */
MT_MUST_USE enum mt_status mt_state_subject_add(struct mt_state *state, uint64_t user_id,
						const char *issuer, const char *subject);
/* subject NULL: all of the user's by this issuer. MT_NOT_FOUND. */
MT_MUST_USE enum mt_status mt_state_subject_remove(struct mt_state *state, uint64_t user_id,
						   const char *issuer, const char *subject);
/* MT_OK: one of any issuer stands for the user. MT_NOT_FOUND. */
MT_MUST_USE enum mt_status mt_state_subject_has(struct mt_state *state, uint64_t user_id);
MT_MUST_USE enum mt_status mt_state_subjects(struct mt_state *state, mt_state_subject_fn *visit,
					     void *context); /* by issuer, then subject */

/* What SCRAM-SHA-256 knows of a password. */
struct mt_state_scram {
	uint64_t user_id;
	const char *user;
	uint32_t iterations;			/* 4096 to 10000000 */
	struct mt_bytes salt;			/* 16 bytes */
	struct mt_bytes stored_key, server_key; /* 32 bytes each; secrets */
};
typedef bool mt_state_scram_fn(void *context, const struct mt_state_scram *row);
/* In place of a former one; `user` is not looked at. */
MT_MUST_USE enum mt_status mt_state_scram_set(struct mt_state *state,
					      const struct mt_state_scram *verifier);
MT_MUST_USE enum mt_status mt_state_scram_remove(struct mt_state *state,
						 uint64_t user_id); /* MT_NOT_FOUND */
/* MT_OK: the user has one. MT_NOT_FOUND. */
MT_MUST_USE enum mt_status mt_state_scram_has(struct mt_state *state, uint64_t user_id);
MT_MUST_USE enum mt_status mt_state_scrams(struct mt_state *state, mt_state_scram_fn *visit,
					   void *context);

/* Issued by our own authority. It stays when its user goes. */
struct mt_state_certificate {
	const char *serial; /* hexadecimal, upper case */
	uint64_t user_id;
	const char *user;
	struct mt_bytes fingerprint; /* 32 bytes: SHA-256 of the certificate */
	int64_t issued_s, not_after_s;
	int64_t revoked_s; /* 0: it was not */
};
typedef bool mt_state_certificate_fn(void *context, const struct mt_state_certificate *row);
MT_MUST_USE enum mt_status mt_state_certificate_add(struct mt_state *state,
						    const struct mt_state_certificate *certificate);
MT_MUST_USE enum mt_status mt_state_certificate_revoke(struct mt_state *state, const char *serial,
						       int64_t now_s); /* MT_NOT_FOUND */
/* All of a user; there may be none. */
MT_MUST_USE enum mt_status mt_state_certificates_revoke(struct mt_state *state, uint64_t user_id,
							int64_t now_s);
MT_MUST_USE enum mt_status mt_state_certificates(struct mt_state *state,
						 mt_state_certificate_fn *visit,
						 void *context); /* by user, then time */

/* What the user proved then or before is void; the later time holds. */
typedef bool mt_state_user_end_fn(void *context, uint64_t user_id, int64_t not_before_s);
MT_MUST_USE enum mt_status mt_state_user_end(struct mt_state *state, uint64_t user_id,
					     int64_t not_before_s);
MT_MUST_USE enum mt_status mt_state_user_ends(struct mt_state *state, mt_state_user_end_fn *visit,
					      void *context);

/* ---- tokens of the admin API ---- */

#define MT_STATE_API_TOKENS_MAX 256u

struct mt_state_api_token {
	const char *name;
	struct mt_bytes hash;	      /* 32 bytes: SHA-256 of the token, which is not kept */
	uint8_t role;		      /* 1 viewer, 2 operator, 3 admin */
	int64_t created_s, expires_s; /* it ends at expires_s; 0: never */
	const char *author;
};
typedef bool mt_state_api_token_fn(void *context, const struct mt_state_api_token *row);
/* MT_EXISTS; MT_LIMIT: one more than MT_STATE_API_TOKENS_MAX. */
MT_MUST_USE enum mt_status mt_state_api_token_add(struct mt_state *state,
						  const struct mt_state_api_token *token);
MT_MUST_USE enum mt_status mt_state_api_token_remove(struct mt_state *state,
						     const char *name); /* MT_NOT_FOUND */
MT_MUST_USE enum mt_status mt_state_api_tokens(struct mt_state *state, mt_state_api_token_fn *visit,
					       void *context); /* by name */
