/*
 * Changes by the admin API: whole or not at all, and told what they did to live sessions.
 *
 *   mt_api_change -> rows change -> mt_api_change_end: snapshot made of what was touched (a row
 * that makes no policy undoes all) -> COMMIT -> every core has adopted it -> its sweep is done ->
 * report
 */
#include "io/clock.h"
#include "shell/api_call.h"
#include "shell/directory.h"
#include "shell/moment.h"
#include "store/state_history.h"

#include <stdio.h>

/* What the change makes of policy and proofs. */
struct next {
	struct mt_policy *policy;
	struct mt_book *book; /* NULL: as before */
	unsigned touched;     /* MT_TOUCHED_... */
};

/* What is made now would be undone with it. */
static bool does_another_wait(struct mt_api_call *call)
{
	struct mt_state_confirmation waits;
	char due[MT_MOMENT_BYTES];
	if (call->is_settling || mt_state_confirmation(call->api->state, &waits) != MT_OK)
		return false;
	mt_moment_print(waits.due_s, due);
	mt_api_fail(call, 409,
		    "%s: revision %llu waits to be confirmed until %s; first say mortise policy "
		    "confirm, or mortise policy rollback %llu",
		    call->what, (unsigned long long)waits.revision, due,
		    (unsigned long long)waits.back_to);
	return true;
}

bool mt_api_change(struct mt_api_call *call, const char *format, ...)
{
	enum mt_status status;
	va_list list;
	va_start(list, format);
	vsnprintf(call->what, sizeof(call->what), format, list);
	va_end(list);
	if (does_another_wait(call))
		return false;
	status = mt_state_begin(call->api->state, call->author, call->what,
				mt_clock_now().wall_ns / MT_SECOND);
	if (status != MT_OK)
		mt_api_fail_status(call, status, call->what);
	return status == MT_OK;
}

/* Of the open change. */
static enum mt_status make(struct mt_api *api, struct next *next, char fault[MT_API_FAULT_BYTES])
{
	MT_TRY(mt_directory_update(api->state, api->policy, &next->policy, &next->touched, fault,
				   MT_API_FAULT_BYTES));
	if (next->touched & (MT_TOUCHED_BOOK | MT_TOUCHED_ALL))
		return mt_directory_load_book(api->state, &next->book, fault, MT_API_FAULT_BYTES);
	return MT_OK;
}

static bool check_and_commit(struct mt_api_call *call, struct next *next)
{
	char fault[MT_API_FAULT_BYTES] = "";
	enum mt_status status = make(call->api, next, fault);
	if (status != MT_OK) {
		/* A row that makes no policy is the request's fault. */
		mt_api_fail(call, status == MT_MEMORY || status == MT_SYSTEM ? 500 : 400,
			    "%s: nothing was changed: %s", call->what, fault);
		return false;
	}
	status = mt_state_commit(call->api->state);
	if (status != MT_OK)
		mt_api_fail_status(call, status, call->what);
	return status == MT_OK;
}

static void tell(struct mt_api_call *call, const struct mt_revoked *revoked, unsigned touched)
{
	char now[MT_MOMENT_BYTES];
	json_decref(call->revoked);
	call->revoked = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:b}", "sessions", (json_int_t)revoked->sessions,
		"subscriptions", (json_int_t)revoked->subscriptions, "queued",
		(json_int_t)revoked->queued, "wills", (json_int_t)revoked->wills, "retained",
		(json_int_t)revoked->retained, "complete", revoked->is_complete);
	if (revoked->took_ns > 0)
		json_object_set_new(call->revoked, "ms", json_real((double)revoked->took_ns / 1e6));
	mt_moment_print(mt_clock_now().wall_ns / MT_SECOND, now);
	if (touched & MT_TOUCHED_ENDS)
		json_object_set_new(call->revoked, "tickets_before", json_string(now));
}

