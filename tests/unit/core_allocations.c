/*
 * The core while memory fails: in each scenario the n-th allocation is refused, for n = 1, 2 ...
 * until none is. Nothing crashes, the others live on, a message that was acknowledged arrives or is
 * counted as dropped, and memory returns to where it is without a failure.
 *
 *   set_up -> [n-th allocation fails] act -> no more failures: judge
 */
#include "core_world.h"
#include "core/state.h"

#define CLIENTS 8
#define MESSAGES 16
#define LARGE_BYTES 6000
#define CACHE_BYTES 16384 /* routes and chunks that are kept for the next use */

struct client {
	struct world_conn *conn;  /* NULL: the core had no room */
	uint16_t known[MESSAGES]; /* QoS 2 ids that came and are not released */
	bool is_in, is_keeper;
};

struct run {
	struct world world;
	struct client bystander, clients[CLIENTS];
	uint32_t acknowledged;	     /* bit n: message 'a' + n */
	uint32_t received[MESSAGES]; /* by the keeper */
	uint16_t known[MESSAGES];    /* the keeper's, whatever connection it has */
	uint32_t exactly_once;	     /* bit n: message 'a' + n was published at QoS 2 */
	char large[LARGE_BYTES + 1];
};

static bool is_there(const struct client *client)
{
	return client->conn && !client->conn->is_closed;
}

static void say(struct run *run, struct client *client, struct mt_bytes bytes)
{
	if (is_there(client) && !client->conn->is_paused)
		world_send(&run->world, client->conn, bytes);
}

static void answer(struct run *run, struct client *client, uint8_t type, uint16_t id)
{
	struct mt_ack ack = {.type = type, .packet_id = id};
	uint8_t data[8];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	assert_int_equal(mt_ack_encode(&ack, client->conn->version, &buf), MT_OK);
	say(run, client, mt_buf_view(&buf));
}

/* Where a QoS 2 id stands, or a free place (id 0); NULL: nowhere. */
static uint16_t *slot_of(struct run *run, struct client *client, uint16_t id)
{
	uint16_t *known = client->is_keeper ? run->known : client->known;
	for (int i = 0; i < MESSAGES; i++)
		if (known[i] == id)
			return &known[i];
	return NULL;
}

static void take_publish(struct run *run, struct client *client, const struct mt_frame *frame)
{
	struct mt_publish publish;
	struct mt_violation why;
	bool is_new = true;
	assert_int_equal(
		mt_publish_decode(frame, client->conn->version, MT_SIDE_SERVER, &publish, &why),
		MT_OK);
	if (publish.qos == 2 && slot_of(run, client, publish.packet_id))
		is_new = false;
	else if (publish.qos == 2)
		*slot_of(run, client, 0) = publish.packet_id;
	if (client->is_keeper && is_new && publish.payload.len > 0 &&
	    publish.payload.data[0] >= 'a' && publish.payload.data[0] < 'a' + MESSAGES)
		run->received[publish.payload.data[0] - 'a']++;
	if (publish.qos > 0)
		answer(run, client, publish.qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC,
		       publish.packet_id);
}

static void take_ack(struct run *run, struct client *client, const struct mt_frame *frame)
{
	struct mt_ack ack;
	struct mt_violation why;
	uint16_t *slot;
	assert_int_equal(mt_ack_decode(frame, client->conn->version, &ack, &why), MT_OK);
	if (frame->type == MT_PACKET_PUBREL) {
		slot = slot_of(run, client, ack.packet_id);
		if (slot)
			*slot = 0;
		answer(run, client, MT_PACKET_PUBCOMP, ack.packet_id);
	} else if (frame->type != MT_PACKET_PUBCOMP && ack.reason < MT_REASON_UNSPECIFIED_ERROR) {
		run->acknowledged |= 1u << (ack.packet_id - 1);
		if (frame->type == MT_PACKET_PUBREC)
			answer(run, client, MT_PACKET_PUBREL, ack.packet_id);
	}
}

