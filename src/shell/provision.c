/* First start: folders, TLS files, the administrator and its profile. */
#include "shell/provision.h"

#include "base/log.h"
#include "crypto/password.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/listen.h"
#include "shell/profile.h"
#include "shell/provision_tls.h"
#include "tls/authority.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ADMIN "admin"
#define PROFILE "profiles/" ADMIN ".mortise"
#define PEM_BYTES_MAX 32768u
#define TLS_PORT 8883u
#define PLAIN_PORT 1883u

MT_FORMAT(4, 5)
static enum mt_status say(char *fault, size_t cap, enum mt_status status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(fault, cap, format, arguments);
	va_end(arguments);
	return status;
}

static enum mt_status path_in(const char *state_path, const char *name, char out[PATH_MAX])
{
	int len = snprintf(out, PATH_MAX, "%s/%s", state_path, name);
	return len > 0 && len < PATH_MAX ? MT_OK : MT_LIMIT;
}

static enum mt_status claim(const char *path, char *fault, size_t cap)
{
	enum mt_status status = mt_folder_claim(path, 0700);
	if (status == MT_DENIED)
		return say(fault, cap, status,
			   "%s: it is no folder of this user alone: chown it to the user of the "
			   "broker and "
			   "chmod go-w it, or choose another --state",
			   path);
	if (status == MT_NOT_FOUND)
		return say(fault, cap, status,
			   "%s: the folder above it does not exist: make it, or choose another "
			   "--state",
			   path);
	if (status != MT_OK)
		return say(fault, cap, status, "%s: it cannot be made: %s", path, strerror(errno));
	return MT_OK;
}

enum mt_status mt_provision_claim(const char *state_path, char *fault, size_t cap)
{
	return claim(state_path, fault, cap);
}

/* A wildcard is no destination. */
static const char *reachable(const char *host)
{
	bool is_any = host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
	return is_any ? "localhost" : host;
}

/* The profile's clients speak MQTT by TCP. */
static bool is_for_profiles(const struct mt_listener_settings *listener)
{
	return !listener->is_websocket &&
	       !mt_bytes_starts(mt_bytes_str(listener->address), mt_bytes_str("unix:"));
}

/* What a client should use: the first listener with TLS, else the first; NULL: there is none. */
static const struct mt_listener_settings *best_listener(const struct mt_settings *settings)
{
	const struct mt_listener_settings *best = NULL;
	for (uint32_t i = 0; i < settings->listener_count; i++) {
		const struct mt_listener_settings *listener = &settings->listeners[i];
		if (is_for_profiles(listener) && (!best || (listener->is_tls && !best->is_tls)))
			best = listener;
	}
	return best;
}

/* The port may be chosen by the system later: mt_provision_address puts the real one in place. */
static enum mt_status set_address(const struct mt_listener_settings *listener,
				  struct mt_profile *profile)
{
	struct mt_endpoint endpoint = {.port = 0};
	uint16_t usual = !listener || listener->is_tls ? TLS_PORT : PLAIN_PORT;
	const char *why;
	if (listener)
		MT_TRY(mt_endpoint_parse(mt_bytes_str(listener->address), &endpoint, &why));
	snprintf(profile->host, sizeof(profile->host), "%s", reachable(endpoint.host));
	profile->port = endpoint.port > 0 ? endpoint.port : usual;
	return MT_OK;
}

static bool has_own_certificate(const struct mt_listener_settings *listener)
{
	return listener->is_tls && listener->certificate_path[0] == '\0';
}

/* Clients pin our CA; a server certificate from elsewhere is theirs to trust. */
static enum mt_status set_ca(const struct mt_settings *settings, struct mt_profile *profile)
{
	char path[PATH_MAX];
	struct mt_pem ca;
	uint8_t *data;
	enum mt_status status;
	MT_TRY(path_in(settings->state_path, "tls/ca.pem", path));
	status = mt_file_read(path, PEM_BYTES_MAX, &data, &ca.len);
	if (status == MT_NOT_FOUND)
		return MT_OK;
	MT_TRY(status);
	ca.text = (char *)data;
	profile->ca_pem = ca.text;
	return mt_authority_pin(&ca, profile->ca_pin);
}

static void set_password(struct mt_profile *profile)
{
	uint8_t random[20];
	mt_random_bytes(random, sizeof(random));
	mt_password_make(random, profile->password);
	mt_bytes_wipe(random, sizeof(random));
}

static enum mt_status make_profile(const struct mt_settings *settings, const char *path,
				   struct mt_profile *out)
{
	const struct mt_listener_settings *listener = best_listener(settings);
	struct mt_profile profile = {.user = ADMIN};
	enum mt_status status = set_address(listener, &profile);
	if (status == MT_OK && listener && has_own_certificate(listener))
		status = set_ca(settings, &profile);
	set_password(&profile);
	if (status == MT_OK)
		status = mt_profile_write(path, &profile);
	if (status == MT_OK)
		*out = profile;
	else
		mt_profile_finish(&profile);
	return status;
}

