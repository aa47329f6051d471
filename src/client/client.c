/* Life of a client: settings in, CONNECT and DISCONNECT, output, keep alive. Pure. */
#include "client/state.h"

#define QUEUE_MESSAGES_MAX 60000u
#define REQUESTS_MAX 5000u
#define CONNECT_FIELDS_MAX 64u /* fixed fields and property identifiers of CONNECT */
#define OUT_BYTES_MIN 256u
#define OUT_BYTES_KEPT 65536u

struct mt_client_settings mt_client_defaults(void)
{
	struct mt_client_settings settings = {
		.connect = {.version = MT_VERSION_5, .is_clean = true, .keep_alive_s = 60},
		.limits = {.packet_bytes = 1u << 20,
			   .memory_bytes = 16u << 20,
			   .output_bytes = 256u << 10,
			   .queue_messages = 1000,
			   .requests = 16,
			   .window = 100,
			   .receive_max = 100,
			   .topic_alias_max = 16},
		.connect_ns = 10 * MT_SECOND,
		.answer_ns = 10 * MT_SECOND,
	};
	return settings;
}

static struct mt_client_server server_defaults(const struct mt_connect *connect)
{
	return (struct mt_client_server){
		.receive_max = UINT16_MAX,
		.qos_max = 2,
		.is_retain_available = true,
		.is_wildcard_available = true,
		.is_subscription_id_available = true,
		.is_shared_available = true,
		.packet_bytes_max = (size_t)MT_VARINT_MAX + 5,
		.keep_alive_s = connect->keep_alive_s,
		.session_expiry_s = connect->props.session_expiry_s,
	};
}

static bool limits_are_good(const struct mt_client_limits *limits)
{
	return limits->packet_bytes >= 64 && limits->packet_bytes <= (size_t)MT_VARINT_MAX + 5 &&
	       limits->output_bytes > 0 && limits->output_bytes <= limits->memory_bytes &&
	       limits->queue_messages <= QUEUE_MESSAGES_MAX && limits->requests > 0 &&
	       limits->requests <= REQUESTS_MAX && limits->window > 0 && limits->receive_max > 0;
}

/* The strings of CONNECT live in one block from here on: it is wiped at the end. */
static enum mt_status copy_strings(struct mt_client *client)
{
	struct mt_connect *connect = &client->settings.connect;
	struct mt_bytes *strings[] = {
		&connect->client_id,
		&connect->user,
		&connect->password,
		&connect->will_topic,
		&connect->will_payload,
		&connect->props.user,
		&connect->props.auth_method,
		&connect->will_props.user,
		&connect->will_props.content_type,
		&connect->will_props.response_topic,
		&connect->will_props.correlation_data,
	};
	struct mt_buf buf;
	size_t bytes = 1;
	for (size_t i = 0; i < MT_COUNT_OF(strings); i++)
		bytes += strings[i]->len;
	client->strings = mt_mem_zero(&client->mem, bytes);
	if (!client->strings)
		return MT_MEMORY;
	client->strings_bytes = bytes;
	buf = mt_buf_of(client->strings, bytes);
	for (size_t i = 0; i < MT_COUNT_OF(strings); i++) {
		const uint8_t *at = buf.data + buf.pos;
		mt_buf_put(&buf, *strings[i]);
		*strings[i] = mt_bytes_of(at, strings[i]->len);
	}
	return MT_OK;
}

static void announce_limits(struct mt_connect *connect, const struct mt_client_limits *limits)
{
	struct mt_props *props = &connect->props;
	if (connect->version != MT_VERSION_5)
		return;
	props->present |= MT_PROP_BIT(RECEIVE_MAXIMUM) | MT_PROP_BIT(MAXIMUM_PACKET_SIZE);
	props->receive_max = limits->receive_max;
	props->packet_bytes_max = (uint32_t)limits->packet_bytes;
	if (limits->topic_alias_max > 0)
		props->present |= MT_PROP_BIT(TOPIC_ALIAS_MAXIMUM);
	props->topic_alias_max = limits->topic_alias_max;
}

static size_t connect_bytes_max(const struct mt_connect *connect)
{
	return CONNECT_FIELDS_MAX + connect->client_id.len + connect->user.len +
	       connect->password.len + connect->will_topic.len + connect->will_payload.len +
	       mt_props_bytes(&connect->props) + mt_props_bytes(&connect->will_props);
}

