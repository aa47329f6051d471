/* Loading the policy from the state database: every row is checked, and one bad row refuses all. */
#include "shell/directory.h"

#include "base/log.h"
#include "crypto/password.h"
#include "identity/client_id.h"
#include "io/clock.h"
#include "shell/jwt_key.h"

#include <stdio.h>

struct loading {
	struct mt_state *state;
	struct mt_policy_builder *builder;
	enum mt_status status; /* of the first bad row */
	char *fault;
	size_t cap;
};

/* One role while its rules are read. */
struct role_rules {
	struct loading *load;
	const char *name;
	uint32_t id;
};

/* Names of one user's roles, kept beyond their rows. */
struct role_names {
	struct mt_arena arena;
	struct mt_bytes names[MT_USER_ROLES_MAX];
	size_t count;
	enum mt_status status;
};

/* Always false: the visitor stops. */
static bool stop(struct loading *load, enum mt_status status, const char *kind, const char *name,
		 const char *why)
{
	load->status = status;
	snprintf(load->fault, load->cap, "%s %.64s: %s", kind, name, why);
	return false;
}

static bool stop_at_rule(const struct role_rules *role, enum mt_status status, uint32_t id,
			 const char *why)
{
	role->load->status = status;
	snprintf(role->load->fault, role->load->cap, "role %.64s, rule %u: %s", role->name, id,
		 why);
	return false;
}

const char *mt_directory_rule(const struct mt_state_rule *row, struct mt_rule *out)
{
	*out = (struct mt_rule){
		.id = row->id,
		.is_deny = row->is_deny,
		.operation = row->operation,
		.qos_mask = row->qos_mask,
		.retain = row->retain,
		.has_network = row->network[0] != '\0',
		.since_s = row->since_s,
		.until_s = row->until_s,
		.listener = mt_bytes_str(row->listener),
		.filter = mt_bytes_str(row->filter),
		.share = mt_bytes_str(row->share),
	};
	if (out->has_network && !mt_network_parse(mt_bytes_str(row->network), &out->network))
		return "from: expected a network such as 10.0.0.0/8 or fe80::/10";
	return mt_rule_fault(out);
}

static bool load_rule(void *context, const struct mt_state_rule *row)
{
	const struct role_rules *role = context;
	struct mt_rule rule;
	const char *why = mt_directory_rule(row, &rule);
	enum mt_status status;
	if (why)
		return stop_at_rule(role, MT_INVALID, row->id, why);
	status = mt_policy_builder_rule(role->load->builder, role->id, &rule);
	if (status != MT_OK)
		return stop_at_rule(role, status, row->id, mt_status_text(status));
	return true;
}

static bool load_role(void *context, const struct mt_state_role *row)
{
	struct loading *load = context;
	const char *name = row->name;
	struct role_rules role = {.load = load, .name = name};
	enum mt_status status = mt_policy_builder_role(load->builder, mt_bytes_str(name), &role.id);
	if (status == MT_OK && row->is_filtering)
		status = mt_policy_builder_filter(load->builder, role.id);
	if (status != MT_OK)
		return stop(load, status, "role", name, mt_status_text(status));
	status = mt_state_rules(load->state, name, load_rule, &role);
	if (status != MT_OK)
		return stop(load, status, "role", name, mt_state_fault(load->state));
	return load->status == MT_OK;
}

static bool keep_name(void *context, const char *name)
{
	struct role_names *roles = context;
	roles->status = MT_LIMIT;
	if (roles->count < MT_COUNT_OF(roles->names))
		roles->status = mt_arena_copy(&roles->arena, mt_bytes_str(name),
					      &roles->names[roles->count++]);
	return roles->status == MT_OK;
}

static enum mt_status add_user(struct loading *load, const struct mt_state_user *row,
			       struct role_names *roles)
{
	const struct mt_user user = {
		.id = row->id,
		.name = mt_bytes_str(row->name),
		.is_enabled = row->is_enabled,
		.password_hash = mt_bytes_str(row->password_hash),
		.token_hash = row->token_hash,
		.client_id_rule = mt_bytes_str(row->client_id_rule),
	};
	MT_TRY(mt_state_user_roles(load->state, row->id, keep_name, roles));
	MT_TRY(roles->status);
	return mt_policy_builder_user(load->builder, &user, roles->names, roles->count);
}

