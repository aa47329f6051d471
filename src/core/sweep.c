/*
 * A change of what is permitted. From the first moment on every route, delivery and decision
 * follows it, because the epoch has risen; the sweep then ends, in bounded slices, what may no
 * longer be: connections, sessions, subscriptions.
 */
#include "core/state.h"

#define SLICE_SESSIONS 256u

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

void mt_sweep_begin(struct mt_core *core)
{
	core->epoch++;
	core->sweep_index = 0;
	core->is_sweeping = true;
	mt_sweep_schedule(core);
}

static void sweep_subscriptions(struct mt_core *core, struct mt_session *session)
{
	struct mt_list *link = session->subs.next;
	while (link != &session->subs) {
		struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		link = link->next;
		mt_sub_redecide(core, sub);
		if (!sub->is_allowed)
			mt_subscribe_drop(core, &sub);
	}
}

/* A user that is gone or disabled loses its connection and its session; its will may not fire any
 * more. */
static void sweep_session(struct mt_core *core, struct mt_session *session)
{
	struct mt_peer *peer = mt_peer_get(core, session->conn);
	mt_handle self = session->self;
	if (mt_policy_admits(core->policy, &session->subject)) {
		sweep_subscriptions(core, session);
		return;
	}
	mt_msg_unref(&session->will.msg);
	if (peer)
		mt_peer_close(core, peer, MT_REASON_ADMINISTRATIVE_ACTION, false,
			      "the identity may no longer connect");
	session = mt_pool_get(&core->sessions.pool, self);
	if (session)
		mt_session_end(core, session);
}

void mt_sweep_slice(struct mt_core *core)
{
	for (uint32_t i = 0; i < SLICE_SESSIONS; i++) {
		mt_handle handle;
		struct mt_session *session =
			mt_pool_next(&core->sessions.pool, &core->sweep_index, &handle);
		if (!session) {
			core->is_sweeping = false;
			return;
		}
		sweep_session(core, session);
	}
}
