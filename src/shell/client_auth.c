/*
 * SCRAM of the client library: what its user knows, from exchange to exchange.
 *
 *   connection -> client-first in CONNECT -> CHALLENGE -> client-final -> CONNECTED with the
 * server's proof, or it is no server of ours
 */
#include "shell/client_parts.h"

#include "crypto/scram.h"
#include "io/clock.h"

#include <stdlib.h>

struct client_auth {
	bool is_plus;
	bool is_unverified;   /* the server's last word is to come */
	struct mt_bytes user; /* in the arena */
	uint8_t *password;    /* malloc'ed, wiped */
	size_t password_bytes;
	struct mt_scram_keys keys; /* of the last salt */
	struct mt_scram_client exchange;
};

static bool wants_plus(const struct client_options *options)
{
	return options->auth == MORTISE_AUTH_SCRAM_SHA_256_PLUS ||
	       (options->auth == MORTISE_AUTH_SCRAM && options->is_tls);
}

static int check(struct mortise_client *client)
{
	const struct client_options *options = &client->options;
	const struct mt_connect *connect = &options->core.connect;
	if (connect->version != MT_VERSION_5)
		return mt_client_say(client, MORTISE_INVALID, "SCRAM needs MQTT 5");
	if (options->secret_bytes == 0 || !mt_scram_takes_user(connect->user))
		return mt_client_say(client, MORTISE_INVALID,
				     "SCRAM needs a user, without control characters, and a "
				     "password");
	if (options->secret_bytes > MT_SCRAM_PASSWORD_BYTES_MAX)
		return mt_client_say(client, MORTISE_INVALID,
				     "a password for SCRAM has at most %u bytes",
				     MT_SCRAM_PASSWORD_BYTES_MAX);
	if (options->auth == MORTISE_AUTH_SCRAM_SHA_256_PLUS && !options->is_tls)
		return mt_client_say(client, MORTISE_INVALID,
				     "SCRAM-SHA-256-PLUS needs TLS, to bind the login to it");
	return MORTISE_OK;
}

int mt_client_auth_apply(struct mortise_client *client, struct mt_client_settings *settings)
{
	struct client_options *options = &client->options;
	struct mt_connect *connect = &settings->connect;
	struct client_auth *auth;
	int status;
	if (options->auth == MORTISE_AUTH_PASSWORD)
		return MORTISE_OK;
	status = check(client);
	if (status != MORTISE_OK)
		return status;
	auth = calloc(1, sizeof(*auth));
	if (!auth)
		return mt_client_say(client, MORTISE_MEMORY, "out of memory");
	client->auth = auth;
	auth->is_plus = wants_plus(options);
	auth->user = connect->user;
	auth->password = options->secret;
	auth->password_bytes = options->secret_bytes;
	options->secret = NULL;
	options->secret_bytes = 0;
	connect->has_user = connect->has_password = false;
	connect->user = connect->password = mt_bytes_of(NULL, 0);
	connect->props.present |= MT_PROP_BIT(AUTHENTICATION_METHOD);
	connect->props.auth_method =
		mt_bytes_str(auth->is_plus ? MT_SCRAM_METHOD_PLUS : MT_SCRAM_METHOD);
	return MORTISE_OK;
}

void mt_client_auth_finish(struct mortise_client *client)
{
	struct client_auth *auth = client->auth;
	client->auth = NULL;
	if (!auth)
		return;
	mt_bytes_wipe(auth->password, auth->password_bytes);
	free(auth->password);
	mt_bytes_wipe(auth, sizeof(*auth));
	free(auth);
}

/* The first message of a fresh exchange. */
static enum mt_status begin(struct client_auth *auth, struct mt_buf *out)
{
	uint8_t random[MT_SCRAM_RANDOM_BYTES];
	char nonce[MT_SCRAM_NONCE_TEXT_BYTES];
	mt_random_bytes(random, sizeof(random));
	mt_scram_nonce(random, nonce);
	auth->is_unverified = true;
	return mt_scram_client_begin(&auth->exchange, auth->is_plus, auth->user, nonce, out);
}

enum mt_status mt_client_auth_connect(struct mortise_client *client)
{
	uint8_t data[MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	if (!client->auth)
		return mt_client_connect(client->core, mt_clock_now());
	MT_TRY(begin(client->auth, &out));
	return mt_client_connect_by(client->core, mt_clock_now(), mt_buf_view(&out));
}

/* The connection is worth nothing; its status says why. */
static bool lose(struct mortise_client *client, enum mortise_status status, const char *why)
{
	(void)mt_client_say(client, status, "%s", why);
	mt_client_link_lose(client, status, 0);
	return false;
}

static enum mt_status prove(struct mortise_client *client, struct mt_bytes message,
			    struct mt_buf *out)
{
	struct client_auth *auth = client->auth;
	uint8_t binding[MT_TLS_EXPORT_BYTES];
	enum mt_status status;
	if (auth->is_plus && (!client->session || !mt_tls_session_export(client->session, binding)))
		return MT_TLS;
	status = mt_scram_client_prove(&auth->exchange, auth->is_plus ? binding : NULL,
				       mt_bytes_of(auth->password, auth->password_bytes),
				       &auth->keys, message, out);
	mt_bytes_wipe(binding, sizeof(binding));
	return status;
}

void mt_client_auth_challenged(struct mortise_client *client, struct mt_bytes message)
{
	uint8_t data[MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	enum mt_status status = MT_INVALID;
	if (client->auth)
		status = prove(client, message, &out);
	if (status == MT_OK)
		status = mt_client_authenticate(client->core, mt_clock_now(), mt_buf_view(&out));
	if (status == MT_TLS)
		(void)lose(
			client, MORTISE_TLS,
			"TLS 1.2 without the extended master secret: nothing can be bound to it");
	else if (status == MT_INVALID)
		(void)lose(client, MORTISE_UNPROVEN,
			   "the server's part of SCRAM is malformed or too weak");
	else if (status != MT_OK)
		(void)lose(client, mt_client_status(status), mt_status_text(status));
}

bool mt_client_auth_verified(struct mortise_client *client, struct mt_bytes message)
{
	struct client_auth *auth = client->auth;
	if (!auth)
		return true;
	if (mt_scram_client_verify(&auth->exchange, message) != MT_OK)
		return lose(client, MORTISE_UNPROVEN,
			    "the server does not prove that it knows the user: it is another one "
			    "than it says");
	auth->is_unverified = false;
	return true;
}

int mt_client_auth_again(struct mortise_client *client)
{
	uint8_t data[MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	enum mt_status status;
	if (!client->auth)
		return mt_client_say(
			client, MORTISE_INVALID,
			"there is no authentication method: see mortise_client_set_auth");
	if (client->state != LINK_UP || !mt_client_is_open(client->core))
		return mt_client_say(client, MORTISE_CLOSED, "there is no connection");
	if (client->auth->is_unverified)
		return mt_client_say(client, MORTISE_INVALID, "an authentication goes on already");
	status = begin(client->auth, &out);
	if (status == MT_OK)
		status = mt_client_authenticate(client->core, mt_clock_now(), mt_buf_view(&out));
	if (status == MT_OK)
		return MORTISE_OK;
	client->auth->is_unverified = false;
	return mt_client_say(client, mt_client_status(status), "%s", mt_status_text(status));
}