/* What we would send must pass the rules that the server applies. */
static enum mt_status check_connect(struct mt_client *client, struct mt_violation *why)
{
	const struct mt_connect *connect = &client->settings.connect;
	struct mt_connect decoded;
	enum mt_version version;
	struct mt_frame frame;
	struct mt_buf buf;
	enum mt_status status;
	if (mt_client_has_method(client) && connect->version != MT_VERSION_5)
		return mt_violate(why, "malformed", MT_REASON_BAD_AUTHENTICATION_METHOD, 0);
	MT_TRY(mt_client_put_begin(client, connect_bytes_max(connect), &buf));
	status = mt_connect_encode(connect, &buf);
	if (status != MT_OK)
		return mt_violate(why, "malformed", MT_REASON_PACKET_TOO_LARGE, 0);
	status = mt_frame_next(mt_buf_view(&buf), (size_t)MT_VARINT_MAX + 5, &frame, why);
	if (status == MT_OK)
		status = mt_connect_decode(&frame, &decoded, &version, why);
	mt_bytes_wipe(buf.data, buf.pos);
	return status;
}

static enum mt_status take_tables(struct mt_client *client)
{
	const struct mt_client_limits *limits = &client->settings.limits;
	client->slot_count = (uint32_t)limits->queue_messages + limits->requests;
	client->slots =
		mt_mem_zero(&client->mem, client->slot_count * sizeof(struct mt_outgoing *));
	if (!client->slots)
		return MT_MEMORY;
	if (limits->topic_alias_max == 0)
		return MT_OK;
	client->aliases =
		mt_mem_zero(&client->mem, limits->topic_alias_max * sizeof(struct mt_alias));
	return client->aliases ? MT_OK : MT_MEMORY;
}

static enum mt_status prepare(struct mt_client *client, struct mt_violation *why)
{
	enum mt_status status;
	MT_TRY(copy_strings(client));
	MT_TRY(take_tables(client));
	announce_limits(&client->settings.connect, &client->settings.limits);
	status = check_connect(client, why);
	return status == MT_VIOLATION ? MT_INVALID : status;
}

enum mt_status mt_client_create(const struct mt_client_settings *settings, struct mt_client **out,
				struct mt_violation *why)
{
	struct mt_mem mem;
	struct mt_client *client;
	enum mt_status status;
	if (!limits_are_good(&settings->limits))
		return MT_LIMIT;
	mt_mem_init(&mem, settings->limits.memory_bytes);
	client = mt_mem_zero(&mem, sizeof(*client));
	if (!client)
		return MT_MEMORY;
	client->mem = mem;
	client->settings = *settings;
	client->server = server_defaults(&settings->connect);
	client->ping_ns = client->connect_by_ns = client->auth_by_ns = MT_TIME_NEVER;
	mt_list_init(&client->waiting);
	mt_list_init(&client->flying);
	mt_list_init(&client->done);
	status = prepare(client, why);
	if (status != MT_OK) {
		mt_client_destroy(&client);
		return status;
	}
	*out = client;
	return MT_OK;
}

static void drop_part(struct mt_client *client)
{
	mt_mem_give(&client->mem, client->part, client->part_cap);
	client->part = NULL;
	client->part_len = client->part_cap = 0;
	client->is_part_used = false;
}

static void drop_output(struct mt_client *client)
{
	if (client->out)
		mt_bytes_wipe(client->out, client->out_cap);
	mt_mem_give(&client->mem, client->out, client->out_cap);
	client->out = NULL;
	client->out_head = client->out_tail = client->out_cap = client->out_largest = 0;
}

static void drop_aliases(struct mt_client *client)
{
	for (uint32_t i = 0; client->aliases && i < client->settings.limits.topic_alias_max; i++) {
		mt_mem_give(&client->mem, client->aliases[i].topic, client->aliases[i].len);
		client->aliases[i] = (struct mt_alias){NULL, 0};
	}
}

void mt_client_destroy(struct mt_client **client_at)
{
	struct mt_client *client = *client_at;
	struct mt_mem mem;
	if (!client)
		return;
	for (uint32_t i = 0; client->slots && i < client->slot_count; i++)
		mt_outgoing_destroy(client, client->slots[i]);
	mt_mem_give(&client->mem, client->slots, client->slot_count * sizeof(struct mt_outgoing *));
	drop_aliases(client);
	mt_mem_give(&client->mem, client->aliases,
		    client->settings.limits.topic_alias_max * sizeof(struct mt_alias));
	mt_mem_give(&client->mem, client->assigned_id, client->assigned_len);
	drop_part(client);
	drop_output(client);
	if (client->strings)
		mt_bytes_wipe(client->strings, client->strings_bytes);
	mt_mem_give(&client->mem, client->strings, client->strings_bytes);
	mem = client->mem;
	mt_mem_give(&mem, client, sizeof(*client));
	MT_CHECK(mem.used_bytes == 0);
	*client_at = NULL;
}

