/*
 * One message to one session: encoded once per (version, QoS, retain) class and copied, or queued
 * under the session's limits.
 *
 * Nothing here closes a connection or ends a session: the caller may be walking a route.
 */
#include "core/state.h"

#include "topic/name.h"

void mt_encoding_begin(struct mt_core *core)
{
	core->encoding.stamp++;
}

/* The packet of a message but for its payload; [MQTT-3.3.2-6]: the expiry interval is what is left
 * of it, rounded up. */
static struct mt_publish describe(const struct mt_core *core, const struct mt_outgoing *outgoing,
				  uint16_t packet_id)
{
	const struct mt_msg *msg = outgoing->msg;
	struct mt_publish publish = {.qos = outgoing->qos,
				     .is_retain = outgoing->is_retain,
				     .packet_id = packet_id,
				     .topic = mt_msg_topic(msg),
				     .payload = mt_msg_payload(msg)};
	publish.props.user = mt_msg_props(msg);
	if (msg->expires_ns != MT_TIME_NEVER) {
		mt_time left = msg->expires_ns - core->now.mono_ns;
		publish.props.present |= MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
		publish.props.message_expiry_s =
			left > 0 ? (uint32_t)((left + MT_SECOND - 1) / MT_SECOND) : 0;
	}
	if (outgoing->ids) {
		publish.props.present |= MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER);
		publish.props.subscription_id = outgoing->ids->ids[0];
	}
	return publish;
}

static void put_alias(struct mt_publish *publish, const struct mt_alias *alias)
{
	publish->props.present |= MT_PROP_BIT(TOPIC_ALIAS);
	publish->props.topic_alias = alias->number;
	if (alias->is_known)
		publish->topic = mt_bytes_of(NULL, 0);
}

/* The head with an alias of 1, to be patched: the alias is the last of the properties that are not
 * passed on as they came. */
static enum mt_status encode_aliased(const struct mt_core *core, const struct mt_outgoing *outgoing,
				     struct mt_buf *buf, struct mt_encoded *class)
{
	const struct mt_msg *msg = outgoing->msg;
	MT_UNINITIALIZED struct mt_publish publish = describe(core, outgoing, 1);
	size_t packet_id_at = 0;
	put_alias(&publish, &(struct mt_alias){1, true});
	MT_TRY(mt_publish_encode_head(&publish, MT_VERSION_5, msg->payload_len, buf,
				      &packet_id_at));
	class->packet_id_at = (uint16_t)packet_id_at;
	class->alias_at = (uint16_t)(buf->pos - msg->props_len - 2);
	return MT_OK;
}

/* The head of a message that goes to many; one with an expiry is dated, which takes the longer way.
 */
static enum mt_status encode_head(const struct mt_core *core, const struct mt_outgoing *outgoing,
				  enum mt_version version, struct mt_buf *buf, size_t *packet_id_at)
{
	const struct mt_msg *msg = outgoing->msg;
	struct mt_forward forward = {.topic = mt_msg_topic(msg),
				     .props = mt_msg_props(msg),
				     .payload_bytes = msg->payload_len,
				     .qos = outgoing->qos,
				     .is_retain = outgoing->is_retain};
	MT_UNINITIALIZED struct mt_publish publish;
	if (MT_LIKELY(msg->expires_ns == MT_TIME_NEVER))
		return mt_publish_encode_forward(&forward, version, buf, packet_id_at);
	publish = describe(core, outgoing, 1);
	return mt_publish_encode_head(&publish, version, msg->payload_len, buf, packet_id_at);
}

__attribute__((noinline)) static void encode_class(const struct mt_core *core,
						   struct mt_encoded *class,
						   const struct mt_outgoing *outgoing,
						   enum mt_version version, bool is_aliased)
{
	struct mt_buf buf = mt_buf_of(class->data, sizeof(class->data));
	size_t packet_id_at = 0;
	class->bytes = class->alias_at = 0;
	class->is_whole = outgoing->msg->payload_len <= MT_COPY_BYTES_MAX;
	if (is_aliased) {
		if (encode_aliased(core, outgoing, &buf, class) != MT_OK)
			return;
		packet_id_at = class->packet_id_at;
	} else if (encode_head(core, outgoing, version, &buf, &packet_id_at) != MT_OK) {
		return;
	}
	if (class->is_whole)
		mt_buf_put(&buf, mt_msg_payload(outgoing->msg));
	if (buf.is_overflown)
		return;
	class->bytes = (uint16_t)buf.pos;
	class->packet_id_at = (uint16_t)packet_id_at;
}