/* Reads and answers what came, as a client does. */
static void attend(struct run *run, struct client *client)
{
	while (client->conn && !world_is_quiet(client->conn)) {
		struct mt_frame frame = world_take(client->conn);
		if (frame.type == MT_PACKET_PUBLISH)
			take_publish(run, client, &frame);
		else if (frame.type >= MT_PACKET_PUBACK && frame.type <= MT_PACKET_PUBCOMP)
			take_ack(run, client, &frame);
		else if (frame.type == MT_PACKET_CONNACK)
			client->is_in = frame.body.data[1] == 0;
	}
}

static void attend_all(struct run *run)
{
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < CLIENTS; i++)
			attend(run, &run->clients[i]);
}

static void dial(struct run *run, struct client *client)
{
	struct world *world = &run->world;
	struct world_conn *conn = &world->conns[world->conn_count];
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = "open",
				      .has_anonymous_sessions = true,
				      .is_secret_safe = true};
	client->conn = NULL;
	client->is_in = false;
	if (mt_core_open(world->core, world->now, &facts, &conn->conn) != MT_OK)
		return;
	world->conn_count++;
	conn->out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out);
	client->conn = conn;
	world_serve(world);
}

static void enter_as(struct run *run, struct client *client, struct mt_connect *connect)
{
	dial(run, client);
	if (!client->conn)
		return;
	if (connect->version == MT_VERSION_5 && !connect->is_clean) {
		connect->props.present |= MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect->props.session_expiry_s = 600;
	}
	world_send_connect(&run->world, client->conn, connect);
	attend(run, client);
}

static void enter(struct run *run, int at, enum mt_version version, const char *id, bool is_clean)
{
	struct mt_connect connect = {
		.version = version, .is_clean = is_clean, .client_id = mt_bytes_str(id)};
	enter_as(run, &run->clients[at], &connect);
}

static void follow(struct run *run, int at, const char *filter, uint8_t qos, uint32_t identifier)
{
	struct client *client = &run->clients[at];
	struct mt_sub_options options = {.qos = qos};
	uint8_t list[128], data[256];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), buf = mt_buf_of(data, sizeof(data));
	struct mt_subscribe subscribe = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 9, .filter_count = 1};
	if (!is_there(client))
		return;
	mt_subscribe_put(&items, mt_bytes_str(filter), &options, client->conn->version);
	subscribe.list = mt_buf_view(&items);
	if (identifier) {
		subscribe.props.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER);
		subscribe.props.subscription_id = identifier;
	}
	assert_int_equal(mt_subscribe_encode(&subscribe, client->conn->version, &buf), MT_OK);
	say(run, client, mt_buf_view(&buf));
	attend_all(run);
}

static void leave_filter(struct run *run, int at)
{
	static const uint8_t packet[] = {0xa2, 8, 0, 3, 0, 0, 3, 't', '/', '#'};
	say(run, &run->clients[at], mt_bytes_of(packet, sizeof(packet)));
	attend_all(run);
}

/* Message 'a' + n of client `at`, under the packet id n + 1. */
static void tell_with(struct run *run, int at, struct mt_publish *publish, int n)
{
	struct client *client = &run->clients[at];
	uint8_t data[LARGE_BYTES + 256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_bytes view;
	if (!is_there(client))
		return;
	run->large[0] = (char)('a' + n);
	run->exactly_once |= (uint32_t)(publish->qos == 2) << n;
	if (publish->qos > 0)
		publish->packet_id = (uint16_t)(n + 1);
	assert_int_equal(mt_publish_encode(publish, client->conn->version, &buf), MT_OK);
	view = mt_buf_view(&buf);
	say(run, client, mt_bytes_of(view.data, view.len / 2));
	say(run, client, mt_bytes_of(view.data + view.len / 2, view.len - view.len / 2));
	attend_all(run);
}

static void tell(struct run *run, int at, const char *topic, uint8_t qos, bool is_retain, int n)
{
	char payload[2] = {(char)('a' + n), 0};
	struct mt_publish publish = {.qos = qos,
				     .is_retain = is_retain,
				     .topic = mt_bytes_str(topic),
				     .payload = mt_bytes_str(payload)};
	tell_with(run, at, &publish, n);
}

static void cut(struct run *run, int at)
{
	if (is_there(&run->clients[at]))
		world_cut(&run->world, run->clients[at].conn);
}

/* ---- scenarios ---- */

static void nothing(struct run *run)
{
	(void)run;
}

/* 0 keeps its session and hears t/# at QoS 2, 1 publishes. */
static void keeper_and_publisher(struct run *run)
{
	enter(run, 0, MT_VERSION_5, "keeper", false);
	follow(run, 0, "t/#", 2, 0);
	enter(run, 1, MT_VERSION_5, "publisher", true);
}

static void connects(struct run *run)
{
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .client_id = mt_bytes_str("x"),
				     .has_user = true,
				     .has_password = true,
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str("secret")};
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = 7};
	enter(run, 0, MT_VERSION_5, "", true);
	enter(run, 1, MT_VERSION_3_1_1, "b", false);
	run->world.auth_ticket = 0;
	enter_as(run, &run->clients[2], &connect);
	say(run, &run->clients[2], mt_bytes_of((const uint8_t *)"\xc0\0", 2));
	if (run->world.auth_ticket)
		mt_core_authenticated(run->world.core, run->world.now, run->world.auth_ticket,
				      &verdict);
	world_serve(&run->world);
	attend_all(run);
}

