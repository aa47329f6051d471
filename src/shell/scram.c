/* Exchanges of SCRAM on connections. */
#include "shell/scram.h"

#include "io/clock.h"
#include "io/file.h"
#include "shell/pump.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct mt_scram_exchange {
	uint64_t user_id; /* 0: the verifier is feigned */
	struct mt_scram_server server;
};

_Static_assert(sizeof(struct mt_scram_exchange) <= MT_SCRAM_EXCHANGE_BYTES, "as it is counted");

void mt_scram_exchange_destroy(struct mt_scram_exchange **exchange)
{
	if (*exchange)
		mt_bytes_wipe(*exchange, sizeof(**exchange));
	free(*exchange);
	*exchange = NULL;
}

/* ---- the secret ---- */

/* NULL: it was read. "": there is none yet. Else why it cannot be used. */
static const char *restore(struct mt_scram_desk *desk, const char *path)
{
	uint8_t *data;
	size_t len;
	enum mt_status status = mt_file_read_secret(path, sizeof(desk->secret), &data, &len);
	bool is_whole = status == MT_OK && len == sizeof(desk->secret);
	if (status == MT_NOT_FOUND)
		return "";
	if (status == MT_DENIED)
		return "others could read or change it";
	if (status != MT_OK)
		return status == MT_SYSTEM ? strerror(errno) : mt_status_text(status);
	if (is_whole)
		memcpy(desk->secret, data, sizeof(desk->secret));
	mt_bytes_wipe(data, len);
	free(data);
	return is_whole ? NULL : "the file is damaged";
}