/* From before such a rule was refused: nobody keeps it. */
static void warn_of_rule(const struct mt_state_user *row)
{
	const char *fault = mt_client_id_rule_fault(mt_bytes_str(row->client_id_rule));
	if (fault)
		mt_log(MT_LOG_WARNING, "policy", "the client id rule lets nobody in",
		       MT_STR("user", row->name), MT_STR("rule", row->client_id_rule),
		       MT_STR("why", fault),
		       MT_STR("action", "mend client_id with mortise policy apply"));
}

static bool load_user(void *context, const struct mt_state_user *row)
{
	struct loading *load = context;
	struct role_names roles = {.count = 0};
	struct mt_mem mem;
	enum mt_status status;
	const char *why = mt_user_name_fault(mt_bytes_str(row->name));
	if (why)
		return stop(load, MT_INVALID, "user", row->name, why);
	mt_mem_init(&mem, SIZE_MAX);
	mt_arena_init(&roles.arena, &mem);
	status = add_user(load, row, &roles);
	mt_arena_finish(&roles.arena);
	if (status == MT_NOT_FOUND)
		return stop(load, status, "user", row->name, "it holds a role that does not exist");
	if (status != MT_OK)
		return stop(load, status, "user", row->name, mt_status_text(status));
	warn_of_rule(row);
	return true;
}

static enum mt_status load_all(struct loading *load)
{
	enum mt_status status = mt_state_roles(load->state, load_role, load);
	if (status == MT_OK && load->status == MT_OK)
		status = mt_state_users(load->state, load_user, load);
	if (status != MT_OK)
		snprintf(load->fault, load->cap, "state database: %s", mt_state_fault(load->state));
	return status != MT_OK ? status : load->status;
}

static enum mt_status finish(struct loading *load, enum mt_status status, struct mt_policy **out)
{
	if (status != MT_OK) {
		mt_policy_builder_destroy(&load->builder);
		return status;
	}
	status = mt_policy_build(&load->builder, out);
	if (status != MT_OK)
		snprintf(load->fault, load->cap, "policy: %s", mt_status_text(status));
	return status;
}

static enum mt_status load_as(struct mt_state *state, uint64_t revision, struct mt_policy **out,
			      char *fault, size_t cap)
{
	struct loading load = {.state = state, .fault = fault, .cap = cap};
	load.builder = mt_policy_builder_create(revision, mt_random_seed());
	if (!load.builder) {
		snprintf(fault, cap, "out of memory");
		return MT_MEMORY;
	}
	return finish(&load, load_all(&load), out);
}

enum mt_status mt_directory_load(struct mt_state *state, struct mt_policy **out, char *fault,
				 size_t cap)
{
	return load_as(state, mt_state_revision(state), out, fault, cap);
}

/* ---- only what a change touched ---- */

#define TOUCHED_MAX 256u /* with more of them everything is loaded */

struct touched {
	struct mt_mem mem;
	struct mt_arena arena;
	struct mt_bytes roles[TOUCHED_MAX]; /* names, each with a 0 behind it */
	uint64_t users[TOUCHED_MAX];
	uint32_t role_count, user_count;
};

static bool touch_role(void *context, const char *name)
{
	struct touched *touched = context;
	for (uint32_t i = 0; i < touched->role_count; i++)
		if (mt_bytes_equal(touched->roles[i], mt_bytes_str(name)))
			return true;
	return touched->role_count < TOUCHED_MAX &&
	       mt_arena_copy(&touched->arena, mt_bytes_str(name),
			     &touched->roles[touched->role_count++]) == MT_OK;
}

static bool touch_user(void *context, uint64_t id)
{
	struct touched *touched = context;
	for (uint32_t i = 0; i < touched->user_count; i++)
		if (touched->users[i] == id)
			return true;
	if (touched->user_count == TOUCHED_MAX)
		return false;
	touched->users[touched->user_count++] = id;
	return true;
}

