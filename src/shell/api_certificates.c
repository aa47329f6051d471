/* Certificates of our own authority, and the keys of session tickets: /api/certificates,
 * /api/tickets. */
#include "io/clock.h"
#include "shell/api_call.h"
#include "shell/issue.h"
#include "shell/provision_tls.h"
#include "shell/pump.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define TIME_TEXT_BYTES 24

static const char *state_path(const struct mt_api_call *call)
{
	return mt_broker_settings(call->api->broker)->state_path;
}

static int64_t now_s(void)
{
	return mt_clock_now().wall_ns / MT_SECOND;
}

static const char *time_text(int64_t seconds, char out[TIME_TEXT_BYTES])
{
	time_t when = (time_t)seconds;
	struct tm parts;
	gmtime_r(&when, &parts);
	strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return out;
}

/* ---- users ---- */

struct user {
	uint64_t id;
	char name[256];
};

static bool keep_user(void *context, const struct mt_state_user *row)
{
	struct user *user = context;
	user->id = row->id;
	snprintf(user->name, sizeof(user->name), "%s", row->name);
	return false;
}

/* False: answered. */
static bool find_user(struct mt_api_call *call, const char *name, struct user *out)
{
	enum mt_status status = mt_state_user_find(call->api->state, name, keep_user, out);
	if (status == MT_NOT_FOUND)
		mt_api_fail(call, 404,
			    "user %.64s: there is no such user; add it first: mortise "
			    "user add NAME",
			    name);
	else if (status != MT_OK)
		mt_api_fail_status(call, status, "user");
	return status == MT_OK;
}

/* ---- issue ---- */

/* False: answered. */
static bool read_days(struct mt_api_call *call, int *out)
{
	const json_t *days = json_object_get(call->body, "days");
	*out = MT_ISSUE_DAYS;
	if (!days)
		return true;
	if (!json_is_integer(days) || json_integer_value(days) < 1 ||
	    json_integer_value(days) > MT_ISSUE_DAYS_MAX) {
		mt_api_fail(call, 400, "days: expected a whole number from 1 to %d",
			    MT_ISSUE_DAYS_MAX);
		return false;
	}
	*out = (int)json_integer_value(days);
	return true;
}

static enum mt_status note_issued(struct mt_api_call *call, const struct user *user,
				  const struct mt_issued *issued)
{
	struct mt_state *state = call->api->state;
	const struct mt_state_certificate row = {.serial = issued->facts.serial,
						 .user_id = user->id,
						 .user = user->name,
						 .fingerprint =
							 mt_bytes_of(issued->facts.fingerprint, 32),
						 .issued_s = now_s(),
						 .not_after_s = issued->facts.not_after_s};
	enum mt_status status;
	MT_TRY(mt_state_certificate_add(state, &row));
	status = mt_state_certificate_name_add(state, user->id, issued->name,
					       mt_bytes_of(issued->issuer, 32));
	/* From a certificate before this one. */
	return status == MT_EXISTS ? MT_OK : status;
}

static json_t *describe_issued(const struct mt_api_call *call, const struct user *user,
			       const struct mt_issued *issued)
{
	char end[TIME_TEXT_BYTES], host[256];
	uint16_t port = 0;
	json_t *answer = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "user", user->name,
				   "serial", issued->facts.serial, "not_after",
				   time_text(issued->facts.not_after_s, end), "certificate",
				   issued->certificate.text, "key", issued->key.text, "ca",
				   issued->ca.text, "ca_pin", issued->ca_pin);
	if (answer && mt_broker_address(call->api->broker, host, &port)) {
		json_object_set_new(answer, "host", json_string(host));
		json_object_set_new(answer, "port", json_integer(port));
	}
	return answer;
}

