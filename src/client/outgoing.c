/* Publishes on their way to the server: packet ids, window, acknowledgements, sending again
 * (4.3, 4.4, 4.9). Pure. */
#include "client/state.h"

#define PUBLISH_DUP 0x08u

enum mt_status mt_outgoing_create(struct mt_client *client, uint8_t type, size_t packet_bytes,
				  struct mt_outgoing **out)
{
	struct mt_outgoing *entry;
	bool is_publish = type == MT_PACKET_PUBLISH;
	uint32_t slot = client->slot_next;
	if (is_publish ? client->publish_count >= client->settings.limits.queue_messages
		       : client->request_count >= client->settings.limits.requests)
		return MT_AGAIN;
	while (client->slots[slot])
		slot = (slot + 1) % client->slot_count;
	entry = mt_mem_zero(&client->mem, sizeof(*entry) + packet_bytes);
	if (!entry)
		return MT_MEMORY;
	entry->type = type;
	entry->id = (uint16_t)(slot + 1);
	entry->packet_bytes = packet_bytes;
	client->slots[slot] = entry;
	client->slot_next = (slot + 1) % client->slot_count;
	client->publish_count += is_publish;
	client->request_count += !is_publish;
	*out = entry;
	return MT_OK;
}

void mt_outgoing_destroy(struct mt_client *client, struct mt_outgoing *entry)
{
	if (!entry)
		return;
	mt_list_remove(&entry->link);
	client->flying_count -= entry->state == MT_OUT_SENT || entry->state == MT_OUT_RELEASED;
	client->publish_count -= entry->type == MT_PACKET_PUBLISH;
	client->request_count -= entry->type != MT_PACKET_PUBLISH;
	client->slots[entry->id - 1] = NULL;
	mt_mem_give(&client->mem, entry, sizeof(*entry) + entry->packet_bytes);
}

struct mt_outgoing *mt_outgoing_find(const struct mt_client *client, uint16_t id)
{
	return id > 0 && id <= client->slot_count ? client->slots[id - 1] : NULL;
}

static struct mt_outgoing *first_of(const struct mt_list *list)
{
	struct mt_list *first = mt_list_first(list);
	return first ? MT_LIST_ITEM(first, struct mt_outgoing, link) : NULL;
}

static void move_to(struct mt_client *client, struct mt_outgoing *entry,
		    enum mt_outgoing_state state)
{
	struct mt_list *lists[] = {&client->waiting, &client->flying, &client->flying,
				   &client->done};
	client->flying_count -= entry->state == MT_OUT_SENT || entry->state == MT_OUT_RELEASED;
	client->flying_count += state == MT_OUT_SENT || state == MT_OUT_RELEASED;
	entry->state = state;
	mt_list_remove(&entry->link);
	mt_list_push_back(lists[state], &entry->link);
}

/* What the server announced in CONNACK. */
static enum mt_status check_server(const struct mt_client *client, uint8_t qos, bool is_retain,
				   size_t bytes, struct mt_violation *why)
{
	const struct mt_client_server *server = &client->server;
	if (qos > server->qos_max)
		return mt_violate(why, "MQTT-3.2.2-11", MT_REASON_QOS_NOT_SUPPORTED, 0);
	if (is_retain && !server->is_retain_available)
		return mt_violate(why, "MQTT-3.2.2-14", MT_REASON_RETAIN_NOT_SUPPORTED, 0);
	if (bytes > server->packet_bytes_max)
		return mt_violate(why, "MQTT-3.2.2-15", MT_REASON_PACKET_TOO_LARGE, 0);
	return MT_OK;
}

/* The packet as the server's decoder will see it; aliases are not used towards the server. */
static enum mt_status check_packet(const struct mt_client *client, struct mt_bytes packet,
				   struct mt_violation *why)
{
	struct mt_publish decoded;
	struct mt_frame frame;
	MT_TRY(mt_frame_next(packet, packet.len, &frame, why));
	MT_TRY(mt_publish_decode(&frame, client->settings.connect.version, MT_SIDE_CLIENT, &decoded,
				 why));
	if (decoded.props.present & MT_PROP_BIT(TOPIC_ALIAS))
		return mt_violate(why, "MQTT-3.3.2-9", MT_REASON_TOPIC_ALIAS_INVALID, 0);
	return MT_OK;
}

static enum mt_status encode(const struct mt_client *client, const struct mt_publish *publish,
			     struct mt_buf *buf, struct mt_violation *why)
{
	enum mt_status status = mt_publish_encode(publish, client->settings.connect.version, buf);
	if (status != MT_OK || buf->is_overflown)
		status = mt_violate(why, "malformed", MT_REASON_PACKET_TOO_LARGE, 0);
	else
		status = check_packet(client, mt_buf_view(buf), why);
	return status == MT_OK ? MT_OK : MT_INVALID;
}

