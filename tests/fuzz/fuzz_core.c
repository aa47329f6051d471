/*
 * A log of calls into one core: several connections, any bytes, answers in any temper, time that
 * jumps.
 *
 *   [settings] then records of [op][arguments...] until the end; what goes out must be whole
 * packets that our own decoders take
 */
#include "decodable.h"
#include "one_role.h"

#define CONNS 6u
#define TICKETS 512u
#define PACKET_BYTES 2048u
#define LARGE_BYTES 1500u /* of a payload that the core refers to instead of copying it */
#define BITE_BYTES 64u	  /* what a slow network takes at once */

struct peer {
	mt_conn conn;
	bool is_open;
	enum mt_version version;	 /* of its first packet, as the core reads it */
	uint8_t hello[2 * PACKET_BYTES]; /* what it said, until the first packet was whole */
	size_t hello_bytes;
	bool is_known;
	uint16_t last_id; /* of the last PUBLISH received with a packet id */
	struct inbox inbox;
};

struct play {
	struct mt_core *core;
	struct mt_now now;
	struct mt_reader in;
	struct mt_policy *policies[2];
	struct peer peers[CONNS];
	uint64_t tickets[TICKETS]; /* of the store, oldest first */
	uint32_t ticket_count;
	uint64_t auth_tickets[CONNS];
	uint32_t auth_count;
	bool is_network_slow;
	bool is_memory_short;
};

static const char *const ids[] = {"", "a", "b", "$x", "a/b", "+", "client-with-a-longer-name", "c"};
static const char *const topics[] = {"t",
				     "a/b",
				     "own/a/x",
				     "news/secret",
				     "a/+",
				     "#",
				     "$share/g/a/b",
				     "$share/g/#",
				     "$SYS/broker/uptime",
				     "news/#",
				     "/",
				     "own/a/#",
				     "$SYS/#",
				     "+/b",
				     "$share//t",
				     ""};

static struct mt_bytes pick(struct play *play, const char *const *names, size_t count)
{
	return mt_bytes_str(names[mt_reader_u8(&play->in) % count]);
}

/* The user `ann` (id 7) holds a role with a few rules, or none at all. */
static struct mt_policy *make_policy(bool has_rules)
{
	const struct mt_rule rules[] = {
		{.id = 1,
		 .operation = MT_OPERATION_BOTH,
		 .qos_mask = 3,
		 .filter = mt_bytes_str("own/%c/#")},
		{.id = 2,
		 .operation = MT_OPERATION_BOTH,
		 .qos_mask = 7,
		 .filter = mt_bytes_str("a/#"),
		 .share = mt_bytes_str("any")},
		{.id = 3,
		 .operation = MT_OPERATION_SUBSCRIBE,
		 .qos_mask = 7,
		 .filter = mt_bytes_str("news/#"),
		 .until_s = 1700000100},
		{.id = 4,
		 .is_deny = true,
		 .operation = MT_OPERATION_BOTH,
		 .qos_mask = 7,
		 .filter = mt_bytes_str("news/secret")},
	};
	const struct mt_user user = {.id = 7, .name = mt_bytes_str("ann"), .is_enabled = has_rules};
	return one_role(rules, has_rules ? MT_COUNT_OF(rules) : 0, &user);
}

/* A slow network takes the beginning of the first piece and no more. */
static void take_bite(struct play *play, struct peer *peer)
{
	struct mt_bytes first;
	if (mt_core_output(play->core, peer->conn, &first, 1) == 0)
		return;
	first.len = first.len < BITE_BYTES ? first.len : BITE_BYTES;
	inbox_put(&peer->inbox, first);
	mt_core_sent(play->core, play->now, peer->conn, first.len);
	inbox_look(&peer->inbox, peer->version, &peer->last_id);
}

static void pull(struct play *play, struct peer *peer)
{
	struct mt_bytes list[8];
	size_t count;
	while ((count = mt_core_output(play->core, peer->conn, list, MT_COUNT_OF(list))) > 0) {
		size_t bytes = 0;
		for (size_t i = 0; i < count; i++) {
			inbox_put(&peer->inbox, list[i]);
			bytes += list[i].len;
		}
		mt_core_sent(play->core, play->now, peer->conn, bytes);
	}
	inbox_look(&peer->inbox, peer->version, &peer->last_id);
}

