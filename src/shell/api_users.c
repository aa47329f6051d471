/* Users: /api/users. */
#include "crypto/password.h"
#include "crypto/scram.h"
#include "identity/client_id.h"
#include "identity/user.h"
#include "io/clock.h"
#include "shell/api_call.h"
#include "shell/jwt_form.h"

#include <stdio.h>
#include <stdlib.h>

#define RULE_BYTES_MAX MT_CLIENT_ID_RULE_BYTES_MAX
#define HASH_BYTES_MAX 1024u

/* A row kept beyond its visitor. */
struct row {
	uint64_t id;
	bool is_enabled;
	bool has_token;
	bool is_cut; /* a text did not fit: the row must not be written back */
	uint8_t token[32];
	char name[MT_USER_NAME_BYTES_MAX + 1];
	char hash[HASH_BYTES_MAX];
	char client_id_rule[RULE_BYTES_MAX + 1];
};

static void copy_text(struct row *row, char *to, size_t cap, const char *from)
{
	if (snprintf(to, cap, "%s", from) >= (int)cap)
		row->is_cut = true;
}

static bool keep_row(void *context, const struct mt_state_user *user)
{
	struct row *row = context;
	*row = (struct row){.id = user->id,
			    .is_enabled = user->is_enabled,
			    .has_token = user->token_hash.len == 32};
	if (row->has_token)
		memcpy(row->token, user->token_hash.data, 32);
	copy_text(row, row->name, sizeof(row->name), user->name);
	copy_text(row, row->hash, sizeof(row->hash), user->password_hash);
	copy_text(row, row->client_id_rule, sizeof(row->client_id_rule), user->client_id_rule);
	return false;
}

static enum mt_status find(struct mt_api_call *call, const char *name, struct row *row)
{
	enum mt_status status = mt_state_user_find(call->api->state, name, keep_row, row);
	return status == MT_OK && row->is_cut ? MT_LIMIT : status;
}

static enum mt_status write_back(struct mt_api_call *call, const struct row *row)
{
	struct mt_state_user user = {
		.id = row->id,
		.name = row->name,
		.is_enabled = row->is_enabled,
		.password_hash = row->hash,
		.token_hash = mt_bytes_of(row->token, row->has_token ? 32 : 0),
		.client_id_rule = row->client_id_rule,
	};
	return mt_state_user_update(call->api->state, &user);
}

struct listing {
	struct mt_api_call *call;
	json_t *list;
	bool has_failed;
};

static bool list_name(void *context, const char *name)
{
	return json_array_append_new(context, json_string(name)) == 0;
}

static bool list_user(void *context, const struct mt_state_user *user)
{
	struct listing *listing = context;
	json_t *roles = json_array();
	json_t *object;
	enum mt_status scram = mt_state_scram_has(listing->call->api->state, user->id);
	enum mt_status jwt = mt_state_subject_has(listing->call->api->state, user->id);
	if ((scram != MT_OK && scram != MT_NOT_FOUND) || (jwt != MT_OK && jwt != MT_NOT_FOUND))
		listing->has_failed = true;
	if (mt_state_user_roles(listing->call->api->state, user->id, list_name, roles) != MT_OK)
		listing->has_failed = true;
	object = json_pack("{s:s, s:I, s:b, s:b, s:b, s:b, s:b, s:s, s:o}", "name", user->name,
			   "id", (json_int_t)user->id, "enabled", user->is_enabled, "password",
			   user->password_hash[0] != '\0', "token", user->token_hash.len > 0,
			   "scram", scram == MT_OK, "jwt", jwt == MT_OK, "client_id",
			   user->client_id_rule, "roles", roles);
	if (json_array_append_new(listing->list, object) != 0)
		listing->has_failed = true;
	return !listing->has_failed;
}

static void list_users(struct mt_api_call *call)
{
	struct listing listing = {call, json_array(), false};
	enum mt_status status = mt_state_users(call->api->state, list_user, &listing);
	if (status == MT_OK && listing.has_failed)
		status = MT_MEMORY;
	if (status == MT_OK) {
		mt_api_succeed(call, json_pack("{s:o}", "users", listing.list));
		return;
	}
	json_decref(listing.list);
	mt_api_fail_status(call, status, "users");
}