static inline struct mt_encoded *class_of(struct mt_core *core, const struct mt_peer *peer,
					  const struct mt_outgoing *outgoing, bool is_aliased)
{
	uint32_t index = (peer->version == MT_VERSION_5 ? 6u : 0u) + (is_aliased ? 6u : 0u) +
			 outgoing->qos * 2u + outgoing->is_retain;
	struct mt_encoded *class = &core->encoding.classes[index];
	if (class->stamp != core->encoding.stamp) {
		class->stamp = core->encoding.stamp;
		encode_class(core, class, outgoing, peer->version, is_aliased);
	}
	return class;
}

/* at 0: the packet has no such number. */
static void patch(uint8_t *packet, size_t at, uint16_t number)
{
	if (at == 0)
		return;
	packet[at] = (uint8_t)(number >> 8);
	packet[at + 1] = (uint8_t)number;
}

static enum mt_status put_payload(struct mt_core *core, struct mt_peer *peer, struct mt_msg *msg)
{
	struct mt_bytes payload = mt_msg_payload(msg);
	uint8_t *at;
	if (payload.len > MT_COPY_BYTES_MAX)
		return mt_output_refer(&core->chunks, &peer->out, msg, payload);
	if (payload.len == 0)
		return MT_OK;
	at = mt_output_room(&core->chunks, &peer->out, payload.len);
	if (!at)
		return MT_MEMORY;
	memcpy(at, payload.data, payload.len);
	return MT_OK;
}

static inline enum mt_status put_class(struct mt_core *core, struct mt_peer *peer,
				       const struct mt_encoded *class, struct mt_msg *msg,
				       uint16_t packet_id, uint16_t alias)
{
	uint8_t *at = mt_output_room(&core->chunks, &peer->out, class->bytes);
	if (!at)
		return MT_MEMORY;
	memcpy(at, class->data, class->bytes);
	patch(at, class->packet_id_at, packet_id);
	if (alias != 0)
		patch(at, class->alias_at, alias);
	return class->is_whole ? MT_OK : put_payload(core, peer, msg);
}

/* Further subscription identifiers stand before the forwarded properties: both in one block for the
 * encoder. */
static enum mt_status join_ids(struct mt_core *core, const struct mt_sub_ids *ids,
			       struct mt_publish *publish, uint8_t **block, size_t *block_bytes)
{
	struct mt_bytes user = publish->props.user;
	size_t bytes = (ids->count - 1) * 5 + user.len;
	struct mt_buf buf;
	*block = mt_mem_take(&core->mem, bytes);
	if (!*block)
		return MT_MEMORY;
	*block_bytes = bytes;
	buf = mt_buf_of(*block, bytes);
	for (uint32_t i = 1; i < ids->count; i++) {
		mt_buf_put_u8(&buf, 0x0b);
		mt_varint_put(&buf, ids->ids[i]);
	}
	mt_buf_put(&buf, user);
	publish->props.user = mt_buf_view(&buf);
	return MT_OK;
}

static enum mt_status put_whole(struct mt_core *core, struct mt_peer *peer,
				const struct mt_publish *publish, struct mt_msg *msg)
{
	size_t bytes = mt_publish_bytes(publish, peer->version);
	size_t head_bytes = bytes - publish->payload.len, packet_id_at;
	struct mt_buf buf;
	uint8_t *at;
	if (bytes > peer->packet_bytes_max)
		return MT_LIMIT;
	at = mt_output_room(&core->chunks, &peer->out, head_bytes);
	if (!at)
		return MT_MEMORY;
	buf = mt_buf_of(at, head_bytes);
	MT_CHECK(mt_publish_encode_head(publish, peer->version, publish->payload.len, &buf,
					&packet_id_at) == MT_OK);
	MT_CHECK(buf.pos == head_bytes);
	return put_payload(core, peer, msg);
}

/* MT_LIMIT: too large for the client; nothing was written. */
static enum mt_status put_single(struct mt_core *core, struct mt_peer *peer,
				 struct mt_publish *publish, const struct mt_outgoing *outgoing)
{
	uint8_t *block = NULL;
	size_t block_bytes = 0;
	enum mt_status status;
	if (outgoing->ids && outgoing->ids->count > 1)
		MT_TRY(join_ids(core, outgoing->ids, publish, &block, &block_bytes));
	status = put_whole(core, peer, publish, outgoing->msg);
	mt_mem_give(&core->mem, block, block_bytes);
	return status;
}