static void forget(struct play *play, struct peer *peer)
{
	mt_core_closed(play->core, play->now, peer->conn);
	peer->is_open = false;
	peer->inbox.bytes = 0;
}

static struct peer *find(struct play *play, mt_conn conn)
{
	for (size_t i = 0; i < CONNS; i++)
		if (play->peers[i].is_open && play->peers[i].conn == conn)
			return &play->peers[i];
	return NULL;
}

static void answer_store(struct play *play, bool is_stored)
{
	if (play->ticket_count == 0)
		return;
	mt_core_stored(play->core, play->now, play->tickets[0], is_stored ? MT_OK : MT_SYSTEM);
	memmove(&play->tickets[0], &play->tickets[1],
		--play->ticket_count * sizeof(play->tickets[0]));
}

static void obey(struct play *play, const struct mt_request *request)
{
	struct peer *peer = find(play, request->conn);
	switch (request->type) {
	case MT_REQUEST_SEND:
		if (peer && play->is_network_slow)
			take_bite(play, peer);
		else if (peer)
			pull(play, peer);
		break;
	case MT_REQUEST_CLOSE:
		MT_CHECK(peer);
		pull(play, peer);
		/* Only where memory is short a packet may break off, and only as the last. */
		MT_CHECK(peer->inbox.bytes == 0 || play->is_memory_short);
		forget(play, peer);
		break;
	case MT_REQUEST_RESUME:
		if (peer)
			mt_core_input(play->core, play->now, peer->conn, mt_bytes_of(NULL, 0));
		break;
	case MT_REQUEST_AUTHENTICATE:
		play->auth_tickets[play->auth_count++ % CONNS] = request->ticket;
		break;
	case MT_REQUEST_STORE:
		if (play->ticket_count == TICKETS)
			answer_store(play, true);
		play->tickets[play->ticket_count++] = request->ticket;
		break;
	case MT_REQUEST_AUDIT:
		MT_CHECK(memchr(request->audit->topic, 0, sizeof(request->audit->topic)));
		break;
	default:
		break;
	}
}

static void drain(struct play *play)
{
	struct mt_request request;
	while (mt_core_request(play->core, &request))
		obey(play, &request);
}

/* ---- what may happen ---- */

static void dial(struct play *play, struct peer *peer)
{
	static const struct mt_offer little = {
		.qos_max = 1, .is_wildcard_available = true, .server_reference = ""};
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_conn_facts facts = {.listener = "fuzz",
				      .offer = choice & 0x10 ? &little : NULL,
				      .anonymous_role = choice & 1   ? "open"
							: choice & 8 ? "r"
								     : "",
				      .has_anonymous_sessions = choice & 2,
				      .is_secret_safe = !(choice & 4)};
	if (peer->is_open)
		forget(play, peer);
	peer->version = MT_VERSION_3_1_1;
	peer->hello_bytes = 0;
	peer->is_known = false;
	peer->is_open = mt_core_open(play->core, play->now, &facts, &peer->conn) == MT_OK;
}

