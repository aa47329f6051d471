/*
 * The same scenario twice: clients of MQTT 3.1.1 at one core, of MQTT 5.0 at another. Who gets
 * what, in which order, with which QoS, retain and DUP flags, and what is retained, must be the
 * same where the standards agree.
 *
 *   [op][arguments...] -> world of 3.1.1 -> what was delivered
 *                      -> world of 5.0   -> the same
 *
 * Where they differ, the scenario keeps away, or says the same in the words of each:
 *   - Clean Session is Clean Start and the end of the session with its connection; else the session
 *     is kept without end, which both worlds cut to the same time ([MQTT-3.1.2-6] of 3.1.1, section
 *     3.1.2.11.2 of 5.0).
 *   - 5.0 has a receive maximum, 3.1.1 none: clients have no more in flight than it, and release
 *     what is received at once (section 3.3.4 of 5.0).
 *   - many acknowledgements that wait stop a publisher in 3.1.1, for it has no receive maximum; and
 *     messages of several QoS, read at once, may pass each other (section 4.6): who is paused in
 *     either world says nothing, and each packet is served before the next.
 *   - a denied PUBLISH is acknowledged in 3.1.1 and refused in 5.0, a denied SUBSCRIBE is 0x80 or
 *     0x87, and the broker says goodbye in 5.0 alone: answers are read and not compared, but for
 *     CONNACK and the QoS that was granted.
 *   - a negative PUBREC or PUBACK is of 5.0 alone: receivers say yes.
 *   - $SYS counts bytes, which differ: it is off.
 *   - subscription options, properties and shared subscriptions are of 5.0 (we serve the latter to
 *     both): the options that 3.1.1 stands for are used, and shared filters as well.
 */
#include "decodable.h"
#include "one_role.h"

#define WORLDS 2u
#define CLIENTS 5u
#define PENDING 64u
#define TRACE_BYTES 65536u
#define PACKET_BYTES 512u

/* A delivery that the client has not answered to the end. */
struct pending {
	uint16_t packet_id;
	uint8_t next; /* the packet that it owes */
};

struct client {
	mt_conn conn;
	bool is_open;
	bool is_paused; /* it is not read */
	struct inbox inbox;
	struct pending pending[PENDING]; /* oldest first */
	uint32_t pending_count;
	uint8_t flights; /* of its own publications, a bit for each packet id */
};

struct world {
	enum mt_version version;
	struct mt_core *core;
	struct client clients[CLIENTS];
	uint8_t trace[TRACE_BYTES];
	size_t trace_bytes;
};

static const char *const ids[CLIENTS] = {"a", "b", "c", "d", "e"};
static const char *const topics[] = {"t", "a/b", "a/c", "a/b/c", "news/secret",	 "",	      "a/+",
				     "#", "a/#", "+/b", "+",	 "$share/g/a/b", "$share/g/#"};
#define NAMES 6u /* of them are names, the last one for what is no topic */

static struct mt_now now;

static struct mt_policy *make_policy(void)
{
	const struct mt_rule rules[] = {
		{.id = 1,
		 .operation = MT_OPERATION_BOTH,
		 .qos_mask = 7,
		 .filter = mt_bytes_str("#"),
		 .share = mt_bytes_str("any")},
		{.id = 2,
		 .is_deny = true,
		 .operation = MT_OPERATION_BOTH,
		 .qos_mask = 7,
		 .filter = mt_bytes_str("news/secret")},
	};
	return one_role(rules, MT_COUNT_OF(rules), NULL);
}

/* ---- what is compared ---- */

static void trace(struct world *world, const void *data, size_t len)
{
	if (world->trace_bytes + len > sizeof(world->trace))
		return;
	if (len > 0)
		memcpy(world->trace + world->trace_bytes, data, len);
	world->trace_bytes += len;
}

static void trace_numbers(struct world *world, uint8_t what, size_t client, uint8_t a, uint8_t b)
{
	const uint8_t bytes[] = {what, (uint8_t)client, a, b};
	trace(world, bytes, sizeof(bytes));
}