static enum mt_status begin(struct mt_client *client, struct mt_now now, struct mt_connect connect)
{
	struct mt_buf buf;
	connect.client_id = mt_client_id(client);
	connect.is_clean = connect.is_clean && !client->has_session;
	MT_TRY(mt_client_put_begin(client, connect_bytes_max(&connect), &buf));
	MT_TRY(mt_connect_encode(&connect, &buf));
	mt_client_put_end(client, &buf);
	client->is_resuming = !connect.is_clean;
	client->turn = mt_client_has_method(client) ? MT_TURN_SERVER : MT_TURN_NOBODY;
	client->phase = MT_CLIENT_CONNECTING;
	client->server = server_defaults(&client->settings.connect);
	client->connect_by_ns = now.mono_ns + client->settings.connect_ns;
	client->sent_ns = client->received_ns = now.mono_ns;
	return MT_OK;
}

enum mt_status mt_client_connect(struct mt_client *client, struct mt_now now)
{
	if (client->phase != MT_CLIENT_IDLE || mt_client_has_method(client))
		return MT_INVALID;
	return begin(client, now, client->settings.connect);
}

enum mt_status mt_client_connect_by(struct mt_client *client, struct mt_now now,
				    struct mt_bytes data)
{
	struct mt_connect connect = client->settings.connect;
	if (client->phase != MT_CLIENT_IDLE || !mt_client_has_method(client) ||
	    data.len > UINT16_MAX)
		return MT_INVALID;
	connect.props.present |= MT_PROP_BIT(AUTHENTICATION_DATA);
	connect.props.auth_data = data;
	return begin(client, now, connect);
}

void mt_client_closed(struct mt_client *client)
{
	client->phase = MT_CLIENT_IDLE;
	client->turn = MT_TURN_NOBODY;
	client->ping_ns = client->connect_by_ns = client->auth_by_ns = MT_TIME_NEVER;
	client->in = mt_bytes_of(NULL, 0);
	client->owed.type = 0;
	client->has_end = false;
	drop_part(client);
	drop_output(client);
	drop_aliases(client);
	mt_outgoing_drop_requests(client);
}

/* Session expiry may not be raised from 0 at the end (section 3.14.2.2.2). */
static bool expiry_is_legal(const struct mt_client *client, const struct mt_props *props)
{
	return props->session_expiry_s == 0 || client->settings.connect.props.session_expiry_s > 0;
}

static enum mt_status check_control(const struct mt_client *client, const struct mt_buf *buf,
				    struct mt_violation *why)
{
	struct mt_control decoded;
	struct mt_frame frame;
	MT_TRY(mt_frame_next(mt_buf_view(buf), client->server.packet_bytes_max, &frame, why));
	return mt_control_decode(&frame, client->settings.connect.version, MT_SIDE_CLIENT, &decoded,
				 why);
}

enum mt_status mt_client_disconnect(struct mt_client *client, const struct mt_control *control,
				    struct mt_violation *why)
{
	struct mt_control packet = *control;
	struct mt_buf buf;
	packet.type = MT_PACKET_DISCONNECT;
	if (client->phase != MT_CLIENT_OPEN)
		return MT_CLOSED;
	mt_client_settle(client);
	mt_outgoing_pump(client);
	MT_TRY(mt_client_put_begin(client, mt_props_bytes(&packet.props) + 8, &buf));
	if (!expiry_is_legal(client, &packet.props) ||
	    mt_control_encode(&packet, client->settings.connect.version, &buf) != MT_OK) {
		(void)!mt_violate(why, "malformed", MT_REASON_PROTOCOL_ERROR, 0);
		return MT_INVALID;
	}
	if (check_control(client, &buf, why) != MT_OK)
		return MT_INVALID;
	mt_client_put_end(client, &buf);
	client->in = mt_bytes_of(NULL, 0);
	client->phase = MT_CLIENT_LEAVING;
	return MT_OK;
}