enum mt_status mt_scram_desk_open(struct mt_scram_desk *desk, const char *state_path, char *fault,
				  size_t cap)
{
	char path[PATH_MAX];
	const char *why;
	int len = snprintf(path, sizeof(path), "%s/scram.key", state_path);
	enum mt_status status;
	if (len < 0 || (size_t)len >= sizeof(path)) {
		snprintf(fault, cap, "the path of the state directory is too long");
		return MT_INVALID;
	}
	why = restore(desk, path);
	if (!why)
		return MT_OK;
	if (*why)
		mt_log(MT_LOG_WARNING, "scram",
		       "the secret of feigned salts is made anew: who knew some learns now which "
		       "users have SCRAM",
		       MT_STR("file", path), MT_STR("why", why));
	mt_random_bytes(desk->secret, sizeof(desk->secret));
	status = mt_file_write(path, mt_bytes_of(desk->secret, sizeof(desk->secret)), 0600);
	if (status != MT_OK)
		snprintf(fault, cap, "%s: cannot be written: %s", path,
			 status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	return status;
}

/* ---- the exchange ---- */

/* exchange NULL: nobody is claimed yet. */
static void refuse(struct mt_pump *pump, uint64_t ticket, uint8_t reason, enum mt_refusal refusal,
		   const struct mt_scram_exchange *exchange)
{
	struct mt_auth_verdict verdict = {
		.reason = reason, .mechanism = MT_MECHANISM_SCRAM, .refusal = refusal};
	if (exchange)
		verdict.user = mt_bytes_of(exchange->server.user, exchange->server.user_bytes);
	mt_pump_conclude(pump, ticket, &verdict);
}

static void ask(struct mt_pump *pump, uint64_t ticket, struct mt_bytes data)
{
	const struct mt_auth_verdict verdict = {
		.is_continued = true, .mechanism = MT_MECHANISM_SCRAM, .data = data};
	mt_tape_authenticated(pump->tape, pump->core, pump->now, ticket, &verdict);
}

/* The messages said nothing of users yet, so neither does the reason. */
static void refuse_form(struct mt_pump *pump, uint64_t ticket, enum mt_status status,
			const struct mt_scram_exchange *exchange)
{
	if (status == MT_MEMORY)
		refuse(pump, ticket, MT_REASON_SERVER_BUSY, MT_REFUSAL_WRONG, exchange);
	else
		refuse(pump, ticket, MT_REASON_NOT_AUTHORIZED,
		       status == MT_DENIED ? MT_REFUSAL_SCRAM_CHANNEL : MT_REFUSAL_SCRAM_FORM,
		       exchange);
}

static const struct mt_scram_verifier *verifier_of(const struct mt_pump *pump, uint64_t user_id)
{
	const struct mt_book *book = pump->transport.book;
	return book && user_id != 0 ? mt_book_scram(book, user_id) : NULL;
}

/* The verifier of the user, or one that is as good to look at. Both are made ready in any case. */
static enum mt_status find_verifier(const struct mt_pump *pump, struct mt_scram_exchange *exchange,
				    struct mt_scram_verifier *out)
{
	struct mt_bytes name = mt_bytes_of(exchange->server.user, exchange->server.user_bytes);
	const struct mt_user *user = mt_policy_user_by_name(mt_core_policy(pump->core), name);
	const struct mt_scram_verifier *own = verifier_of(pump, user ? user->id : 0);
	MT_TRY(mt_scram_verifier_feign(pump->scram.secret, name, MT_SCRAM_ITERATIONS, out));
	exchange->user_id = own ? user->id : 0;
	if (own)
		*out = *own;
	return MT_OK;
}

static enum mt_status challenge(struct mt_pump *pump, const struct mt_request *request,
				struct mt_scram_exchange *exchange)
{
	uint8_t random[MT_SCRAM_RANDOM_BYTES], data[MT_SCRAM_MESSAGE_BYTES_MAX];
	char nonce[MT_SCRAM_NONCE_TEXT_BYTES];
	struct mt_scram_verifier verifier;
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	MT_TRY(find_verifier(pump, exchange, &verifier));
	mt_random_bytes(random, sizeof(random));
	mt_scram_nonce(random, nonce);
	mt_scram_server_challenge(&exchange->server, &verifier, nonce, &out);
	mt_bytes_wipe(&verifier, sizeof(verifier));
	ask(pump, request->ticket, mt_buf_view(&out));
	return MT_OK;
}

/* Is the user of CONNECT, if there is one, the user of the exchange? */
static bool is_one_user(const struct mt_request *request, const struct mt_scram_exchange *exchange)
{
	return request->user.len == 0 ||
	       mt_bytes_equal(request->user,
			      mt_bytes_of(exchange->server.user, exchange->server.user_bytes));
}

static void begin_exchange(struct mt_pump *pump, const struct mt_request *request, bool is_plus,
			   const uint8_t *binding, struct mt_scram_exchange **at)
{
	struct mt_scram_exchange *exchange = calloc(1, sizeof(*exchange));
	enum mt_status status = MT_MEMORY;
	if (exchange)
		status = mt_scram_server_begin(&exchange->server, is_plus, binding, request->data);
	if (status == MT_OK && !is_one_user(request, exchange)) {
		refuse(pump, request->ticket, MT_REASON_NOT_AUTHORIZED, MT_REFUSAL_SCRAM_USER,
		       exchange);
		mt_scram_exchange_destroy(&exchange);
		return;
	}
	if (status == MT_OK)
		status = challenge(pump, request, exchange);
	if (status != MT_OK) {
		refuse_form(pump, request->ticket, status, exchange);
		mt_scram_exchange_destroy(&exchange);
	}
	*at = exchange;
}

static void begin(struct mt_pump *pump, struct mt_socket *socket, const struct mt_request *request,
		  bool is_plus)
{
	uint8_t binding[MT_TLS_EXPORT_BYTES];
	bool has_binding = socket->tls && mt_tls_session_export(socket->tls, binding);
	if (is_plus && !has_binding)
		refuse(pump, request->ticket, MT_REASON_BAD_AUTHENTICATION_METHOD,
		       MT_REFUSAL_SCRAM_CHANNEL, NULL);
	else
		begin_exchange(pump, request, is_plus, has_binding ? binding : NULL,
			       &socket->scram);
	mt_bytes_wipe(binding, sizeof(binding));
}

/* What was asked of the client may have ended meanwhile: its verifier is another, or it is
 * disabled. */
static bool holds(const struct mt_pump *pump, const struct mt_scram_exchange *exchange)
{
	const struct mt_scram_verifier *now = verifier_of(pump, exchange->user_id);
	const struct mt_user *user =
		mt_policy_user_by_id(mt_core_policy(pump->core), exchange->user_id);
	return now && user && user->is_enabled &&
	       mt_bytes_equal_secret(mt_bytes_of(now, sizeof(*now)),
				     mt_bytes_of(&exchange->server.verifier, sizeof(*now)));
}

static void finish(struct mt_pump *pump, struct mt_scram_exchange *exchange,
		   const struct mt_request *request)
{
	uint8_t data[MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	enum mt_status status = mt_scram_server_finish(&exchange->server, request->data, &out);
	const struct mt_auth_verdict verdict = {.is_accepted = true,
						.user_id = exchange->user_id,
						.mechanism = MT_MECHANISM_SCRAM,
						.data = mt_buf_view(&out)};
	if (status == MT_OK && holds(pump, exchange))
		mt_pump_conclude(pump, request->ticket, &verdict);
	else if (status == MT_OK || status == MT_DENIED)
		refuse(pump, request->ticket, MT_REASON_BAD_USER_NAME_OR_PASSWORD,
		       MT_REFUSAL_SCRAM_PROOF, exchange);
	else
		refuse_form(pump, request->ticket, status, exchange);
}

static void go_on(struct mt_pump *pump, struct mt_socket *socket, const struct mt_request *request,
		  bool is_plus)
{
	struct mt_scram_exchange *exchange = socket->scram;
	socket->scram = NULL;
	if (exchange) {
		finish(pump, exchange, request);
		mt_scram_exchange_destroy(&exchange);
	} else if (request->data.len == 0) {
		/* The client speaks first, but need not in its CONNECT (section 4.12). */
		ask(pump, request->ticket, request->data);
	} else {
		begin(pump, socket, request, is_plus);
	}
}

void mt_pump_scram(struct mt_pump *pump, const struct mt_request *request)
{
	bool is_plus = mt_bytes_equal(request->method, mt_bytes_str(MT_SCRAM_METHOD_PLUS));
	struct mt_socket *socket = mt_pump_socket(pump, request->conn);
	struct mt_auth_verdict verdict = {.reason = MT_REASON_BAD_AUTHENTICATION_METHOD};
	if (!is_plus && !mt_bytes_equal(request->method, mt_bytes_str(MT_SCRAM_METHOD))) {
		mt_pump_conclude(pump, request->ticket, &verdict);
	} else if (!mt_mechanism_is_of(MT_MECHANISM_SCRAM, request->accepted)) {
		verdict.mechanism = MT_MECHANISM_SCRAM;
		verdict.is_unaccepted = true;
		mt_pump_conclude(pump, request->ticket, &verdict);
	} else if (!socket) {
		refuse(pump, request->ticket, MT_REASON_SERVER_BUSY, MT_REFUSAL_WRONG, NULL);
	} else {
		go_on(pump, socket, request, is_plus);
	}
}
