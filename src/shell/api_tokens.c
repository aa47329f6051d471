/* Tokens of the admin API: /api/tokens, and whom they stand for. */
#include "shell/api_tokens.h"

#include "crypto/password.h"
#include "identity/user.h"
#include "io/clock.h"
#include "io/listen.h"
#include "shell/api_call.h"
#include "shell/moment.h"

#include <stdio.h>
#include <strings.h>

/* So many at once, and one more each FAILURE_NS. */
#define FAILURES_MAX 10
#define FAILURE_NS (6 * MT_SECOND)
#define DAYS_MAX 3650
#define DAY_S 86400
#define SITE_BYTES 8u /* of an IPv6 address */

static const char prefix[] = "mta1.";
#define PREFIX_TEXT (sizeof(prefix) - 1)
/* What mt_token_make puts in front. */
#define DEVICE_PREFIX_TEXT 4u
#define TOKEN_BYTES (MT_TOKEN_TEXT_BYTES - DEVICE_PREFIX_TEXT + PREFIX_TEXT)

/* ---- who calls ---- */

static void make_key(const struct mt_admin_address *address, uint8_t key[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	memcpy(key, address->byte, 16);
	if (memcmp(key, mapped, sizeof(mapped)) != 0)
		memset(key + SITE_BYTES, 0, 16 - SITE_BYTES);
}

bool mt_api_throttle_take(struct mt_api_throttle *throttle, const struct mt_admin_address *address,
			  mt_time now_ns)
{
	uint8_t key[16];
	size_t at = 0;
	make_key(address, key);
	/* Its own place, or that of whose failures are the longest ago. */
	for (size_t i = 0; i < MT_COUNT_OF(throttle->of); i++) {
		if (memcmp(throttle->of[i].key, key, sizeof(key)) == 0) {
			at = i;
			break;
		}
		if (throttle->of[i].bucket.full_ns < throttle->of[at].bucket.full_ns)
			at = i;
	}
	if (memcmp(throttle->of[at].key, key, sizeof(key)) != 0) {
		memcpy(throttle->of[at].key, key, sizeof(key));
		throttle->of[at].bucket.full_ns = 0;
	}
	return mt_bucket_take(&throttle->of[at].bucket, now_ns, FAILURE_NS,
			      FAILURE_NS * FAILURES_MAX);
}

struct mt_bytes mt_api_bearer(const char *authorization)
{
	static const char scheme[] = "Bearer ";
	if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return mt_bytes_of(NULL, 0);
	authorization += sizeof(scheme) - 1;
	return mt_bytes_str(authorization + strspn(authorization, " "));
}

struct search {
	uint8_t hash[32];
	int64_t now_s;
	struct mt_api_call *call;
	bool is_expired;
};

/* Every row is compared, whatever another one said: the time tells nothing of them. */
static bool compare(void *context, const struct mt_state_api_token *row)
{
	struct search *search = context;
	bool is_it = mt_bytes_equal_secret(row->hash, mt_bytes_of(search->hash, 32));
	bool is_expired = row->expires_s != 0 && row->expires_s <= search->now_s;
	struct mt_api_call *call = search->call;
	if (!is_it)
		return true;
	search->is_expired = is_expired;
	snprintf(call->author, sizeof(call->author), "token:%s", row->name);
	if (!is_expired && row->role >= MT_API_VIEWER && row->role <= MT_API_ADMIN)
		call->role = (enum mt_api_role)row->role;
	return true;
}

static void address_text(const struct mt_api_call *call, char out[MT_ENDPOINT_TEXT_BYTES])
{
	struct mt_peer_address peer = {.port = call->request->address.port};
	memcpy(peer.byte, call->request->address.byte, sizeof(peer.byte));
	mt_peer_address_text(&peer, out);
}

static void refuse(struct mt_api_call *call, const char *why)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	if (!mt_api_throttle_take(&call->api->throttle, &call->request->address,
				  mt_clock_now().mono_ns)) {
		call->retry_after_s = FAILURE_NS / MT_SECOND;
		mt_api_fail(call, 429, "too many wrong tokens from this address: wait a minute");
		return;
	}
	address_text(call, address);
	mt_api_audit(call, MT_AUDIT_EVENT_ADMIN_REFUSED, why);
	mt_log(MT_LOG_NOTICE, "admin", "token refused", MT_STR("address", address),
	       MT_STR("why", why), MT_STR("author", call->author));
	mt_api_fail(call, 401,
		    "not permitted: the token is unknown, revoked or expired; ask an administrator "
		    "for one: mortise api-token new");
}

bool mt_api_know_bearer(struct mt_api_call *call)
{
	struct mt_bytes token = mt_api_bearer(call->request->authorization);
	struct search search = {.now_s = mt_clock_now().wall_ns / MT_SECOND, .call = call};
	enum mt_status status;
	if (token.len == 0) {
		mt_api_fail(call, 401,
			    "not permitted: the request bears no token; send Authorization: Bearer "
			    "TOKEN, from mortise api-token new");
		return false;
	}
	mt_token_hash(token, search.hash);
	status = mt_state_api_tokens(call->api->state, compare, &search);
	if (status != MT_OK) {
		call->role = MT_API_NOBODY;
		mt_api_fail_status(call, status, "tokens");
	} else if (call->role == MT_API_NOBODY) {
		refuse(call, search.is_expired ? "expired" : "unknown");
	}
	mt_bytes_wipe(&search, sizeof(search));
	return call->role != MT_API_NOBODY;
}

