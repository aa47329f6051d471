/* Issuers of JSON Web Tokens, and the users that their subjects stand for. */
#include "identity/book.h"
#include "identity/user.h"
#include "shell/api_call.h"
#include "shell/jwt_key.h"

#include <sodium.h>
#include <stdio.h>

#define LEEWAY_S 60
#define LEEWAY_MOST_S 3600
#define TEXT_BYTES_MAX 1024u
#define CLAIM_BYTES_MAX 255u

/* ---- what is shown ---- */

struct listing {
	json_t *list;
	const char *name; /* of the one that is wanted; NULL: all */
	const char *of;	  /* subjects: of this issuer */
	bool has_failed;
};

static json_t *algorithm_list(uint32_t algorithms)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < MT_JWT_ALGORITHM_COUNT; i++)
		if (algorithms >> i & 1)
			json_array_append_new(
				list, json_string(mt_jwt_algorithm_name((enum mt_jwt_algorithm)i)));
	return list;
}

/* A public key is shown; of a secret nothing is. */
static bool list_issuer(void *context, const struct mt_state_issuer *row)
{
	struct listing *listing = context;
	uint32_t algorithms = 0;
	bool is_secret = !mt_jwt_algorithms_read(row->algorithms, &algorithms) ||
			 mt_jwt_algorithms_are_secret(algorithms);
	json_t *one;
	if (listing->name && strcmp(listing->name, row->name) != 0)
		return true;
	one = json_pack("{s:s, s:s, s:o, s:s, s:s, s:I}", "name", row->name, "issuer", row->issuer,
			"algorithms", algorithm_list(algorithms), "audience", row->audience,
			"claim", row->claim, "leeway_s", (json_int_t)row->leeway_s);
	if (one && !is_secret)
		json_object_set_new(one, "key",
				    json_stringn((const char *)row->key.data, row->key.len));
	if (json_array_append_new(listing->list, one) != 0)
		listing->has_failed = true;
	return !listing->has_failed;
}

static bool list_subject(void *context, const struct mt_state_subject *row)
{
	struct listing *listing = context;
	if (strcmp(listing->of, row->issuer) == 0 &&
	    json_array_append_new(listing->list, json_pack("{s:s, s:s}", "subject", row->subject,
							   "user", row->user)) != 0)
		listing->has_failed = true;
	return !listing->has_failed;
}

/* False: answered. */
static bool look(struct mt_api_call *call, struct listing *listing)
{
	enum mt_status status = listing->of
					? mt_state_subjects(call->api->state, list_subject, listing)
					: mt_state_issuers(call->api->state, list_issuer, listing);
	if (status == MT_OK && listing->has_failed)
		status = MT_MEMORY;
	if (status == MT_OK)
		return true;
	json_decref(listing->list);
	mt_api_fail_status(call, status, "issuers");
	return false;
}

static void list_issuers(struct mt_api_call *call)
{
	struct listing listing = {.list = json_array()};
	if (look(call, &listing))
		mt_api_succeed(call, json_pack("{s:o}", "issuers", listing.list));
}

static void show_issuer(struct mt_api_call *call)
{
	struct listing found = {.list = json_array(), .name = call->segments[1]};
	struct listing subjects = {.list = json_array(), .of = call->segments[1]};
	json_t *one;
	if (!look(call, &found)) {
		json_decref(subjects.list);
		return;
	}
	one = json_incref(json_array_get(found.list, 0));
	json_decref(found.list);
	if (!one) {
		json_decref(subjects.list);
		mt_api_fail(call, 404, "issuer %s: there is no such issuer", call->segments[1]);
		return;
	}
	if (!look(call, &subjects)) {
		json_decref(one);
		return;
	}
	json_object_set_new(one, "subjects", subjects.list);
	mt_api_succeed(call, one);
}

/* ---- what is set ---- */

/* Wiped by who is done with it. */
struct key {
	uint8_t bytes[MT_JWT_KEY_BYTES_MAX];
	size_t len;
};

