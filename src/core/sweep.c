/*
 * A change of what is permitted. From the first moment on every route, delivery and decision
 * follows it, because the epoch has risen; the sweep then ends, in bounded slices, what may no
 * longer be: connections, sessions, subscriptions, queued messages, wills that wait.
 *
 *   epoch rises -> round: each session, each author of something retained -> done; a round that was
 * overtaken by a further change is followed by another
 *
 * What did not change for a session costs a look at its stamp.
 */
#include "core/state.h"

#include "identity/client_id.h"

#define SLICE_UNITS 2048u /* sessions, and what of them is decided anew: some 0.1 us each */
#define SLICE_RETAINED 512u

void mt_sweep_schedule(struct mt_core *core)
{
	int64_t now_s = mt_core_wall_s(core);
	int64_t change_s = mt_policy_next_change_s(core->policy, now_s);
	mt_time away = MT_TIME_NEVER;
	core->policy_due_ns = MT_TIME_NEVER;
	if (change_s == INT64_MAX)
		return;
	/* At most an hour ahead: the wall clock may be set. */
	away = change_s - now_s < 3600 ? change_s * MT_SECOND - core->now.wall_ns
				       : 3600 * MT_SECOND;
	core->policy_due_ns = core->now.mono_ns + (away > 0 ? away : 0);
}

uint64_t mt_session_decided(struct mt_core *core, struct mt_session *session)
{
	uint64_t stamp;
	if (MT_LIKELY(session->epoch == core->epoch))
		return session->decided_epoch;
	stamp = mt_policy_stamp(core->policy, &session->subject);
	if (stamp != session->stamp || session->epoch < core->anew_epoch)
		session->decided_epoch = core->epoch;
	session->stamp = stamp;
	session->epoch = core->epoch;
	return session->decided_epoch;
}

static void start_round(struct mt_core *core)
{
	core->sweep = (struct mt_sweep){
		.is_running = true, .epoch = core->epoch, .done_epoch = core->sweep.done_epoch};
}

void mt_sweep_begin(struct mt_core *core, bool is_anew)
{
	core->epoch++;
	if (is_anew)
		core->anew_epoch = core->epoch;
	if (!core->sweep.is_running)
		start_round(core);
	mt_sweep_schedule(core);
}

/* ---- a session ---- */

/* True: one of them was lost. */
static bool sweep_subscriptions(struct mt_core *core, struct mt_session *session)
{
	struct mt_list *link = session->subs.next;
	bool is_lost = false;
	while (link != &session->subs) {
		struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		link = link->next;
		mt_sub_redecide(core, sub);
		if (sub->is_allowed)
			continue;
		mt_subscribe_drop(core, &sub);
		core->counts.revoked_subscriptions++;
		is_lost = true;
	}
	return is_lost;
}

/* What a client has been sent it has; what would be sent to it again is taken away. */
static bool is_sent(const struct mt_session *session, const struct mt_delivery *delivery)
{
	return delivery->state == MT_DELIVERY_RELEASED ||
	       (delivery->state == MT_DELIVERY_SENT && session->conn != MT_HANDLE_NONE &&
		!delivery->is_due);
}

static void sweep_queue(struct mt_core *core, struct mt_session *session, struct mt_list *queue)
{
	struct mt_list *link = queue->next;
	while (link != queue) {
		struct mt_delivery *delivery = MT_LIST_ITEM(link, struct mt_delivery, link);
		link = link->next;
		if (is_sent(session, delivery) || mt_delivery_is_permitted(core, session, delivery))
			continue;
		mt_delivery_end(core, session, delivery);
		core->counts.revoked_queued++;
	}
}

/* One that waits for its delay; a client that is connected may regain the right before it goes. */
static void sweep_will(struct mt_core *core, struct mt_session *session)
{
	const struct mt_msg *will = session->will.msg;
	if (!will || session->conn != MT_HANDLE_NONE ||
	    mt_decide_publish(core->policy, &session->subject, mt_msg_topic(will), will->qos,
			      will->is_retain, mt_core_wall_s(core))
		    .is_allowed)
		return;
	mt_msg_unref(&session->will.msg);
	core->counts.revoked_wills++;
}

