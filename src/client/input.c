/*
 * From the server's bytes to events: packets that may come in pieces, CONNACK, messages,
 * acknowledgements. Pure.
 *
 *   whole packet in the caller's view -> read in place          pieces -> `part` until the packet
 * is whole
 */
#include "client/state.h"

#define PART_BYTES_MIN 64u

static bool is_listening(const struct mt_client *client)
{
	return client->phase == MT_CLIENT_CONNECTING || client->phase == MT_CLIENT_OPEN;
}

void mt_client_input(struct mt_client *client, struct mt_now now, struct mt_bytes bytes)
{
	MT_CHECK(client->in.len == 0);
	if (is_listening(client))
		client->in = bytes;
	if (bytes.len > 0)
		client->received_ns = now.mono_ns;
}

static void violate(struct mt_client *client, const char *statement, uint8_t reason)
{
	struct mt_violation why;
	(void)!mt_violate(&why, statement, reason, 0);
	mt_client_end_violation(client, &why);
}

static bool is_v5(const struct mt_client *client)
{
	return client->settings.connect.version == MT_VERSION_5;
}

void mt_client_settle(struct mt_client *client)
{
	struct mt_ack owed = client->owed;
	client->owed.type = 0;
	if (owed.type != 0)
		mt_client_put_ack(client, &owed);
}

/* Grows with the bytes that really came, never by what a header claims. */
static enum mt_status append_part(struct mt_client *client, size_t bytes)
{
	size_t cap = client->part_cap;
	uint8_t *grown;
	while (cap - client->part_len < bytes)
		cap = cap < PART_BYTES_MIN ? PART_BYTES_MIN : cap * 2;
	if (cap != client->part_cap) {
		grown = mt_mem_resize(&client->mem, client->part, client->part_cap, cap);
		if (!grown)
			return MT_MEMORY;
		client->part = grown;
		client->part_cap = cap;
	}
	memcpy(client->part + client->part_len, client->in.data, bytes);
	client->part_len += bytes;
	client->in = mt_bytes_from(client->in, bytes);
	return MT_OK;
}

/* How many bytes of the view belong to the packet in `part`; while its header is short, one at a
 * time. */
static size_t missing_bytes(const struct mt_client *client)
{
	size_t whole = mt_frame_bytes(mt_bytes_of(client->part, client->part_len));
	size_t missing = whole > client->part_len ? whole - client->part_len : 1;
	return missing < client->in.len ? missing : client->in.len;
}

static enum mt_status frame_in_part(struct mt_client *client, struct mt_frame *frame,
				    struct mt_violation *why)
{
	size_t packet_bytes = client->settings.limits.packet_bytes;
	enum mt_status status = MT_AGAIN;
	while (status == MT_AGAIN && client->in.len > 0) {
		MT_TRY(append_part(client, missing_bytes(client)));
		status = mt_frame_next(mt_bytes_of(client->part, client->part_len), packet_bytes,
				       frame, why);
	}
	client->is_part_used = status == MT_OK;
	return status;
}

static enum mt_status next_frame(struct mt_client *client, struct mt_frame *frame,
				 struct mt_violation *why)
{
	enum mt_status status;
	if (client->part_len > 0)
		return frame_in_part(client, frame, why);
	if (client->in.len == 0)
		return MT_AGAIN;
	status = mt_frame_next(client->in, client->settings.limits.packet_bytes, frame, why);
	if (status == MT_OK)
		client->in = mt_bytes_from(client->in, frame->bytes);
	if (status == MT_AGAIN) {
		MT_TRY(append_part(client, client->in.len));
		return MT_AGAIN;
	}
	return status;
}

static uint16_t number_or(const struct mt_props *props, uint32_t bit, uint16_t value,
			  uint16_t otherwise)
{
	return props->present & bit ? value : otherwise;
}

static bool flag_or_true(const struct mt_props *props, uint32_t bit, uint8_t value)
{
	return !(props->present & bit) || value != 0;
}