static enum mt_status publish_now(struct mt_client *client, const struct mt_publish *publish,
				  size_t bytes, struct mt_violation *why)
{
	struct mt_buf buf;
	size_t unsent = mt_client_unsent(client);
	if (client->phase != MT_CLIENT_OPEN)
		return MT_CLOSED;
	if (unsent > 0 && unsent + bytes > client->settings.limits.output_bytes)
		return MT_AGAIN;
	MT_TRY(mt_client_put_begin(client, bytes, &buf));
	MT_TRY(encode(client, publish, &buf, why));
	mt_client_put_end(client, &buf);
	return MT_OK;
}

static enum mt_status publish_queued(struct mt_client *client, struct mt_publish *publish,
				     size_t bytes, uint16_t *id, struct mt_violation *why)
{
	struct mt_outgoing *entry = NULL;
	struct mt_buf buf;
	enum mt_status status;
	MT_TRY(mt_outgoing_create(client, MT_PACKET_PUBLISH, bytes, &entry));
	publish->packet_id = entry->id;
	buf = mt_buf_of(entry->packet, bytes);
	status = encode(client, publish, &buf, why);
	if (status != MT_OK) {
		mt_outgoing_destroy(client, entry);
		return status;
	}
	entry->qos = publish->qos;
	entry->is_retain = publish->is_retain;
	mt_list_push_back(&client->waiting, &entry->link);
	*id = entry->id;
	return MT_OK;
}

enum mt_status mt_client_publish(struct mt_client *client, const struct mt_publish *publish,
				 uint16_t *id, struct mt_violation *why)
{
	struct mt_publish packet = *publish;
	size_t bytes;
	enum mt_status status;
	packet.is_dup = false;
	packet.packet_id = packet.qos > 0;
	if (packet.qos > 2 || packet.topic.len > UINT16_MAX || packet.payload.len > MT_VARINT_MAX) {
		(void)!mt_violate(why, "malformed", MT_REASON_PACKET_TOO_LARGE, 0);
		return MT_INVALID;
	}
	bytes = mt_publish_bytes(&packet, client->settings.connect.version);
	if (bytes > (size_t)MT_VARINT_MAX + 5) {
		(void)!mt_violate(why, "malformed", MT_REASON_PACKET_TOO_LARGE, 0);
		return MT_INVALID;
	}
	if (check_server(client, packet.qos, packet.is_retain, bytes, why) != MT_OK)
		return MT_LIMIT;
	if (packet.qos > 0)
		return publish_queued(client, &packet, bytes, id, why);
	status = publish_now(client, &packet, bytes, why);
	if (status == MT_OK)
		*id = 0;
	return status;
}

static bool has_window(const struct mt_client *client)
{
	uint32_t window = client->settings.limits.window;
	if (window > client->server.receive_max)
		window = client->server.receive_max;
	return client->flying_count < window;
}

void mt_outgoing_pump(struct mt_client *client)
{
	struct mt_outgoing *entry;
	while (client->phase == MT_CLIENT_OPEN && has_window(client) &&
	       mt_client_unsent(client) < client->settings.limits.output_bytes) {
		entry = first_of(&client->waiting);
		if (!entry)
			return;
		if (mt_client_put(client, mt_bytes_of(entry->packet, entry->packet_bytes)) !=
		    MT_OK) {
			/* Without room it waits for the buffer to drain; with an empty buffer it
			 * never fits. */
			if (mt_client_unsent(client) == 0)
				mt_client_end(client, MT_MEMORY, 0);
			return;
		}
		move_to(client, entry, MT_OUT_SENT);
	}
}

static void release(struct mt_client *client, uint16_t id, uint8_t reason)
{
	struct mt_ack pubrel = {.type = MT_PACKET_PUBREL, .packet_id = id, .reason = reason};
	mt_client_put_ack(client, &pubrel);
}

/* Back in front of everything newer. */
static void send_again(struct mt_client *client, struct mt_outgoing *entry, bool is_dup)
{
	move_to(client, entry, MT_OUT_WAITING);
	mt_list_remove(&entry->link);
	mt_list_push_back(client->waiting.next, &entry->link);
	entry->packet[0] =
		(uint8_t)((entry->packet[0] & ~PUBLISH_DUP) | (is_dup ? PUBLISH_DUP : 0));
}

/* Backwards: the oldest comes to stand first. What a server without the session had answered with
 * PUBREC is its own. */
