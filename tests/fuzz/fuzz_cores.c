/*
 * Two joined cores: links that deliver late and in any order between them, stores that answer late
 * or fail, connections on their way, receivers that stall, time that jumps.
 *
 *   [settings] then [op][arguments...] until the end; each core is recorded, and its log must come
 * out the same
 */
#include "taped.h"

#include "decodable.h"
#include "one_role.h"
#include "link/message.h"

#define CORES 2u
#define CONNS 6u
#define QUEUE 256u
#define TICKETS 256u
#define PACKET_BYTES 1024u
#define BITE_BYTES 48u

/* From one core to the other: first in, first out. */
struct queue {
	struct mt_link_message *items[QUEUE];
	uint32_t first, count;
};

struct client {
	uint32_t core;
	mt_conn conn;
	bool is_open;
	struct mt_adoption *adoption; /* on its way to `core` */
	enum mt_version version;
	uint16_t last_id; /* of the last PUBLISH received */
	struct inbox inbox;
};

struct play {
	struct mt_reader in;
	struct mt_now now;
	struct mt_core *cores[CORES];
	struct mt_policy *policies[2];
	struct queue queues[CORES]; /* from core i */
	struct client clients[CONNS];
	uint64_t tickets[CORES][TICKETS];
	uint32_t ticket_count[CORES];
	uint64_t auths[CORES];
	bool is_network_slow;
};

static const char *const ids[] = {"a", "b", "c", "d", "e", ""};
static const char *const topics[] = {
	"t", "a/b", "a/c", "own/a/x",	   "news/secret", "u",		"a/+",
	"#", "+/b", "a/#", "$share/g/a/b", "$share/g/#",  "$share/h/t", "news/#"};
#define NAMES 6u /* of them are topic names */

static const char *pick(struct play *play, const char *const *names, size_t count)
{
	return names[mt_reader_u8(&play->in) % count];
}

static struct mt_policy *make_policy(bool has_rules)
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
	const struct mt_user user = {.id = 7, .name = mt_bytes_str("ann"), .is_enabled = has_rules};
	return one_role(rules, has_rules ? MT_COUNT_OF(rules) : 0, &user);
}

/* ---- what the shell does ---- */

static void pull(struct play *play, struct client *client, bool is_slow)
{
	struct mt_core *core = play->cores[client->core];
	struct mt_bytes first;
	while (mt_core_output(core, client->conn, &first, 1) > 0) {
		if (is_slow && first.len > BITE_BYTES)
			first.len = BITE_BYTES;
		inbox_put(&client->inbox, first);
		mt_core_sent(core, play->now, client->conn, first.len);
		if (is_slow)
			break;
	}
	inbox_look(&client->inbox, client->version, &client->last_id);
}

static struct client *find(struct play *play, uint32_t core, mt_conn conn)
{
	for (size_t i = 0; i < CONNS; i++)
		if (play->clients[i].is_open && !play->clients[i].adoption &&
		    play->clients[i].core == core && play->clients[i].conn == conn)
			return &play->clients[i];
	return NULL;
}

static void forget(struct play *play, struct client *client)
{
	if (client->adoption)
		mt_adoption_free(&client->adoption);
	else
		mt_core_closed(play->cores[client->core], play->now, client->conn);
	client->is_open = false;
	client->inbox.bytes = 0;
}

static void deliver(struct play *play, uint32_t from)
{
	struct queue *queue = &play->queues[from];
	if (queue->count == 0)
		return;
	queue->count--;
	mt_core_peer(play->cores[1 - from], play->now, from, queue->items[queue->first++ % QUEUE]);
}

/* The other core may be told only between two calls of this one, which is now. */
static void forward(struct play *play, uint32_t from, struct mt_link_message *message)
{
	struct queue *queue = &play->queues[from];
	if (queue->count == QUEUE)
		deliver(play, from);
	queue->items[(queue->first + queue->count++) % QUEUE] = message;
}

static void answer_store(struct play *play, uint32_t core, bool is_stored)
{
	uint64_t *tickets = play->tickets[core];
	uint64_t first = tickets[0];
	if (play->ticket_count[core] == 0)
		return;
	memmove(&tickets[0], &tickets[1], --play->ticket_count[core] * sizeof(*tickets));
	mt_core_stored(play->cores[core], play->now, first, is_stored ? MT_OK : MT_SYSTEM);
}