static void take_server(struct mt_client *client, const struct mt_props *props)
{
	struct mt_client_server *server = &client->server;
	server->receive_max =
		number_or(props, MT_PROP_BIT(RECEIVE_MAXIMUM), props->receive_max, UINT16_MAX);
	server->qos_max = (uint8_t)number_or(props, MT_PROP_BIT(MAXIMUM_QOS), props->qos_max, 2);
	server->keep_alive_s = number_or(props, MT_PROP_BIT(SERVER_KEEP_ALIVE),
					 props->server_keep_alive_s, server->keep_alive_s);
	server->is_retain_available =
		flag_or_true(props, MT_PROP_BIT(RETAIN_AVAILABLE), props->is_retain_available);
	server->is_wildcard_available = flag_or_true(
		props, MT_PROP_BIT(WILDCARD_SUBSCRIPTION_AVAILABLE), props->is_wildcard_available);
	server->is_shared_available = flag_or_true(
		props, MT_PROP_BIT(SHARED_SUBSCRIPTION_AVAILABLE), props->is_shared_available);
	server->is_subscription_id_available =
		flag_or_true(props, MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER_AVAILABLE),
			     props->is_subscription_id_available);
	if (props->present & MT_PROP_BIT(MAXIMUM_PACKET_SIZE))
		server->packet_bytes_max = props->packet_bytes_max;
	if (props->present & MT_PROP_BIT(SESSION_EXPIRY_INTERVAL))
		server->session_expiry_s = props->session_expiry_s;
}

static enum mt_status take_assigned_id(struct mt_client *client, struct mt_bytes id)
{
	uint8_t *copy;
	if (id.len == 0 || mt_client_id(client).len > 0)
		return MT_OK;
	copy = mt_mem_take(&client->mem, id.len);
	if (!copy)
		return MT_MEMORY;
	memcpy(copy, id.data, id.len);
	client->assigned_id = copy;
	client->assigned_len = id.len;
	return MT_OK;
}

static bool outlives_connection(const struct mt_client *client)
{
	return is_v5(client) ? client->server.session_expiry_s > 0
			     : !client->settings.connect.is_clean;
}

/* The method of CONNECT, and no other ([MQTT-4.12.0-5]). */
static bool names_method(const struct mt_client *client, const struct mt_props *props)
{
	return props->present & MT_PROP_BIT(AUTHENTICATION_METHOD) &&
	       mt_bytes_equal(props->auth_method, client->settings.connect.props.auth_method);
}

/* A session that we asked to forget cannot be there; an authentication that we did not begin cannot
 * have an answer, and one that waits for our word cannot be over. */
static const char *connack_fault(const struct mt_client *client, const struct mt_connack *connack)
{
	if (connack->is_session_present && !client->is_resuming)
		return is_v5(client) ? "MQTT-3.2.2-2" : "MQTT-3.2.2-1";
	if (mt_client_has_method(client)) {
		if (client->turn != MT_TURN_SERVER)
			return "MQTT-4.12.0-2";
		return names_method(client, &connack->props) ? NULL : "MQTT-4.12.0-5";
	}
	if (connack->props.present &
	    (MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA)))
		return "MQTT-4.12.0-6";
	return NULL;
}

static bool open_session(struct mt_client *client, const struct mt_connack *connack,
			 struct mt_client_event *out)
{
	if (take_assigned_id(client, connack->props.assigned_client_id) != MT_OK) {
		mt_client_end(client, MT_MEMORY, 0);
		return false;
	}
	take_server(client, &connack->props);
	client->phase = MT_CLIENT_OPEN;
	client->turn = MT_TURN_NOBODY;
	client->connect_by_ns = MT_TIME_NEVER;
	client->has_session = outlives_connection(client);
	if (!connack->is_session_present)
		memset(client->held, 0, sizeof(client->held));
	/* The quota begins anew with each connection (section 4.9). */
	memset(client->pending, 0, sizeof(client->pending));
	client->pending_count = 0;
	*out = (struct mt_client_event){.type = MT_CLIENT_CONNECTED,
					.is_session_present = connack->is_session_present,
					.data = connack->props.auth_data,
					.props = &client->props};
	mt_outgoing_resume(client, connack->is_session_present);
	return true;
}