static void show_user(struct mt_api_call *call)
{
	struct listing listing = {call, json_array(), false};
	enum mt_status status =
		mt_state_user_find(call->api->state, call->segments[1], list_user, &listing);
	if (status == MT_OK && listing.has_failed)
		status = MT_MEMORY;
	if (status == MT_OK)
		mt_api_succeed(call, json_incref(json_array_get(listing.list, 0)));
	else
		mt_api_fail_status(call, status, "user");
	json_decref(listing.list);
}

/* False: answered. */
static bool hash_password(struct mt_api_call *call, char hash[MT_PASSWORD_HASH_BYTES])
{
	struct mt_bytes password = mt_bytes_str(mt_api_text(call, "password"));
	uint8_t salt[16];
	enum mt_status status;
	if (password.len == 0 || password.len > MT_PASSWORD_BYTES_MAX) {
		mt_api_fail(call, 400, "password: expected 1 to %u bytes", MT_PASSWORD_BYTES_MAX);
		return false;
	}
	/* It would be looked up as a token, and never match. */
	if (mt_token_has_form(password)) {
		mt_api_fail(call, 400, "password: begins with mt1. as tokens do; choose another");
		return false;
	}
	if (mt_jwt_has_form(password)) {
		mt_api_fail(call, 400,
			    "password: it has the form of a JSON Web Token; choose another");
		return false;
	}
	mt_random_bytes(salt, sizeof(salt));
	status = mt_password_hash(password, salt, hash);
	if (status != MT_OK)
		mt_api_fail(call, 500, "password: %s; %s", mt_status_text(status),
			    mt_status_remedy(status));
	return status == MT_OK;
}

/* False: answered. */
static bool check_new(struct mt_api_call *call)
{
	const char *fault = mt_user_name_fault(mt_bytes_str(mt_api_text(call, "name")));
	const char *rule = mt_api_text(call, "client_id");
	size_t i;
	json_t *role;
	if (fault) {
		mt_api_fail(call, 400, "name: %s", fault);
		return false;
	}
	fault = mt_client_id_rule_fault(mt_bytes_str(rule));
	if (fault) {
		mt_api_fail(call, 400, "client_id: %s", fault);
		return false;
	}
	json_array_foreach(json_object_get(call->body, "roles"), i, role)
	{
		if (!json_is_string(role) || i >= MT_USER_ROLES_MAX) {
			mt_api_fail(call, 400, "roles: expected a list of at most %u names",
				    MT_USER_ROLES_MAX);
			return false;
		}
	}
	return true;
}

static enum mt_status add_row(struct mt_api_call *call, const char *hash)
{
	const char *rule = mt_api_text(call, "client_id");
	struct mt_state_user user = {
		.name = mt_api_text(call, "name"),
		.is_enabled = true,
		.password_hash = hash,
		.client_id_rule = rule ? rule : "",
	};
	size_t i;
	json_t *role;
	uint64_t id;
	MT_TRY(mt_state_user_add(call->api->state, &user, &id));
	json_array_foreach(json_object_get(call->body, "roles"), i, role)
		MT_TRY(mt_state_grant(call->api->state, user.name, json_string_value(role)));
	return MT_OK;
}

static void add_user(struct mt_api_call *call)
{
	char hash[MT_PASSWORD_HASH_BYTES] = "";
	if (!mt_api_expect(call, "name:s password:s? roles:a? client_id:s?") || !check_new(call))
		return;
	if (mt_api_text(call, "password") && !hash_password(call, hash))
		return;
	if (!mt_api_change(call, "user add %s", mt_api_text(call, "name")))
		return;
	if (mt_api_change_end(call, add_row(call, hash)))
		mt_api_succeed(call, json_pack("{s:s}", "added", mt_api_text(call, "name")));
	mt_bytes_wipe(hash, sizeof(hash));
}