static enum mt_status update_role(struct loading *load, struct mt_bytes name)
{
	enum mt_status status =
		mt_state_role_find(load->state, (const char *)name.data, load_role, load);
	if (status == MT_NOT_FOUND) {
		status = mt_policy_builder_drop_role(load->builder, name);
		return status == MT_NOT_FOUND ? MT_OK : status;
	}
	return status == MT_OK ? load->status : status;
}

/* Users go before all else: one may take another one's name. */
static enum mt_status update(struct loading *load, const struct touched *touched)
{
	for (uint32_t i = 0; i < touched->user_count; i++) {
		enum mt_status status =
			mt_policy_builder_drop_user(load->builder, touched->users[i]);
		if (status != MT_NOT_FOUND)
			MT_TRY(status);
	}
	for (uint32_t i = 0; i < touched->role_count; i++)
		MT_TRY(update_role(load, touched->roles[i]));
	for (uint32_t i = 0; i < touched->user_count; i++) {
		enum mt_status status =
			mt_state_user_by_id(load->state, touched->users[i], load_user, load);
		if (status != MT_NOT_FOUND)
			MT_TRY(status == MT_OK ? load->status : status);
	}
	return MT_OK;
}

static enum mt_status update_from(struct loading *load, const struct mt_policy *former,
				  const struct touched *touched, struct mt_policy **out)
{
	enum mt_status status;
	load->builder = mt_policy_builder_from(former, mt_state_revision(load->state) + 1);
	if (!load->builder) {
		snprintf(load->fault, load->cap, "out of memory");
		return MT_MEMORY;
	}
	status = update(load, touched);
	if (status != MT_OK && *load->fault == '\0')
		snprintf(load->fault, load->cap, "state database: %s", mt_state_fault(load->state));
	return finish(load, status, out);
}

enum mt_status mt_directory_update(struct mt_state *state, const struct mt_policy *former,
				   struct mt_policy **out, unsigned *touched, char *fault,
				   size_t cap)
{
	struct touched found = {.role_count = 0};
	const struct mt_state_touch visit = {touch_role, touch_user, &found};
	struct loading load = {.state = state, .fault = fault, .cap = cap};
	enum mt_status status;
	fault[0] = '\0';
	mt_mem_init(&found.mem, SIZE_MAX);
	mt_arena_init(&found.arena, &found.mem);
	status = mt_state_touched(state, &visit, touched);
	if (!former)
		*touched |= MT_TOUCHED_ALL;
	if (status != MT_OK)
		snprintf(fault, cap, "state database: %s", mt_state_fault(state));
	else if (!former || *touched & MT_TOUCHED_ALL || mt_policy_is_sparse(former))
		status = load_as(state, mt_state_revision(state) + 1, out, fault, cap);
	else
		status = update_from(&load, former, &found, out);
	mt_arena_finish(&found.arena);
	return status;
}

/* ---- the book of proofs ---- */

struct binding {
	struct mt_book *book;
	enum mt_status status; /* of the first bad row */
	char *fault;
	size_t cap;
};

static bool bound(struct binding *binding, enum mt_status status, const char *kind,
		  const char *name)
{
	if (status == MT_OK)
		return true;
	binding->status = status;
	snprintf(binding->fault, binding->cap, "%s %.64s: %s", kind, name, mt_status_text(status));
	return false;
}

static bool bind_name(void *context, const struct mt_state_certificate_name *row)
{
	struct binding *binding = context;
	return bound(binding,
		     mt_book_add_certificate(binding->book, row->user_id, mt_bytes_str(row->name),
					     row->issuer.len > 0 ? row->issuer.data : NULL),
		     "certificate", row->name);
}

/* A disabled user has no key: the handshake ends already. */
static bool bind_psk(void *context, const struct mt_state_psk *row)
{
	struct binding *binding = context;
	struct mt_bytes identity = mt_bytes_str(row->user);
	if (!row->is_enabled || identity.len > MT_PSK_IDENTITY_BYTES_MAX)
		return true;
	return bound(binding, mt_book_add_psk(binding->book, row->user_id, identity, row->key),
		     "pre-shared key of", row->user);
}