static bool on_connack(struct mt_client *client, const struct mt_frame *frame,
		       struct mt_client_event *out)
{
	struct mt_connack connack;
	struct mt_violation why;
	const char *fault;
	if (mt_connack_decode(frame, client->settings.connect.version, &connack, &why) != MT_OK) {
		mt_client_end_violation(client, &why);
		return false;
	}
	client->props = connack.props;
	if (connack.reason != 0) {
		mt_client_end(client, MT_DENIED, connack.reason);
		return false;
	}
	fault = connack_fault(client, &connack);
	if (fault) {
		violate(client, fault, MT_REASON_PROTOCOL_ERROR);
		return false;
	}
	return open_session(client, &connack, out);
}

static bool has_id(const uint8_t *set, uint16_t id)
{
	return set[id / 8] & (1u << (id % 8));
}

static void set_id(uint8_t *set, uint16_t id, bool is_in)
{
	uint8_t bit = (uint8_t)(1u << (id % 8));
	if (has_id(set, id) != is_in)
		set[id / 8] ^= bit;
}

static void hold(struct mt_client *client, uint16_t id)
{
	client->pending_count += !has_id(client->pending, id);
	set_id(client->pending, id, true);
	set_id(client->held, id, true);
}

static void release(struct mt_client *client, uint16_t id)
{
	client->pending_count -= has_id(client->pending, id);
	set_id(client->pending, id, false);
	set_id(client->held, id, false);
}

static enum mt_status set_alias(struct mt_client *client, struct mt_alias *alias,
				struct mt_bytes topic)
{
	uint8_t *copy = mt_mem_take(&client->mem, topic.len);
	if (!copy)
		return MT_MEMORY;
	memcpy(copy, topic.data, topic.len);
	mt_mem_give(&client->mem, alias->topic, alias->len);
	*alias = (struct mt_alias){copy, topic.len};
	return MT_OK;
}

/* [MQTT-3.3.2-11]: the alias may lie above what we announced, or stand for a topic that was never
 * given. */
static enum mt_status resolve_alias(struct mt_client *client, struct mt_publish *publish,
				    struct mt_violation *why)
{
	struct mt_alias *alias;
	if (!(publish->props.present & MT_PROP_BIT(TOPIC_ALIAS)))
		return MT_OK;
	if (publish->props.topic_alias > client->settings.limits.topic_alias_max)
		return mt_violate(why, "MQTT-3.3.2-11", MT_REASON_TOPIC_ALIAS_INVALID, 0);
	alias = &client->aliases[publish->props.topic_alias - 1];
	if (publish->topic.len > 0)
		return set_alias(client, alias, publish->topic);
	if (!alias->topic)
		return mt_violate(why, "malformed", MT_REASON_PROTOCOL_ERROR, 0);
	publish->topic = mt_bytes_of(alias->topic, alias->len);
	return MT_OK;
}

/* What the server has in flight towards us stays within what we announced. */
static enum mt_status check_window(const struct mt_client *client, const struct mt_publish *publish,
				   struct mt_violation *why)
{
	if (publish->qos == 0 || !is_v5(client))
		return MT_OK;
	if (publish->qos == 2 && has_id(client->pending, publish->packet_id))
		return MT_OK;
	if (client->pending_count < client->settings.limits.receive_max)
		return MT_OK;
	return mt_violate(why, "MQTT-3.3.4-9", MT_REASON_RECEIVE_MAXIMUM_EXCEEDED, 0);
}

static bool deliver(struct mt_client *client, struct mt_publish *publish,
		    struct mt_client_event *out)
{
	struct mt_ack ack = {.type = publish->qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC,
			     .packet_id = publish->packet_id};
	bool is_duplicate = publish->qos == 2 && has_id(client->held, publish->packet_id);
	if (publish->qos > 0)
		client->owed = ack;
	if (publish->qos == 2)
		hold(client, publish->packet_id);
	if (is_duplicate) {
		mt_client_settle(client);
		return false;
	}
	*out = (struct mt_client_event){.type = MT_CLIENT_MESSAGE,
					.id = publish->packet_id,
					.message = *publish,
					.props = &client->props};
	return true;
}

