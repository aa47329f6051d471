/* SUBSCRIBE and UNSUBSCRIBE, and their answers. Pure. */
#include "client/state.h"

#define FILTER_BYTES 3u	  /* length and options */
#define REQUEST_BYTES 16u /* fixed header, id, lengths */

static bool is_shared(struct mt_bytes filter)
{
	return mt_bytes_starts(filter, mt_bytes_str("$share/"));
}

static bool has_wildcard(struct mt_bytes filter)
{
	for (size_t i = 0; i < filter.len; i++)
		if (filter.data[i] == '+' || filter.data[i] == '#')
			return true;
	return false;
}

/* What the server announced in CONNACK. */
static enum mt_status check_server(const struct mt_client *client,
				   const struct mt_client_filter *filters, size_t count,
				   const struct mt_props *props, struct mt_violation *why)
{
	const struct mt_client_server *server = &client->server;
	if ((props->present & MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER)) &&
	    !server->is_subscription_id_available)
		return mt_violate(why, "malformed",
				  MT_REASON_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, 0);
	for (size_t i = 0; i < count; i++) {
		if (!server->is_wildcard_available && has_wildcard(filters[i].filter))
			return mt_violate(why, "MQTT-3.2.2-21",
					  MT_REASON_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED, 0);
		if (!server->is_shared_available && is_shared(filters[i].filter))
			return mt_violate(why, "malformed",
					  MT_REASON_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, 0);
	}
	return MT_OK;
}

static size_t list_bytes_of(const struct mt_client_filter *filters, size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += FILTER_BYTES + filters[i].filter.len;
	return bytes;
}

static enum mt_status check_packet(const struct mt_client *client, struct mt_bytes packet,
				   struct mt_violation *why)
{
	struct mt_subscribe decoded;
	struct mt_frame frame;
	MT_TRY(mt_frame_next(packet, packet.len, &frame, why));
	return mt_subscribe_decode(&frame, client->settings.connect.version, &decoded, why);
}

static enum mt_status encode(struct mt_client *client, struct mt_subscribe *packet,
			     const struct mt_client_filter *filters, size_t count,
			     struct mt_buf *list, struct mt_violation *why)
{
	enum mt_version version = client->settings.connect.version;
	struct mt_buf buf;
	for (size_t i = 0; i < count; i++)
		mt_subscribe_put(list, filters[i].filter,
				 packet->type == MT_PACKET_SUBSCRIBE ? &filters[i].options : NULL,
				 version);
	packet->list = mt_buf_view(list);
	MT_TRY(mt_client_put_begin(
		client, packet->list.len + mt_props_bytes(&packet->props) + REQUEST_BYTES, &buf));
	if (mt_subscribe_encode(packet, version, &buf) != MT_OK || buf.is_overflown) {
		(void)!mt_violate(why, "malformed", MT_REASON_PACKET_TOO_LARGE, 0);
		return MT_INVALID;
	}
	if (check_packet(client, mt_buf_view(&buf), why) != MT_OK)
		return MT_INVALID;
	if (buf.pos > client->server.packet_bytes_max) {
		(void)!mt_violate(why, "MQTT-3.2.2-15", MT_REASON_PACKET_TOO_LARGE, 0);
		return MT_LIMIT;
	}
	mt_client_put_end(client, &buf);
	return MT_OK;
}

static enum mt_status send(struct mt_client *client, uint8_t type,
			   const struct mt_client_filter *filters, size_t count,
			   const struct mt_props *props, struct mt_outgoing *entry,
			   struct mt_violation *why)
{
	struct mt_subscribe packet = {
		.type = type, .packet_id = entry->id, .filter_count = (uint32_t)count};
	size_t list_bytes = list_bytes_of(filters, count);
	struct mt_buf list;
	uint8_t *bytes = mt_mem_take(&client->mem, list_bytes + 1);
	enum mt_status status;
	if (!bytes)
		return MT_MEMORY;
	if (props)
		packet.props = *props;
	list = mt_buf_of(bytes, list_bytes);
	status = encode(client, &packet, filters, count, &list, why);
	mt_mem_give(&client->mem, bytes, list_bytes + 1);
	return status;
}