static bool bind_issuer(void *context, const struct mt_state_issuer *row)
{
	struct binding *binding = context;
	struct mt_issuer issuer = {.name = mt_bytes_str(row->name),
				   .issuer = mt_bytes_str(row->issuer),
				   .audience = row->audience,
				   .claim = row->claim,
				   .leeway_s = row->leeway_s};
	enum mt_status status = MT_INVALID;
	if (mt_jwt_algorithms_read(row->algorithms, &issuer.algorithms) &&
	    !mt_jwt_key_fault(issuer.algorithms, row->key)) {
		issuer.key_count =
			(uint32_t)mt_jwt_keys_split(issuer.algorithms, row->key, issuer.keys);
		for (uint32_t i = 0; i < issuer.key_count; i++)
			mt_token_hash(issuer.keys[i], issuer.key_digests[i]);
		status = mt_book_add_issuer(binding->book, &issuer);
	}
	return bound(binding, status, "issuer", row->name);
}

static bool bind_subject(void *context, const struct mt_state_subject *row)
{
	struct binding *binding = context;
	return bound(binding,
		     mt_book_add_subject(binding->book, row->user_id, mt_bytes_str(row->issuer),
					 mt_bytes_str(row->subject)),
		     "subject", row->subject);
}

/* A disabled user keeps it: nobody is to learn from the exchange who is disabled. */
static bool bind_scram(void *context, const struct mt_state_scram *row)
{
	struct binding *binding = context;
	struct mt_scram_verifier verifier = {.iterations = row->iterations};
	enum mt_status status = MT_CORRUPT;
	if (row->salt.len == sizeof(verifier.salt) &&
	    row->stored_key.len == sizeof(verifier.stored_key) &&
	    row->server_key.len == sizeof(verifier.server_key)) {
		memcpy(verifier.salt, row->salt.data, sizeof(verifier.salt));
		memcpy(verifier.stored_key, row->stored_key.data, sizeof(verifier.stored_key));
		memcpy(verifier.server_key, row->server_key.data, sizeof(verifier.server_key));
		status = mt_book_add_scram(binding->book, row->user_id, &verifier);
	}
	mt_bytes_wipe(&verifier, sizeof(verifier));
	return bound(binding, status, "SCRAM of", row->user);
}

static bool bind_certificate(void *context, const struct mt_state_certificate *row)
{
	struct binding *binding = context;
	if (row->revoked_s == 0)
		return true;
	return bound(binding,
		     mt_book_end_certificate(binding->book, row->fingerprint.data, INT64_MAX),
		     "certificate", row->serial);
}

static bool bind_end(void *context, uint64_t user_id, int64_t not_before_s)
{
	struct binding *binding = context;
	return bound(binding, mt_book_end_user(binding->book, user_id, not_before_s), "user", "");
}

static enum mt_status fill_book(struct mt_state *state, struct binding *binding)
{
	MT_TRY(mt_state_certificate_names(state, bind_name, binding));
	MT_TRY(mt_state_psks(state, bind_psk, binding));
	MT_TRY(mt_state_issuers(state, bind_issuer, binding));
	MT_TRY(mt_state_subjects(state, bind_subject, binding));
	MT_TRY(mt_state_scrams(state, bind_scram, binding));
	MT_TRY(mt_state_certificates(state, bind_certificate, binding));
	return mt_state_user_ends(state, bind_end, binding);
}

enum mt_status mt_directory_load_book(struct mt_state *state, struct mt_book **out, char *fault,
				      size_t cap)
{
	struct binding binding = {
		.book = mt_book_create(mt_random_seed()), .fault = fault, .cap = cap};
	enum mt_status status;
	if (!binding.book) {
		snprintf(fault, cap, "out of memory");
		return MT_MEMORY;
	}
	status = fill_book(state, &binding);
	if (status != MT_OK)
		snprintf(fault, cap, "state database: %s", mt_state_fault(state));
	else
		status = binding.status;
	if (status == MT_OK)
		*out = binding.book;
	else
		mt_book_unref(&binding.book);
	return status;
}
