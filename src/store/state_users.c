/* Users, roles and who holds which. */
#include "store/state_internal.h"

/* One that came back by undoing a change has no secrets. */
#define USERS_SQL \
	"SELECT id, name, is_enabled, coalesce(password_hash, ''), coalesce(token_hash, x'')," \
	" client_id_rule FROM users LEFT JOIN secrets ON user_id = id"

static enum mt_status set_secrets(struct mt_state *state, const struct mt_state_user *user,
				  uint64_t id)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO secrets (user_id, password_hash, token_hash) VALUES (?, ?, ?)"
		       " ON CONFLICT (user_id) DO UPDATE SET"
		       " password_hash = excluded.password_hash, token_hash = excluded.token_hash");
	mt_query_number(&query, (int64_t)id);
	mt_query_text(&query, user->password_hash);
	mt_query_blob(&query, user->token_hash);
	return mt_query_change(&query, "the secrets were not set");
}

enum mt_status mt_state_user_add(struct mt_state *state, const struct mt_state_user *user,
				 uint64_t *id)
{
	struct mt_query query;
	uint64_t given;
	mt_query_start(&query, state,
		       "INSERT INTO users (name, is_enabled, client_id_rule) VALUES (?, ?, ?)");
	mt_query_text(&query, user->name);
	mt_query_number(&query, user->is_enabled);
	mt_query_text(&query, user->client_id_rule);
	MT_TRY(mt_query_change(&query, "the user was not added"));
	given = (uint64_t)sqlite3_last_insert_rowid(state->db);
	MT_TRY(set_secrets(state, user, given));
	*id = given;
	return MT_OK;
}

enum mt_status mt_state_user_update(struct mt_state *state, const struct mt_state_user *user)
{
	struct mt_query query;
	mt_query_start(
		&query, state,
		"UPDATE users SET name = ?, is_enabled = ?, client_id_rule = ? WHERE id = ?");
	mt_query_text(&query, user->name);
	mt_query_number(&query, user->is_enabled);
	mt_query_text(&query, user->client_id_rule);
	mt_query_number(&query, (int64_t)user->id);
	MT_TRY(mt_query_change(&query, "there is no such user"));
	return set_secrets(state, user, user->id);
}

enum mt_status mt_state_user_settings(struct mt_state *state, uint64_t id, bool is_enabled,
				      const char *client_id_rule)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "UPDATE users SET is_enabled = ?, client_id_rule = ? WHERE id = ?");
	mt_query_number(&query, is_enabled);
	mt_query_text(&query, client_id_rule);
	mt_query_number(&query, (int64_t)id);
	return mt_query_change(&query, "there is no such user");
}

enum mt_status mt_state_user_remove(struct mt_state *state, const char *name)
{
	struct mt_query query;
	mt_query_start(&query, state, "DELETE FROM users WHERE name = ?");
	mt_query_text(&query, name);
	return mt_query_change(&query, "there is no such user");
}

/* Shows each row until the visitor has enough; *count rows were shown. */
static enum mt_status show_users(struct mt_query *query, mt_state_user_fn *visit, void *context,
				 size_t *count)
{
	size_t shown = 0;
	while (mt_query_row(query)) {
		struct mt_state_user user = {
			.id = (uint64_t)mt_query_row_number(query, 0),
			.name = mt_query_row_text(query, 1),
			.is_enabled = mt_query_row_number(query, 2) != 0,
			.password_hash = mt_query_row_text(query, 3),
			.token_hash = mt_query_row_blob(query, 4),
			.client_id_rule = mt_query_row_text(query, 5),
		};
		if (!mt_query_is_good(query))
			break;
		shown++;
		if (!visit(context, &user))
			break;
	}
	MT_TRY(mt_query_finish(query));
	*count = shown;
	return MT_OK;
}

enum mt_status mt_state_user_find(struct mt_state *state, const char *name, mt_state_user_fn *visit,
				  void *context)
{
	struct mt_query query;
	size_t count;
	mt_query_start(&query, state, USERS_SQL " WHERE name = ?");
	mt_query_text(&query, name);
	MT_TRY(show_users(&query, visit, context, &count));
	return count > 0 ? MT_OK : mt_state_refuse(state, MT_NOT_FOUND, "there is no such user");
}

enum mt_status mt_state_hash_replace(struct mt_state *state, uint64_t user_id,
				     struct mt_bytes former, const char *hash)
{
	struct mt_query query;
	sqlite3_int64 before = sqlite3_total_changes64(state->db);
	MT_CHECK(!state->is_changing);
	mt_query_start(&query, state,
		       "UPDATE secrets SET password_hash = ? WHERE user_id = ?"
		       " AND CAST(password_hash AS BLOB) = ?");
	mt_query_text(&query, hash);
	mt_query_number(&query, (int64_t)user_id);
	mt_query_blob(&query, former);
	while (mt_query_row(&query))
		;
	MT_TRY(mt_query_finish(&query));
	if (sqlite3_total_changes64(state->db) == before)
		return mt_state_refuse(state, MT_NOT_FOUND, "the password was changed meanwhile");
	return MT_OK;
}