static void issue(struct mt_api_call *call)
{
	struct user user;
	struct mt_issued issued;
	char fault[256];
	int days;
	enum mt_status status;
	if (!mt_api_expect(call, "user:s days:*?") || !read_days(call, &days) ||
	    !find_user(call, mt_api_text(call, "user"), &user))
		return;
	status = mt_issue_client(state_path(call), user.name, now_s(), days, &issued, fault,
				 sizeof(fault));
	if (status != MT_OK) {
		mt_api_fail(call, status == MT_NOT_FOUND ? 409 : 500, "certificate: %s", fault);
		return;
	}
	if (mt_api_change(call, "cert issue %s", user.name) &&
	    mt_api_change_end(call, note_issued(call, &user, &issued)))
		mt_api_succeed(call, describe_issued(call, &user, &issued));
	mt_issued_finish(&issued);
}

/* ---- lists ---- */

struct listing {
	json_t *list;
	const char *wanted; /* a user or a serial; NULL: all */
};

static bool list_certificate(void *context, const struct mt_state_certificate *row)
{
	struct listing *listing = context;
	char issued[TIME_TEXT_BYTES], end[TIME_TEXT_BYTES], revoked[TIME_TEXT_BYTES];
	int64_t now = now_s();
	if (listing->wanted && strcmp(listing->wanted, row->user) != 0 &&
	    strcasecmp(listing->wanted, row->serial) != 0)
		return true;
	json_array_append_new(
		listing->list,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s*}", "user", row->user, "serial",
			  row->serial, "state",
			  row->revoked_s > 0	   ? "revoked"
			  : row->not_after_s < now ? "expired"
						   : "valid",
			  "issued", time_text(row->issued_s, issued), "not_after",
			  time_text(row->not_after_s, end), "days_left",
			  (json_int_t)((row->not_after_s - now) / 86400), "revoked",
			  row->revoked_s > 0 ? time_text(row->revoked_s, revoked) : NULL));
	return true;
}

static const char *pin_of(const struct mt_pem *pem, char pin[45])
{
	return mt_authority_pin(pem, pin) == MT_OK ? pin : "";
}

static json_t *describe_own(const struct mt_api_call *call, const char *file)
{
	struct mt_certificate facts;
	struct mt_pem pem = {NULL, 0};
	char begin[TIME_TEXT_BYTES], end[TIME_TEXT_BYTES], pin[45];
	json_t *answer = NULL;
	if (mt_issue_read(state_path(call), file, &pem) == MT_OK &&
	    mt_certificate_read(&pem, &facts) == MT_OK)
		answer = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "subject",
				   facts.subject, "issuer", facts.issuer, "serial", facts.serial,
				   "names", facts.names, "key", facts.key, "pin", pin_of(&pem, pin),
				   "not_before", time_text(facts.not_before_s, begin), "not_after",
				   time_text(facts.not_after_s, end), "days_left",
				   (json_int_t)((facts.not_after_s - now_s()) / 86400));
	mt_pem_finish(&pem);
	return answer;
}

static json_t *list_own(const struct mt_api_call *call)
{
	static const char *const names[] = {"ca", "issuer", "server"};
	json_t *own = json_object();
	for (size_t i = 0; i < MT_COUNT_OF(names); i++) {
		char file[16];
		json_t *one;
		snprintf(file, sizeof(file), "%s.pem", names[i]);
		one = describe_own(call, file);
		if (one)
			json_object_set_new(own, names[i], one);
	}
	return own;
}

static void list(struct mt_api_call *call)
{
	struct listing listing = {json_array(), NULL};
	enum mt_status status = mt_state_certificates(call->api->state, list_certificate, &listing);
	if (status == MT_OK) {
		mt_api_succeed(call, json_pack("{s:o, s:o}", "own", list_own(call), "certificates",
					       listing.list));
		return;
	}
	json_decref(listing.list);
	mt_api_fail_status(call, status, "certificates");
}

