/* What clients proved by TLS and by tokens, looked at again when certificates, issuers, users or
 * the hour have changed. */
#include "shell/pump.h"

#define SLICE 512		   /* units of about 2 us */
#define DEEP_UNITS 64		   /* a chain is verified */
#define LONGEST (3600 * MT_SECOND) /* the wall clock may be set */

static enum mt_expulsion expulsion_of(enum mt_tls_review found)
{
	if (found == MT_TLS_REVOKED)
		return MT_EXPELLED_REVOKED;
	return found == MT_TLS_EXPIRED ? MT_EXPELLED_EXPIRED : MT_EXPELLED_UNTRUSTED;
}

/* Until when all that it proved holds; 0: it proved nothing. */
static int64_t until_of(const struct mt_socket *socket)
{
	int64_t proven_s = socket->proven_until_s;
	int64_t granted_s = socket->grant ? mt_jwt_grant_until(socket->grant) : 0;
	if (proven_s == 0 || granted_s == 0)
		return proven_s != 0 ? proven_s : granted_s;
	return proven_s < granted_s ? proven_s : granted_s;
}

/* True: its token does not hold any more, and it had to go. */
static bool look_at_grant(struct mt_pump *pump, const struct mt_socket *socket)
{
	enum mt_refusal why = MT_REFUSAL_TOKEN_ISSUER;
	struct mt_book *book = mt_auth_book(pump->auth);
	bool holds = book &&
		     mt_jwt_grant_holds(socket->grant, book, pump->now.wall_ns / MT_SECOND, &why);
	mt_book_unref(&book);
	if (!holds)
		mt_tape_expel(pump->tape, pump->core, pump->now, socket->conn,
			      why == MT_REFUSAL_TOKEN_EXPIRED ? MT_EXPELLED_TOKEN_EXPIRED
							      : MT_EXPELLED_TOKEN_VOID);
	return !holds;
}

/* True: it had to go. */
static bool look_at_tls(struct mt_pump *pump, const struct mt_socket *socket, bool is_deep)
{
	struct mt_tls_context *context = pump->listeners[socket->listener_index].tls;
	enum mt_tls_review found =
		mt_tls_session_review(socket->tls, context, pump->now.wall_ns / MT_SECOND, is_deep);
	if (found == MT_TLS_HOLDS)
		return false;
	mt_tape_expel(pump->tape, pump->core, pump->now, socket->conn, expulsion_of(found));
	return true;
}

/* The same. */
static bool look_again(struct mt_pump *pump, const struct mt_socket *socket, bool is_deep)
{
	return (socket->grant && look_at_grant(pump, socket)) ||
	       (socket->proven_until_s != 0 && look_at_tls(pump, socket, is_deep));
}

static void set_due(struct mt_pump *pump, int64_t not_after_s)
{
	mt_time away = MT_TIME_NEVER;
	int64_t now_s = pump->now.wall_ns / MT_SECOND;
	if (not_after_s != INT64_MAX)
		away = not_after_s - now_s < 3600 ? (not_after_s + 1 - now_s) * MT_SECOND : LONGEST;
	if (away < MT_SECOND)
		away = MT_SECOND;
	pump->review.due_ns = away == MT_TIME_NEVER ? MT_TIME_NEVER : pump->now.mono_ns + away;
}

void mt_pump_note_proof(struct mt_pump *pump, const struct mt_socket *socket)
{
	struct mt_review *review = &pump->review;
	if (until_of(socket) == 0 || until_of(socket) >= review->not_after_s)
		return;
	review->not_after_s = until_of(socket);
	if (!review->is_running)
		set_due(pump, review->not_after_s);
}

static void start(struct mt_review *review)
{
	review->is_running = true;
	review->next = 0;
	review->not_after_s = INT64_MAX;
	review->deep = review->deep_wanted;
	review->deep_wanted = 0;
	review->is_wanted = false;
}

void mt_pump_review(struct mt_pump *pump, uint32_t deep)
{
	struct mt_review *review = &pump->review;
	review->deep_wanted |= deep;
	if (review->is_running)
		review->is_wanted = true;
	else
		start(review);
}

static void end(struct mt_pump *pump)
{
	struct mt_review *review = &pump->review;
	review->is_running = false;
	if (review->is_wanted)
		start(review);
	else
		set_due(pump, review->not_after_s);
}

void mt_pump_review_slice(struct mt_pump *pump)
{
	struct mt_review *review = &pump->review;
	int budget = SLICE;
	if (!review->is_running && pump->now.mono_ns >= review->due_ns)
		start(review);
	if (!review->is_running)
		return;
	for (; review->next < pump->socket_cap && budget > 0; review->next++) {
		struct mt_socket *socket = pump->sockets[review->next];
		bool is_deep;
		if (!socket || until_of(socket) == 0)
			continue;
		is_deep = review->deep >> socket->listener_index & 1;
		budget -= is_deep ? DEEP_UNITS : 1;
		if (!look_again(pump, socket, is_deep) && until_of(socket) < review->not_after_s)
			review->not_after_s = until_of(socket);
	}
	if (review->next >= pump->socket_cap)
		end(pump);
}

static bool is_of(const struct mt_socket *socket, uint64_t user_id)
{
	struct mt_tls_peer peer;
	return socket && socket->proven_until_s != 0 && mt_tls_session_peer(socket->tls, &peer) &&
	       peer.user_id == user_id;
}

uint32_t mt_pump_review_user(struct mt_pump *pump, uint64_t user_id)
{
	uint32_t count = 0;
	for (size_t i = 0; i < pump->socket_cap; i++) {
		struct mt_socket *socket = pump->sockets[i];
		if (is_of(socket, user_id) && look_again(pump, socket, false))
			count++;
	}
	return count;
}