static void subscriptions(struct run *run)
{
	follow(run, 1, "t/+/x", 1, 7);
	follow(run, 1, "$share/g/t/#", 1, 0);
	follow(run, 1, "t/#", 1, 9);
	follow(run, 1, "t/#", 0, 10);
	tell(run, 1, "t/y/x", 1, false, 0);
	leave_filter(run, 1);
	leave_filter(run, 1);
	tell(run, 1, "t/y/x", 2, false, 1);
}

static void all_qos(struct run *run)
{
	enter(run, 2, MT_VERSION_3_1_1, "three", true);
	follow(run, 2, "t/#", 1, 0);
	for (int n = 0; n < 12; n++)
		tell(run, 1, n & 1 ? "t/1" : "t/2", (uint8_t)(n % 3), false, n);
}

static void offline_queue(struct run *run)
{
	cut(run, 0);
	for (int n = 0; n < 14; n++)
		tell(run, 1, "t/1", 1 + (n & 1), false, n);
	enter(run, 0, MT_VERSION_5, "keeper", false);
	attend_all(run);
}

/* A publisher that keeps its session and hears nothing comes back and sends again. */
static void sent_again(struct run *run)
{
	enter(run, 2, MT_VERSION_3_1_1, "returning", false);
	for (int n = 0; n < 12; n++) {
		char payload[2] = {(char)('a' + n), 0};
		struct mt_publish publish = {
			.qos = 2, .topic = mt_bytes_str("t/1"), .payload = mt_bytes_str(payload)};
		for (int tries = 0; tries < 3 && !(run->acknowledged >> n & 1); tries++) {
			if (tries > 0) {
				cut(run, 2);
				enter(run, 2, MT_VERSION_3_1_1, "returning", false);
			}
			publish.is_dup = tries > 0;
			tell_with(run, 2, &publish, n);
		}
		assert_true(run->acknowledged >> n & 1);
	}
}

static void retained(struct run *run)
{
	tell(run, 1, "t/r", 1, true, 0);
	tell(run, 1, "t/r", 2, true, 1);
	tell(run, 1, "t/s", 0, true, 2);
	enter(run, 2, MT_VERSION_5, "late", true);
	follow(run, 2, "t/+", 1, 3);
}

static void wills(struct run *run)
{
	for (uint32_t delay_s = 0; delay_s < 2; delay_s++) {
		struct mt_connect connect = {.version = MT_VERSION_5,
					     .client_id = mt_bytes_str("will"),
					     .has_will = true,
					     .will_qos = 1,
					     .is_will_retain = true,
					     .will_topic = mt_bytes_str("t/r"),
					     .will_payload = mt_bytes_str("z")};
		connect.will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
		connect.will_props.will_delay_s = delay_s;
		enter_as(run, &run->clients[2], &connect);
		cut(run, 2);
		world_pass(&run->world, 2 * MT_SECOND);
		attend_all(run);
	}
}