static void show(struct mt_api_call *call)
{
	struct listing listing = {json_array(), call->segments[1]};
	enum mt_status status = mt_state_certificates(call->api->state, list_certificate, &listing);
	json_t *own = list_own(call);
	json_t *one = json_object_get(own, call->segments[1]);
	if (status != MT_OK)
		mt_api_fail_status(call, status, "certificates");
	else if (one && json_array_size(listing.list) == 0)
		mt_api_succeed(call, json_incref(one));
	else if (json_array_size(listing.list) == 0)
		mt_api_fail(
			call, 404,
			"certificate %.64s: there is no such user, serial number, or "
			"certificate of the broker (ca, issuer, server); see: mortise cert list",
			call->segments[1]);
	else
		mt_api_succeed(call, json_pack("{s:O}", "certificates", listing.list));
	json_decref(own);
	json_decref(listing.list);
}

/* ---- revoke ---- */

struct revocation {
	const char *name; /* a user or a serial */
	int64_t time_s;
	uint64_t users[64]; /* whose connections are looked at; more wait for the sweep */
	uint32_t user_count;
	uint32_t certificate_count;
	uint32_t closed_count;
	uint64_t session_count;
	struct mt_state *state;
	enum mt_status status;
	struct mt_tls_cache *cache;
	char serials[256][65];
};

static bool choose(void *context, const struct mt_state_certificate *row)
{
	struct revocation *end = context;
	if (row->revoked_s > 0 ||
	    (strcmp(end->name, row->user) != 0 && strcasecmp(end->name, row->serial) != 0))
		return true;
	if (end->certificate_count == MT_COUNT_OF(end->serials)) {
		end->status = MT_LIMIT;
		return false;
	}
	snprintf(end->serials[end->certificate_count++], sizeof(end->serials[0]), "%s",
		 row->serial);
	if (end->user_count < MT_COUNT_OF(end->users) &&
	    (end->user_count == 0 || end->users[end->user_count - 1] != row->user_id))
		end->users[end->user_count++] = row->user_id;
	if (end->cache)
		end->session_count += mt_tls_cache_forget(end->cache, row->fingerprint.data);
	return true;
}

static enum mt_status revoke_all(struct mt_api_call *call, struct revocation *end)
{
	MT_TRY(mt_state_certificates(call->api->state, choose, end));
	MT_TRY(end->status);
	if (end->certificate_count == 0)
		return MT_NOT_FOUND;
	for (uint32_t i = 0; i < end->certificate_count; i++)
		MT_TRY(mt_state_certificate_revoke(call->api->state, end->serials[i], end->time_s));
	return MT_OK;
}

static bool is_chosen(const struct revocation *end, const struct mt_socket *socket)
{
	struct mt_tls_peer peer;
	if (!socket || socket->proven_until_s == 0 || !mt_tls_session_peer(socket->tls, &peer))
		return false;
	for (uint32_t i = 0; i < end->certificate_count; i++)
		if (strcmp(peer.serial, end->serials[i]) == 0)
			return true;
	return false;
}

/* Before the change: the first look after it may be quicker than we are. */
static void count_on_loop(struct mt_broker *broker, void *argument)
{
	const struct mt_pump *pump = mt_broker_pump(broker);
	struct revocation *end = argument;
	for (size_t i = 0; i < pump->socket_cap; i++)
		end->closed_count += is_chosen(end, pump->sockets[i]);
}

static void close_on_loop(struct mt_broker *broker, void *argument)
{
	struct revocation *end = argument;
	for (uint32_t i = 0; i < end->user_count; i++)
		(void)mt_pump_review_user(mt_broker_pump(broker), end->users[i]);
}

/* A broker that stops closes all of them. */
static void on_loop(struct mt_api_call *call, mt_hub_call_fn *run, struct revocation *end)
{
	if (mt_hub_call(mt_broker_hub(call->api->broker), run, end) != MT_OK)
		end->closed_count = 0;
}