static void take_back(struct mt_client *client, bool is_session_present)
{
	struct mt_list *node = client->flying.prev;
	while (node != &client->flying) {
		struct mt_outgoing *entry = MT_LIST_ITEM(node, struct mt_outgoing, link);
		node = node->prev;
		if (entry->state == MT_OUT_SENT)
			send_again(client, entry, is_session_present);
		else if (!is_session_present)
			move_to(client, entry, MT_OUT_DONE);
	}
}

static void refuse_impossible(struct mt_client *client)
{
	struct mt_list *node = client->waiting.next;
	struct mt_violation why;
	while (node != &client->waiting) {
		struct mt_outgoing *entry = MT_LIST_ITEM(node, struct mt_outgoing, link);
		node = node->next;
		if (check_server(client, entry->qos, entry->is_retain, entry->packet_bytes, &why) ==
		    MT_OK)
			continue;
		entry->reason = why.reason;
		move_to(client, entry, MT_OUT_DONE);
	}
}

void mt_outgoing_resume(struct mt_client *client, bool is_session_present)
{
	take_back(client, is_session_present);
	for (struct mt_list *node = client->flying.next; node != &client->flying; node = node->next)
		release(client, MT_LIST_ITEM(node, struct mt_outgoing, link)->id, 0);
	refuse_impossible(client);
}

static void end_unexpected(struct mt_client *client)
{
	struct mt_violation why;
	(void)!mt_violate(&why, "malformed", MT_REASON_PROTOCOL_ERROR, 0);
	mt_client_end_violation(client, &why);
}

/* The entry is finished: the event that tells it. */
static bool finish(struct mt_client *client, struct mt_outgoing *entry, uint8_t reason,
		   struct mt_client_event *out)
{
	*out = (struct mt_client_event){.type = MT_CLIENT_PUBLISHED,
					.id = entry->id,
					.reason = reason,
					.props = &client->props};
	mt_outgoing_destroy(client, entry);
	return true;
}

/* [MQTT-4.4.0-2]: a refusal ends the exchange. [MQTT-4.3.3-4] */
static bool received(struct mt_client *client, struct mt_outgoing *entry, const struct mt_ack *ack,
		     struct mt_client_event *out)
{
	if (entry->state == MT_OUT_SENT && ack->reason >= 0x80)
		return finish(client, entry, ack->reason, out);
	if (entry->state == MT_OUT_SENT)
		move_to(client, entry, MT_OUT_RELEASED);
	release(client, entry->id, 0);
	return false;
}

static bool is_expected(const struct mt_outgoing *entry, uint8_t ack_type)
{
	bool is_sent = entry->state == MT_OUT_SENT;
	if (entry->type != MT_PACKET_PUBLISH)
		return false;
	if (ack_type == MT_PACKET_PUBACK)
		return entry->qos == 1 && is_sent;
	if (ack_type == MT_PACKET_PUBREC)
		return entry->qos == 2 && (is_sent || entry->state == MT_OUT_RELEASED);
	return entry->state == MT_OUT_RELEASED;
}

bool mt_outgoing_acked(struct mt_client *client, const struct mt_ack *ack,
		       struct mt_client_event *out)
{
	struct mt_outgoing *entry = mt_outgoing_find(client, ack->packet_id);
	uint8_t reason = ack->reason;
	if (!entry) {
		if (ack->type == MT_PACKET_PUBREC)
			release(client, ack->packet_id, MT_REASON_PACKET_IDENTIFIER_NOT_FOUND);
		return false;
	}
	if (!is_expected(entry, ack->type)) {
		end_unexpected(client);
		return false;
	}
	if (ack->type == MT_PACKET_PUBREC)
		return received(client, entry, ack, out);
	/* After a reconnect the server may have finished it before: section 3.7.2.1 calls that no
	 * error. */
	if (ack->type == MT_PACKET_PUBCOMP && reason == MT_REASON_PACKET_IDENTIFIER_NOT_FOUND)
		reason = 0;
	return finish(client, entry, reason, out);
}

bool mt_outgoing_next_done(struct mt_client *client, struct mt_client_event *out)
{
	struct mt_outgoing *entry = first_of(&client->done);
	if (!entry)
		return false;
	client->props = (struct mt_props){0};
	return finish(client, entry, entry->reason, out);
}

void mt_outgoing_drop_requests(struct mt_client *client)
{
	for (uint32_t i = 0; client->request_count > 0 && i < client->slot_count; i++)
		if (client->slots[i] && client->slots[i]->type != MT_PACKET_PUBLISH)
			mt_outgoing_destroy(client, client->slots[i]);
}
