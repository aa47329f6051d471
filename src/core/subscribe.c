/* SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11): permission by filter containment, retained
 * messages after SUBACK. */
#include "core/state.h"

#include "link/message.h"
#include "topic/name.h"

/* One SUBSCRIBE at work: its answer, and what is to follow it. */
struct round {
	struct mt_peer *peer;
	struct mt_subscribe packet;
	struct mt_buf reasons;
};

static uint8_t reason_of_failure(enum mt_version version, uint8_t reason)
{
	return version == MT_VERSION_5 ? reason : MT_REASON_UNSPECIFIED_ERROR;
}

static void audit_denial(struct mt_core *core, struct mt_peer *peer, struct mt_bytes filter,
			 uint32_t rule_id)
{
	core->counts.subscribes_denied++;
	mt_audit(core, peer,
		 &(struct mt_audit_facts){.event = MT_AUDIT_DENY,
					  .what = "subscribe",
					  .reason = MT_REASON_NOT_AUTHORIZED,
					  .rule_id = rule_id,
					  .topic = filter});
}

static struct mt_grant decide(struct mt_core *core, const struct mt_session *session,
			      struct mt_bytes filter, const struct mt_sub_options *options)
{
	struct mt_bytes group = {NULL, 0}, plain = filter;
	mt_topic_share_split(filter, &group, &plain);
	return mt_decide_subscribe(core->policy, &session->subject, plain, group, options->qos,
				   mt_core_wall_s(core));
}

static uint8_t check(struct mt_core *core, struct mt_peer *peer, struct mt_bytes filter,
		     struct mt_grant *grant, const struct mt_sub_options *options)
{
	const struct mt_core_limits *limits = peer->facts.limits;
	uint8_t offered = mt_offer_check_filter(peer->facts.offer, filter);
	bool is_known = mt_subscriptions_find(&core->subscriptions, peer->session, filter) != NULL;
	if (offered != MT_REASON_SUCCESS)
		return offered;
	if (!mt_limit_takes_topic(core, peer, filter))
		return MT_REASON_TOPIC_FILTER_INVALID;
	if (!is_known && peer->session->sub_count >= limits->filters_per_session) {
		mt_limit_meet(core, peer, MT_LIMIT_FILTERS_PER_SESSION);
		return MT_REASON_QUOTA_EXCEEDED;
	}
	*grant = decide(core, peer->session, filter, options);
	if (grant->is_allowed)
		return MT_REASON_SUCCESS;
	audit_denial(core, peer, filter, grant->why == MT_WHY_RULE ? grant->rule_id : 0);
	return MT_REASON_NOT_AUTHORIZED;
}

static void fill(struct mt_core *core, struct mt_sub *sub, const struct mt_grant *grant,
		 const struct mt_sub_options *options, uint32_t identifier)
{
	sub->options = *options;
	sub->identifier = identifier;
	sub->qos = grant->qos;
	sub->is_allowed = true;
	sub->is_crossed = grant->is_crossed;
	sub->epoch = core->epoch;
}

static struct mt_sub_ids *ids_of(struct mt_core *core, const struct mt_sub *sub)
{
	struct mt_sub_ids *ids;
	if (sub->identifier == 0)
		return NULL;
	ids = mt_mem_take(&core->mem, sizeof(*ids) + sizeof(ids->ids[0]));
	if (!ids)
		return NULL;
	ids->ref_count = 1;
	ids->count = 1;
	ids->ids[0] = sub->identifier;
	return ids;
}

/* Nobody will get it any more: its room is for others. */
static void forget_retained(struct mt_core *core, struct mt_msg *msg)
{
	struct mt_msg *held = mt_msg_ref(msg);
	mt_retained_clear(core->retained, mt_msg_topic(held));
	mt_msg_unref(&held);
}

/*
 * Puts the retained messages of a filter into the backlog; they leave after SUBACK, as fast as the
 * client takes them. MT_LIMIT: more would wait than there can be retained messages, which only
 * asking again and again does.
 */