static void revoke(struct mt_api_call *call)
{
	struct revocation end = {.name = call->segments[1], .time_s = now_s()};
	enum mt_status status;
	char when[TIME_TEXT_BYTES];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "cert revoke %s", end.name))
		return;
	end.cache = mt_broker_tls_cache(call->api->broker);
	status = revoke_all(call, &end);
	if (status == MT_NOT_FOUND) {
		mt_state_rollback(call->api->state);
		mt_api_fail(call, 404,
			    "certificate %.64s: there is no valid one of this user or serial "
			    "number; see: mortise cert list",
			    end.name);
		return;
	}
	if (status == MT_OK)
		on_loop(call, count_on_loop, &end);
	if (!mt_api_change_end(call, status))
		return;
	on_loop(call, close_on_loop, &end);
	mt_api_succeed(call, json_pack("{s:s, s:I, s:I, s:I, s:s}", "revoked", end.name,
				       "certificates", (json_int_t)end.certificate_count,
				       "connections_closed", (json_int_t)end.closed_count,
				       "sessions_removed", (json_int_t)end.session_count,
				       "tickets_void_before", time_text(end.time_s, when)));
}

/* ---- the server's own ---- */

static void renew(struct mt_api_call *call)
{
	char fault[384] = "";
	bool is_renewed = false;
	enum mt_status status;
	if (!mt_api_expect(call, ""))
		return;
	status = mt_provision_tls(state_path(call), now_s(), MT_RENEW_NOW, &is_renewed, fault,
				  sizeof(fault));
	if (status != MT_OK) {
		mt_api_fail(call, status == MT_DENIED || status == MT_INVALID ? 409 : 500,
			    "certificate: %s", fault);
		return;
	}
	mt_api_audit(call, MT_AUDIT_EVENT_CHANGE, "cert renew server");
	mt_log(MT_LOG_NOTICE, "admin", "changed", MT_STR("what", "cert renew server"),
	       MT_STR("author", call->author));
	mt_api_succeed(call, json_pack("{s:s, s:o*}", "renewed", "server", "server",
				       describe_own(call, "server.pem")));
}

/* ---- keys of session tickets ---- */

struct rotation {
	bool is_drop;
	bool is_done;
	uint64_t session_count;
};

static void rotate_on_loop(struct mt_broker *broker, void *argument)
{
	struct rotation *rotation = argument;
	struct mt_pump *pump = mt_broker_pump(broker);
	rotation->is_done = mt_resumption_rotate(&pump->resumption, pump->now, rotation->is_drop);
	if (rotation->is_done && rotation->is_drop)
		rotation->session_count = mt_tls_cache_clear(pump->resumption.cache);
}

static void rotate(struct mt_api_call *call)
{
	struct rotation rotation = {0};
	char when[TIME_TEXT_BYTES];
	if (!mt_api_expect(call, "now:b?"))
		return;
	rotation.is_drop = json_is_true(json_object_get(call->body, "now"));
	if (mt_hub_call(mt_broker_hub(call->api->broker), rotate_on_loop, &rotation) != MT_OK) {
		mt_api_fail(call, 503, "tickets: the broker is stopping");
		return;
	}
	if (!rotation.is_done) {
		mt_api_fail(call, 409,
			    "tickets: no listener speaks TLS, or there are no random numbers");
		return;
	}
	mt_api_audit(call, MT_AUDIT_EVENT_CHANGE, "cert tickets rotate");
	mt_log(MT_LOG_NOTICE, "admin", "changed",
	       MT_STR("what",
		      rotation.is_drop ? "cert tickets rotate --now" : "cert tickets rotate"),
	       MT_STR("author", call->author));
	mt_api_succeed(call,
		       rotation.is_drop
			       ? json_pack("{s:b, s:I, s:s}", "rotated", 1, "sessions_removed",
					   (json_int_t)rotation.session_count,
					   "tickets_void_before", time_text(now_s(), when))
			       : json_pack("{s:b}", "rotated", 1));
}

const struct mt_api_route mt_api_certificate_routes[] = {
	{"GET", "certificates", list, MT_API_VIEWER},
	{"POST", "certificates", issue, MT_API_ADMIN},
	{"GET", "certificates/*", show, MT_API_VIEWER},
	{"DELETE", "certificates/*", revoke, MT_API_ADMIN},
	{"POST", "certificates/server/renew", renew, MT_API_OPERATOR},
	{"POST", "tickets/rotate", rotate, MT_API_OPERATOR},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