static void compare(const struct world *worlds)
{
	struct mt_core_counts a = mt_core_counts(worlds[0].core),
			      b = mt_core_counts(worlds[1].core);
	MT_CHECK(worlds[0].trace_bytes == worlds[1].trace_bytes);
	MT_CHECK(memcmp(worlds[0].trace, worlds[1].trace, worlds[0].trace_bytes) == 0);
	MT_CHECK(a.sessions == b.sessions && a.connections == b.connections);
	MT_CHECK(a.subscriptions == b.subscriptions);
	MT_CHECK(a.retained_count == b.retained_count);
	MT_CHECK(a.queued_messages == b.queued_messages);
	MT_CHECK(a.publishes_received == b.publishes_received);
	MT_CHECK(a.publishes_sent == b.publishes_sent);
	MT_CHECK(a.publishes_dropped == b.publishes_dropped);
	MT_CHECK(a.publishes_denied == b.publishes_denied);
}

/* ---- what clients receive ---- */

static void send_ack(struct world *world, struct client *client, uint8_t type, uint16_t packet_id)
{
	struct mt_ack ack = {.type = type, .packet_id = packet_id};
	uint8_t data[16];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	MT_CHECK(mt_ack_encode(&ack, world->version, &out) == MT_OK);
	mt_core_input(world->core, now, client->conn, mt_buf_view(&out));
}

static void owe(struct client *client, uint16_t packet_id, uint8_t next)
{
	for (uint32_t i = 0; i < client->pending_count; i++)
		if (client->pending[i].packet_id == packet_id) {
			client->pending[i].next = next;
			return;
		}
	if (client->pending_count < PENDING)
		client->pending[client->pending_count++] = (struct pending){packet_id, next};
}

static void receive_publish(struct world *world, struct client *client,
			    const struct mt_publish *publish)
{
	trace_numbers(world, 'P', (size_t)(client - world->clients), publish->qos,
		      (uint8_t)(publish->is_retain | publish->is_dup << 1));
	trace(world, publish->topic.data, publish->topic.len);
	trace(world, publish->payload.data, publish->payload.len);
	if (publish->qos > 0)
		owe(client, publish->packet_id,
		    publish->qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC);
}

static void receive_ack(struct world *world, struct client *client, const struct mt_frame *frame)
{
	struct mt_ack ack;
	struct mt_violation why;
	MT_CHECK(mt_ack_decode(frame, world->version, &ack, &why) == MT_OK);
	if (ack.type == MT_PACKET_PUBACK || ack.type == MT_PACKET_PUBCOMP ||
	    ack.reason >= MT_REASON_UNSPECIFIED_ERROR)
		client->flights &= (uint8_t) ~(1u << ack.packet_id);
	if (ack.type == MT_PACKET_PUBREL)
		owe(client, ack.packet_id, MT_PACKET_PUBCOMP);
	else if (ack.type == MT_PACKET_PUBREC && ack.reason < MT_REASON_UNSPECIFIED_ERROR)
		send_ack(world, client, MT_PACKET_PUBREL, ack.packet_id);
}

static void receive_suback(struct world *world, size_t index, const struct mt_frame *frame)
{
	struct mt_suback suback;
	struct mt_violation why;
	MT_CHECK(mt_suback_decode(frame, world->version, &suback, &why) == MT_OK);
	for (size_t i = 0; i < suback.reasons.len; i++) {
		uint8_t reason = suback.reasons.data[i];
		trace_numbers(world, 'S', index, reason < 0x80 ? reason : 0x80, 0);
	}
}

static void receive_connack(struct world *world, size_t index, const struct mt_frame *frame)
{
	struct mt_connack connack;
	struct mt_violation why;
	MT_CHECK(mt_connack_decode(frame, world->version, &connack, &why) == MT_OK);
	trace_numbers(world, 'C', index, connack.is_session_present,
		      connack.reason != MT_REASON_SUCCESS);
}