/* AUTH: 0x18 answers ([MQTT-4.12.0-3]), 0x19 begins again. */
static enum mt_status put_auth(struct mt_client *client, uint8_t reason, struct mt_bytes data)
{
	struct mt_control packet = {.type = MT_PACKET_AUTH, .reason = reason};
	struct mt_buf buf;
	packet.props.present =
		MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA);
	packet.props.auth_method = client->settings.connect.props.auth_method;
	packet.props.auth_data = data;
	MT_TRY(mt_client_put_begin(client, mt_props_bytes(&packet.props) + 8, &buf));
	MT_TRY(mt_control_encode(&packet, MT_VERSION_5, &buf));
	if (buf.pos > client->server.packet_bytes_max)
		return MT_LIMIT;
	mt_client_put_end(client, &buf);
	return MT_OK;
}

enum mt_status mt_client_authenticate(struct mt_client *client, struct mt_now now,
				      struct mt_bytes data)
{
	mt_time by_ns = now.mono_ns + client->settings.connect_ns;
	bool is_again = client->turn == MT_TURN_NOBODY;
	bool is_open = client->phase == MT_CLIENT_OPEN;
	if (!mt_client_has_method(client) || client->turn == MT_TURN_SERVER ||
	    data.len > UINT16_MAX || (!is_open && client->phase != MT_CLIENT_CONNECTING))
		return MT_INVALID;
	MT_TRY(put_auth(client,
			is_again ? MT_REASON_RE_AUTHENTICATE : MT_REASON_CONTINUE_AUTHENTICATION,
			data));
	client->turn = MT_TURN_SERVER;
	if (is_open)
		client->auth_by_ns = by_ns;
	else
		client->connect_by_ns = by_ns;
	return MT_OK;
}

/* A violation is told to the server in 5 and not at all in 3.1.1. */
static void say_violation(struct mt_client *client, uint8_t reason)
{
	uint8_t bytes[8];
	struct mt_buf buf = mt_buf_of(bytes, sizeof(bytes));
	struct mt_control control = {.type = MT_PACKET_DISCONNECT,
				     .reason = MT_REASON_PROTOCOL_ERROR};
	if (mt_reason_is_legal(reason, MT_PACKET_DISCONNECT, MT_SIDE_CLIENT))
		control.reason = reason;
	if (client->phase != MT_CLIENT_OPEN || client->settings.connect.version != MT_VERSION_5)
		return;
	if (mt_control_encode(&control, MT_VERSION_5, &buf) == MT_OK)
		(void)!mt_client_put(client, mt_buf_view(&buf));
}

void mt_client_end(struct mt_client *client, enum mt_status status, uint8_t reason)
{
	if (client->phase == MT_CLIENT_IDLE || client->phase == MT_CLIENT_LEAVING)
		return;
	client->has_end = true;
	client->end = (struct mt_client_event){
		.type = MT_CLIENT_ENDED, .status = status, .reason = reason};
	client->phase = MT_CLIENT_LEAVING;
	client->connect_by_ns = client->ping_ns = client->auth_by_ns = MT_TIME_NEVER;
}

void mt_client_end_violation(struct mt_client *client, const struct mt_violation *why)
{
	say_violation(client, why->reason);
	mt_client_end(client, MT_VIOLATION, why->reason);
	client->end.violation = *why;
}

/* Unsent bytes go to the front before the buffer grows. */
enum mt_status mt_client_put_begin(struct mt_client *client, size_t bytes, struct mt_buf *out)
{
	size_t unsent = mt_client_unsent(client);
	size_t cap = client->out_cap;
	uint8_t *grown;
	if (client->out_cap - client->out_tail < bytes && client->out_head > 0) {
		memmove(client->out, client->out + client->out_head, unsent);
		client->out_head = 0;
		client->out_tail = unsent;
	}
	while (cap - client->out_tail < bytes)
		cap = cap < OUT_BYTES_MIN ? OUT_BYTES_MIN : cap * 2;
	if (cap != client->out_cap) {
		grown = mt_mem_resize(&client->mem, client->out, client->out_cap, cap);
		if (!grown)
			return MT_MEMORY;
		client->out = grown;
		client->out_cap = cap;
	}
	*out = mt_buf_of(client->out + client->out_tail, bytes);
	return MT_OK;
}

void mt_client_put_end(struct mt_client *client, const struct mt_buf *buf)
{
	MT_CHECK(!buf->is_overflown);
	MT_CHECK(buf->pos <= client->out_cap - client->out_tail);
	client->out_tail += buf->pos;
	if (buf->pos > client->out_largest)
		client->out_largest = buf->pos;
}

enum mt_status mt_client_put(struct mt_client *client, struct mt_bytes packet)
{
	struct mt_buf buf;
	MT_TRY(mt_client_put_begin(client, packet.len, &buf));
	mt_buf_put(&buf, packet);
	mt_client_put_end(client, &buf);
	return MT_OK;
}