static enum mt_status check(const struct mt_client *client, const struct mt_client_filter *filters,
			    size_t count, const struct mt_props *props, struct mt_violation *why)
{
	struct mt_props none = {0};
	for (size_t i = 0; i < count; i++)
		if (filters[i].filter.len > UINT16_MAX) {
			(void)!mt_violate(why, "MQTT-4.7.3-3", MT_REASON_TOPIC_FILTER_INVALID, 0);
			return MT_INVALID;
		}
	return check_server(client, filters, count, props ? props : &none, why) == MT_OK ? MT_OK
											 : MT_LIMIT;
}

static enum mt_status request(struct mt_client *client, uint8_t type,
			      const struct mt_client_filter *filters, size_t count,
			      const struct mt_props *props, uint16_t *id, struct mt_violation *why)
{
	struct mt_outgoing *entry = NULL;
	enum mt_status status;
	if (client->phase != MT_CLIENT_OPEN)
		return MT_CLOSED;
	MT_TRY(check(client, filters, count, props, why));
	MT_TRY(mt_outgoing_create(client, type, 0, &entry));
	entry->state = MT_OUT_REQUEST;
	entry->filter_count = (uint32_t)count;
	status = send(client, type, filters, count, props, entry, why);
	if (status != MT_OK) {
		mt_outgoing_destroy(client, entry);
		return status;
	}
	*id = entry->id;
	return MT_OK;
}

enum mt_status mt_client_subscribe(struct mt_client *client, const struct mt_client_filter *filters,
				   size_t count, const struct mt_props *props, uint16_t *id,
				   struct mt_violation *why)
{
	return request(client, MT_PACKET_SUBSCRIBE, filters, count, props, id, why);
}

enum mt_status mt_client_unsubscribe(struct mt_client *client,
				     const struct mt_client_filter *filters, size_t count,
				     const struct mt_props *props, uint16_t *id,
				     struct mt_violation *why)
{
	return request(client, MT_PACKET_UNSUBSCRIBE, filters, count, props, id, why);
}

static const char *statement_of(const struct mt_client *client, uint8_t type, bool is_count)
{
	bool is_subscribe = type == MT_PACKET_SUBACK;
	if (client->settings.connect.version == MT_VERSION_5) {
		if (is_count)
			return is_subscribe ? "MQTT-3.9.3-1" : "MQTT-3.11.3-1";
		return is_subscribe ? "MQTT-3.9.2-1" : "MQTT-3.11.2-1";
	}
	if (is_count)
		return "MQTT-3.8.4-5";
	return is_subscribe ? "MQTT-3.8.4-2" : "MQTT-3.10.4-1";
}

/* True when the answer fits a request of ours: its id, its kind, one reason a filter (not in an
 * UNSUBACK of 3.1.1). */
static bool fits(const struct mt_client *client, const struct mt_suback *answer,
		 const struct mt_outgoing *entry, struct mt_violation *why)
{
	uint8_t type =
		answer->type == MT_PACKET_SUBACK ? MT_PACKET_SUBSCRIBE : MT_PACKET_UNSUBSCRIBE;
	bool has_reasons =
		type == MT_PACKET_SUBSCRIBE || client->settings.connect.version == MT_VERSION_5;
	if (!entry || entry->type != type) {
		(void)!mt_violate(why, statement_of(client, answer->type, false),
				  MT_REASON_PROTOCOL_ERROR, 0);
		return false;
	}
	if (has_reasons && answer->reasons.len != entry->filter_count) {
		(void)!mt_violate(why, statement_of(client, answer->type, true),
				  MT_REASON_PROTOCOL_ERROR, 2);
		return false;
	}
	return true;
}

bool mt_request_answered(struct mt_client *client, const struct mt_suback *answer,
			 struct mt_client_event *out)
{
	struct mt_outgoing *entry = mt_outgoing_find(client, answer->packet_id);
	struct mt_violation why;
	if (!fits(client, answer, entry, &why)) {
		mt_client_end_violation(client, &why);
		return false;
	}
	*out = (struct mt_client_event){
		.type = answer->type == MT_PACKET_SUBACK ? MT_CLIENT_SUBSCRIBED
							 : MT_CLIENT_UNSUBSCRIBED,
		.id = entry->id,
		.reasons = answer->reasons,
		.props = &client->props,
	};
	mt_outgoing_destroy(client, entry);
	return true;
}