static void audit_revoked(const struct mt_api_call *call, const struct mt_revoked *revoked)
{
	char what[256];
	if (revoked->sessions + revoked->subscriptions + revoked->queued + revoked->wills +
		    revoked->retained ==
	    0)
		return;
	snprintf(what, sizeof(what),
		 "%llu sessions, %llu subscriptions, %llu queued, %llu wills, %llu retained",
		 (unsigned long long)revoked->sessions, (unsigned long long)revoked->subscriptions,
		 (unsigned long long)revoked->queued, (unsigned long long)revoked->wills,
		 (unsigned long long)revoked->retained);
	mt_api_audit(call, MT_AUDIT_EVENT_REVOKED, what);
}

static bool adopt(struct mt_api_call *call, const struct next *next)
{
	struct mt_api *api = call->api;
	struct mt_revoked revoked = {0};
	enum mt_status status = api->adopt(api->broker, next->policy, next->book, &revoked);
	mt_policy_unref(&api->policy);
	api->policy = mt_policy_ref(next->policy);
	if (status == MT_OK) {
		tell(call, &revoked, next->touched);
		audit_revoked(call, &revoked);
	} else
		mt_api_fail(call, mt_api_http_status(status),
			    "%s: saved, but the running broker did not adopt it: %s; restart it",
			    call->what, mt_status_text(status));
	return status == MT_OK;
}

bool mt_api_change_end(struct mt_api_call *call, enum mt_status status)
{
	struct mt_api *api = call->api;
	struct next next = {0};
	bool is_done = false;
	if (status != MT_OK)
		mt_api_fail_status(call, status, call->what);
	if (status == MT_OK && check_and_commit(call, &next)) {
		mt_log(MT_LOG_NOTICE, "admin", "changed", MT_STR("what", call->what),
		       MT_STR("author", call->author),
		       MT_U64("revision", mt_state_revision(api->state)));
		mt_api_audit(call, MT_AUDIT_EVENT_CHANGE, call->what);
		is_done = adopt(call, &next);
	} else {
		mt_state_rollback(api->state);
	}
	mt_policy_unref(&next.policy);
	mt_book_unref(&next.book);
	return is_done;
}

/* ---- what would be ---- */

struct rehearsal {
	const struct mt_policy *policy;
	struct mt_rehearsal found;
	bool is_done;
};

static void rehearse_on_loop(struct mt_broker *broker, void *argument)
{
	struct rehearsal *rehearsal = argument;
	rehearsal->is_done = mt_core_rehearse(mt_broker_core(broker), mt_broker_now(broker),
					      rehearsal->policy, &rehearsal->found);
}

static enum mt_status rehearse(struct mt_api *api, const struct mt_policy *policy,
			       struct mt_revoked *out)
{
	struct rehearsal rehearsal = {.policy = policy};
	while (!rehearsal.is_done)
		MT_TRY(mt_hub_call(mt_broker_hub(api->broker), rehearse_on_loop, &rehearsal));
	*out = (struct mt_revoked){.sessions = rehearsal.found.sessions,
				   .subscriptions = rehearsal.found.subscriptions,
				   .queued = rehearsal.found.queued,
				   .wills = rehearsal.found.wills,
				   .retained = rehearsal.found.retained,
				   .is_complete = true};
	return MT_OK;
}

bool mt_api_change_rehearse(struct mt_api_call *call, enum mt_status status)
{
	struct next next = {0};
	struct mt_revoked revoked = {0};
	char fault[MT_API_FAULT_BYTES] = "";
	bool is_done = false;
	if (status != MT_OK)
		mt_api_fail_status(call, status, call->what);
	else if (make(call->api, &next, fault) != MT_OK)
		mt_api_fail(call, 400, "%s: %s", call->what, fault);
	else if (rehearse(call->api, next.policy, &revoked) != MT_OK)
		mt_api_fail(call, 503, "%s: the broker is stopping", call->what);
	else
		is_done = true;
	mt_state_rollback(call->api->state);
	if (is_done)
		tell(call, &revoked, next.touched);
	mt_policy_unref(&next.policy);
	mt_book_unref(&next.book);
	return is_done;
}
