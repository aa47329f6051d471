/*
 * The admin API: users, roles, clients and status as JSON under /api/.
 *
 *   GET  users | users/NAME                      POST users {name, password?, roles?, client_id?}
 * DELETE users/NAME PUT  users/NAME/password {password}          POST users/NAME/token | enable |
 * disable PUT | DELETE users/NAME/roles/ROLE GET  roles | roles/NAME                      POST
 * roles {name}                                  DELETE roles/NAME POST roles/NAME/rules
 * {allow|deny, topic, qos?, retain?, share?, from?, until?}                 DELETE
 * roles/NAME/rules/ID GET  clients?cursor=N | clients/ID?user=U    DELETE clients/ID?user=U GET
 * status
 *
 * A change is one revision of the state database, checked as a whole before it is committed; the
 * answer 200 leaves after the core has adopted it. A failure is {"error": "what: why; remedy"}: 400
 * the request is wrong, 404, 405, 409 it does not fit what is there, 503 the broker is stopping,
 * 500 the rest.
 *
 * Threading: mt_api_handle on one thread at a time, never the loop's.
 */
#pragma once

#include "admin/server.h"
#include "shell/broker.h"

struct mt_api;

struct mt_book;

/* Gives the snapshots to whoever decides by them; returns when that one does. The caller keeps its
 * references. */
typedef enum mt_status mt_api_adopt_fn(void *context, struct mt_policy *policy,
				       struct mt_book *book);

/* adopt is called with the broker as its context. */
MT_MUST_USE enum mt_status mt_api_open(struct mt_broker *broker, mt_api_adopt_fn *adopt,
				       struct mt_api **out);
void mt_api_close(struct mt_api **api);
/* The mt_admin_handler; context: the mt_api. */
void mt_api_handle(void *context, const struct mt_admin_request *request,
		   struct mt_admin_answer *answer);
