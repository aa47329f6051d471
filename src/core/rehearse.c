/* What another policy would take away, counted and left alone: the sweep's questions, asked of a
 * policy that is not in force. */
#include "core/state.h"

#include "identity/client_id.h"
#include "topic/name.h"

#define SLICE_UNITS 2048u /* sessions, and what of them is decided */
#define SLICE_RETAINED 512u

struct rehearsing {
	struct mt_core *core;
	const struct mt_policy *policy;
	struct mt_rehearsal *found;
	int64_t now_s;
};

static struct mt_bytes group_of(const struct mt_sub *sub)
{
	return sub->group ? sub->group->name : mt_bytes_of(NULL, 0);
}

static bool would_keep(const struct rehearsing *work, const struct mt_sub *sub)
{
	return mt_decide_subscribe(work->policy, &sub->session->subject, mt_sub_plain_filter(sub),
				   group_of(sub), sub->options.qos, work->now_s)
		.is_allowed;
}

static bool would_deliver(const struct rehearsing *work, struct mt_session *session,
			  struct mt_bytes topic)
{
	struct mt_list *link = session->subs.next;
	if (mt_decide_deliver(work->policy, &session->subject, topic, mt_bytes_of(NULL, 0),
			      work->now_s)
		    .is_allowed)
		return true;
	for (; link != &session->subs; link = link->next) {
		const struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		if (sub->group && mt_topic_matches(mt_sub_plain_filter(sub), topic) &&
		    would_keep(work, sub) &&
		    mt_decide_deliver(work->policy, &session->subject, topic, group_of(sub),
				      work->now_s)
			    .is_allowed)
			return true;
	}
	return false;
}

static void count_queue(const struct rehearsing *work, struct mt_session *session,
			struct mt_list *queue)
{
	for (struct mt_list *link = queue->next; link != queue; link = link->next) {
		const struct mt_delivery *delivery = MT_LIST_ITEM(link, struct mt_delivery, link);
		bool is_sent = delivery->state == MT_DELIVERY_RELEASED ||
			       (delivery->state == MT_DELIVERY_SENT &&
				session->conn != MT_HANDLE_NONE && !delivery->is_due);
		if (!is_sent && !would_deliver(work, session, mt_msg_topic(delivery->msg)))
			work->found->queued++;
	}
}

static void count_subscriptions(const struct rehearsing *work, struct mt_session *session)
{
	for (struct mt_list *link = session->subs.next; link != &session->subs; link = link->next) {
		const struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		work->found->subscriptions += !would_keep(work, sub);
	}
}

static void count_session(const struct rehearsing *work, struct mt_session *session)
{
	const struct mt_subject *subject = &session->subject;
	const struct mt_user *user = mt_policy_user_by_id(work->policy, subject->user_id);
	const struct mt_msg *will = session->will.msg;
	if (!mt_policy_admits(work->policy, subject) ||
	    (user && !mt_client_id_keeps(user->client_id_rule, user->name, subject->client_id))) {
		work->found->sessions++;
		work->found->wills += will != NULL;
		return;
	}
	if (will && session->conn == MT_HANDLE_NONE &&
	    !mt_decide_publish(work->policy, subject, mt_msg_topic(will), will->qos,
			       will->is_retain, work->now_s)
		     .is_allowed)
		work->found->wills++;
	count_queue(work, session, &session->out.inflight);
	count_queue(work, session, &session->out.waiting);
	count_subscriptions(work, session);
}

static bool count_sessions(const struct rehearsing *work)
{
	for (uint32_t units = 0; units < SLICE_UNITS;) {
		mt_handle handle;
		struct mt_session *session =
			mt_pool_next(&work->core->sessions.pool, &work->found->index, &handle);
		if (!session)
			return true;
		count_session(work, session);
		units += 1 + session->sub_count + mt_flow_out_count(&session->out);
	}
	return false;
}

static bool count_retained(const struct rehearsing *work)
{
	struct mt_core *core = work->core;
	for (uint32_t i = 0; i < SLICE_RETAINED; i++) {
		bool *mark;
		const struct mt_msg *msg =
			mt_retained_next_of_author(core->retained, &work->found->cursor, &mark);
		if (msg)
			work->found->retained += mt_author_may(core->policy, msg) &&
						 !mt_author_may(work->policy, msg);
		else if (!mt_retained_next_author(core->retained, &work->found->cursor))
			return true;
	}
	return false;
}

bool mt_core_rehearse(struct mt_core *core, struct mt_now now, const struct mt_policy *policy,
		      struct mt_rehearsal *found)
{
	struct rehearsing work = {core, policy, found, now.wall_ns / MT_SECOND};
	if (!found->is_at_retained)
		found->is_at_retained = count_sessions(&work);
	return found->is_at_retained && count_retained(&work);
}