enum mt_status mt_subscribe_gather(struct mt_core *core, struct mt_peer *peer, struct mt_sub *sub,
				   const struct mt_wait *wait)
{
	struct mt_msg_list found = {.mem = &core->mem};
	struct mt_sub_ids *ids = ids_of(core, sub);
	enum mt_status status = mt_retained_match(core->retained, mt_sub_filter(sub), &found);
	if (status == MT_OK &&
	    found.count > core->settings.limits.retained_count - mt_backlog_waiting(&peer->backlog))
		status = MT_LIMIT;
	for (size_t i = 0; i < found.count && status == MT_OK; i++) {
		struct mt_msg *msg = found.items[i];
		struct mt_backlog_item item = {
			.msg = msg, .ids = ids, .qos = msg->qos < sub->qos ? msg->qos : sub->qos};
		if (mt_is_expired(core, msg))
			forget_retained(core, msg);
		else if (mt_sub_delivers(core, sub, mt_msg_topic(msg)) &&
			 mt_author_may(core->policy, msg) &&
			 !(wait && mt_retain_was_seen(core, wait, msg)))
			status = mt_backlog_push(core, peer, item);
	}
	mt_sub_ids_unref(&core->mem, &ids);
	mt_msg_list_finish(&found);
	return status;
}

enum mt_status mt_subscribe_push(struct mt_core *core, struct mt_peer *peer,
				 const struct mt_sub *sub, struct mt_link_message *answer)
{
	uint8_t qos = answer->msg->qos;
	struct mt_backlog_item item = {
		.msg = answer->msg, .answer = answer, .qos = qos < sub->qos ? qos : sub->qos};
	enum mt_status status;
	if (mt_backlog_waiting(&peer->backlog) >=
	    (uint64_t)core->settings.limits.retained_count * core->settings.core_count)
		return MT_LIMIT;
	item.ids = ids_of(core, sub);
	status = mt_backlog_push(core, peer, item);
	mt_sub_ids_unref(&core->mem, &item.ids);
	return status;
}

void mt_subscribe_drop(struct mt_core *core, struct mt_sub **sub)
{
	if (core->links)
		mt_interest_end(core, *sub);
	mt_subscriptions_remove(&core->subscriptions, sub);
}

/* With siblings the answer waits for them, and retained messages are asked for then. */
static enum mt_status announce(struct mt_core *core, const struct round *round, struct mt_sub *sub,
			       bool is_new, bool is_retained_wanted)
{
	if (is_new && mt_interest_begin(core, sub) != MT_OK) {
		mt_subscriptions_remove(&core->subscriptions, &sub);
		return MT_MEMORY;
	}
	if (mt_round_add(core, round->peer, sub, (uint32_t)round->reasons.pos,
			 is_retained_wanted && !sub->group) == MT_OK)
		return MT_OK;
	mt_subscribe_drop(core, &sub);
	return MT_MEMORY;
}

static uint8_t subscribe_one(struct mt_core *core, struct round *round, struct mt_bytes filter,
			     const struct mt_sub_options *options)
{
	struct mt_peer *peer = round->peer;
	struct mt_grant grant = {0};
	enum mt_status status;
	struct mt_sub *sub;
	bool is_new, is_retained_wanted;
	uint8_t reason = check(core, peer, filter, &grant, options);
	if (reason != MT_REASON_SUCCESS)
		return reason_of_failure(peer->version, reason);
	status = mt_subscriptions_set(&core->subscriptions, peer->session, filter, &sub, &is_new);
	if (status == MT_LIMIT)
		mt_limit_meet(core, peer, MT_LIMIT_SUBSCRIPTION_NODES);
	if (status != MT_OK)
		return reason_of_failure(peer->version, MT_REASON_QUOTA_EXCEEDED);
	fill(core, sub, &grant, options, round->packet.props.subscription_id);
	/* Section 3.3.1.3: retained messages by retain handling; none for a shared subscription. */
	is_retained_wanted =
		options->retain_handling == 0 || (options->retain_handling == 1 && is_new);
	if (core->links) {
		if (announce(core, round, sub, is_new, is_retained_wanted) == MT_OK)
			return grant.qos;
		return reason_of_failure(peer->version, MT_REASON_QUOTA_EXCEEDED);
	}
	if (sub->group || !is_retained_wanted ||
	    mt_subscribe_gather(core, peer, sub, NULL) == MT_OK)
		return grant.qos;
	/* Without its retained messages the subscription would not be what was asked for. */
	mt_subscriptions_remove(&core->subscriptions, &sub);
	return reason_of_failure(peer->version, MT_REASON_QUOTA_EXCEEDED);
}

/* Of the first filter that was refused. */
static const char *explain(const struct mt_buf *reasons)
{
	for (size_t i = 0; i < reasons->pos; i++)
		if (reasons->data[i] >= MT_REASON_UNSPECIFIED_ERROR)
			return mt_ack_explain(reasons->data[i]);
	return NULL;
}

