/*
 * The admin API: users, roles, clients, status and more as JSON under /api/, and a page at /.
 *
 *   request -> who calls (Unix socket, or token) -> route -> may they? -> body -> handler
 *
 * Each route names the least role that may call it; docs/reference/admin-api.md lists them all.
 *
 * A change is one revision of the state database, checked as a whole before it is committed; the
 * answer 200 leaves after the core has adopted it. A failure is {"error": "what: why; remedy"}: 400
 * the request is wrong, 401 no token or none that holds, 403 its role may not, 404, 405, 429, 409
 * it does not fit what is there, 503 the broker is stopping, 500 the rest.
 *
 * Threading: mt_api_handle on one thread at a time, never the loop's.
 */
#pragma once

#include "admin/server.h"
#include "shell/broker.h"

struct mt_api;

struct mt_book;

/* What a change of policy took away from live sessions. */
struct mt_revoked {
	uint64_t sessions, subscriptions, queued, wills, retained;
	mt_time took_ns;
	bool is_complete; /* else the sweep still goes on */
};
/* Gives the snapshots to whoever decides by them (book NULL: as before); returns when that one
 * does, and has taken away what may no longer be. The caller keeps its references. */
typedef enum mt_status mt_api_adopt_fn(void *context, struct mt_policy *policy,
				       struct mt_book *book, struct mt_revoked *out);

/* adopt is called with the broker as its context. */
MT_MUST_USE enum mt_status mt_api_open(struct mt_broker *broker, mt_api_adopt_fn *adopt,
				       struct mt_api **out);
void mt_api_close(struct mt_api **api);
/* Keeps another hash of the same password; any thread but the loop's (mt_auth_upgrade_fn). */
void mt_api_replace_hash(void *api, uint64_t user_id, struct mt_bytes former, const char *hash);
/* What needs no body is answered: the page, and who may not. True: it goes on to mt_api_handle. The
 * context of both is the mt_api. */
MT_MUST_USE bool mt_api_admit(void *context, const struct mt_admin_request *request,
			      struct mt_admin_answer *answer);
void mt_api_handle(void *context, const struct mt_admin_request *request,
		   struct mt_admin_answer *answer);
