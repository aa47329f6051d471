/*
 * Password checks off the event loop: a bounded pool of worker threads.
 *
 *   loop: mt_auth_submit(job) -> queue (bounded) -> worker: Argon2id -> mailbox -> loop:
 * mt_auth_take
 *
 * Unknown users, disabled users and wrong passwords cost exactly one Argon2id each and get the same
 * answer; so does a right one, unless it was right a short while ago, or is checked by an imported
 * hash, which costs another one to replace it. A full queue refuses at once (SERVER_BUSY).
 */
#pragma once

#include "identity/book.h"
#include "identity/mechanism.h"
#include "io/mailbox.h"
#include "policy/policy.h"

#define MT_AUTH_QUEUE_MAX 1024u /* checks that wait, in the broker */

#define MT_AUTH_SECRET_BYTES_MAX 4096u /* a JSON Web Token is the longest */

struct mt_jwt_grant;

struct mt_auth_job {
	struct mt_letter letter;  /* first */
	uint64_t ticket;	  /* of the core */
	uint64_t conn;		  /* its handle there, for whoever takes the answer */
	struct mt_policy *policy; /* a reference, held by the job */
	char user[256];
	size_t user_len;
	uint8_t secret[MT_AUTH_SECRET_BYTES_MAX]; /* wiped after the check */
	size_t secret_len;
	mt_mechanisms accepted; /* what the listener takes */
	bool is_too_long;	/* user or secret did not fit: certain refusal, still one hash */
	/* answer */
	bool is_accepted;
	uint64_t user_id;
	enum mt_mechanism mechanism; /* by the form of the secret */
	bool is_unaccepted;	     /* of a kind that the listener does not take */
	enum mt_refusal refusal;
	struct mt_jwt_grant *grant; /* of a token that was accepted; the job's; NULL: none */
};

struct mt_auth;
struct mt_login_cache;

MT_MUST_USE enum mt_status mt_auth_open(uint32_t thread_count, uint32_t queue_max,
					struct mt_auth **out);
/* Before the first job: passwords that were right are remembered there, and one that was checked by
 * an imported hash is told with an Argon2id hash to put in its place (on a worker's thread). */
typedef void mt_auth_upgrade_fn(void *context, uint64_t user_id, struct mt_bytes former,
				const char *hash);
void mt_auth_use(struct mt_auth *auth, struct mt_login_cache *cache, mt_auth_upgrade_fn *upgrade,
		 void *context);
/* By which tokens are checked from now on; a reference is taken. Any thread. */
void mt_auth_set_book(struct mt_auth *auth, struct mt_book *book);
/* A reference to it, for the caller; NULL: there is none yet. */
struct mt_book *mt_auth_book(struct mt_auth *auth);
/* Waits for the workers; jobs not answered are dropped. */
void mt_auth_close(struct mt_auth **auth);
/* A zeroed job; NULL without memory. Freed by mt_auth_job_destroy (wipes). */
struct mt_auth_job *mt_auth_job_create(void);
void mt_auth_job_destroy(struct mt_auth_job **job);
/* Takes the job over. MT_LIMIT: the queue is full (the job stays the caller's). */
MT_MUST_USE enum mt_status mt_auth_submit(struct mt_auth *auth, struct mt_auth_job *job);
/* The descriptor to watch (level-triggered), and the answered jobs, one by one (NULL: none). Owner
 * thread only. */
int mt_auth_fd(const struct mt_auth *auth);
struct mt_auth_job *mt_auth_take(struct mt_auth *auth);