static void receive(struct world *world, size_t index, const struct mt_frame *frame)
{
	struct client *client = &world->clients[index];
	struct mt_publish publish;
	MT_CHECK(is_decodable(frame, world->version, &publish));
	switch (frame->type) {
	case MT_PACKET_PUBLISH:
		receive_publish(world, client, &publish);
		break;
	case MT_PACKET_PUBACK:
	case MT_PACKET_PUBREC:
	case MT_PACKET_PUBREL:
	case MT_PACKET_PUBCOMP:
		receive_ack(world, client, frame);
		break;
	case MT_PACKET_SUBACK:
		receive_suback(world, index, frame);
		break;
	case MT_PACKET_CONNACK:
		receive_connack(world, index, frame);
		break;
	default: /* answers that tell more in 5.0 */
		break;
	}
}

static void pull(struct world *world, struct client *client)
{
	struct mt_bytes first;
	while (mt_core_output(world->core, client->conn, &first, 1) > 0) {
		inbox_put(&client->inbox, first);
		mt_core_sent(world->core, now, client->conn, first.len);
	}
}

static void look(struct world *world, size_t index)
{
	struct client *client = &world->clients[index];
	struct mt_frame frame;
	struct mt_violation why;
	while (client->inbox.bytes > 0) {
		MT_CHECK(mt_frame_next(mt_bytes_of(client->inbox.data, client->inbox.bytes),
				       SIZE_MAX, &frame, &why) == MT_OK);
		receive(world, index, &frame);
		inbox_drop(&client->inbox, frame.bytes);
	}
}

static void forget(struct world *world, struct client *client)
{
	mt_core_closed(world->core, now, client->conn);
	client->is_open = client->is_paused = false;
	client->pending_count = 0;
	client->flights = 0;
	client->inbox.bytes = 0;
}

static struct client *find(struct world *world, mt_conn conn)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (world->clients[i].is_open && world->clients[i].conn == conn)
			return &world->clients[i];
	return NULL;
}

static void obey(struct world *world, const struct mt_request *request)
{
	struct client *client = find(world, request->conn);
	size_t index = client ? (size_t)(client - world->clients) : 0;
	if (request->type == MT_REQUEST_STORE)
		mt_core_stored(world->core, now, request->ticket, MT_OK);
	if (!client)
		return;
	if (request->type == MT_REQUEST_SEND || request->type == MT_REQUEST_CLOSE)
		pull(world, client);
	if (request->type == MT_REQUEST_PAUSE || request->type == MT_REQUEST_RESUME)
		client->is_paused = request->type == MT_REQUEST_PAUSE;
	if (request->type == MT_REQUEST_RESUME)
		mt_core_input(world->core, now, client->conn, mt_bytes_of(NULL, 0));
	look(world, index);
	if (request->type == MT_REQUEST_CLOSE) {
		trace_numbers(world, 'X', index, 0, 0);
		forget(world, client);
	}
}

static void drain(struct world *world)
{
	struct mt_request request;
	while (mt_core_request(world->core, &request))
		obey(world, &request);
}

/* ---- what happens, in the words of each ---- */

/* The arguments are read once, so that both worlds hear the same. */
struct act {
	uint8_t op, choice, name, more;
	size_t client;
};

static void dial(struct world *world, const struct act *act)
{
	struct client *client = &world->clients[act->client];
	struct mt_conn_facts facts = {.listener = "fuzz",
				      .anonymous_role = "r",
				      .has_anonymous_sessions = true,
				      .is_secret_safe = true};
	uint8_t data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {
		.version = world->version,
		.is_clean = act->choice & 1,
		.has_will = act->choice & 2,
		.client_id = mt_bytes_str(ids[act->choice & 0x40 ? 0 : act->client]),
		.keep_alive_s = act->choice & 0x80 ? 10 : 0};
	if (connect.has_will) {
		connect.will_qos = (act->choice >> 2) % 3;
		connect.is_will_retain = act->choice & 0x20;
		connect.will_topic = mt_bytes_str(topics[act->name % (NAMES - 1)]);
		connect.will_payload = mt_bytes_str("gone");
	}
	if (world->version == MT_VERSION_5 && !connect.is_clean) {
		connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect.props.session_expiry_s = UINT32_MAX;
	}
	if (client->is_open)
		forget(world, client);
	client->is_open = mt_core_open(world->core, now, &facts, &client->conn) == MT_OK;
	MT_CHECK(client->is_open);
	MT_CHECK(mt_connect_encode(&connect, &out) == MT_OK);
	mt_core_input(world->core, now, client->conn, mt_buf_view(&out));
}