struct census {
	struct mt_state *state;
	bool is_admin; /* of the user at hand */
	bool has_admin;
	bool has_failed;
};

static bool look_for_admin(void *context, const char *role)
{
	struct census *census = context;
	census->is_admin = strcmp(role, "admin") == 0;
	return !census->is_admin;
}

static bool look_at_user(void *context, const struct mt_state_user *user)
{
	struct census *census = context;
	census->is_admin = false;
	if (user->is_enabled &&
	    mt_state_user_roles(census->state, user->id, look_for_admin, census) != MT_OK)
		census->has_failed = true;
	census->has_admin = census->has_admin || census->is_admin;
	return !census->has_admin && !census->has_failed;
}

/* Answers 200, with a warning when nobody is left who could administer over the network. */
static void succeed_with_census(struct mt_api_call *call, const char *done, const char *name)
{
	struct census census = {.state = call->api->state};
	json_t *answer = json_pack("{s:s}", done, name);
	if (mt_state_users(call->api->state, look_at_user, &census) == MT_OK && !census.has_admin &&
	    !census.has_failed)
		json_object_set_new(answer, "warning",
				    json_string("no enabled user holds the role admin any more: "
						"only this machine's admin "
						"socket can change that"));
	mt_api_succeed(call, answer);
}

/* Its certificates would be those of nobody; they are revoked, so that no later user of the name
 * can be taken for this one. */
static enum mt_status remove_row(struct mt_api_call *call, const char *name)
{
	struct row row;
	MT_TRY(find(call, name, &row));
	MT_TRY(mt_state_certificates_revoke(call->api->state, row.id,
					    mt_clock_now().wall_ns / MT_SECOND));
	return mt_state_user_remove(call->api->state, name);
}

static void remove_user(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user remove %s", name))
		return;
	if (mt_api_change_end(call, remove_row(call, name)))
		succeed_with_census(call, "removed", name);
}

static enum mt_status set_enabled(struct mt_api_call *call, const char *name, bool is_enabled)
{
	struct row row;
	MT_TRY(find(call, name, &row));
	row.is_enabled = is_enabled;
	/* What was proven by TLS until now is void, even when the user comes back. */
	if (!is_enabled)
		MT_TRY(mt_state_user_end(call->api->state, row.id,
					 mt_clock_now().wall_ns / MT_SECOND));
	return write_back(call, &row);
}

static void enable_user(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user enable %s", name))
		return;
	if (mt_api_change_end(call, set_enabled(call, name, true)))
		mt_api_succeed(call, json_pack("{s:s}", "enabled", name));
}

static void disable_user(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user disable %s", name))
		return;
	if (mt_api_change_end(call, set_enabled(call, name, false)))
		succeed_with_census(call, "disabled", name);
}

/* Of the password in the body. */
static enum mt_status set_verifier(struct mt_api_call *call, uint64_t user_id)
{
	struct mt_scram_verifier verifier;
	struct mt_state_scram row = {
		.user_id = user_id,
		.salt = {verifier.salt, sizeof(verifier.salt)},
		.stored_key = {verifier.stored_key, sizeof(verifier.stored_key)},
		.server_key = {verifier.server_key, sizeof(verifier.server_key)}};
	uint8_t salt[MT_SCRAM_SALT_BYTES];
	enum mt_status status;
	mt_random_bytes(salt, sizeof(salt));
	MT_TRY(mt_scram_verifier_make(mt_bytes_str(mt_api_text(call, "password")), salt,
				      MT_SCRAM_ITERATIONS, &verifier));
	row.iterations = verifier.iterations;
	status = mt_state_scram_set(call->api->state, &row);
	mt_bytes_wipe(&verifier, sizeof(verifier));
	return status;
}

/* One password, whichever way it is proven: a verifier of SCRAM never stays behind. */
static enum mt_status set_hash(struct mt_api_call *call, const char *name, const char *hash,
			       bool is_scram)
{
	struct row row;
	enum mt_status scram;
	MT_TRY(find(call, name, &row));
	snprintf(row.hash, sizeof(row.hash), "%s", hash);
	MT_TRY(write_back(call, &row));
	scram = is_scram ? MT_OK : mt_state_scram_has(call->api->state, row.id);
	if (scram == MT_OK)
		scram = set_verifier(call, row.id);
	return scram == MT_NOT_FOUND ? MT_OK : scram;
}