/* False: answered. */
static bool take_key(struct mt_api_call *call, uint32_t algorithms, struct key *key)
{
	const char *text = mt_api_text(call, "key");
	const char *fault = "expected base64 of at most 16384 bytes";
	if (sodium_base642bin(key->bytes, sizeof(key->bytes), text, strlen(text), NULL, &key->len,
			      NULL, sodium_base64_VARIANT_ORIGINAL) == 0)
		fault = mt_jwt_key_fault(algorithms, mt_bytes_of(key->bytes, key->len));
	if (fault)
		mt_api_fail(call, 400, "key: %s", fault);
	return !fault;
}

static bool take_algorithms(struct mt_api_call *call, uint32_t *out)
{
	const json_t *list = json_object_get(call->body, "algorithms");
	uint32_t set = 0;
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		enum mt_jwt_algorithm one;
		const char *name = json_string_value(item);
		if (name && mt_jwt_algorithm_find(name, &one)) {
			set |= (uint32_t)1 << one;
			continue;
		}
		set = 0;
		break;
	}
	if (mt_jwt_algorithms_agree(set)) {
		*out = set;
		return true;
	}
	mt_api_fail(call, 400,
		    "algorithms: expected those of one family: of RS256 RS384 RS512, of ES256 "
		    "ES384 ES512, or of HS256 HS384 HS512");
	return false;
}

static bool take_leeway(struct mt_api_call *call, uint32_t *out)
{
	const json_t *value = json_object_get(call->body, "leeway_s");
	json_int_t seconds = value ? json_integer_value(value) : LEEWAY_S;
	if ((!value || json_is_integer(value)) && seconds >= 0 && seconds <= LEEWAY_MOST_S) {
		*out = (uint32_t)seconds;
		return true;
	}
	mt_api_fail(call, 400, "leeway_s: expected 0 to %d seconds", LEEWAY_MOST_S);
	return false;
}

static bool take_text(struct mt_api_call *call, const char *key, const char *otherwise,
		      size_t bytes_max, const char **out)
{
	const char *text = mt_api_text(call, key);
	*out = text ? text : otherwise;
	if ((!text || *text) && strlen(*out) <= bytes_max)
		return true;
	mt_api_fail(call, 400, "%s: expected 1 to %zu bytes", key, bytes_max);
	return false;
}

/* False: answered. */
static bool take_issuer(struct mt_api_call *call, struct mt_state_issuer *out, uint32_t *algorithms)
{
	const char *fault;
	if (!mt_api_expect(call, "name:s issuer:s algorithms:a key:s audience:s? claim:s? "
				 "leeway_s:*?"))
		return false;
	out->name = mt_api_text(call, "name");
	fault = mt_user_name_fault(mt_bytes_str(out->name));
	if (fault) {
		mt_api_fail(call, 400, "name: %s", fault);
		return false;
	}
	return take_text(call, "issuer", "", TEXT_BYTES_MAX, &out->issuer) &&
	       take_text(call, "audience", "", TEXT_BYTES_MAX, &out->audience) &&
	       take_text(call, "claim", "sub", CLAIM_BYTES_MAX, &out->claim) &&
	       take_leeway(call, &out->leeway_s) && take_algorithms(call, algorithms);
}

static void add_issuer(struct mt_api_call *call)
{
	struct mt_state_issuer row = {0};
	char algorithms_text[MT_JWT_ALGORITHMS_TEXT];
	uint32_t algorithms = 0;
	struct key key = {.len = 0};
	if (take_issuer(call, &row, &algorithms) && take_key(call, algorithms, &key) &&
	    mt_api_change(call, "issuer add %s", row.name)) {
		mt_jwt_algorithms_print(algorithms, algorithms_text);
		row.algorithms = algorithms_text;
		row.key = mt_bytes_of(key.bytes, key.len);
		if (mt_api_change_end(call, mt_state_issuer_add(call->api->state, &row)))
			mt_api_succeed(call, json_pack("{s:s}", "added", row.name));
	}
	mt_bytes_wipe(&key, sizeof(key));
}

struct wanted {
	const char *name;
	uint32_t algorithms; /* 0: it is not there */
};