static void takeovers(struct run *run)
{
	tell(run, 1, "t/1", 2, false, 0);
	run->clients[3].is_keeper = true;
	enter(run, 3, MT_VERSION_5, "keeper", false);
	enter(run, 0, MT_VERSION_5, "keeper", false);
	tell(run, 1, "t/1", 1, false, 1);
	enter(run, 4, MT_VERSION_5, "publisher", true);
	tell(run, 4, "t/1", 2, false, 2);
}

static void shared_group(struct run *run)
{
	enter(run, 2, MT_VERSION_5, "one", true);
	enter(run, 3, MT_VERSION_5, "two", false);
	follow(run, 2, "$share/g/t/#", 1, 0);
	follow(run, 3, "$share/g/t/#", 2, 0);
	for (int n = 0; n < 6; n++)
		tell(run, 1, "t/1", 1, false, n);
	cut(run, 2);
	tell(run, 1, "t/1", 2, false, 6);
	cut(run, 3);
	tell(run, 1, "t/1", 2, false, 7);
}

static void large_payloads(struct run *run)
{
	for (int n = 0; n < 6; n++) {
		struct mt_publish publish = {
			.qos = (uint8_t)(n % 3),
			.topic = mt_bytes_str("t/1"),
			.payload = mt_bytes_of((const uint8_t *)run->large, LARGE_BYTES)};
		publish.props.present = MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
		publish.props.message_expiry_s = 100;
		tell_with(run, 1, &publish, n);
	}
}

static void aliases(struct run *run)
{
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("aliased")};
	connect.props.present = MT_PROP_BIT(TOPIC_ALIAS_MAXIMUM);
	connect.props.topic_alias_max = 4;
	enter_as(run, &run->clients[2], &connect);
	follow(run, 2, "t/#", 0, 0);
	for (int n = 0; n < 6; n++) {
		char topic[] = {'t', '/', (char)('0' + n / 2), 0};
		struct mt_publish publish = {
			.qos = 1,
			.topic = mt_bytes_str(n & 1 ? "" : topic),
			.payload = mt_bytes_of((uint8_t[]){(uint8_t)('a' + n)}, 1)};
		publish.props.present = MT_PROP_BIT(TOPIC_ALIAS);
		publish.props.topic_alias = (uint16_t)(n / 2 + 1);
		tell_with(run, 1, &publish, n);
	}
}

static void policy_swap(struct run *run)
{
	struct mt_policy *policy = world_policy(NULL, 0);
	cut(run, 0);
	tell(run, 1, "t/1", 1, false, 0);
	mt_core_set_policy(run->world.core, run->world.now, policy);
	mt_policy_unref(&policy);
	for (int i = 0; i < 4; i++)
		world_pass(&run->world, MT_SECOND);
	tell(run, 1, "t/1", 2, false, 1);
	enter(run, 0, MT_VERSION_5, "keeper", false);
	attend_all(run);
}

/* The store says no to every other one. */
static void store_that_fails(struct run *run)
{
	struct world *world = &run->world;
	world->is_store_held = true;
	tell(run, 1, "t/r", 1, true, 0);
	tell(run, 1, "t/r", 2, true, 1);
	tell(run, 1, "t/1", 1, false, 2);
	tell(run, 1, "t/1", 2, false, 3);
	world->is_store_held = false;
	for (uint32_t i = 0; i < world->ticket_count; i++)
		mt_core_stored(world->core, world->now, world->tickets[i],
			       i & 1 ? MT_OK : MT_LIMIT);
	world->ticket_count = 0;
	world_serve(world);
	attend_all(run);
}

struct scenario {
	void (*set_up)(struct run *run);
	void (*act)(struct run *run);
};

/* ---- judging ---- */

static void expect_others_live(struct run *run)
{
	struct world *world = &run->world;
	struct world_conn *fresh = NULL;
	assert_false(run->bystander.conn->is_closed);
	say(run, &run->bystander, mt_bytes_of((const uint8_t *)"\xc0\0", 2));
	assert_int_equal(world_take(run->bystander.conn).type, MT_PACKET_PINGRESP);
	fresh = world_client(world, MT_VERSION_5, "fresh", true);
	assert_int_equal(world_subscribe(world, fresh, "fresh", 1), 1);
	world_publish(world, fresh, "fresh", "x", 0, false, 0);
	world_expect(fresh, "fresh", "x");
	world_cut(world, fresh);
}