static void publish(struct world *world, const struct act *act)
{
	struct client *client = &world->clients[act->client];
	uint8_t data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_publish publish = {.qos = act->choice % 3,
				     .is_retain = act->choice & 4,
				     .is_dup = act->choice % 3 && act->choice & 8,
				     .topic = mt_bytes_str(topics[act->name % (NAMES - 1)]),
				     .packet_id = act->choice % 3 ? 1 + act->more % 4 : 0,
				     .payload =
					     mt_bytes_of(&act->more, act->choice & 0x10 ? 0 : 1)};
	if (client->flights >> publish.packet_id & 1)
		return;
	client->flights |= (uint8_t)(publish.packet_id ? 1u << publish.packet_id : 0);
	MT_CHECK(mt_publish_encode(&publish, world->version, &out) == MT_OK);
	mt_core_input(world->core, now, client->conn, mt_buf_view(&out));
}

static void subscribe(struct world *world, const struct act *act)
{
	struct client *client = &world->clients[act->client];
	bool is_leaving = act->choice & 0x80;
	uint8_t list[128], data[PACKET_BYTES];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), out = mt_buf_of(data, sizeof(data));
	struct mt_sub_options options = {.qos = act->choice % 3};
	struct mt_subscribe subscribe = {.type = is_leaving ? MT_PACKET_UNSUBSCRIBE
							    : MT_PACKET_SUBSCRIBE,
					 .packet_id = 9,
					 .filter_count = 1 + (act->choice >> 6 & 1)};
	for (uint32_t i = 0; i < subscribe.filter_count; i++) {
		const char *filter = topics[(act->name + i * act->more) % MT_COUNT_OF(topics)];
		mt_subscribe_put(&items, mt_bytes_str(*filter ? filter : "#"),
				 is_leaving ? NULL : &options, world->version);
	}
	subscribe.list = mt_buf_view(&items);
	MT_CHECK(mt_subscribe_encode(&subscribe, world->version, &out) == MT_OK);
	mt_core_input(world->core, now, client->conn, mt_buf_view(&out));
}

/* The oldest, or another one, of what the client owes. */
static void acknowledge(struct world *world, const struct act *act)
{
	struct client *client = &world->clients[act->client];
	uint32_t i = client->pending_count ? act->choice % client->pending_count : 0;
	struct pending pending = client->pending[i];
	if (client->pending_count == 0 || pending.next == MT_PACKET_PUBREL)
		return;
	if (pending.next == MT_PACKET_PUBREC) {
		client->pending[i].next = MT_PACKET_PUBREL; /* the broker's turn */
	} else {
		memmove(&client->pending[i], &client->pending[i + 1],
			(--client->pending_count - i) * sizeof(pending));
	}
	send_ack(world, client, pending.next, pending.packet_id);
}

static void leave(struct world *world, const struct act *act)
{
	struct client *client = &world->clients[act->client];
	struct mt_control control = {.type = MT_PACKET_DISCONNECT};
	uint8_t data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	if (act->choice & 1) {
		forget(world, client);
		return;
	}
	if (act->choice & 2)
		mt_ping_encode(MT_PACKET_PINGREQ, &out);
	else
		MT_CHECK(mt_control_encode(&control, world->version, &out) == MT_OK);
	mt_core_input(world->core, now, client->conn, mt_buf_view(&out));
}

static void kick(struct world *world, const struct act *act)
{
	(void)mt_core_kick(world->core, now, mt_bytes_of(NULL, 0), mt_bytes_str(ids[act->client]));
}