static void send_suback(struct mt_core *core, const struct round *round, uint8_t type)
{
	struct mt_suback suback = {.type = type,
				   .packet_id = round->packet.packet_id,
				   .reasons = mt_buf_view(&round->reasons)};
	const struct mt_peer *peer = round->peer;
	const char *explanation = explain(&round->reasons);
	size_t cap = round->reasons.pos + 64;
	uint8_t *data = mt_mem_take(&core->mem, cap);
	struct mt_buf buf = mt_buf_of(data, cap);
	if (!data) {
		mt_peer_abandon(core, round->peer);
		return;
	}
	if (explanation && peer->is_problem_info_wanted && cap <= peer->packet_bytes_max) {
		suback.props.present = MT_PROP_BIT(REASON_STRING);
		suback.props.reason_string = mt_bytes_str(explanation);
	}
	MT_CHECK(mt_suback_encode(&suback, round->peer->version, &buf) == MT_OK);
	mt_peer_send(core, round->peer, mt_buf_view(&buf));
	mt_mem_give(&core->mem, data, cap);
}

void mt_subscribe_answer(struct mt_core *core, struct mt_peer *peer, uint16_t packet_id,
			 const struct mt_buf *reasons)
{
	struct round round = {
		.peer = peer, .packet = {.packet_id = packet_id}, .reasons = *reasons};
	send_suback(core, &round, MT_PACKET_SUBACK);
}

/* Decodes and makes room for the answer. False: the connection is closing. */
static bool begin(struct mt_core *core, struct round *round, const struct mt_frame *frame)
{
	struct mt_violation why;
	uint8_t *reasons;
	if (mt_subscribe_decode(frame, round->peer->version, &round->packet, &why) != MT_OK) {
		mt_peer_violated(core, round->peer, &why);
		return false;
	}
	if (!mt_limit_takes_props(core, round->peer, &round->packet.props)) {
		mt_peer_close(core, round->peer, MT_REASON_QUOTA_EXCEEDED, true,
			      "too many properties");
		return false;
	}
	if (round->packet.filter_count > round->peer->facts.limits->filters_per_subscribe) {
		mt_limit_meet(core, round->peer, MT_LIMIT_FILTERS_PER_SUBSCRIBE);
		mt_peer_close(core, round->peer, MT_REASON_QUOTA_EXCEEDED, true,
			      "too many filters in one packet");
		return false;
	}
	reasons = mt_mem_take(&core->mem, round->packet.filter_count);
	if (!reasons) {
		mt_peer_abandon(core, round->peer);
		return false;
	}
	round->reasons = mt_buf_of(reasons, round->packet.filter_count);
	return true;
}

void mt_subscribe_handle(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	struct round round = {.peer = peer};
	struct mt_bytes filter;
	struct mt_sub_options options;
	size_t pos = 0;
	if (!begin(core, &round, frame))
		return;
	if (!mt_offer_takes_subscribe(core, peer, &round.packet)) {
		mt_mem_give(&core->mem, round.reasons.data, round.reasons.cap);
		return;
	}
	if (core->links && mt_round_begin(core, peer) != MT_OK) {
		mt_mem_give(&core->mem, round.reasons.data, round.reasons.cap);
		mt_peer_abandon(core, peer);
		return;
	}
	while (mt_subscribe_next(&round.packet, &pos, &filter, &options)) {
		/* [MQTT-3.2.2-10]: granted is at most what was announced. */
		if (options.qos > peer->facts.offer->qos_max)
			options.qos = peer->facts.offer->qos_max;
		if (peer->version != MT_VERSION_5)
			options.is_no_local = options.is_retain_as_published = false;
		mt_buf_put_u8(&round.reasons, subscribe_one(core, &round, filter, &options));
	}
	if (core->links && mt_round_holds(core, peer, round.packet.packet_id, round.reasons))
		return;
	send_suback(core, &round, MT_PACKET_SUBACK);
	mt_mem_give(&core->mem, round.reasons.data, round.reasons.cap);
	mt_deliver_pump(core, peer->session);
}

void mt_unsubscribe_handle(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	struct round round = {.peer = peer};
	struct mt_bytes filter;
	struct mt_sub_options options;
	size_t pos = 0;
	if (!begin(core, &round, frame))
		return;
	while (mt_subscribe_next(&round.packet, &pos, &filter, &options)) {
		struct mt_sub *sub =
			mt_subscriptions_find(&core->subscriptions, peer->session, filter);
		mt_buf_put_u8(&round.reasons,
			      sub ? MT_REASON_SUCCESS : MT_REASON_NO_SUBSCRIPTION_EXISTED);
		if (sub)
			mt_subscribe_drop(core, &sub);
	}
	send_suback(core, &round, MT_PACKET_UNSUBACK);
	mt_mem_give(&core->mem, round.reasons.data, round.reasons.cap);
}
