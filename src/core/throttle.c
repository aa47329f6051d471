/*
 * Back-pressure: a publisher that fills a connected receiver's queue is not read for a while, so
 * that what it sends is neither lost nor piled up. It goes on when the receiver has caught up, or
 * when it did not within PATIENCE: then the receiver counts as slow, and what does not fit is
 * dropped and counted until it has caught up once.
 *
 *   delivery above 3/4 of a limit -> publisher joins session->throttled, PAUSE ... below 1/2 ->
 * RESUME
 *
 * Nobody waits for itself. Two that wait for each other are freed by PATIENCE.
 *
 * Who publishes faster than its listener allows is not read until it is back in time.
 *
 * And who leaves the answers to its own packets unread is not read until it takes them.
 */
#include "core/state.h"

#define PATIENCE MT_SECOND

void mt_throttle_init(struct mt_core *core)
{
	const struct mt_core_limits *limits = &core->settings.limits;
	core->high =
		(struct mt_marks){.messages = limits->queue_messages - limits->queue_messages / 4,
				  .queue_bytes = limits->queue_bytes - limits->queue_bytes / 4};
	/* An empty queue is below any low mark. */
	core->low = (struct mt_marks){.messages = limits->queue_messages / 2 + 1,
				      .queue_bytes = limits->queue_bytes / 2 + 1};
}

static bool is_drained(const struct mt_peer *peer)
{
	return peer->out.bytes <= peer->facts.limits->output_bytes / 2;
}

void mt_throttle(struct mt_core *core, struct mt_session *session, const struct mt_peer *receiver)
{
	struct mt_peer *publisher = core->publisher;
	if (!publisher || publisher == receiver || session->is_slow ||
	    mt_list_is_linked(&publisher->throttle))
		return;
	mt_list_push_back(&session->throttled, &publisher->throttle);
	publisher->throttled_by = session->self;
	publisher->throttled_ns = core->now.mono_ns;
	core->counts.throttles++;
	mt_peer_pause(core, publisher, MT_PAUSE_RECEIVER);
	mt_peer_arm(core, publisher);
}

static void release(struct mt_core *core, struct mt_peer *publisher)
{
	mt_list_remove(&publisher->throttle);
	/* The time it was not listened to does not count against its keep-alive. */
	publisher->input_ns = core->now.mono_ns;
	mt_peer_go_on(core, publisher, MT_PAUSE_RECEIVER);
	if (publisher->phase == MT_PHASE_OPEN)
		mt_peer_arm(core, publisher);
}

void mt_throttle_release_all(struct mt_core *core, struct mt_session *session)
{
	struct mt_list *link;
	while ((link = mt_list_first(&session->throttled)))
		release(core, MT_LIST_ITEM(link, struct mt_peer, throttle));
}

void mt_throttle_relax(struct mt_core *core, struct mt_session *session)
{
	const struct mt_peer *receiver;
	if (MT_LIKELY(mt_list_is_empty(&session->throttled) && !session->is_slow))
		return;
	receiver = mt_peer_get(core, session->conn);
	if (receiver && (!is_drained(receiver) || mt_is_queued_above(&core->low, session)))
		return;
	session->is_slow = false;
	mt_throttle_release_all(core, session);
}

void mt_throttle_rate_end(struct mt_core *core, struct mt_peer *publisher)
{
	/* The time it was not listened to does not count against its keep-alive. */
	publisher->input_ns = core->now.mono_ns;
	mt_peer_go_on(core, publisher, MT_PAUSE_RATE);
	if (publisher->phase == MT_PHASE_OPEN)
		mt_peer_arm(core, publisher);
}

static mt_time later(mt_time a, mt_time b)
{
	return a > b ? a : b;
}

void mt_throttle_rate(struct mt_core *core, struct mt_peer *publisher, size_t bytes)
{
	const struct mt_core_limits *limits = publisher->facts.limits;
	mt_time now = core->now.mono_ns, by_count = now, by_bytes = now;
	if (limits->publish_rate > 0)
		by_count = mt_bucket_charge(&publisher->publish_bucket, now,
					    MT_SECOND / limits->publish_rate, MT_SECOND);
	if (limits->publish_byte_rate > 0)
		by_bytes = mt_bucket_charge(
			&publisher->publish_byte_bucket, now,
			(mt_time)(bytes * MT_SECOND / limits->publish_byte_rate), MT_SECOND);
	if (by_count <= now && by_bytes <= now)
		return;
	mt_limit_meet(core, publisher,
		      by_count >= by_bytes ? MT_LIMIT_PUBLISH_RATE : MT_LIMIT_PUBLISH_BYTE_RATE);
	publisher->rate_due_ns = later(by_count, by_bytes);
	mt_peer_pause(core, publisher, MT_PAUSE_RATE);
	mt_peer_arm(core, publisher);
}

void mt_throttle_reader(struct mt_core *core, struct mt_peer *peer)
{
	/* One that takes its answers is there, though nothing it sends is read. */
	peer->input_ns = core->now.mono_ns;
	if (is_drained(peer))
		mt_peer_go_on(core, peer, MT_PAUSE_OUTPUT);
}

mt_time mt_throttle_due(const struct mt_peer *publisher)
{
	return publisher->throttled_ns + PATIENCE;
}

void mt_throttle_expire(struct mt_core *core, struct mt_peer *publisher)
{
	struct mt_session *session = mt_pool_get(&core->sessions.pool, publisher->throttled_by);
	MT_CHECK(session != NULL); /* a session that ends lets go of all first */
	session->is_slow = true;
	mt_throttle_release_all(core, session);
}
