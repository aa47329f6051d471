/* One call of the admin API: what the handlers of the nouns share. */
#pragma once

#include "shell/api.h"
#include "shell/audit_log.h"
#include "shell/api_tokens.h"

#include <jansson.h>
#include <pthread.h>

#define MT_API_PATH_BYTES_MAX 8192u
#define MT_API_SEGMENTS_MAX 6u
#define MT_API_DEPTH_MAX 8u
#define MT_API_FAULT_BYTES 512u
#define MT_API_AUTHOR_BYTES 264u

struct mt_clerk;

struct mt_api {
	pthread_mutex_t lock; /* held while a request is answered, or the clerk works */
	struct mt_clerk *clerk;
	struct mt_broker *broker;
	struct mt_state *state;
	mt_api_adopt_fn *adopt;
	struct mt_policy *policy;	 /* of the last change; NULL: none yet */
	struct mt_api_throttle throttle; /* of wrong tokens */
};

/* What a caller may do; each may what those before it may. */
enum mt_api_role {
	MT_API_NOBODY,
	MT_API_VIEWER,	 /* looks at what holds no secret */
	MT_API_OPERATOR, /* keeps it running: ends connections and lockouts, renews */
	MT_API_ADMIN,	 /* changes who may do what */
};

struct mt_api_call {
	struct mt_api *api;
	const struct mt_admin_request *request;
	enum mt_api_role role;
	char author[MT_API_AUTHOR_BYTES]; /* "uid 0", "token:NAME" */
	const char *
		segments[MT_API_SEGMENTS_MAX]; /* behind "/api/", decoded: valid UTF-8, not empty */
	uint32_t segment_count;
	char text[MT_API_PATH_BYTES_MAX]; /* the segments, and then decoded query values */
	size_t text_len;
	json_t *body;	 /* an object, or NULL */
	int http_status; /* 0: not answered yet */
	json_t *answer;
	unsigned retry_after_s;	       /* with 429 */
	char what[MT_API_FAULT_BYTES]; /* the change that is being made */
	bool is_settling;	       /* it may change something while a change waits */
	json_t *revoked;	       /* what it did to live sessions; NULL: nothing was changed */
};

/* "viewer" */
const char *mt_api_role_name(enum mt_api_role role);

typedef void mt_api_fn(struct mt_api_call *call);

/* Tables of the nouns, ended by a NULL method. A pattern names segments; "*" stands for any. */
struct mt_api_route {
	const char *method;
	const char *pattern;
	mt_api_fn *run;
	enum mt_api_role least; /* that may call it; MT_API_NOBODY: no one may */
};
extern const struct mt_api_route mt_api_user_routes[];
extern const struct mt_api_route mt_api_role_routes[];
extern const struct mt_api_route mt_api_explain_routes[];
extern const struct mt_api_route mt_api_client_routes[];
extern const struct mt_api_route mt_api_status_routes[];
extern const struct mt_api_route mt_api_certificate_routes[];
extern const struct mt_api_route mt_api_proof_routes[];
extern const struct mt_api_route mt_api_issuer_routes[];
extern const struct mt_api_route mt_api_token_routes[];
extern const struct mt_api_route mt_api_policy_routes[];
extern const struct mt_api_route mt_api_import_routes[];

/* Under the lock: undoes the change that nobody confirmed in time. Seconds until it wants to be
 * asked again; 0: when something waits. */
int64_t mt_api_settle(struct mt_api *api);
/* Those seconds; undoes nothing. */
int64_t mt_api_settle_in(struct mt_api *api);

int mt_api_http_status(enum mt_status status);
/* An entry of the audit log: by the caller, of the present revision. */
void mt_api_audit(const struct mt_api_call *call, enum mt_audit_kind kind, const char *what);
/* Answers with an error, in place of any answer so far. */
void mt_api_fail(struct mt_api_call *call, int http_status, const char *format, ...)
	MT_FORMAT(3, 4);
/* The same for a status of the state database, whose fault tells why. */
void mt_api_fail_status(struct mt_api_call *call, enum mt_status status, const char *what);
/* Answers 200; the object is taken over; NULL means no memory. */
void mt_api_succeed(struct mt_api_call *call, json_t *answer);

/*
 * Checks that the body is an object of the keys in `shape`: "name:s password:s? qos:*? retain:b?"
 * (s text, b boolean, a list, * anything; ? may be absent), and nothing else. False: answered.
 */
MT_MUST_USE bool mt_api_expect(struct mt_api_call *call, const char *shape);
/* Text of a key, NULL when it is absent. After mt_api_expect. */
const char *mt_api_text(const struct mt_api_call *call, const char *key);
/* Decoded query value, NULL when absent. False: answered (malformed). */
MT_MUST_USE bool mt_api_query(struct mt_api_call *call, const char *name, const char **out);

/* Is there a listener of that name? A rule for one that is not would never act, a deny included. */
bool mt_api_knows_listener(const struct mt_api_call *call, const char *name);
/* Starts a change; `what` and its arguments name it in log and revision. While another one waits to
 * be confirmed, which might undo this one, it is refused. False: answered. */
MT_MUST_USE bool mt_api_change(struct mt_api_call *call, const char *format, ...) MT_FORMAT(2, 3);
/*
 * Ends it: with MT_OK it is checked as a whole, committed and adopted, and the answer will tell
 * what it took away; else (or when it does not pass) it is undone. False: answered.
 */
MT_MUST_USE bool mt_api_change_end(struct mt_api_call *call, enum mt_status status);
/* Undoes it, and tells what it would have taken away from live sessions: the answer's "revoked".
 * False: answered, for it would not have passed. */
MT_MUST_USE bool mt_api_change_rehearse(struct mt_api_call *call, enum mt_status status);