static bool on_publish(struct mt_client *client, const struct mt_frame *frame,
		       struct mt_client_event *out)
{
	struct mt_publish publish;
	struct mt_violation why;
	enum mt_status status = mt_publish_decode(frame, client->settings.connect.version,
						  MT_SIDE_SERVER, &publish, &why);
	if (status == MT_OK)
		status = check_window(client, &publish, &why);
	if (status == MT_OK)
		status = resolve_alias(client, &publish, &why);
	if (status == MT_VIOLATION)
		mt_client_end_violation(client, &why);
	else if (status != MT_OK)
		mt_client_end(client, status, 0);
	if (status != MT_OK)
		return false;
	client->props = publish.props;
	return deliver(client, &publish, out);
}

/* [MQTT-4.3.3-11]: PUBCOMP whatever became of the id. */
static void on_pubrel(struct mt_client *client, const struct mt_ack *ack)
{
	struct mt_ack answer = {.type = MT_PACKET_PUBCOMP, .packet_id = ack->packet_id};
	if (!has_id(client->held, ack->packet_id))
		answer.reason = MT_REASON_PACKET_IDENTIFIER_NOT_FOUND;
	release(client, ack->packet_id);
	mt_client_put_ack(client, &answer);
}

/* Nobody asked for explanations, so only CONNACK, PUBLISH and DISCONNECT may bring some. */
static bool is_explained_unasked(const struct mt_client *client, const struct mt_props *props)
{
	const struct mt_props *asked = &client->settings.connect.props;
	return asked->present & MT_PROP_BIT(REQUEST_PROBLEM_INFORMATION) &&
	       !asked->request_problem_info &&
	       (props->present & MT_PROP_BIT(REASON_STRING) || props->user_property_count > 0);
}

static bool on_ack(struct mt_client *client, const struct mt_frame *frame,
		   struct mt_client_event *out)
{
	struct mt_ack ack;
	struct mt_violation why;
	if (mt_ack_decode(frame, client->settings.connect.version, &ack, &why) != MT_OK) {
		mt_client_end_violation(client, &why);
		return false;
	}
	if (is_explained_unasked(client, &ack.props)) {
		violate(client, "MQTT-3.1.2-29", MT_REASON_PROTOCOL_ERROR);
		return false;
	}
	client->props = ack.props;
	if (ack.type != MT_PACKET_PUBREL)
		return mt_outgoing_acked(client, &ack, out);
	on_pubrel(client, &ack);
	return false;
}

static bool on_answer(struct mt_client *client, const struct mt_frame *frame,
		      struct mt_client_event *out)
{
	struct mt_suback answer;
	struct mt_violation why;
	if (mt_suback_decode(frame, client->settings.connect.version, &answer, &why) != MT_OK) {
		mt_client_end_violation(client, &why);
		return false;
	}
	if (is_explained_unasked(client, &answer.props)) {
		violate(client, "MQTT-3.1.2-29", MT_REASON_PROTOCOL_ERROR);
		return false;
	}
	client->props = answer.props;
	return mt_request_answered(client, &answer, out);
}

static void on_disconnect(struct mt_client *client, const struct mt_frame *frame)
{
	struct mt_control control;
	struct mt_violation why;
	if (mt_control_decode(frame, client->settings.connect.version, MT_SIDE_SERVER, &control,
			      &why) != MT_OK) {
		mt_client_end_violation(client, &why);
		return;
	}
	client->props = control.props;
	mt_client_end(client, MT_CLOSED, control.reason);
}

static void on_pingresp(struct mt_client *client, const struct mt_frame *frame)
{
	struct mt_violation why;
	if (mt_ping_decode(frame, &why) != MT_OK)
		mt_client_end_violation(client, &why);
	client->ping_ns = MT_TIME_NEVER;
}

/* AUTH 0x18 is a question and 0x00 the end of another authentication; both answer a word of ours.
 * NULL: it is in its place. */
static const char *auth_fault(const struct mt_client *client, const struct mt_control *control)
{
	bool is_question = control->reason == MT_REASON_CONTINUE_AUTHENTICATION;
	if (!names_method(client, &control->props))
		return "MQTT-4.12.0-5";
	if (client->turn != MT_TURN_SERVER || (!is_question && client->phase != MT_CLIENT_OPEN))
		return "MQTT-4.12.0-2";
	return NULL;
}