static void put_connect(struct play *play, struct peer *peer, struct mt_buf *out)
{
	uint8_t choice = mt_reader_u8(&play->in), more = mt_reader_u8(&play->in);
	struct mt_connect connect = {.version = choice & 1 ? MT_VERSION_5 : MT_VERSION_3_1_1,
				     .is_clean = choice & 2,
				     .has_will = choice & 4,
				     .will_qos = choice & 4 ? (choice >> 3) % 3 : 0,
				     .is_will_retain = (choice & 0x24) == 0x24,
				     .has_user = choice & 0x40,
				     .has_password = choice & 0x40,
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str("pw"),
				     .keep_alive_s = more & 7,
				     .client_id = pick(play, ids, MT_COUNT_OF(ids)),
				     .will_payload = mt_bytes_str("gone")};
	if (connect.has_will)
		connect.will_topic = pick(play, topics, 5);
	if (connect.version == MT_VERSION_5) {
		connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect.props.session_expiry_s = more & 8 ? 60 : 0;
		if (more & 0x10) {
			connect.props.present |=
				MT_PROP_BIT(RECEIVE_MAXIMUM) | MT_PROP_BIT(MAXIMUM_PACKET_SIZE);
			connect.props.receive_max = 2;
			connect.props.packet_bytes_max = 1 + (more & 0xe0);
		}
		if (more & 0x40) {
			connect.props.present |= MT_PROP_BIT(TOPIC_ALIAS_MAXIMUM);
			connect.props.topic_alias_max = 2;
		}
		if (choice & 0x80) {
			connect.props.present |= MT_PROP_BIT(AUTHENTICATION_METHOD);
			connect.props.auth_method = mt_bytes_str("M");
		}
		if (connect.has_will && more & 0x20) {
			connect.will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
			connect.will_props.will_delay_s = 5;
		}
	}
	(void)!mt_connect_encode(&connect, out);
	(void)peer;
}

static void put_publish(struct play *play, struct peer *peer, struct mt_buf *out)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_publish publish = {.qos = choice % 3,
				     .is_retain = choice & 4,
				     .is_dup = choice % 3 && choice & 8,
				     .topic = pick(play, topics, MT_COUNT_OF(topics)),
				     .payload = mt_reader_take(&play->in, choice >> 4)};
	static const uint8_t large[LARGE_BYTES];
	if (choice >> 4 == 3)
		publish.payload = mt_bytes_of(large, sizeof(large));
	if (publish.qos > 0)
		publish.packet_id = 1 + mt_reader_u8(&play->in) % 12;
	if (peer->version == MT_VERSION_5 && choice & 0x80) {
		uint8_t value = mt_reader_u8(&play->in);
		publish.props.present =
			MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL) | MT_PROP_BIT(TOPIC_ALIAS);
		publish.props.message_expiry_s = value & 15;
		publish.props.topic_alias = 1 + value % 5;
	}
	(void)!mt_publish_encode(&publish, peer->version, out);
}

static void put_ack(struct play *play, struct peer *peer, struct mt_buf *out)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_ack ack = {.type = (uint8_t)(MT_PACKET_PUBACK + choice % 4),
			     .packet_id = choice & 4 ? peer->last_id : 1 + (choice >> 3) % 12,
			     .reason = 0};
	if (choice & 0x80 && choice % 4 < 2)
		ack.reason = MT_REASON_UNSPECIFIED_ERROR;
	if (ack.packet_id != 0)
		(void)!mt_ack_encode(&ack, peer->version, out);
}

static void put_subscribe(struct play *play, struct peer *peer, struct mt_buf *out)
{
	uint8_t list[256];
	struct mt_buf items = mt_buf_of(list, sizeof(list));
	uint8_t choice = mt_reader_u8(&play->in);
	bool is_leaving = choice & 0x80;
	struct mt_subscribe subscribe = {.type = is_leaving ? MT_PACKET_UNSUBSCRIBE
							    : MT_PACKET_SUBSCRIBE,
					 .packet_id = 1 + (choice >> 3),
					 .filter_count = 1 + choice % 5};
	for (uint32_t i = 0; i < subscribe.filter_count; i++) {
		uint8_t bits = mt_reader_u8(&play->in);
		struct mt_sub_options options = {.qos = bits % 3,
						 .is_no_local = bits & 4,
						 .is_retain_as_published = bits & 8,
						 .retain_handling = (bits >> 4) % 3};
		mt_subscribe_put(&items, pick(play, topics, MT_COUNT_OF(topics)),
				 is_leaving ? NULL : &options, peer->version);
	}
	subscribe.list = mt_buf_view(&items);
	if (peer->version == MT_VERSION_5 && !is_leaving && choice & 0x40) {
		subscribe.props.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER);
		subscribe.props.subscription_id = 1 + choice;
	}
	(void)!mt_subscribe_encode(&subscribe, peer->version, out);
}