/* One that no class holds. A packet that is too large with an alias may fit without. */
static enum mt_status put_described(struct mt_core *core, struct mt_peer *peer,
				    const struct mt_outgoing *outgoing, uint16_t packet_id,
				    bool is_dup, struct mt_alias alias)
{
	MT_UNINITIALIZED struct mt_publish publish = describe(core, outgoing, packet_id);
	enum mt_status status;
	if (alias.number != 0) {
		put_alias(&publish, &alias);
		status = put_single(core, peer, &publish, outgoing);
		if (status == MT_OK && !alias.is_known)
			mt_alias_keep(core, peer, alias.number, outgoing);
		if (status != MT_LIMIT)
			return status;
		publish = describe(core, outgoing, packet_id);
	}
	publish.is_dup = is_dup;
	return put_single(core, peer, &publish, outgoing);
}

/* To a client that limits packets or takes aliases, again, or with subscription identifiers. */
__attribute__((noinline)) static enum mt_status put_special(struct mt_core *core,
							    struct mt_peer *peer,
							    const struct mt_outgoing *outgoing,
							    uint16_t packet_id, bool is_dup)
{
	const struct mt_encoded *class = NULL;
	struct mt_alias alias = {0, false};
	bool is_limited = peer->packet_bytes_max != UINT32_MAX;
	if (peer->alias_slots > 0 && !is_dup)
		alias = mt_alias_find(core, peer, outgoing);
	if (outgoing->is_cacheable && !outgoing->ids && !is_dup && !is_limited &&
	    (alias.number == 0 || alias.is_known))
		class = class_of(core, peer, outgoing, alias.is_known);
	if (class && class->bytes > 0)
		return put_class(core, peer, class, outgoing->msg, packet_id, alias.number);
	return put_described(core, peer, outgoing, packet_id, is_dup, alias);
}

/* Encodes into the output. False: the client does not take packets that large ([MQTT-3.1.2-24]);
 * nothing was written. */
static bool put_publish(struct mt_core *core, struct mt_peer *peer,
			const struct mt_outgoing *outgoing, uint16_t packet_id, bool is_dup)
{
	const struct mt_encoded *class = NULL;
	enum mt_status status;
	if (peer->is_abandoned)
		return true;
	if (MT_LIKELY(peer->is_plain && outgoing->is_cacheable && !outgoing->ids && !is_dup))
		class = class_of(core, peer, outgoing, false);
	if (MT_LIKELY(class && class->bytes > 0))
		status = put_class(core, peer, class, outgoing->msg, packet_id, 0);
	else
		status = put_special(core, peer, outgoing, packet_id, is_dup);
	if (MT_UNLIKELY(status == MT_LIMIT))
		return false;
	if (MT_UNLIKELY(status != MT_OK)) {
		mt_peer_abandon(core, peer);
		return true;
	}
	core->counts.packets_sent++;
	core->counts.publishes_sent++;
	core->counts.publish_bytes_sent += outgoing->msg->payload_len;
	mt_peer_wake(core, peer);
	return true;
}

static bool deliver_qos0(struct mt_core *core, struct mt_session *session,
			 const struct mt_outgoing *outgoing)
{
	struct mt_peer *peer = mt_peer_get(core, session->conn);
	if (!peer)
		return false;
	if (MT_UNLIKELY(peer->out.bytes >= peer->facts.limits->output_bytes)) {
		mt_limit_meet(core, peer, MT_LIMIT_OUTPUT_BYTES);
		core->counts.publishes_dropped++;
		return false;
	}
	if (MT_UNLIKELY(!put_publish(core, peer, outgoing, 0, false))) {
		core->counts.publishes_dropped++;
		return false;
	}
	if (MT_UNLIKELY(peer->out.bytes >= peer->output_high) && !outgoing->is_spared)
		mt_throttle(core, session, peer);
	return true;
}

bool mt_deliver_has_room(const struct mt_core *core, const struct mt_session *session,
			 const struct mt_msg *msg)
{
	const struct mt_core_limits *limits = &core->settings.limits;
	return mt_flow_out_count(&session->out) < limits->queue_messages &&
	       session->out.bytes + mt_delivery_bytes(msg) <= limits->queue_bytes;
}

void mt_delivery_end(struct mt_core *core, struct mt_session *session, struct mt_delivery *delivery)
{
	core->queued_bytes -= delivery->bytes;
	mt_flow_out_drop(&session->out, &delivery);
	core->queued_count--;
}

/* A queued message after a change of policy: by the rules for its topic, or through a shared
 * subscription that the session still holds. */
