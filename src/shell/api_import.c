/* What another broker was told, brought here: /api/policy/import. */
#include "io/clock.h"
#include "shell/api_call.h"
#include "shell/mosquitto.h"
#include "shell/policy_diff.h"

static void read_files(struct mt_api_call *call, struct mt_mosquitto *import)
{
	const char *passwords = mt_api_text(call, "passwords");
	const char *acl = mt_api_text(call, "acl");
	const char *dynsec = mt_api_text(call, "dynsec");
	if (passwords)
		mt_mosquitto_read_passwords(import, passwords);
	if (dynsec)
		mt_mosquitto_read_dynsec(import, dynsec);
	if (acl)
		mt_mosquitto_read_acl(import, acl);
}

/* Nobody and nothing that is here is changed by it. */
static void refuse_known(json_t *errors, const json_t *here, json_t *there, const char *kind)
{
	const char *name;
	json_t *value;
	json_object_foreach(there, name, value)
	{
		if (json_object_get(here, name))
			json_array_append_new(
				errors, json_pack("{s:s, s:s++}", "where", kind, "what", name,
						  ": is here already; remove it first, here or ",
						  "in the file"));
	}
}

static json_t *answer_of(struct mt_api_call *call, const struct mt_mosquitto *import,
			 json_t *changes, bool is_dry)
{
	json_t *answer =
		json_pack("{s:O, s:O, s:i, s:i}", "changes", changes, "not_carried_over",
			  import->report, "users", (int)json_object_size(import->document.users),
			  "roles", (int)json_object_size(import->document.roles));
	if (answer && is_dry)
		json_object_set_new(answer, "dry_run", json_true());
	else if (answer)
		json_object_set_new(answer, "revision",
				    json_integer((json_int_t)mt_state_revision(call->api->state)));
	return answer;
}

/* `all` is what is here, and what comes. */
static void add_all(struct mt_api_call *call, const struct mt_mosquitto *import,
		    const struct mt_policy_document *here, const struct mt_policy_document *all)
{
	json_t *changes = mt_policy_diff(here, all);
	bool is_dry = json_is_true(json_object_get(call->body, "dry_run"));
	const char *at = "";
	if (is_dry || json_array_size(changes) == 0)
		mt_api_succeed(call, answer_of(call, import, changes, true));
	else if (mt_api_change(call, "policy import mosquitto, %zu changes",
			       json_array_size(changes)) &&
		 mt_api_change_end(call, mt_policy_apply(call->api->state, here, all,
							 mt_clock_now().wall_ns / MT_SECOND, &at)))
		mt_api_succeed(call, answer_of(call, import, changes, false));
	json_decref(changes);
}

static void import_all(struct mt_api_call *call, struct mt_mosquitto *import,
		       const struct mt_policy_document *here)
{
	struct mt_policy_document all = {json_copy(here->roles), json_copy(here->users)};
	refuse_known(import->errors, here->roles, import->document.roles, "role");
	refuse_known(import->errors, here->users, import->document.users, "user");
	if (json_array_size(import->errors) > 0) {
		mt_api_fail(call, 400, "the files have errors; nothing was changed");
		json_object_set(call->answer, "errors", import->errors);
	} else if (!all.roles || !all.users ||
		   json_object_update(all.roles, import->document.roles) != 0 ||
		   json_object_update(all.users, import->document.users) != 0) {
		mt_api_fail(call, 500, "out of memory; lower the limits of the broker");
	} else {
		add_all(call, import, here, &all);
	}
	mt_policy_document_clear(&all);
}

static void import_mosquitto(struct mt_api_call *call)
{
	struct mt_mosquitto import;
	struct mt_policy_document here;
	enum mt_status status;
	if (!mt_api_expect(call, "passwords:s? acl:s? dynsec:s? dry_run:b?"))
		return;
	status = mt_policy_document_load(call->api->state, &here);
	if (status != MT_OK) {
		mt_api_fail_status(call, status, "policy");
		return;
	}
	if (mt_mosquitto_start(&import)) {
		read_files(call, &import);
		import_all(call, &import, &here);
		mt_mosquitto_finish(&import);
	} else {
		mt_api_fail(call, 500, "out of memory; lower the limits of the broker");
	}
	mt_policy_document_clear(&here);
}

const struct mt_api_route mt_api_import_routes[] = {
	{"POST", "policy/import/mosquitto", import_mosquitto, MT_API_ADMIN},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
