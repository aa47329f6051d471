/* The policy as a whole: /api/policy, and its history. */
#include "io/clock.h"
#include "shell/api_call.h"
#include "shell/clerk.h"
#include "shell/moment.h"
#include "shell/policy_diff.h"

#include <stdlib.h>

#define CONFIRM_SECONDS_MAX 3600
#define LOG_ROWS_MAX 1000u

static int64_t now_s(void)
{
	return mt_clock_now().wall_ns / MT_SECOND;
}

static bool load_current(struct mt_api_call *call, struct mt_policy_document *out)
{
	enum mt_status status = mt_policy_document_load(call->api->state, out);
	if (status != MT_OK)
		mt_api_fail_status(call, status, "policy");
	return status == MT_OK;
}

static void show_policy(struct mt_api_call *call)
{
	struct mt_policy_document current;
	char *text;
	if (!load_current(call, &current))
		return;
	text = mt_policy_document_print(&current);
	mt_api_succeed(call, text ? json_pack("{s:I, s:s}", "revision",
					      (json_int_t)mt_state_revision(call->api->state),
					      "document", text)
				  : NULL);
	free(text);
	mt_policy_document_clear(&current);
}

static bool knows_listener(const void *context, const char *name)
{
	return mt_api_knows_listener(context, name);
}

/* False: answered, with every error of the document. */
static bool read_wanted(struct mt_api_call *call, const struct mt_policy_document *current,
			struct mt_policy_document *out)
{
	struct mt_policy_known known = {current, knows_listener, call};
	json_t *errors = NULL;
	enum mt_status status = mt_policy_document_read(mt_bytes_str(mt_api_text(call, "document")),
							&known, out, &errors);
	if (status == MT_OK)
		return true;
	mt_api_fail(call, status == MT_INVALID ? 400 : 500,
		    status == MT_INVALID ? "the document has errors; nothing was changed"
					 : "out of memory; lower the limits of the broker");
	if (errors)
		json_object_set_new(call->answer, "errors", errors);
	return false;
}

static void add_warning(json_t *answer, const struct mt_policy_document *current,
			const struct mt_policy_document *wanted)
{
	json_t *removed = mt_policy_diff_removed(current, wanted);
	if (json_array_size(removed) > 0)
		json_object_set(answer, "removed_users", removed);
	json_decref(removed);
}

static void diff_policy(struct mt_api_call *call)
{
	struct mt_policy_document current, wanted;
	json_t *answer;
	if (!mt_api_expect(call, "document:s") || !load_current(call, &current))
		return;
	if (read_wanted(call, &current, &wanted)) {
		answer = json_pack("{s:o}", "changes", mt_policy_diff(&current, &wanted));
		if (answer)
			add_warning(answer, &current, &wanted);
		mt_api_succeed(call, answer);
		mt_policy_document_clear(&wanted);
	}
	mt_policy_document_clear(&current);
}

/* ---- apply ---- */

struct applying {
	struct mt_policy_document current, wanted;
	json_t *changes;
	int64_t confirm_s; /* 0: for good */
};

/* Who is not in the document may be forgotten rather than meant. False: answered. */
static bool may_remove(struct mt_api_call *call, const struct applying *applying)
{
	json_t *removed = mt_policy_diff_removed(&applying->current, &applying->wanted);
	size_t count = json_array_size(removed);
	const char *first = json_string_value(json_array_get(removed, 0));
	bool may = count == 0 || json_is_true(json_object_get(call->body, "remove_users"));
	if (!may)
		mt_api_fail(call, 409,
			    "policy apply: %zu users are not in the document, %.64s among them; "
			    "add them, or say --remove-users",
			    count, first);
	json_decref(removed);
	return may;
}

static bool take_confirmation(struct mt_api_call *call, int64_t *out)
{
	const json_t *value = json_object_get(call->body, "confirm_within_s");
	*out = json_integer_value(value);
	if (!value || (json_is_integer(value) && *out >= 1 && *out <= CONFIRM_SECONDS_MAX))
		return true;
	mt_api_fail(call, 400, "confirm_within_s: expected 1 to %d seconds", CONFIRM_SECONDS_MAX);
	return false;
}