/* Everything but a new connection and what an administrator does. */
static bool needs_reading(uint8_t which)
{
	return which != 0 && which != 7;
}

static void perform(struct world *world, const struct act *act)
{
	static void (*const acts[])(struct world *, const struct act *) = {
		dial, publish, publish, subscribe, acknowledge, acknowledge, leave, kick};
	uint8_t which = act->op & 7;
	if (!needs_reading(which) || world->clients[act->client].is_open)
		acts[which](world, act);
	drain(world);
}

static void pass_time(const struct act *act, struct world *worlds)
{
	now.mono_ns += (mt_time)act->choice * MT_SECOND;
	now.wall_ns += (mt_time)act->choice * MT_SECOND;
	for (size_t i = 0; i < WORLDS; i++) {
		mt_core_tick(worlds[i].core, now);
		drain(&worlds[i]);
	}
}

static void step(struct world *worlds, struct mt_reader *in)
{
	struct act act = {.op = mt_reader_u8(in)};
	act.choice = mt_reader_u8(in);
	act.name = mt_reader_u8(in);
	act.more = mt_reader_u8(in);
	act.client = (act.op >> 4) % CLIENTS;
	if ((act.op & 15) == 15) {
		pass_time(&act, worlds);
		return;
	}
	for (size_t i = 0; i < WORLDS; i++)
		if (worlds[i].clients[act.client].is_paused && needs_reading(act.op & 7))
			return;
	for (size_t i = 0; i < WORLDS; i++)
		perform(&worlds[i], &act);
}

/* What is retained, a new client is told. */
static void ask_for_retained(struct world *worlds)
{
	const struct act connect = {.choice = 1, .client = 0};
	const struct act all = {.choice = 2, .name = 7, .client = 0};
	for (size_t i = 0; i < WORLDS; i++) {
		dial(&worlds[i], &connect);
		drain(&worlds[i]);
		if (worlds[i].clients[0].is_open)
			subscribe(&worlds[i], &all);
		drain(&worlds[i]);
	}
}

static struct mt_core_settings settings_of(void)
{
	return (struct mt_core_settings){
		.limits = {.packet_bytes = 4096,
			   .connect_bytes = 1024,
			   .topic_levels = 8,
			   .filters_per_subscribe = 4,
			   .filters_per_session = 6,
			   .queue_messages = 8,
			   .queue_bytes = 1 << 20,
			   .output_bytes = 1 << 20,
			   .inflight = 4,
			   .retained_count = 4,
			   .retained_bytes = 1 << 20,
			   .sessions = CLIENTS,
			   .connections = CLIENTS + 1,
			   .session_expiry_s = 600,
			   .connect_ns = 10 * MT_SECOND},
		.seed = {{1, 2}},
		.memory_bytes = SIZE_MAX,
		.release = "fuzz",
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world worlds[WORLDS];
	struct mt_core_settings settings = settings_of();
	struct mt_policy *policy = make_policy();
	struct mt_reader in = mt_reader_of(mt_bytes_of(data, size));
	now = (struct mt_now){1000 * MT_SECOND, 1700000000 * MT_SECOND};
	for (size_t i = 0; i < WORLDS; i++) {
		memset(worlds[i].clients, 0, sizeof(worlds[i].clients));
		worlds[i].trace_bytes = 0;
		worlds[i].version = i == 0 ? MT_VERSION_3_1_1 : MT_VERSION_5;
		worlds[i].core = mt_core_create(&settings, policy, now);
		MT_CHECK(worlds[i].core);
	}
	while (mt_reader_left(&in) >= 4) {
		step(worlds, &in);
		compare(worlds);
	}
	ask_for_retained(worlds);
	compare(worlds);
	for (size_t i = 0; i < WORLDS; i++) {
		mt_core_destroy(&worlds[i].core);
		for (size_t j = 0; j < CLIENTS; j++)
			inbox_finish(&worlds[i].clients[j].inbox);
	}
	mt_policy_unref(&policy);
	return 0;
}