static bool may_stay(const struct mt_core *core, const struct mt_session *session)
{
	const struct mt_subject *subject = &session->subject;
	const struct mt_user *user = mt_policy_user_by_id(core->policy, subject->user_id);
	if (user && !mt_client_id_keeps(user->client_id_rule, user->name, subject->client_id))
		return false;
	return mt_policy_admits(core->policy, subject);
}

/* A user that is gone or disabled, or may not have that client id any more, loses its connection
 * and its session; its will may not fire any more. */
static void end(struct mt_core *core, struct mt_session *session)
{
	struct mt_peer *peer = mt_peer_get(core, session->conn);
	mt_handle self = session->self;
	core->counts.revoked_sessions++;
	core->counts.revoked_wills += session->will.msg != NULL;
	mt_msg_unref(&session->will.msg);
	if (peer)
		mt_peer_close(core, peer, MT_REASON_ADMINISTRATIVE_ACTION, false,
			      "the identity may no longer connect");
	session = mt_pool_get(&core->sessions.pool, self);
	if (session)
		mt_session_end(core, session);
}

/* Returns the units that it cost. */
static uint32_t sweep_session(struct mt_core *core, struct mt_session *session)
{
	struct mt_peer *peer = mt_peer_get(core, session->conn);
	uint32_t units = 1 + session->sub_count + mt_flow_out_count(&session->out);
	if (mt_session_decided(core, session) <= session->swept_epoch)
		return 1;
	session->swept_epoch = core->epoch;
	if (!may_stay(core, session)) {
		end(core, session);
		return units;
	}
	sweep_will(core, session);
	sweep_queue(core, session, &session->out.inflight);
	sweep_queue(core, session, &session->out.waiting);
	if (sweep_subscriptions(core, session) && peer && core->settings.is_revocation_closing)
		mt_peer_close(core, peer, MT_REASON_NOT_AUTHORIZED, true,
			      "a subscription is no longer permitted");
	return units;
}

/* ---- what is retained ---- */

/* Counted only: whether a message may be delivered is asked when it is. */
static void sweep_retained(struct mt_core *core, const struct mt_msg *msg, bool *is_withheld)
{
	bool was_withheld = *is_withheld;
	*is_withheld = !mt_author_may(core->policy, msg);
	core->counts.revoked_retained += *is_withheld && !was_withheld;
}

/* Anonymous authors have roles of their listeners, and no stamp together. */
static bool is_changed(struct mt_core *core, struct mt_retained_author *author)
{
	uint64_t former = author->stamp;
	if (author->id == 0 || core->anew_epoch > core->sweep.done_epoch)
		return true;
	author->stamp =
		mt_policy_stamp(core->policy, &(struct mt_subject){.user_id = author->id}) + 1;
	return author->stamp != former;
}

static void sweep_authors(struct mt_core *core)
{
	struct mt_sweep *sweep = &core->sweep;
	for (uint32_t i = 0; i < SLICE_RETAINED; i++) {
		bool *is_withheld;
		const struct mt_msg *msg =
			mt_retained_next_of_author(core->retained, &sweep->cursor, &is_withheld);
		struct mt_retained_author *author;
		if (msg) {
			sweep_retained(core, msg, is_withheld);
			continue;
		}
		author = mt_retained_next_author(core->retained, &sweep->cursor);
		if (!author) {
			sweep->done_epoch = sweep->epoch;
			sweep->is_running = false;
			return;
		}
		if (!is_changed(core, author))
			sweep->cursor.left = 0;
	}
}

void mt_sweep_slice(struct mt_core *core)
{
	struct mt_sweep *sweep = &core->sweep;
	uint32_t units = 0;
	while (units < SLICE_UNITS && !sweep->is_at_retained) {
		mt_handle handle;
		struct mt_session *session =
			mt_pool_next(&core->sessions.pool, &sweep->index, &handle);
		sweep->is_at_retained = session == NULL;
		if (session)
			units += sweep_session(core, session);
	}
	if (sweep->is_at_retained)
		sweep_authors(core);
	if (!sweep->is_running && sweep->done_epoch != core->epoch)
		start_round(core);
}