bool mt_client_challenged(struct mt_client *client, const struct mt_frame *frame,
			  struct mt_client_event *out)
{
	struct mt_control control;
	struct mt_violation why;
	const char *fault;
	bool is_question;
	if (!is_v5(client) || !mt_client_has_method(client)) {
		violate(client, is_v5(client) ? "MQTT-4.12.0-6" : "malformed",
			MT_REASON_PROTOCOL_ERROR);
		return false;
	}
	if (mt_control_decode(frame, MT_VERSION_5, MT_SIDE_SERVER, &control, &why) != MT_OK) {
		mt_client_end_violation(client, &why);
		return false;
	}
	fault = auth_fault(client, &control);
	if (fault) {
		violate(client, fault, MT_REASON_PROTOCOL_ERROR);
		return false;
	}
	client->props = control.props;
	is_question = control.reason == MT_REASON_CONTINUE_AUTHENTICATION;
	client->turn = is_question ? MT_TURN_CLIENT : MT_TURN_NOBODY;
	client->auth_by_ns = is_question ? client->auth_by_ns : MT_TIME_NEVER;
	*out = (struct mt_client_event){.type = is_question ? MT_CLIENT_CHALLENGE
							    : MT_CLIENT_AUTHENTICATED,
					.data = client->props.auth_data,
					.props = &client->props};
	return true;
}

/* Before CONNACK nothing else may come. */
static bool on_first(struct mt_client *client, const struct mt_frame *frame,
		     struct mt_client_event *out)
{
	if (frame->type == MT_PACKET_CONNACK)
		return on_connack(client, frame, out);
	if (frame->type == MT_PACKET_AUTH && is_v5(client))
		return mt_client_challenged(client, frame, out);
	else
		violate(client, "MQTT-3.2.0-1", MT_REASON_PROTOCOL_ERROR);
	return false;
}

static bool on_packet(struct mt_client *client, const struct mt_frame *frame,
		      struct mt_client_event *out)
{
	if (client->phase == MT_CLIENT_CONNECTING)
		return on_first(client, frame, out);
	switch (frame->type) {
	case MT_PACKET_PUBLISH:
		return on_publish(client, frame, out);
	case MT_PACKET_PUBACK:
	case MT_PACKET_PUBREC:
	case MT_PACKET_PUBREL:
	case MT_PACKET_PUBCOMP:
		return on_ack(client, frame, out);
	case MT_PACKET_SUBACK:
	case MT_PACKET_UNSUBACK:
		return on_answer(client, frame, out);
	case MT_PACKET_PINGRESP:
		on_pingresp(client, frame);
		return false;
	case MT_PACKET_DISCONNECT:
		on_disconnect(client, frame);
		return false;
	case MT_PACKET_CONNACK:
		violate(client, is_v5(client) ? "MQTT-3.2.0-2" : "malformed",
			MT_REASON_PROTOCOL_ERROR);
		return false;
	case MT_PACKET_AUTH:
		return mt_client_challenged(client, frame, out);
	default: /* packets that only clients send */
		violate(client, "malformed", MT_REASON_PROTOCOL_ERROR);
		return false;
	}
}

/* The last event's views are dead now. */
static void forget_last(struct mt_client *client)
{
	mt_client_settle(client);
	client->props = (struct mt_props){0};
	if (!client->is_part_used)
		return;
	mt_mem_give(&client->mem, client->part, client->part_cap);
	client->part = NULL;
	client->part_len = client->part_cap = 0;
	client->is_part_used = false;
}

static bool tell_end(struct mt_client *client, struct mt_client_event *out)
{
	client->in = mt_bytes_of(NULL, 0);
	if (!client->has_end)
		return false;
	*out = client->end;
	out->props = &client->props;
	client->has_end = false;
	return true;
}

bool mt_client_event(struct mt_client *client, struct mt_client_event *out)
{
	struct mt_frame frame;
	struct mt_violation why;
	enum mt_status status = MT_OK;
	forget_last(client);
	if (mt_outgoing_next_done(client, out))
		return true;
	while (status == MT_OK && is_listening(client)) {
		forget_last(client);
		status = next_frame(client, &frame, &why);
		if (status == MT_OK && on_packet(client, &frame, out))
			return true;
	}
	if (status == MT_VIOLATION)
		mt_client_end_violation(client, &why);
	else if (status != MT_OK && status != MT_AGAIN)
		mt_client_end(client, status, 0);
	return tell_end(client, out);
}
