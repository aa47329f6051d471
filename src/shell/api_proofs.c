/* What proves a user in the TLS handshake: names in certificates, and pre-shared keys. */
#include "identity/book.h"
#include "io/clock.h"
#include "shell/api_call.h"
#include "shell/issue.h"

#include <stdio.h>

#define PSK_BYTES 32

struct owner {
	uint64_t id;
};

static bool keep_owner(void *context, const struct mt_state_user *row)
{
	struct owner *owner = context;
	owner->id = row->id;
	return false;
}

static enum mt_status find_owner(struct mt_api_call *call, struct owner *out)
{
	return mt_state_user_find(call->api->state, call->segments[1], keep_owner, out);
}

/* ---- certificates ---- */

/* The key of the CA that is given, or of ours; empty: any. False: answered. */
static bool read_issuer(struct mt_api_call *call, struct mt_issued *ca, struct mt_bytes *out)
{
	const char *text = mt_api_text(call, "issuer");
	struct mt_pem pem = {NULL, 0};
	struct mt_certificate facts;
	enum mt_status status = MT_OK;
	*out = mt_bytes_of(NULL, 0);
	if (text && strcmp(text, "any") == 0)
		return true;
	if (text) {
		pem.text = (char *)(uintptr_t)text; /* it is only read */
		pem.len = strlen(text);
		status = mt_certificate_read(&pem, &facts);
	} else {
		status = mt_issue_read(mt_broker_settings(call->api->broker)->state_path, "ca.pem",
				       &ca->ca);
		if (status == MT_OK)
			status = mt_certificate_read(&ca->ca, &facts);
	}
	if (status != MT_OK || !facts.is_ca) {
		mt_api_fail(call, 400,
			    "issuer: expected the certificate of a CA in PEM, or any; without one "
			    "there must be an authority of the broker (mortise cert init)");
		return false;
	}
	memcpy(ca->issuer, facts.key_fingerprint, sizeof(ca->issuer));
	*out = mt_bytes_of(ca->issuer, sizeof(ca->issuer));
	return true;
}

static enum mt_status add_name(struct mt_api_call *call, const char *name, struct mt_bytes issuer)
{
	struct owner owner;
	MT_TRY(find_owner(call, &owner));
	return mt_state_certificate_name_add(call->api->state, owner.id, name, issuer);
}

static void enable_certificate(struct mt_api_call *call)
{
	const char *user = call->segments[1], *name;
	char own_name[MT_ISSUE_NAME_BYTES];
	struct mt_issued ca = {.ca = {NULL, 0}};
	struct mt_bytes issuer;
	if (!mt_api_expect(call, "name:s? issuer:s?"))
		return;
	name = mt_api_text(call, "name");
	if (!name && mt_issue_name(user, own_name))
		name = own_name;
	if (!name || !*name || strlen(name) > MT_PROOF_NAME_BYTES_MAX) {
		mt_api_fail(call, 400, "name: expected 1 to %u bytes", MT_PROOF_NAME_BYTES_MAX);
		return;
	}
	if (read_issuer(call, &ca, &issuer) && mt_api_change(call, "user certificate %s", user) &&
	    mt_api_change_end(call, add_name(call, name, issuer)))
		mt_api_succeed(call, json_pack("{s:s, s:s}", "user", user, "certificate", name));
	mt_issued_finish(&ca);
}

static enum mt_status remove_name(struct mt_api_call *call)
{
	struct owner owner;
	MT_TRY(find_owner(call, &owner));
	return mt_state_certificate_name_remove(call->api->state, owner.id, call->segments[3]);
}

static void disable_certificate(struct mt_api_call *call)
{
	const char *user = call->segments[1];
	if (!mt_api_expect(call, "") ||
	    !mt_api_change(call, "user certificate %s --remove %s", user, call->segments[3]))
		return;
	if (mt_api_change_end(call, remove_name(call)))
		mt_api_succeed(call,
			       json_pack("{s:s, s:s}", "user", user, "removed", call->segments[3]));
}

/* ---- pre-shared keys ---- */

static enum mt_status set_key(struct mt_api_call *call, struct mt_bytes key)
{
	struct mt_state *state = call->api->state;
	struct owner owner;
	enum mt_status status;
	MT_TRY(find_owner(call, &owner));
	/* Who has the former key is somebody else from now on. */
	status = mt_state_psk_remove(state, owner.id);
	if (status == MT_OK)
		status = mt_state_user_end(state, owner.id, mt_clock_now().wall_ns / MT_SECOND);
	else if (status == MT_NOT_FOUND)
		status = MT_OK;
	MT_TRY(status);
	return mt_state_psk_set(state, owner.id, key);
}

static void make_key(struct mt_api_call *call)
{
	const char *user = call->segments[1];
	uint8_t key[PSK_BYTES];
	char text[2 * PSK_BYTES + 1];
	if (!mt_api_expect(call, ""))
		return;
	if (strlen(user) > MT_PSK_IDENTITY_BYTES_MAX) {
		mt_api_fail(call, 400,
			    "psk: a name of more than %u bytes can be no identity; choose a "
			    "shorter one",
			    MT_PSK_IDENTITY_BYTES_MAX);
		return;
	}
	mt_random_bytes(key, sizeof(key));
	for (size_t i = 0; i < sizeof(key); i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	if (mt_api_change(call, "user psk %s", user) &&
	    mt_api_change_end(call, set_key(call, mt_bytes_of(key, sizeof(key)))))
		mt_api_succeed(call, json_pack("{s:s, s:s, s:s}", "user", user, "identity", user,
					       "key", text));
	mt_bytes_wipe(key, sizeof(key));
	mt_bytes_wipe(text, sizeof(text));
}

static enum mt_status remove_key(struct mt_api_call *call)
{
	struct owner owner;
	MT_TRY(find_owner(call, &owner));
	return mt_state_psk_remove(call->api->state, owner.id);
}

static void drop_key(struct mt_api_call *call)
{
	const char *user = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "user psk %s --remove", user))
		return;
	if (mt_api_change_end(call, remove_key(call)))
		mt_api_succeed(call, json_pack("{s:s, s:s}", "user", user, "removed", "psk"));
}

const struct mt_api_route mt_api_proof_routes[] = {
	{"POST", "users/*/certificates", enable_certificate, MT_API_ADMIN},
	{"DELETE", "users/*/certificates/*", disable_certificate, MT_API_ADMIN},
	{"POST", "users/*/psk", make_key, MT_API_ADMIN},
	{"DELETE", "users/*/psk", drop_key, MT_API_ADMIN},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