/* The profile of a start that was cut short, or a new one: in either case it lies on the disk,
 * complete. */
static enum mt_status provide_profile(const struct mt_settings *settings, const char *path,
				      struct mt_profile *out, char *fault, size_t cap)
{
	char why[256];
	enum mt_status status = mt_profile_read(path, out, why, sizeof(why));
	if (status == MT_NOT_FOUND) {
		status = make_profile(settings, path, out);
		return status == MT_OK ? MT_OK
				       : say(fault, cap, status, "%s: it cannot be made: %s", path,
					     status == MT_SYSTEM ? strerror(errno)
								 : mt_status_text(status));
	}
	if (status != MT_OK)
		return say(fault, cap, status, "%s: %s; move it away to have a new one made", path,
			   why);
	if (strcmp(out->user, ADMIN) != 0 || out->password[0] == '\0') {
		mt_profile_finish(out);
		return say(fault, cap, MT_INVALID,
			   "%s: it holds no password of the user " ADMIN
			   "; move it away to have a new one made",
			   path);
	}
	return MT_OK;
}

static enum mt_status add_rows(struct mt_state *state, const char *hash)
{
	const struct mt_state_user user = {
		.name = ADMIN,
		.is_enabled = true,
		.password_hash = hash,
		.client_id_rule = "",
	};
	uint64_t id;
	MT_TRY(mt_state_begin(state, "mortised", "first start: administrator made",
			      mt_clock_now().wall_ns / MT_SECOND));
	MT_TRY(mt_state_user_add(state, &user, &id));
	MT_TRY(mt_state_grant(state, ADMIN, "admin"));
	return mt_state_commit(state);
}

static enum mt_status add_admin(struct mt_state *state, const char *password, char *fault,
				size_t cap)
{
	char hash[MT_PASSWORD_HASH_BYTES];
	uint8_t salt[16];
	enum mt_status status;
	mt_random_bytes(salt, sizeof(salt));
	status = mt_password_hash(mt_bytes_str(password), salt, hash);
	if (status != MT_OK)
		return say(fault, cap, status, "the administrator's password cannot be hashed: %s",
			   mt_status_text(status));
	status = add_rows(state, hash);
	if (status != MT_OK)
		(void)say(fault, cap, status, "state database: %s", mt_state_fault(state));
	mt_state_rollback(state);
	return status;
}

static enum mt_status provide_admin(const struct mt_settings *settings, struct mt_state *state,
				    char *fault, size_t cap)
{
	char folder[PATH_MAX], path[PATH_MAX];
	struct mt_profile profile;
	enum mt_status status;
	if (path_in(settings->state_path, "profiles", folder) != MT_OK ||
	    path_in(settings->state_path, PROFILE, path) != MT_OK)
		return say(fault, cap, MT_INVALID, "the path is too long; choose another --state");
	MT_TRY(claim(folder, fault, cap));
	MT_TRY(provide_profile(settings, path, &profile, fault, cap));
	status = add_admin(state, profile.password, fault, cap);
	mt_profile_finish(&profile);
	return status;
}

static bool needs_certificate(const struct mt_settings *settings)
{
	for (uint32_t i = 0; i < settings->listener_count; i++)
		if (has_own_certificate(&settings->listeners[i]))
			return true;
	return false;
}

enum mt_status mt_provision(const struct mt_settings *settings, struct mt_state *state,
			    bool *is_first, char *fault, size_t cap)
{
	/* An administrator that is missing from a database in use was removed. */
	bool is_new = mt_state_revision(state) == 0, is_renewed;
	MT_TRY(claim(settings->state_path, fault, cap));
	fault[0] = '\0';
	if (needs_certificate(settings))
		MT_TRY(mt_provision_tls(settings->state_path, mt_clock_now().wall_ns / MT_SECOND,
					MT_RENEW_WHEN_DUE, &is_renewed, fault, cap));
	if (fault[0] != '\0')
		mt_log(MT_LOG_WARNING, "tls", "the server certificate was not renewed",
		       MT_STR("why", fault));
	if (is_new)
		MT_TRY(provide_admin(settings, state, fault, cap));
	*is_first = is_new;
	return MT_OK;
}

enum mt_status mt_provision_address(const struct mt_settings *settings, const char *host,
				    uint16_t port)
{
	char path[PATH_MAX], why[256];
	struct mt_profile profile;
	enum mt_status status;
	MT_TRY(path_in(settings->state_path, PROFILE, path));
	status = mt_profile_read(path, &profile, why, sizeof(why));
	if (status == MT_NOT_FOUND)
		return MT_OK; /* moved to where it is used */
	MT_TRY(status);
	host = reachable(host);
	if (strcmp(profile.host, host) != 0 || profile.port != port) {
		snprintf(profile.host, sizeof(profile.host), "%s", host);
		profile.port = port;
		status = mt_profile_write(path, &profile);
	}
	mt_profile_finish(&profile);
	return status;
}