bool mt_delivery_is_permitted(struct mt_core *core, struct mt_session *session,
			      struct mt_delivery *delivery)
{
	struct mt_bytes topic = mt_msg_topic(delivery->msg);
	struct mt_bytes none = {NULL, 0};
	if (delivery->is_of_retained && !mt_author_may(core->policy, delivery->msg)) {
		core->counts.publishes_denied++;
		return false;
	}
	if (delivery->epoch >= mt_session_decided(core, session))
		return true;
	delivery->epoch = core->epoch;
	if (mt_decide_deliver(core->policy, &session->subject, topic, none, mt_core_wall_s(core))
		    .is_allowed)
		return true;
	for (struct mt_list *link = session->subs.next; link != &session->subs; link = link->next) {
		struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		if (sub->group && mt_topic_matches(mt_sub_plain_filter(sub), topic) &&
		    mt_sub_delivers(core, sub, topic))
			return true;
	}
	core->counts.publishes_denied++;
	return false;
}

static struct mt_outgoing outgoing_of(const struct mt_delivery *delivery, bool is_cacheable)
{
	return (struct mt_outgoing){.msg = delivery->msg,
				    .ids = delivery->ids,
				    .qos = delivery->qos,
				    .is_retain = delivery->is_retain,
				    .is_cacheable = is_cacheable};
}

/* Sends the waiting delivery, or drops it when it may not, need not or cannot go out. */
static void start(struct mt_core *core, struct mt_session *session, struct mt_peer *peer,
		  struct mt_delivery *delivery, bool is_cacheable)
{
	struct mt_outgoing outgoing = outgoing_of(delivery, is_cacheable);
	if (mt_is_expired(core, delivery->msg) ||
	    !mt_delivery_is_permitted(core, session, delivery)) {
		mt_delivery_end(core, session, delivery);
		return;
	}
	if (mt_flow_out_start(&session->out, delivery) != MT_OK) {
		mt_peer_abandon(core, peer);
		return;
	}
	if (!put_publish(core, peer, &outgoing, delivery->packet_id, false)) {
		core->counts.publishes_dropped++;
		mt_delivery_end(core, session, delivery);
	}
}

/* Sends again, under its old id, what an earlier connection left unacknowledged. */
static void repeat(struct mt_core *core, struct mt_session *session, struct mt_peer *peer,
		   struct mt_delivery *delivery)
{
	struct mt_outgoing outgoing = outgoing_of(delivery, false);
	mt_flow_out_repeat(&session->out, delivery);
	if (!mt_delivery_is_permitted(core, session, delivery) ||
	    !put_publish(core, peer, &outgoing, delivery->packet_id, true))
		mt_delivery_end(core, session, delivery);
}

static void start_waiting(struct mt_core *core, struct mt_session *session, struct mt_peer *peer,
			  bool is_cacheable)
{
	struct mt_delivery *delivery;
	while (!peer->is_abandoned && (delivery = mt_flow_out_peek_due(&session->out)))
		repeat(core, session, peer, delivery);
	while (!peer->is_abandoned && (delivery = mt_flow_out_peek(&session->out)))
		start(core, session, peer, delivery, is_cacheable);
}

bool mt_deliver(struct mt_core *core, struct mt_session *session,
		const struct mt_outgoing *outgoing, struct mt_list *held)
{
	struct mt_delivery *delivery;
	struct mt_peer *peer;
	if (outgoing->qos == 0)
		return deliver_qos0(core, session, outgoing);
	delivery = mt_deliver_has_room(core, session, outgoing->msg)
			   ? mt_flow_out_push(&session->out, outgoing->msg, outgoing->ids,
					      outgoing->qos, outgoing->is_retain, core->epoch)
			   : NULL;
	if (MT_UNLIKELY(!delivery)) {
		if (!mt_deliver_has_room(core, session, outgoing->msg))
			mt_limit_meet_session(core, session,
					      mt_flow_out_count(&session->out) >=
							      core->settings.limits.queue_messages
						      ? MT_LIMIT_QUEUE_MESSAGES
						      : MT_LIMIT_QUEUE_BYTES);
		core->counts.publishes_dropped++;
		return false;
	}
	delivery->group = outgoing->group;
	delivery->is_of_retained = outgoing->is_of_retained;
	core->queued_count++;
	core->queued_bytes += delivery->bytes;
	if (held)
		mt_list_push_back(held, &delivery->hold);
	peer = mt_peer_get(core, session->conn);
	if (peer) {
		start_waiting(core, session, peer,
			      outgoing->is_cacheable && session->out.waiting_count == 1);
		if (MT_UNLIKELY(mt_is_filling(core, session, peer)) && !outgoing->is_spared)
			mt_throttle(core, session, peer);
	}
	return true;
}