static void close_client(struct play *play, struct client *client)
{
	MT_CHECK(client);
	pull(play, client, false);
	MT_CHECK(client->inbox.bytes == 0);
	forget(play, client);
}

static void obey(struct play *play, uint32_t index, struct mt_request *request)
{
	struct client *client = find(play, index, request->conn);
	switch (request->type) {
	case MT_REQUEST_SEND:
		if (client)
			pull(play, client, play->is_network_slow);
		break;
	case MT_REQUEST_CLOSE:
		close_client(play, client);
		break;
	case MT_REQUEST_RESUME:
		if (client)
			mt_core_input(play->cores[index], play->now, client->conn,
				      mt_bytes_of(NULL, 0));
		break;
	case MT_REQUEST_AUTHENTICATE:
		play->auths[index] = request->ticket;
		break;
	case MT_REQUEST_STORE:
		if (play->ticket_count[index] == TICKETS)
			answer_store(play, index, true);
		play->tickets[index][play->ticket_count[index]++] = request->ticket;
		break;
	case MT_REQUEST_FORWARD:
		MT_CHECK(request->to == 1 - index);
		forward(play, index, request->message);
		break;
	case MT_REQUEST_MOVE:
		MT_CHECK(client && request->to == 1 - index);
		MT_CHECK(client->inbox.bytes == 0);
		client->adoption = request->adoption;
		client->core = request->to;
		break;
	case MT_REQUEST_PAUSE:
	case MT_REQUEST_AUDIT:
		break;
	}
}

static void drain(struct play *play)
{
	struct mt_request request;
	bool is_busy = true;
	while (is_busy) {
		is_busy = false;
		for (uint32_t i = 0; i < CORES; i++)
			while (mt_core_request(play->cores[i], &request)) {
				obey(play, i, &request);
				is_busy = true;
			}
	}
}

static void adopt(struct play *play, struct client *client)
{
	enum mt_status status;
	if (!client->adoption)
		return;
	status = mt_core_adopt(play->cores[client->core], play->now, client->adoption,
			       &client->conn);
	mt_adoption_free(&client->adoption);
	if (status != MT_OK)
		client->is_open = false;
}

/* ---- what clients say ---- */

static void say(struct play *play, struct client *client, const struct mt_buf *out)
{
	if (client->is_open && !client->adoption && !out->is_overflown)
		mt_core_input(play->cores[client->core], play->now, client->conn, mt_buf_view(out));
}

static void put_connect(struct play *play, struct client *client, struct mt_buf *out)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_connect connect = {.version = choice & 1 ? MT_VERSION_5 : MT_VERSION_3_1_1,
				     .is_clean = choice & 2,
				     .has_will = choice & 4,
				     .will_qos = choice & 4 ? (choice >> 3) % 3 : 0,
				     .is_will_retain = (choice & 0x24) == 0x24,
				     .has_user = choice & 0x40,
				     .has_password = choice & 0x40,
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str("pw"),
				     .client_id = mt_bytes_str(pick(play, ids, MT_COUNT_OF(ids))),
				     .will_payload = mt_bytes_str("gone")};
	if (connect.has_will)
		connect.will_topic = mt_bytes_str(pick(play, topics, NAMES));
	if (connect.version == MT_VERSION_5) {
		connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect.props.session_expiry_s = choice & 2 ? 0 : 60;
	}
	client->version = connect.version;
	(void)!mt_connect_encode(&connect, out);
}

static void dial(struct play *play, struct client *client)
{
	uint8_t choice = mt_reader_u8(&play->in), data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_conn_facts facts = {.listener = "fuzz",
				      .anonymous_role = choice & 1 ? "r" : "open",
				      .has_anonymous_sessions = true,
				      .is_secret_safe = true};
	if (client->is_open)
		forget(play, client);
	client->core = choice >> 7;
	client->is_open =
		mt_core_open(play->cores[client->core], play->now, &facts, &client->conn) == MT_OK;
	put_connect(play, client, &out);
	/* What comes behind it moves along. */
	if (choice & 2)
		mt_ping_encode(MT_PACKET_PINGREQ, &out);
	say(play, client, &out);
}