static enum mt_status apply_rows(struct mt_api_call *call, const struct applying *applying)
{
	struct mt_state *state = call->api->state;
	const char *at = "";
	enum mt_status status =
		mt_policy_apply(state, &applying->current, &applying->wanted, now_s(), &at);
	size_t len = strlen(call->what);
	if (status != MT_OK && *at)
		snprintf(call->what + len, sizeof(call->what) - len, ": %.200s", at);
	if (status == MT_OK && applying->confirm_s > 0)
		status = mt_state_confirmation_await(state, now_s() + applying->confirm_s);
	return status;
}

static void succeed_applied(struct mt_api_call *call, const struct applying *applying)
{
	char due[MT_MOMENT_BYTES];
	json_t *answer =
		json_pack("{s:I, s:O}", "revision", (json_int_t)mt_state_revision(call->api->state),
			  "changes", applying->changes);
	if (answer && applying->confirm_s > 0) {
		mt_moment_print(now_s() + applying->confirm_s, due);
		json_object_set_new(answer, "confirm_before", json_string(due));
		mt_clerk_wake(call->api->clerk);
	}
	mt_api_succeed(call, answer);
}

static void make_change(struct mt_api_call *call, const struct applying *applying, const char *what)
{
	if (json_array_size(applying->changes) == 0) {
		mt_api_succeed(call, json_pack("{s:O}", "changes", applying->changes));
		return;
	}
	if (!mt_api_change(call, "%s, %zu changes", what, json_array_size(applying->changes)))
		return;
	if (mt_api_change_end(call, apply_rows(call, applying)))
		succeed_applied(call, applying);
}

/* What would change, and what that would do to live sessions. */
static void rehearse(struct mt_api_call *call, const struct applying *applying)
{
	json_t *answer;
	if (json_array_size(applying->changes) > 0 &&
	    (!mt_api_change(call, "policy apply --dry-run") ||
	     !mt_api_change_rehearse(call, apply_rows(call, applying))))
		return;
	answer = json_pack("{s:b, s:O}", "dry_run", 1, "changes", applying->changes);
	if (answer)
		add_warning(answer, &applying->current, &applying->wanted);
	mt_api_succeed(call, answer);
}

static void apply_wanted(struct mt_api_call *call, struct applying *applying)
{
	applying->changes = mt_policy_diff(&applying->current, &applying->wanted);
	if (json_is_true(json_object_get(call->body, "dry_run")))
		rehearse(call, applying);
	else if (may_remove(call, applying))
		make_change(call, applying, "policy apply");
	json_decref(applying->changes);
}

static void apply_policy(struct mt_api_call *call)
{
	struct applying applying = {.confirm_s = 0};
	if (!mt_api_expect(call, "document:s dry_run:b? remove_users:b? confirm_within_s:*?") ||
	    !take_confirmation(call, &applying.confirm_s) || !load_current(call, &applying.current))
		return;
	if (read_wanted(call, &applying.current, &applying.wanted)) {
		apply_wanted(call, &applying);
		mt_policy_document_clear(&applying.wanted);
	}
	mt_policy_document_clear(&applying.current);
}

/* ---- history ---- */

struct history {
	json_t *rows;
	const struct mt_state_confirmation *waits;
};

static bool list_revision(void *context, const struct mt_state_revision *row)
{
	struct history *history = context;
	char time[MT_MOMENT_BYTES];
	json_t *json;
	mt_moment_print(row->time_s, time);
	json = json_pack("{s:I, s:s, s:s, s:s, s:b}", "revision", (json_int_t)row->revision,
			 "author", row->author, "time", time, "what", row->what, "kept",
			 row->has_changes);
	if (json && row->has_changes)
		json_object_set_new(json, "bytes", json_integer((json_int_t)row->change_bytes));
	if (json && row->revision == history->waits->revision)
		json_object_set_new(json, "waits", json_true());
	return json_array_append_new(history->rows, json) == 0 &&
	       json_array_size(history->rows) < LOG_ROWS_MAX;
}

static void list_revisions(struct mt_api_call *call)
{
	struct mt_state_confirmation waits = {0};
	struct history history = {json_array(), &waits};
	enum mt_status status = mt_state_confirmation(call->api->state, &waits);
	if (status == MT_OK || status == MT_NOT_FOUND)
		status = mt_state_revisions(call->api->state, list_revision, &history);
	if (status == MT_OK) {
		mt_api_succeed(call, json_pack("{s:o}", "revisions", history.rows));
		return;
	}
	json_decref(history.rows);
	mt_api_fail_status(call, status, "policy log");
}