static void set_password(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	char hash[MT_PASSWORD_HASH_BYTES];
	if (!mt_api_expect(call, "password:s") || !hash_password(call, hash))
		return;
	if (!mt_api_change(call, "user passwd %s", name))
		return;
	if (mt_api_change_end(call, set_hash(call, name, hash, false)))
		mt_api_succeed(call, json_pack("{s:s}", "changed", name));
	mt_bytes_wipe(hash, sizeof(hash));
}

static void set_scram(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	char hash[MT_PASSWORD_HASH_BYTES];
	if (!mt_api_expect(call, "password:s") || !hash_password(call, hash))
		return;
	if (!mt_api_change(call, "user scram %s", name))
		return;
	if (mt_api_change_end(call, set_hash(call, name, hash, true)))
		mt_api_succeed(call, json_pack("{s:s, s:i}", "user", name, "iterations",
					       (int)MT_SCRAM_ITERATIONS));
	mt_bytes_wipe(hash, sizeof(hash));
}

static enum mt_status remove_verifier(struct mt_api_call *call, const char *name)
{
	struct row row;
	MT_TRY(find(call, name, &row));
	return mt_state_scram_remove(call->api->state, row.id);
}

static void drop_scram(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user scram %s --off", name))
		return;
	if (mt_api_change_end(call, remove_verifier(call, name)))
		mt_api_succeed(call, json_pack("{s:s, s:s}", "user", name, "removed", "scram"));
}

static enum mt_status set_token(struct mt_api_call *call, const char *name, const char *token)
{
	struct row row;
	MT_TRY(find(call, name, &row));
	mt_token_hash(mt_bytes_str(token), row.token);
	row.has_token = true;
	return write_back(call, &row);
}

static void make_token(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	char token[MT_TOKEN_TEXT_BYTES];
	uint8_t random[16];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user token %s", name))
		return;
	mt_random_bytes(random, sizeof(random));
	mt_token_make(random, token);
	if (mt_api_change_end(call, set_token(call, name, token)))
		mt_api_succeed(call, json_pack("{s:s, s:s}", "user", name, "token", token));
	mt_bytes_wipe(token, sizeof(token));
	mt_bytes_wipe(random, sizeof(random));
}

static void grant_role(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	const char *role = call->segments[3];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user grant %s %s", name, role))
		return;
	if (mt_api_change_end(call, mt_state_grant(call->api->state, name, role)))
		mt_api_succeed(call, json_pack("{s:s, s:s}", "user", name, "granted", role));
}

static void revoke_role(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	const char *role = call->segments[3];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user revoke %s %s", name, role))
		return;
	if (mt_api_change_end(call, mt_state_ungrant(call->api->state, name, role)))
		succeed_with_census(call, "revoked", role);
}

const struct mt_api_route mt_api_user_routes[] = {
	{"GET", "users", list_users, MT_API_VIEWER},
	{"POST", "users", add_user, MT_API_ADMIN},
	{"GET", "users/*", show_user, MT_API_VIEWER},
	{"DELETE", "users/*", remove_user, MT_API_ADMIN},
	{"PUT", "users/*/password", set_password, MT_API_ADMIN},
	{"PUT", "users/*/scram", set_scram, MT_API_ADMIN},
	{"DELETE", "users/*/scram", drop_scram, MT_API_ADMIN},
	{"POST", "users/*/token", make_token, MT_API_ADMIN},
	{"POST", "users/*/enable", enable_user, MT_API_ADMIN},
	{"POST", "users/*/disable", disable_user, MT_API_ADMIN},
	{"PUT", "users/*/roles/*", grant_role, MT_API_ADMIN},
	{"DELETE", "users/*/roles/*", revoke_role, MT_API_ADMIN},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