static void publish(struct play *play, struct client *client)
{
	uint8_t choice = mt_reader_u8(&play->in), data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	static const uint8_t large[700];
	struct mt_publish publish = {.qos = choice % 3,
				     .is_retain = choice & 4,
				     .is_dup = choice % 3 && choice & 8,
				     .topic = mt_bytes_str(pick(play, topics, NAMES)),
				     .payload = mt_bytes_of(large, choice & 0x10   ? 700
								   : choice & 0x20 ? 0
										   : 9)};
	if (publish.qos > 0)
		publish.packet_id = 1 + mt_reader_u8(&play->in) % 8;
	if (client->version == MT_VERSION_5 && choice & 0x40) {
		publish.props.present = MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
		publish.props.message_expiry_s = choice >> 3;
	}
	(void)!mt_publish_encode(&publish, client->version, &out);
	say(play, client, &out);
}

static void acknowledge(struct play *play, struct client *client)
{
	uint8_t choice = mt_reader_u8(&play->in), data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_ack ack = {.type = (uint8_t)(MT_PACKET_PUBACK + choice % 4),
			     .packet_id = choice & 4 ? client->last_id : 1 + (choice >> 3) % 8};
	if (ack.packet_id == 0)
		return;
	(void)!mt_ack_encode(&ack, client->version, &out);
	say(play, client, &out);
}

static void subscribe(struct play *play, struct client *client)
{
	uint8_t choice = mt_reader_u8(&play->in), list[256], data[PACKET_BYTES];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), out = mt_buf_of(data, sizeof(data));
	bool is_leaving = choice & 0x80;
	struct mt_subscribe subscribe = {.type = is_leaving ? MT_PACKET_UNSUBSCRIBE
							    : MT_PACKET_SUBSCRIBE,
					 .packet_id = 9,
					 .filter_count = 1 + (choice >> 6 & 1)};
	for (uint32_t i = 0; i < subscribe.filter_count; i++) {
		struct mt_sub_options options = {.qos = choice % 3,
						 .is_retain_as_published = choice & 8,
						 .retain_handling = (choice >> 4) % 3};
		mt_subscribe_put(&items, mt_bytes_str(pick(play, topics, MT_COUNT_OF(topics))),
				 is_leaving ? NULL : &options, client->version);
	}
	subscribe.list = mt_buf_view(&items);
	(void)!mt_subscribe_encode(&subscribe, client->version, &out);
	say(play, client, &out);
}

static void leave(struct play *play, struct client *client)
{
	uint8_t choice = mt_reader_u8(&play->in), data[PACKET_BYTES];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_control control = {.type = MT_PACKET_DISCONNECT};
	if (choice & 1) {
		if (client->is_open)
			forget(play, client);
		return;
	}
	if (choice & 2)
		mt_ping_encode(MT_PACKET_PINGREQ, &out);
	else
		(void)!mt_control_encode(&control, client->version, &out);
	say(play, client, &out);
}

/* ---- what else may happen ---- */

static void pass_time(struct play *play)
{
	uint8_t choice = mt_reader_u8(&play->in);
	play->now.mono_ns += (mt_time)(choice >> 2) * MT_SECOND;
	play->now.wall_ns += (mt_time)(choice >> 2) * MT_SECOND;
	for (uint32_t i = 0; i < CORES; i++)
		if (!(choice >> i & 1))
			mt_core_tick(play->cores[i], play->now);
}

static void authenticated(struct play *play)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_auth_verdict verdict = {.is_accepted = !(choice & 2),
					  .user_id = 7,
					  .reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD};
	mt_core_authenticated(play->cores[choice & 1], play->now, play->auths[choice & 1],
			      &verdict);
}

static void command(struct play *play)
{
	uint8_t choice = mt_reader_u8(&play->in);
	struct mt_bytes id = mt_bytes_str(pick(play, ids, MT_COUNT_OF(ids)));
	for (uint32_t i = 0; i < CORES; i++) {
		if (choice & 1)
			mt_core_set_policy(play->cores[i], play->now, play->policies[choice >> 7]);
		if (choice & 2)
			(void)mt_core_kick(play->cores[i], play->now, mt_bytes_of(NULL, 0), id);
		if (choice == 0xf0)
			mt_core_shut_down(play->cores[i], play->now);
	}
	if (!(choice & 4))
		return;
	play->is_network_slow = !play->is_network_slow;
	for (size_t i = 0; i < CONNS && !play->is_network_slow; i++)
		if (play->clients[i].is_open && !play->clients[i].adoption)
			pull(play, &play->clients[i], false);
}