/* The session is still there, and with it what was acknowledged. */
static void expect_kept(struct run *run)
{
	uint64_t lost = 0;
	enter(run, 0, MT_VERSION_5, "keeper", false);
	assert_true(run->clients[0].is_in);
	attend_all(run);
	for (int n = 0; n < MESSAGES; n++) {
		lost += run->acknowledged >> n & 1 && run->received[n] == 0;
		assert_true(run->received[n] <= 1 || !(run->exactly_once >> n & 1));
	}
	assert_true(lost <= mt_core_counts(run->world.core).publishes_dropped);
}

static void clear_retained(struct run *run, const char *topic)
{
	struct world_conn *conn = world_client(&run->world, MT_VERSION_5, "clear", true);
	world_publish(&run->world, conn, topic, "", 0, true, 0);
	world_cut(&run->world, conn);
}

/* Accounted bytes once everybody has gone and every session has expired. */
static size_t bytes_at_rest(struct run *run)
{
	struct world *world = &run->world;
	clear_retained(run, "t/r");
	clear_retained(run, "t/s");
	for (uint32_t i = 0; i < world->conn_count; i++)
		if (!world->conns[i].is_closed)
			world_cut(world, &world->conns[i]);
	world_pass(world, 4000 * MT_SECOND);
	world_pass(world, 4000 * MT_SECOND);
	assert_int_equal(mt_core_counts(world->core).sessions, 0);
	assert_int_equal(mt_core_counts(world->core).queued_messages, 0);
	assert_int_equal(mt_core_counts(world->core).retained_count, 0);
	return mt_core_counts(world->core).memory_bytes;
}

/* fail_in 0: nothing fails. True when an allocation failed. */
static bool run_once(const struct scenario *scenario, uint64_t fail_in, size_t *bytes)
{
	struct run *run = calloc(1, sizeof(*run));
	bool has_failed;
	assert_non_null(run);
	memset(run->large, 'l', LARGE_BYTES);
	run->clients[0].is_keeper = true;
	world_open(&run->world);
	run->bystander.conn = world_client(&run->world, MT_VERSION_5, "bystander", true);
	run->bystander.is_in = true;
	scenario->set_up(run);
	run->world.core->mem.fail_in = fail_in;
	scenario->act(run);
	has_failed = fail_in > 0 && run->world.core->mem.fail_in == 0;
	run->world.core->mem.fail_in = 0;
	expect_others_live(run);
	if (scenario->set_up == keeper_and_publisher)
		expect_kept(run);
	*bytes = bytes_at_rest(run);
	world_close(&run->world);
	free(run);
	return has_failed;
}

static void sweep(void **state)
{
	const struct scenario *scenario = *state;
	size_t whole, bytes;
	uint64_t n = 1;
	assert_false(run_once(scenario, 0, &whole));
	for (; run_once(scenario, n, &bytes); n++)
		if (bytes > whole + CACHE_BYTES)
			fail_msg("%zu bytes instead of %zu after failure %lu", bytes, whole,
				 (unsigned long)n);
	assert_true(n > 5);
}

#define SCENARIO(before, what) \
	{ \
#what, sweep, NULL, NULL, &(struct scenario) \
		{ \
			before, what \
		} \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO(nothing, connects),
		SCENARIO(keeper_and_publisher, subscriptions),
		SCENARIO(keeper_and_publisher, all_qos),
		SCENARIO(keeper_and_publisher, offline_queue),
		SCENARIO(keeper_and_publisher, sent_again),
		SCENARIO(keeper_and_publisher, retained),
		SCENARIO(keeper_and_publisher, wills),
		SCENARIO(keeper_and_publisher, takeovers),
		SCENARIO(keeper_and_publisher, shared_group),
		SCENARIO(keeper_and_publisher, large_payloads),
		SCENARIO(keeper_and_publisher, aliases),
		SCENARIO(keeper_and_publisher, policy_swap),
		SCENARIO(keeper_and_publisher, store_that_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