/* ---- /api/tokens ---- */

struct listing {
	json_t *list;
	int64_t now_s;
	bool has_failed;
};

static bool list_one(void *context, const struct mt_state_api_token *row)
{
	struct listing *listing = context;
	char created[MT_MOMENT_BYTES];
	char expires[MT_MOMENT_BYTES] = "";
	bool is_known = row->role >= MT_API_VIEWER && row->role <= MT_API_ADMIN;
	mt_moment_print(row->created_s, created);
	if (row->expires_s != 0)
		mt_moment_print(row->expires_s, expires);
	if (json_array_append_new(
		    listing->list,
		    json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "name", row->name, "role",
			      is_known ? mt_api_role_name((enum mt_api_role)row->role) : "none",
			      "created", created, "expires", expires, "expired",
			      row->expires_s != 0 && row->expires_s <= listing->now_s, "author",
			      row->author)) != 0)
		listing->has_failed = true;
	return !listing->has_failed;
}

static void list_tokens(struct mt_api_call *call)
{
	struct listing listing = {.list = json_array(),
				  .now_s = mt_clock_now().wall_ns / MT_SECOND};
	enum mt_status status = mt_state_api_tokens(call->api->state, list_one, &listing);
	if (status == MT_OK && listing.has_failed)
		status = MT_MEMORY;
	if (status == MT_OK) {
		mt_api_succeed(call, json_pack("{s:o}", "tokens", listing.list));
		return;
	}
	json_decref(listing.list);
	mt_api_fail_status(call, status, "tokens");
}

static bool take_role(struct mt_api_call *call, uint8_t *out)
{
	const char *text = mt_api_text(call, "role");
	for (uint8_t i = MT_API_VIEWER; i <= MT_API_ADMIN; i++) {
		if (strcmp(text, mt_api_role_name((enum mt_api_role)i)) != 0)
			continue;
		*out = i;
		return true;
	}
	mt_api_fail(call, 400, "role: expected viewer, operator or admin");
	return false;
}

/* A moment, or a number of days from now on. */
static bool take_expiry(struct mt_api_call *call, int64_t now_s, int64_t *out)
{
	const json_t *value = json_object_get(call->body, "expires");
	const char *text = json_string_value(value);
	int64_t days = json_is_integer(value) ? json_integer_value(value) : 0;
	if (!value)
		return true;
	if (text && mt_moment_parse(text, out) && *out > now_s)
		return true;
	if (days >= 1 && days <= DAYS_MAX) {
		*out = now_s + days * DAY_S;
		return true;
	}
	mt_api_fail(call, 400,
		    "expires: expected a moment to come, such as 2027-01-01T00:00:00Z, or a number "
		    "of days from 1 to %d",
		    DAYS_MAX);
	return false;
}

/* False: answered. */
static bool take_token(struct mt_api_call *call, struct mt_state_api_token *out)
{
	const char *fault;
	if (!mt_api_expect(call, "name:s role:s expires:*?"))
		return false;
	out->name = mt_api_text(call, "name");
	out->created_s = mt_clock_now().wall_ns / MT_SECOND;
	out->author = call->author;
	fault = mt_user_name_fault(mt_bytes_str(out->name));
	if (fault) {
		mt_api_fail(call, 400, "name: %s", fault);
		return false;
	}
	return take_role(call, &out->role) && take_expiry(call, out->created_s, &out->expires_s);
}

static void make_text(char out[TOKEN_BYTES])
{
	char text[MT_TOKEN_TEXT_BYTES];
	uint8_t random[16];
	mt_random_bytes(random, sizeof(random));
	mt_token_make(random, text);
	memcpy(out, prefix, PREFIX_TEXT);
	memcpy(out + PREFIX_TEXT, text + DEVICE_PREFIX_TEXT, TOKEN_BYTES - PREFIX_TEXT);
	mt_bytes_wipe(text, sizeof(text));
	mt_bytes_wipe(random, sizeof(random));
}

static void new_token(struct mt_api_call *call)
{
	struct mt_state_api_token row = {0};
	char token[TOKEN_BYTES];
	char expires[MT_MOMENT_BYTES] = "";
	uint8_t hash[32];
	if (!take_token(call, &row) || !mt_api_change(call, "api-token new %s --role %s", row.name,
						      mt_api_role_name((enum mt_api_role)row.role)))
		return;
	make_text(token);
	mt_token_hash(mt_bytes_str(token), hash);
	row.hash = mt_bytes_of(hash, sizeof(hash));
	if (row.expires_s != 0)
		mt_moment_print(row.expires_s, expires);
	if (mt_api_change_end(call, mt_state_api_token_add(call->api->state, &row)))
		mt_api_succeed(call, json_pack("{s:s, s:s, s:s, s:s}", "name", row.name, "role",
					       mt_api_role_name((enum mt_api_role)row.role),
					       "expires", expires, "token", token));
	mt_bytes_wipe(token, sizeof(token));
}

static void revoke_token(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "api-token revoke %s", name))
		return;
	if (mt_api_change_end(call, mt_state_api_token_remove(call->api->state, name)))
		mt_api_succeed(call, json_pack("{s:s}", "revoked", name));
}

const struct mt_api_route mt_api_token_routes[] = {
	{"GET", "tokens", list_tokens, MT_API_VIEWER},
	{"POST", "tokens", new_token, MT_API_ADMIN},
	{"DELETE", "tokens/*", revoke_token, MT_API_ADMIN},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