static bool find_issuer(void *context, const struct mt_state_issuer *row)
{
	struct wanted *wanted = context;
	if (strcmp(row->name, wanted->name) != 0)
		return true;
	if (!mt_jwt_algorithms_read(row->algorithms, &wanted->algorithms))
		wanted->algorithms = 0;
	return false;
}

static void set_key(struct mt_api_call *call)
{
	struct wanted wanted = {.name = call->segments[1]};
	struct key key = {.len = 0};
	enum mt_status status;
	if (!mt_api_expect(call, "key:s"))
		return;
	status = mt_state_issuers(call->api->state, find_issuer, &wanted);
	if (status != MT_OK)
		mt_api_fail_status(call, status, "issuer");
	else if (wanted.algorithms == 0)
		mt_api_fail(call, 404, "issuer %s: there is no such issuer", wanted.name);
	else if (take_key(call, wanted.algorithms, &key) &&
		 mt_api_change(call, "issuer key %s", wanted.name) &&
		 mt_api_change_end(call, mt_state_issuer_key(call->api->state, wanted.name,
							     mt_bytes_of(key.bytes, key.len))))
		mt_api_succeed(call, json_pack("{s:s}", "changed", wanted.name));
	mt_bytes_wipe(&key, sizeof(key));
}

static void remove_issuer(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "issuer remove %s", name))
		return;
	if (mt_api_change_end(call, mt_state_issuer_remove(call->api->state, name)))
		mt_api_succeed(call, json_pack("{s:s}", "removed", name));
}

/* ---- whom they stand for ---- */

static bool keep_id(void *context, const struct mt_state_user *row)
{
	uint64_t *id = context;
	*id = row->id;
	return false;
}

static enum mt_status bind(struct mt_api_call *call, const char *issuer, const char *subject)
{
	uint64_t id = 0;
	MT_TRY(mt_state_user_find(call->api->state, call->segments[1], keep_id, &id));
	return mt_state_subject_add(call->api->state, id, issuer, subject);
}

static void enable_subject(struct mt_api_call *call)
{
	const char *user = call->segments[1], *issuer, *subject;
	if (!mt_api_expect(call, "issuer:s subject:s?") ||
	    !take_text(call, "subject", user, MT_PROOF_NAME_BYTES_MAX, &subject))
		return;
	issuer = mt_api_text(call, "issuer");
	if (mt_api_change(call, "user jwt %s --issuer %s --subject %s", user, issuer, subject) &&
	    mt_api_change_end(call, bind(call, issuer, subject)))
		mt_api_succeed(call, json_pack("{s:s, s:s, s:s}", "user", user, "issuer", issuer,
					       "subject", subject));
}

static enum mt_status unbind(struct mt_api_call *call, const char *subject)
{
	uint64_t id = 0;
	MT_TRY(mt_state_user_find(call->api->state, call->segments[1], keep_id, &id));
	return mt_state_subject_remove(call->api->state, id, call->segments[3], subject);
}

static void disable_subject(struct mt_api_call *call)
{
	const char *user = call->segments[1], *issuer = call->segments[3], *subject;
	if (!mt_api_expect(call, "") || !mt_api_query(call, "subject", &subject) ||
	    !mt_api_change(call, "user jwt %s --issuer %s --off%s%s", user, issuer,
			   subject ? " --subject " : "", subject ? subject : ""))
		return;
	if (mt_api_change_end(call, unbind(call, subject)))
		mt_api_succeed(call, json_pack("{s:s, s:s}", "user", user, "removed", issuer));
}

const struct mt_api_route mt_api_issuer_routes[] = {
	{"GET", "issuers", list_issuers, MT_API_VIEWER},
	{"POST", "issuers", add_issuer, MT_API_ADMIN},
	{"GET", "issuers/*", show_issuer, MT_API_VIEWER},
	{"DELETE", "issuers/*", remove_issuer, MT_API_ADMIN},
	{"PUT", "issuers/*/key", set_key, MT_API_ADMIN},
	{"POST", "users/*/jwt", enable_subject, MT_API_ADMIN},
	{"DELETE", "users/*/jwt/*", disable_subject, MT_API_ADMIN},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