enum mt_status mt_state_user_by_id(struct mt_state *state, uint64_t id, mt_state_user_fn *visit,
				   void *context)
{
	struct mt_query query;
	size_t count;
	mt_query_start(&query, state, USERS_SQL " WHERE id = ?");
	mt_query_number(&query, (int64_t)id);
	MT_TRY(show_users(&query, visit, context, &count));
	return count > 0 ? MT_OK : mt_state_refuse(state, MT_NOT_FOUND, "there is no such user");
}

enum mt_status mt_state_users(struct mt_state *state, mt_state_user_fn *visit, void *context)
{
	struct mt_query query;
	size_t count;
	mt_query_start(&query, state, USERS_SQL " ORDER BY name");
	return show_users(&query, visit, context, &count);
}

static enum mt_status show_names(struct mt_query *query, mt_state_name_fn *visit, void *context)
{
	while (mt_query_row(query)) {
		const char *name = mt_query_row_text(query, 0);
		if (!mt_query_is_good(query) || !visit(context, name))
			break;
	}
	return mt_query_finish(query);
}

static bool is_built_in(const char *role)
{
	return strcmp(role, "open") == 0 || strcmp(role, "admin") == 0;
}

enum mt_status mt_state_role_add(struct mt_state *state, const char *name)
{
	struct mt_query query;
	if (is_built_in(name))
		return mt_state_refuse(state, MT_EXISTS, "this role is built in");
	mt_query_start(&query, state, "INSERT INTO roles (name) VALUES (?)");
	mt_query_text(&query, name);
	return mt_query_change(&query, "the role was not added");
}

static enum mt_status check_unheld(struct mt_state *state, const char *role)
{
	struct mt_query query;
	bool is_held;
	mt_query_start(&query, state, "SELECT 1 FROM grants WHERE role = ? LIMIT 1");
	mt_query_text(&query, role);
	is_held = mt_query_row(&query);
	MT_TRY(mt_query_finish(&query));
	return is_held ? mt_state_refuse(state, MT_DENIED,
					 "a user holds this role; revoke it first")
		       : MT_OK;
}

enum mt_status mt_state_role_remove(struct mt_state *state, const char *name)
{
	struct mt_query query;
	if (is_built_in(name))
		return mt_state_refuse(state, MT_DENIED, "this role is built in");
	MT_TRY(check_unheld(state, name));
	mt_query_start(&query, state, "DELETE FROM roles WHERE name = ?");
	mt_query_text(&query, name);
	return mt_query_change(&query, "there is no such role");
}

enum mt_status mt_state_role_update(struct mt_state *state, const struct mt_state_role *role)
{
	struct mt_query query;
	mt_query_start(&query, state, "UPDATE roles SET is_filtering = ? WHERE name = ?");
	mt_query_number(&query, role->is_filtering);
	mt_query_text(&query, role->name);
	return mt_query_change(&query, "there is no such role");
}

static enum mt_status show_roles(struct mt_query *query, mt_state_role_fn *visit, void *context,
				 size_t *count)
{
	*count = 0;
	while (mt_query_row(query)) {
		struct mt_state_role role = {
			.name = mt_query_row_text(query, 0),
			.is_filtering = mt_query_row_number(query, 1) != 0,
		};
		if (!mt_query_is_good(query))
			break;
		++*count;
		if (!visit(context, &role))
			break;
	}
	return mt_query_finish(query);
}

enum mt_status mt_state_role_find(struct mt_state *state, const char *name, mt_state_role_fn *visit,
				  void *context)
{
	struct mt_query query;
	size_t count;
	mt_query_start(&query, state, "SELECT name, is_filtering FROM roles WHERE name = ?");
	mt_query_text(&query, name);
	MT_TRY(show_roles(&query, visit, context, &count));
	return count > 0 ? MT_OK : mt_state_refuse(state, MT_NOT_FOUND, "there is no such role");
}

enum mt_status mt_state_roles(struct mt_state *state, mt_state_role_fn *visit, void *context)
{
	struct mt_query query;
	size_t count;
	mt_query_start(&query, state, "SELECT name, is_filtering FROM roles ORDER BY name");
	return show_roles(&query, visit, context, &count);
}

enum mt_status mt_state_grant(struct mt_state *state, const char *user, const char *role)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO grants (user_id, role) SELECT id, ?1 FROM users WHERE name = ?2"
		       " AND (?3 OR EXISTS (SELECT 1 FROM roles WHERE name = ?1))");
	mt_query_text(&query, role);
	mt_query_text(&query, user);
	mt_query_number(&query, is_built_in(role));
	return mt_query_change(&query, "there is no such user or role");
}

enum mt_status mt_state_ungrant(struct mt_state *state, const char *user, const char *role)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "DELETE FROM grants WHERE user_id = (SELECT id FROM users WHERE name = ?) "
		       "AND role = ?");
	mt_query_text(&query, user);
	mt_query_text(&query, role);
	return mt_query_change(&query, "there is no such user, or it does not hold this role");
}

enum mt_status mt_state_user_roles(struct mt_state *state, uint64_t user_id,
				   mt_state_name_fn *visit, void *context)
{
	struct mt_query query;
	mt_query_start(&query, state, "SELECT role FROM grants WHERE user_id = ? ORDER BY role");
	mt_query_number(&query, (int64_t)user_id);
	return show_names(&query, visit, context);
}
