/*
 * Calls in the form of the log, without its checks: whatever is decoded is encoded to the same
 * bytes. Those that one core can be called with are made, with handles and tickets that exist; the
 * core is recorded, and its log must come out the same.
 *
 *   [length 2, body]...
 */
#include "taped.h"

#include "base/arena.h"
#include "policy/image.h"

#define CONNS 8u
#define LISTENERS 8u
#define TICKETS 64u
#define BODY_BYTES_MAX 8192u

struct listener {
	struct mt_conn_facts facts;
	struct mt_core_limits limits;
	struct mt_offer offer;
};

struct play {
	struct mt_core *core;
	struct mt_now now;
	struct mt_mem mem;
	struct mt_arena arena;
	struct listener listeners[LISTENERS];
	uint32_t listener_count;
	mt_conn conns[CONNS];
	uint64_t stores[TICKETS];
	uint32_t store_count;
	uint64_t auths[CONNS];
	uint32_t auth_count;
};

static const char *text_of(struct play *play, struct mt_bytes bytes)
{
	struct mt_bytes copy;
	MT_CHECK(mt_arena_copy(&play->arena, bytes, &copy) == MT_OK);
	return (const char *)copy.data;
}

static size_t size_least(size_t value, size_t most)
{
	return value < most ? value : most;
}

static mt_time time_least(mt_time value)
{
	return value < 0 || value > 3600 * MT_SECOND ? MT_SECOND : value;
}

/* No configuration goes beyond these. */
static struct mt_core_limits sane(struct mt_core_limits limits)
{
	limits.connections = limits.connections % CONNS + 1;
	limits.output_bytes = size_least(limits.output_bytes, 1 << 20) + 64;
	limits.packet_bytes = size_least(limits.packet_bytes, 1 << 20) + 1024;
	limits.connect_bytes = size_least(limits.connect_bytes, 1 << 16);
	limits.queue_bytes = size_least(limits.queue_bytes, 1 << 20);
	limits.queue_messages %= 1000;
	limits.handshake_ns = time_least(limits.handshake_ns);
	limits.connect_ns = time_least(limits.connect_ns);
	limits.session_expiry_s %= 3600;
	limits.will_delay_s %= 3600;
	limits.topic_levels = limits.topic_levels % 128 + 1;
	limits.publish_rate = (uint32_t)size_least(limits.publish_rate, 1000000);
	limits.publish_byte_rate = size_least(limits.publish_byte_rate, 1 << 30);
	limits.subtree_count = 0;
	limits.subtrees = NULL;
	return limits;
}

static struct mt_policy *policy_of(struct mt_bytes image)
{
	struct mt_policy *policy;
	struct mt_policy_builder *builder;
	if (mt_policy_decode(image, &policy) == MT_OK)
		return policy;
	builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	MT_CHECK(builder && mt_policy_build(&builder, &policy) == MT_OK);
	return policy;
}

static void drain(struct play *play, uint64_t count)
{
	struct mt_request request;
	while (count-- > 0 && mt_core_request(play->core, &request)) {
		if (request.type == MT_REQUEST_AUTHENTICATE)
			play->auths[play->auth_count++ % CONNS] = request.ticket;
		else if (request.type == MT_REQUEST_STORE && play->store_count < TICKETS)
			play->stores[play->store_count++] = request.ticket;
		else if (request.type == MT_REQUEST_STORE)
			play->store_count = TICKETS + 1; /* nothing is answered any more */
	}
}

static mt_conn conn_of(const struct play *play, mt_conn wished)
{
	return play->conns[wished % CONNS];
}

static void make_core(struct play *play, const struct mt_call *call)
{
	struct mt_core_settings settings = call->create.settings;
	struct mt_policy *policy;
	if (play->core)
		return;
	settings.limits = sane(settings.limits);
	settings.memory_bytes = SIZE_MAX;
	settings.core_index = settings.core_count = 0;
	settings.sys_interval_ns = settings.sys_interval_ns == 0 ? 0 : 10 * MT_SECOND;
	settings.release = text_of(play, call->create.release);
	settings.response_topic = text_of(play, call->create.response_topic);
	policy = policy_of(call->create.policy);
	play->core = mt_core_create(&settings, policy, play->now);
	MT_CHECK(play->core);
	mt_policy_unref(&policy);
}

static void make_listener(struct play *play, const struct mt_call_listener *from)
{
	struct listener *to = &play->listeners[play->listener_count];
	if (play->listener_count == LISTENERS)
		return;
	to->limits = sane(from->limits);
	to->limits.inflight = from->has_limits ? from->limits.inflight : 1;
	to->offer = from->offer;
	to->offer.server_reference = text_of(play, from->server_reference);
	to->facts = (struct mt_conn_facts){.listener = text_of(play, from->name),
					   .anonymous_role = text_of(play, from->anonymous_role),
					   .has_anonymous_sessions = from->has_anonymous_sessions,
					   .is_certificate_required = from->is_certificate_required,
					   .client_id_rule = text_of(play, from->client_id_rule),
					   .is_id_demanded = from->is_id_demanded,
					   .accepted = from->accepted,
					   .limits = from->has_limits ? &to->limits : NULL,
					   .offer = from->has_offer ? &to->offer : NULL};
	play->listener_count++;
}