static void step(struct play *play)
{
	uint8_t op = mt_reader_u8(&play->in);
	struct client *client = &play->clients[(op >> 4) % CONNS];
	uint32_t core = op >> 7;
	static void (*const acts[])(struct play *, struct client *) = {
		dial, publish, publish, subscribe, acknowledge, leave, adopt};
	if ((op & 15) < MT_COUNT_OF(acts)) {
		acts[op & 15](play, client);
		return;
	}
	switch (op & 15) {
	case 7:
	case 8:
		deliver(play, core);
		break;
	case 9:
		for (uint32_t count = play->queues[core].count; count > 0; count--)
			deliver(play, core);
		break;
	case 10:
		answer_store(play, core, true);
		break;
	case 11:
		answer_store(play, core, op & 0x10);
		break;
	case 12:
		pass_time(play);
		break;
	case 13:
		authenticated(play);
		break;
	case 14:
		command(play);
		break;
	default:
		acknowledge(play, client);
		break;
	}
}

static struct mt_core_settings settings_of(uint8_t choice, uint32_t index)
{
	return (struct mt_core_settings){
		.limits = {.packet_bytes = 4096,
			   .connect_bytes = 1024,
			   .topic_levels = 8,
			   .filters_per_subscribe = 4,
			   .filters_per_session = 6,
			   .queue_messages = 6,
			   .queue_bytes = 4096,
			   .output_bytes = choice & 1 ? 512 : 1 << 16,
			   .inflight = 3,
			   .retained_count = 4,
			   .retained_bytes = 4096,
			   .sessions = 6,
			   .connections = CONNS,
			   .topic_aliases = 3,
			   .client_aliases = 2,
			   .session_expiry_s = 3600,
			   .connect_ns = 10 * MT_SECOND},
		.seed = {{1 + index, 2}},
		.memory_bytes = SIZE_MAX,
		.shared_strategy = choice & 2 ? MT_SHARED_STICKY : MT_SHARED_ROUND_ROBIN,
		.release = "fuzz",
		.core_index = index,
		.core_count = CORES,
		.link_seed = {{5, 6}},
		.link_bytes = choice & 4 ? 2048 : 0,
	};
}

static void check_limits(const struct mt_core *core, const struct mt_core_limits *limits)
{
	struct mt_core_counts counts = mt_core_counts(core);
	MT_CHECK(counts.connections <= limits->connections);
	MT_CHECK(counts.sessions <= limits->sessions);
	MT_CHECK(counts.sessions_connected <= counts.sessions);
	MT_CHECK(counts.subscriptions <= counts.sessions * limits->filters_per_session);
	MT_CHECK(counts.retained_count <= limits->retained_count);
	MT_CHECK(counts.retained_bytes <= limits->retained_bytes);
	MT_CHECK(counts.queued_messages <= (uint64_t)counts.sessions * limits->queue_messages);
}

static void finish(struct play *play)
{
	for (size_t i = 0; i < CONNS; i++) {
		mt_adoption_free(&play->clients[i].adoption);
		inbox_finish(&play->clients[i].inbox);
	}
	for (uint32_t i = 0; i < CORES; i++)
		while (play->queues[i].count-- > 0)
			mt_link_message_free(
				&play->queues[i].items[play->queues[i].first++ % QUEUE]);
	for (uint32_t i = 0; i < CORES; i++)
		mt_core_empty(play->cores[i]); /* plays its log */
	for (uint32_t i = 0; i < CORES; i++)
		mt_core_destroy(&play->cores[i]);
	for (size_t i = 0; i < 2; i++)
		mt_policy_unref(&play->policies[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct play play;
	struct mt_core_settings settings[CORES];
	uint8_t choice;
	play = (struct play){.now = {1000 * MT_SECOND, 1700000000 * MT_SECOND}};
	play.in = mt_reader_of(mt_bytes_of(data, size));
	choice = mt_reader_u8(&play.in);
	play.policies[0] = make_policy(true);
	play.policies[1] = make_policy(false);
	for (uint32_t i = 0; i < CORES; i++) {
		settings[i] = settings_of(choice, i);
		play.cores[i] = mt_core_create(&settings[i], play.policies[0], play.now);
		MT_CHECK(play.cores[i]);
	}
	while (!play.in.is_short && mt_reader_left(&play.in) > 0) {
		step(&play);
		drain(&play);
		for (uint32_t i = 0; i < CORES; i++)
			check_limits(play.cores[i], &settings[i].limits);
	}
	finish(&play);
	return 0;
}