void mt_deliver_resume(struct mt_core *core, struct mt_session *session)
{
	struct mt_peer *peer = mt_peer_get(core, session->conn);
	struct mt_delivery *delivery = mt_flow_out_first_inflight(&session->out);
	for (; delivery; delivery = mt_flow_out_next_inflight(&session->out, delivery))
		if (delivery->state == MT_DELIVERY_RELEASED)
			mt_ack_send(core, peer, MT_PACKET_PUBREL, delivery->packet_id,
				    MT_REASON_SUCCESS);
	mt_flow_out_resume(&session->out);
	start_waiting(core, session, peer, false);
}

enum mt_status mt_backlog_push(struct mt_core *core, struct mt_peer *peer,
			       struct mt_backlog_item item)
{
	struct mt_backlog *backlog = &peer->backlog;
	if (backlog->count == backlog->cap && backlog->pos > 0) {
		backlog->count -= backlog->pos;
		memmove(backlog->items, backlog->items + backlog->pos,
			backlog->count * sizeof(*backlog->items));
		backlog->pos = 0;
	}
	if (backlog->count == backlog->cap) {
		uint32_t cap = backlog->cap ? backlog->cap * 2 : 16;
		struct mt_backlog_item *items =
			mt_mem_resize(&core->mem, backlog->items, backlog->cap * sizeof(*items),
				      cap * sizeof(*items));
		if (!items)
			return MT_MEMORY;
		backlog->items = items;
		backlog->cap = cap;
	}
	mt_msg_ref(item.msg);
	if (item.ids)
		item.ids->ref_count++;
	backlog->items[backlog->count++] = item;
	return MT_OK;
}

/* A retained message that was replaced since has been delivered live; one that expired, or that its
 * author may not say or the client not hear any more, is not delivered at all. */
static bool is_current(struct mt_core *core, const struct mt_session *session,
		       const struct mt_backlog_item *item)
{
	struct mt_bytes topic = mt_msg_topic(item->msg);
	struct mt_bytes none = {NULL, 0};
	bool is_latest = item->answer ? mt_retain_is_current(core, item->answer)
				      : mt_retained_find(core->retained, topic) == item->msg;
	return is_latest && !mt_is_expired(core, item->msg) &&
	       mt_author_may(core->policy, item->msg) &&
	       mt_decide_deliver(core->policy, &session->subject, topic, none, mt_core_wall_s(core))
		       .is_allowed;
}

static void free_item(struct mt_core *core, struct mt_backlog_item *item)
{
	mt_msg_unref(&item->msg);
	mt_sub_ids_unref(&core->mem, &item->ids);
	if (item->answer)
		mt_retain_delivered(core, &item->answer);
}

static void deliver_item(struct mt_core *core, struct mt_session *session,
			 struct mt_backlog_item *item)
{
	struct mt_outgoing outgoing = {.msg = item->msg,
				       .ids = item->ids,
				       .qos = item->qos,
				       .is_retain = true,
				       .is_of_retained = true};
	if (is_current(core, session, item))
		mt_deliver(core, session, &outgoing, NULL);
	free_item(core, item);
}

void mt_backlog_finish(struct mt_core *core, struct mt_peer *peer, struct mt_session *keeper)
{
	struct mt_backlog *backlog = &peer->backlog;
	if (keeper)
		keeper->conn = MT_HANDLE_NONE;
	for (; backlog->pos < backlog->count; backlog->pos++) {
		struct mt_backlog_item *item = &backlog->items[backlog->pos];
		if (keeper && item->qos > 0) {
			deliver_item(core, keeper, item);
			continue;
		}
		free_item(core, item);
	}
	mt_mem_give(&core->mem, backlog->items, backlog->cap * sizeof(*backlog->items));
	peer->backlog = (struct mt_backlog){0};
}

void mt_deliver_pump(struct mt_core *core, struct mt_session *session)
{
	struct mt_peer *peer = mt_peer_get(core, session->conn);
	struct mt_backlog *backlog;
	if (!peer || peer->phase != MT_PHASE_OPEN)
		return;
	start_waiting(core, session, peer, false);
	mt_throttle_relax(core, session);
	backlog = &peer->backlog;
	while (backlog->pos < backlog->count && !peer->is_abandoned &&
	       peer->out.bytes < peer->facts.limits->output_bytes / 2) {
		struct mt_backlog_item *item = &backlog->items[backlog->pos];
		if (item->qos > 0 && (session->out.waiting_count > 0 ||
				      session->out.inflight_count >= session->out.inflight_max))
			break;
		deliver_item(core, session, item);
		backlog->pos++;
	}
	if (backlog->count > 0 && backlog->pos == backlog->count)
		mt_backlog_finish(core, peer, NULL);
}