static void put_control(struct play *play, struct peer *peer, struct mt_buf *out)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_control control = {.type = MT_PACKET_DISCONNECT,
				     .reason = choice & 1 ? MT_REASON_DISCONNECT_WITH_WILL : 0};
	if (choice & 2) {
		mt_ping_encode(MT_PACKET_PINGREQ, out);
		return;
	}
	if (choice & 4 && peer->version == MT_VERSION_5) {
		control.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		control.props.session_expiry_s = choice >> 3;
	}
	(void)!mt_control_encode(&control, peer->version, out);
}

/* The core answers in the version that the first packet asks for, in however many pieces it came.
 */
static void learn_version(struct peer *peer, struct mt_bytes bytes)
{
	struct mt_bytes said;
	struct mt_frame frame;
	struct mt_violation why;
	struct mt_connect connect;
	enum mt_version version = peer->version;
	if (peer->is_known || bytes.len > sizeof(peer->hello) - peer->hello_bytes)
		return;
	if (bytes.len > 0)
		memcpy(peer->hello + peer->hello_bytes, bytes.data, bytes.len);
	peer->hello_bytes += bytes.len;
	said = mt_bytes_of(peer->hello, peer->hello_bytes);
	if (mt_frame_next(said, SIZE_MAX, &frame, &why) != MT_OK)
		return;
	peer->is_known = true;
	if (frame.type == MT_PACKET_CONNECT)
		(void)!mt_connect_decode(&frame, &connect, &version, &why);
	peer->version = version;
}

typedef void put_fn(struct play *, struct peer *, struct mt_buf *);

static void say(struct play *play, struct peer *peer, put_fn *put)
{
	uint8_t data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	put(play, peer, &out);
	if (!peer->is_open || out.is_overflown)
		return;
	learn_version(peer, mt_buf_view(&out));
	mt_core_input(play->core, play->now, peer->conn, mt_buf_view(&out));
}

static void put_anything(struct play *play, struct peer *peer, struct mt_buf *out)
{
	(void)peer;
	mt_buf_put(out, mt_reader_take(&play->in,
				       mt_reader_u8(&play->in) % (mt_reader_left(&play->in) + 1)));
}

static void pass_time(struct play *play)
{
	play->now.mono_ns += (mt_time)mt_reader_u8(&play->in) * MT_SECOND;
	play->now.wall_ns += (mt_time)mt_reader_u8(&play->in) * MT_SECOND;
	mt_core_tick(play->core, play->now);
}

static void authenticated(struct play *play)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_auth_verdict verdict = {.is_accepted = choice & 1,
					  .user_id = choice & 2 ? 8 : 7,
					  .is_continued = (choice & 0xc0) == 0xc0,
					  .data = mt_bytes_str("data"),
					  .reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD};
	mt_core_authenticated(play->core, play->now, play->auth_tickets[(choice >> 2) % CONNS],
			      &verdict);
}

static void change_network(struct play *play)
{
	play->is_network_slow = !play->is_network_slow;
	for (size_t i = 0; i < CONNS && !play->is_network_slow; i++)
		if (play->peers[i].is_open)
			pull(play, &play->peers[i]);
}

static void command(struct play *play)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_client_info info;
	struct mt_subscription_info sub;
	uint32_t cursor = 0;
	if (choice & 1)
		mt_core_set_policy(play->core, play->now, play->policies[choice >> 7]);
	if (choice & 2)
		mt_core_kick(play->core, play->now, mt_bytes_str(choice & 4 ? "ann" : ""),
			     pick(play, ids, MT_COUNT_OF(ids)));
	if (choice & 8)
		change_network(play);
	if (choice == 0xf0)
		mt_core_shut_down(play->core, play->now);
	while (mt_core_next_client(play->core, &cursor, &info))
		for (uint32_t i = 0; i < info.subscription_count; i++)
			MT_CHECK(mt_core_client_subscription(play->core, cursor, i, &sub));
}