void mt_client_put_ack(struct mt_client *client, const struct mt_ack *ack)
{
	uint8_t bytes[8];
	struct mt_buf buf = mt_buf_of(bytes, sizeof(bytes));
	size_t unsent_max = 2 * client->settings.limits.output_bytes + client->out_largest;
	enum mt_status status = mt_ack_encode(ack, client->settings.connect.version, &buf);
	MT_CHECK(status == MT_OK);
	status = mt_client_unsent(client) > unsent_max ? MT_LIMIT
						       : mt_client_put(client, mt_buf_view(&buf));
	if (status != MT_OK)
		mt_client_end(client, status, 0);
}

size_t mt_client_output(struct mt_client *client, struct mt_bytes *list, size_t list_max)
{
	mt_outgoing_pump(client);
	if (list_max == 0 || mt_client_unsent(client) == 0)
		return 0;
	list[0] = mt_bytes_of(client->out + client->out_head, mt_client_unsent(client));
	return 1;
}

void mt_client_sent(struct mt_client *client, struct mt_now now, size_t bytes)
{
	MT_CHECK(bytes <= mt_client_unsent(client));
	if (client->phase == MT_CLIENT_CONNECTING && bytes > 0) /* it holds the password */
		mt_bytes_wipe(client->out + client->out_head, bytes);
	client->out_head += bytes;
	if (bytes > 0)
		client->sent_ns = now.mono_ns;
	if (mt_client_unsent(client) > 0)
		return;
	client->out_head = client->out_tail = client->out_largest = 0;
	if (client->out_cap > OUT_BYTES_KEPT)
		drop_output(client);
}

/* PINGREQ is due 7/8 of the keep alive after the last byte of either direction, whichever is older.
 */
static mt_time ping_due(const struct mt_client *client)
{
	mt_time keep_alive = client->server.keep_alive_s * MT_SECOND;
	mt_time since =
		client->sent_ns < client->received_ns ? client->sent_ns : client->received_ns;
	return keep_alive == 0 ? MT_TIME_NEVER : since + keep_alive / 8 * 7;
}

static mt_time answer_due(const struct mt_client *client)
{
	mt_time since =
		client->ping_ns > client->received_ns ? client->ping_ns : client->received_ns;
	return since + client->settings.answer_ns;
}

static mt_time open_deadline(const struct mt_client *client)
{
	mt_time due = client->ping_ns == MT_TIME_NEVER ? ping_due(client) : answer_due(client);
	return client->auth_by_ns < due ? client->auth_by_ns : due;
}

mt_time mt_client_deadline(const struct mt_client *client)
{
	if (client->phase == MT_CLIENT_CONNECTING)
		return client->connect_by_ns;
	if (client->phase != MT_CLIENT_OPEN)
		return MT_TIME_NEVER;
	return open_deadline(client);
}

static void send_ping(struct mt_client *client, struct mt_now now)
{
	uint8_t bytes[2];
	struct mt_buf buf = mt_buf_of(bytes, sizeof(bytes));
	mt_ping_encode(MT_PACKET_PINGREQ, &buf);
	if (mt_client_put(client, mt_buf_view(&buf)) != MT_OK)
		mt_client_end(client, MT_MEMORY, 0);
	else
		client->ping_ns = now.mono_ns;
}

void mt_client_tick(struct mt_client *client, struct mt_now now)
{
	if (now.mono_ns < mt_client_deadline(client))
		return;
	if (client->phase == MT_CLIENT_OPEN && client->ping_ns == MT_TIME_NEVER &&
	    now.mono_ns < client->auth_by_ns)
		send_ping(client, now);
	else
		mt_client_end(client, MT_TIMEOUT, MT_REASON_KEEP_ALIVE_TIMEOUT);
}

bool mt_client_is_open(const struct mt_client *client)
{
	return client->phase == MT_CLIENT_OPEN;
}

bool mt_client_is_over(const struct mt_client *client)
{
	return client->phase == MT_CLIENT_LEAVING && mt_client_unsent(client) == 0;
}

uint32_t mt_client_pending(const struct mt_client *client)
{
	return client->publish_count;
}

struct mt_bytes mt_client_id(const struct mt_client *client)
{
	if (client->assigned_id)
		return mt_bytes_of(client->assigned_id, client->assigned_len);
	return client->settings.connect.client_id;
}

size_t mt_client_used_bytes(const struct mt_client *client)
{
	return client->mem.used_bytes;
}

struct mt_client_server mt_client_server(const struct mt_client *client)
{
	return client->server;
}