static enum mt_status go_back(struct mt_state *state, uint64_t revision)
{
	struct mt_state_confirmation waits;
	enum mt_status status = mt_state_confirmation(state, &waits);
	if (status == MT_OK)
		status = mt_state_confirmation_end(state);
	if (status != MT_OK && status != MT_NOT_FOUND)
		return status;
	return mt_state_undo(state, revision, now_s());
}

static void roll_back(struct mt_api_call *call)
{
	const json_t *value;
	json_int_t revision;
	if (!mt_api_expect(call, "revision:*"))
		return;
	value = json_object_get(call->body, "revision");
	revision = json_integer_value(value);
	if (!json_is_integer(value) || revision < 0 || revision > UINT32_MAX) {
		mt_api_fail(call, 400, "revision: expected its number; see mortise policy log");
		return;
	}
	call->is_settling = true;
	if (!mt_api_change(call, "policy rollback %llu", (unsigned long long)revision))
		return;
	if (mt_api_change_end(call, go_back(call->api->state, (uint64_t)revision)))
		mt_api_succeed(call, json_pack("{s:I, s:I}", "rolled_back_to", revision, "revision",
					       (json_int_t)mt_state_revision(call->api->state)));
	mt_clerk_wake(call->api->clerk);
}

static void confirm(struct mt_api_call *call)
{
	struct mt_state_confirmation waits;
	enum mt_status status;
	if (!mt_api_expect(call, ""))
		return;
	status = mt_state_confirmation(call->api->state, &waits);
	if (status != MT_OK) {
		mt_api_fail(call, status == MT_NOT_FOUND ? 409 : 500,
			    "policy confirm: no change waits to be confirmed; see mortise policy "
			    "log");
		return;
	}
	call->is_settling = true;
	if (!mt_api_change(call, "policy confirm %llu", (unsigned long long)waits.revision))
		return;
	if (mt_api_change_end(call, mt_state_confirmation_end(call->api->state)))
		mt_api_succeed(call, json_pack("{s:I}", "confirmed", (json_int_t)waits.revision));
	mt_clerk_wake(call->api->clerk);
}

/* ---- what nobody confirmed ---- */

static void undo_unconfirmed(struct mt_api *api, const struct mt_state_confirmation *waits)
{
	struct mt_api_call *call = calloc(1, sizeof(*call));
	if (!call)
		return;
	call->api = api;
	call->is_settling = true;
	snprintf(call->author, sizeof(call->author), "%s", MT_CLERK_AUTHOR);
	if (mt_api_change(call, "policy rollback %llu", (unsigned long long)waits->back_to) &&
	    mt_api_change_end(call, mt_clerk_undo(api->state, waits, now_s())))
		mt_log(MT_LOG_WARNING, "admin", "undone: nobody confirmed it in time",
		       MT_U64("revision", waits->revision), MT_U64("back_to", waits->back_to));
	else
		mt_log(MT_LOG_ERROR, "admin", "a change that nobody confirmed was not undone",
		       MT_U64("revision", waits->revision),
		       MT_STR("why", mt_state_fault(api->state)));
	json_decref(call->answer);
	json_decref(call->revoked);
	free(call);
}

int64_t mt_api_settle_in(struct mt_api *api)
{
	struct mt_state_confirmation waits;
	if (mt_state_confirmation(api->state, &waits) != MT_OK)
		return 0;
	return waits.due_s > now_s() ? waits.due_s - now_s() : 1;
}

int64_t mt_api_settle(struct mt_api *api)
{
	struct mt_state_confirmation waits;
	if (mt_state_confirmation(api->state, &waits) != MT_OK)
		return 0;
	if (waits.due_s > now_s())
		return waits.due_s - now_s();
	undo_unconfirmed(api, &waits);
	return 1; /* again when it failed */
}

const struct mt_api_route mt_api_policy_routes[] = {
	{"GET", "policy", show_policy, MT_API_VIEWER},
	{"POST", "policy", apply_policy, MT_API_ADMIN},
	{"POST", "policy/diff", diff_policy, MT_API_VIEWER},
	{"GET", "policy/log", list_revisions, MT_API_VIEWER},
	{"POST", "policy/rollback", roll_back, MT_API_ADMIN},
	{"POST", "policy/confirm", confirm, MT_API_ADMIN},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