static void step(struct play *play)
{
	uint8_t op = mt_reader_u8(&play->in);
	struct peer *peer = &play->peers[(op >> 4) % CONNS];
	static put_fn *const puts[] = {put_connect,   put_publish, put_publish,
				       put_subscribe, put_ack,	   put_control};
	switch (op & 15) {
	case 0:
		dial(play, peer);
		say(play, peer, put_connect);
		break;
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
		say(play, peer, puts[op & 15]);
		break;
	case 6:
		dial(play, peer);
		say(play, peer, put_anything);
		break;
	case 7:
		say(play, peer, put_anything);
		break;
	case 8:
		if (peer->is_open)
			forget(play, peer);
		break;
	case 9:
		authenticated(play);
		break;
	case 10:
		answer_store(play, true);
		break;
	case 11:
		answer_store(play, mt_reader_u8(&play->in) & 1);
		break;
	case 12:
		pass_time(play);
		break;
	case 13:
		command(play);
		break;
	case 14:
		say(play, peer, put_connect);
		break;
	default:
		say(play, peer, put_publish);
		break;
	}
}

static struct mt_core_settings settings_of(uint8_t choice)
{
	return (struct mt_core_settings){
		.limits = {.packet_bytes = 4096,
			   .connect_bytes = 1024,
			   .topic_levels = 8,
			   .filters_per_subscribe = 4,
			   .filters_per_session = 6,
			   .queue_messages = 6,
			   .queue_bytes = 4096,
			   .output_bytes = 512,
			   .inflight = 3,
			   .retained_count = 4,
			   .retained_bytes = 2048,
			   .sessions = 6,
			   .connections = CONNS - 1,
			   .topic_aliases = 3,
			   .client_aliases = 2,
			   .session_expiry_s = 3600,
			   .keep_alive_s = choice & 1 ? 20 : 0,
			   .connect_ns = 10 * MT_SECOND},
		.seed = {{1, 2}},
		.memory_bytes = choice & 2 ? 260000 + 64 * (size_t)(choice >> 3) : SIZE_MAX,
		.is_denial_closing = choice & 4,
		.sys_interval_ns = choice & 1 ? 10 * MT_SECOND : 0,
		.shared_strategy = choice & 0x20 ? MT_SHARED_STICKY : MT_SHARED_ROUND_ROBIN,
		.is_payload_checked = choice & 0x40,
		.response_topic = "own/%c",
		.release = "fuzz",
	};
}

static void check_limits(const struct play *play, const struct mt_core_settings *settings)
{
	const struct mt_core_limits *limits = &settings->limits;
	struct mt_core_counts counts = mt_core_counts(play->core);
	MT_CHECK(counts.memory_bytes <= settings->memory_bytes);
	MT_CHECK(counts.connections <= limits->connections);
	MT_CHECK(counts.sessions <= limits->sessions);
	MT_CHECK(counts.sessions_connected <= counts.connections);
	MT_CHECK(counts.sessions_connected <= counts.sessions);
	MT_CHECK(counts.subscriptions <= counts.sessions * limits->filters_per_session);
	MT_CHECK(counts.retained_count <= limits->retained_count);
	MT_CHECK(counts.retained_bytes <= limits->retained_bytes);
	MT_CHECK(counts.queued_messages > 0 || counts.queued_bytes == 0);
	MT_CHECK(counts.queued_messages <= (uint64_t)counts.sessions * limits->queue_messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct play play;
	struct mt_core_settings settings;
	play = (struct play){.now = {1000 * MT_SECOND, 1700000000 * MT_SECOND}};
	play.in = mt_reader_of(mt_bytes_of(data, size));
	settings = settings_of(mt_reader_u8(&play.in));
	play.is_memory_short = settings.memory_bytes != SIZE_MAX;
	play.policies[0] = make_policy(true);
	play.policies[1] = make_policy(false);
	play.core = mt_core_create(&settings, play.policies[0], play.now);
	while (play.core && !play.in.is_short && mt_reader_left(&play.in) > 0) {
		step(&play);
		drain(&play);
		check_limits(&play, &settings);
	}
	mt_core_destroy(&play.core);
	for (size_t i = 0; i < 2; i++)
		mt_policy_unref(&play.policies[i]);
	for (size_t i = 0; i < CONNS; i++)
		inbox_finish(&play.peers[i].inbox);
	return 0;
}