static void make_conn(struct play *play, const struct mt_call *call)
{
	struct mt_conn_facts facts;
	if (play->listener_count == 0)
		return;
	facts = play->listeners[call->facts.listener % play->listener_count].facts;
	facts.address = call->facts.address;
	facts.port = call->facts.port;
	facts.is_secret_safe = call->facts.is_secret_safe;
	if (call->kind == MT_CALL_TURN_AWAY)
		mt_core_turn_away(play->core, play->now, &facts, (enum mt_limit_id)call->status);
	else if (mt_core_open(play->core, play->now, &facts, &play->conns[call->conn % CONNS]) !=
		 MT_OK)
		play->conns[call->conn % CONNS] = MT_HANDLE_NONE;
}

static void send(struct play *play, const struct mt_call *call)
{
	struct mt_bytes list[4];
	mt_conn conn = conn_of(play, call->conn);
	size_t count = mt_core_output(play->core, conn, list, MT_COUNT_OF(list)), bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += list[i].len;
	if (bytes > 0)
		mt_core_sent(play->core, play->now, conn, size_least(bytes, call->number));
}

static void answer_store(struct play *play, const struct mt_call *call)
{
	if (play->store_count == 0 || play->store_count > TICKETS)
		return;
	mt_core_stored(play->core, play->now, play->stores[0], (enum mt_status)call->status);
	memmove(&play->stores[0], &play->stores[1], --play->store_count * sizeof(uint64_t));
}

static void set_policy(struct play *play, const struct mt_call *call)
{
	struct mt_policy *policy = policy_of(call->bytes);
	mt_core_set_policy(play->core, play->now, policy);
	mt_policy_unref(&policy);
}

static void make(struct play *play, const struct mt_call *call)
{
	mt_conn conn = conn_of(play, call->conn);
	switch (call->kind) {
	case MT_CALL_OPEN:
	case MT_CALL_TURN_AWAY:
		make_conn(play, call);
		break;
	case MT_CALL_INPUT:
		mt_core_input(play->core, play->now, conn, call->bytes);
		break;
	case MT_CALL_PROVE:
		mt_core_prove(play->core, play->now, conn, &call->proof);
		break;
	case MT_CALL_FIGURE:
		mt_core_publish_figure(play->core, play->now, call->bytes, call->number);
		break;
	case MT_CALL_EXPEL:
		mt_core_expel(play->core, play->now, conn, (enum mt_expulsion)call->number);
		break;
	case MT_CALL_CLOSED:
		mt_core_closed(play->core, play->now, conn);
		break;
	case MT_CALL_AUTHENTICATED:
		mt_core_authenticated(play->core, play->now, play->auths[call->number % CONNS],
				      &call->verdict);
		break;
	case MT_CALL_STORED:
		answer_store(play, call);
		break;
	case MT_CALL_SET_POLICY:
		set_policy(play, call);
		break;
	case MT_CALL_TICK:
		mt_core_tick(play->core, play->now);
		break;
	case MT_CALL_KICK:
		(void)mt_core_kick(play->core, play->now, call->bytes, call->more);
		break;
	case MT_CALL_SHUT_DOWN:
		mt_core_shut_down(play->core, play->now);
		break;
	case MT_CALL_SENT:
		send(play, call);
		break;
	case MT_CALL_DRAIN:
		drain(play, call->number);
		break;
	default: /* of siblings, and what is no call */
		break;
	}
}

/* The same bytes again, and every shorter body is none. */
static bool is_call(struct mt_bytes body, struct mt_call *call)
{
	static uint8_t data[2 * BODY_BYTES_MAX];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_call cut;
	if (mt_call_decode(body, call) != MT_OK)
		return false;
	MT_CHECK(body.len <= mt_call_bytes_max(call));
	mt_call_encode(call, &out);
	MT_CHECK(mt_bytes_equal(mt_buf_view(&out), body));
	MT_CHECK(mt_call_decode(mt_bytes_of(body.data, body.len - 1), &cut) == MT_INVALID);
	return true;
}

static void step(struct play *play, const struct mt_call *call)
{
	if (call->has_time) {
		play->now.mono_ns += (mt_time)((uint64_t)call->now.mono_ns % (100 * MT_SECOND));
		play->now.wall_ns += (mt_time)((uint64_t)call->now.wall_ns % (100 * MT_SECOND));
	}
	if (call->kind == MT_CALL_CREATE)
		make_core(play, call);
	else if (call->kind == MT_CALL_LISTENER)
		make_listener(play, &call->listener);
	else if (play->core)
		make(play, call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct play play;
	struct mt_reader in = mt_reader_of(mt_bytes_of(data, size));
	play = (struct play){.now = {1000 * MT_SECOND, 1700000000 * MT_SECOND}};
	mt_mem_init(&play.mem, SIZE_MAX);
	mt_arena_init(&play.arena, &play.mem);
	while (mt_reader_left(&in) > 2) {
		struct mt_call call;
		struct mt_bytes body;
		size_t len = mt_reader_u16(&in) % BODY_BYTES_MAX;
		body = mt_reader_take(&in, size_least(len, mt_reader_left(&in)));
		if (body.len > 0 && is_call(body, &call))
			step(&play, &call);
	}
	mt_core_destroy(&play.core); /* plays the log */
	mt_arena_finish(&play.arena);
	return 0;
}
