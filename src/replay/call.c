/*
 * The form of each call, told once for both directions: a pipe writes the fields it is led along,
 * or fills them.
 */
#include "replay/call.h"

#define FIXED_BYTES_MAX 2048u /* of all fields but texts and views */

struct pipe {
	bool is_reading;
	bool is_bad; /* a value that is none */
	struct mt_buf *out;
	struct mt_reader in;
};

static const char *const names[] = {
	"create", "listener", "open",  "turn_away",  "input", "closed", "authenticated",
	"stored", "peer",     "adopt", "set_policy", "tick",  "kick",	"shut_down",
	"sent",	  "drain",    "check", "end",	     "prove", "expel",	"figure"};
_Static_assert(MT_COUNT_OF(names) == MT_CALL_KIND_COUNT, "each kind has a name");

const char *mt_call_name(enum mt_call_kind kind)
{
	MT_CHECK((size_t)kind < MT_COUNT_OF(names));
	return names[kind];
}

static void pipe_u64(struct pipe *pipe, uint64_t *value)
{
	if (pipe->is_reading)
		*value = mt_reader_u64(&pipe->in);
	else
		mt_buf_put_u64(pipe->out, *value);
}

static void pipe_u32(struct pipe *pipe, uint32_t *value)
{
	if (pipe->is_reading)
		*value = mt_reader_u32(&pipe->in);
	else
		mt_buf_put_u32(pipe->out, *value);
}

static void pipe_u16(struct pipe *pipe, uint16_t *value)
{
	if (pipe->is_reading)
		*value = mt_reader_u16(&pipe->in);
	else
		mt_buf_put_u16(pipe->out, *value);
}

/* At most `most`. */
static void pipe_u8(struct pipe *pipe, uint8_t *value, uint8_t most)
{
	if (pipe->is_reading)
		*value = mt_reader_u8(&pipe->in);
	else
		mt_buf_put_u8(pipe->out, *value);
	pipe->is_bad |= *value > most;
}

static void pipe_flag(struct pipe *pipe, bool *value)
{
	uint8_t byte = !pipe->is_reading && *value;
	pipe_u8(pipe, &byte, 1);
	if (pipe->is_reading)
		*value = byte == 1;
}

/* Two in one byte. */
static void pipe_flags(struct pipe *pipe, bool *first, bool *second)
{
	uint8_t byte = 0;
	if (!pipe->is_reading)
		byte = (uint8_t)(*first | *second << 1);
	pipe_u8(pipe, &byte, 3);
	if (!pipe->is_reading)
		return;
	*first = byte & 1;
	*second = byte >> 1 & 1;
}

static void pipe_size(struct pipe *pipe, size_t *value)
{
	uint64_t number = *value;
	pipe_u64(pipe, &number);
	*value = (size_t)number;
}

static void pipe_time(struct pipe *pipe, mt_time *value)
{
	uint64_t number = (uint64_t)*value;
	pipe_u64(pipe, &number);
	*value = (mt_time)number;
}

static void pipe_bytes(struct pipe *pipe, struct mt_bytes *value)
{
	uint32_t len = (uint32_t)value->len;
	pipe_u32(pipe, &len);
	if (pipe->is_reading)
		*value = mt_reader_take(&pipe->in, len);
	else
		mt_buf_put(pipe->out, *value);
}

static void pipe_seed(struct pipe *pipe, struct mt_seed *seed)
{
	pipe_u64(pipe, &seed->word[0]);
	pipe_u64(pipe, &seed->word[1]);
}

static void pipe_limits(struct pipe *pipe, struct mt_core_limits *limits)
{
	pipe_size(pipe, &limits->packet_bytes);
	pipe_size(pipe, &limits->connect_bytes);
	pipe_u32(pipe, &limits->topic_levels);
	pipe_u32(pipe, &limits->topic_bytes);
	pipe_u32(pipe, &limits->user_properties);
	pipe_size(pipe, &limits->property_bytes);
	pipe_u32(pipe, &limits->filters_per_subscribe);
	pipe_u32(pipe, &limits->filters_per_session);
	pipe_u32(pipe, &limits->subscription_nodes);
	pipe_u32(pipe, &limits->queue_messages);
	pipe_size(pipe, &limits->queue_bytes);
	pipe_size(pipe, &limits->output_bytes);
	pipe_u16(pipe, &limits->inflight);
	pipe_u32(pipe, &limits->retained_count);
	pipe_size(pipe, &limits->retained_bytes);
	pipe_u32(pipe, &limits->retained_nodes);
	pipe_u32(pipe, &limits->sessions);
	pipe_u32(pipe, &limits->connections);
	pipe_u16(pipe, &limits->topic_aliases);
	pipe_u16(pipe, &limits->client_aliases);
	pipe_u32(pipe, &limits->session_expiry_s);
	pipe_u16(pipe, &limits->keep_alive_s);
	pipe_u16(pipe, &limits->keep_alive_least_s);
	pipe_u32(pipe, &limits->will_delay_s);
	pipe_u32(pipe, &limits->publish_rate);
	pipe_u64(pipe, &limits->publish_byte_rate);
	pipe_time(pipe, &limits->handshake_ns);
	pipe_time(pipe, &limits->connect_ns);
	/* A core has a window for each client. */
	pipe->is_bad |= limits->inflight == 0;
}

static void pipe_subtrees(struct pipe *pipe, struct mt_call_create *create)
{
	uint32_t *count = &create->settings.limits.subtree_count;
	pipe_u32(pipe, count);
	pipe->is_bad |= *count > MT_CALL_SUBTREES_MAX;
	for (uint32_t i = 0; i < *count && !pipe->is_bad; i++) {
		pipe_bytes(pipe, &create->subtrees[i].filter);
		pipe_u32(pipe, &create->subtrees[i].count_max);
		pipe_size(pipe, &create->subtrees[i].bytes_max);
	}
}

static void pipe_create(struct pipe *pipe, struct mt_call_create *create)
{
	struct mt_core_settings *settings = &create->settings;
	uint8_t strategy = (uint8_t)settings->shared_strategy;
	pipe_limits(pipe, &settings->limits);
	pipe_subtrees(pipe, create);
	pipe_seed(pipe, &settings->seed);
	pipe_size(pipe, &settings->memory_bytes);
	pipe_flag(pipe, &settings->is_denial_closing);
	pipe_flag(pipe, &settings->is_revocation_closing);
	pipe_time(pipe, &settings->sys_interval_ns);
	pipe_u8(pipe, &strategy, MT_SHARED_STICKY);
	settings->shared_strategy = (enum mt_shared_strategy)strategy;
	pipe_flag(pipe, &settings->is_payload_checked);
	pipe_u32(pipe, &settings->core_index);
	pipe_u32(pipe, &settings->core_count);
	pipe_seed(pipe, &settings->link_seed);
	pipe_size(pipe, &settings->link_bytes);
	pipe_bytes(pipe, &create->release);
	pipe_bytes(pipe, &create->response_topic);
	pipe_bytes(pipe, &create->policy);
	pipe->is_bad |= settings->core_count > MT_CORES_MAX ||
			settings->core_index >= settings->core_count + (settings->core_count == 0);
}

static void pipe_offer(struct pipe *pipe, struct mt_call_listener *listener)
{
	struct mt_offer *offer = &listener->offer;
	pipe_u8(pipe, &offer->qos_max, 2);
	pipe_flag(pipe, &offer->is_retain_available);
	pipe_flag(pipe, &offer->is_wildcard_available);
	pipe_flag(pipe, &offer->is_shared_available);
	pipe_flag(pipe, &offer->is_subscription_id_available);
	pipe_flag(pipe, &offer->is_moved);
	pipe_bytes(pipe, &listener->server_reference);
}

static void pipe_listener(struct pipe *pipe, struct mt_call_listener *listener)
{
	pipe_bytes(pipe, &listener->name);
	pipe_bytes(pipe, &listener->anonymous_role);
	pipe_flags(pipe, &listener->has_anonymous_sessions, &listener->is_certificate_required);
	pipe_bytes(pipe, &listener->client_id_rule);
	pipe_flag(pipe, &listener->is_id_demanded);
	pipe_u32(pipe, &listener->accepted);
	pipe_flag(pipe, &listener->has_limits);
	if (listener->has_limits)
		pipe_limits(pipe, &listener->limits);
	pipe_flag(pipe, &listener->has_offer);
	if (listener->has_offer)
		pipe_offer(pipe, listener);
}

static void pipe_facts(struct pipe *pipe, struct mt_call_facts *facts)
{
	pipe_u32(pipe, &facts->listener);
	for (size_t i = 0; i < sizeof(facts->address.byte); i++)
		pipe_u8(pipe, &facts->address.byte[i], UINT8_MAX);
	pipe_u16(pipe, &facts->port);
	pipe_flag(pipe, &facts->is_secret_safe);
	pipe->is_bad |= facts->listener >= MT_CALL_LISTENERS_MAX;
}

static void pipe_mechanism(struct pipe *pipe, enum mt_mechanism *mechanism)
{
	uint8_t number = (uint8_t)*mechanism;
	pipe_u8(pipe, &number, MT_MECHANISM_COUNT - 1);
	if (number < MT_MECHANISM_COUNT)
		*mechanism = (enum mt_mechanism)number;
}

static void pipe_verdict(struct pipe *pipe, struct mt_auth_verdict *verdict)
{
	uint8_t refusal = (uint8_t)verdict->refusal;
	pipe_flag(pipe, &verdict->is_accepted);
	pipe_flag(pipe, &verdict->is_continued);
	pipe_u64(pipe, &verdict->user_id);
	pipe_u8(pipe, &verdict->reason, UINT8_MAX);
	pipe_mechanism(pipe, &verdict->mechanism);
	pipe_flag(pipe, &verdict->is_unaccepted);
	pipe_u8(pipe, &refusal, MT_REFUSAL_COUNT - 1);
	if (refusal < MT_REFUSAL_COUNT)
		verdict->refusal = (enum mt_refusal)refusal;
	pipe_bytes(pipe, &verdict->data);
	pipe_bytes(pipe, &verdict->user);
}

static void pipe_msg(struct pipe *pipe, struct mt_call_message *message)
{
	struct mt_msg_facts *facts = &message->facts;
	pipe_bytes(pipe, &facts->topic);
	pipe_bytes(pipe, &facts->props);
	pipe_bytes(pipe, &facts->payload);
	pipe_bytes(pipe, &facts->author);
	pipe_time(pipe, &facts->expires_ns);
	pipe_u64(pipe, &facts->author_id);
	pipe_u8(pipe, &facts->qos, 2);
	pipe_flag(pipe, &facts->is_retain);
	pipe_u64(pipe, &message->stamp);
	pipe_u8(pipe, &message->core, MT_CORES_MAX - 1);
}

static void pipe_message(struct pipe *pipe, struct mt_call_message *message)
{
	uint8_t kind = (uint8_t)message->kind;
	pipe_u8(pipe, &kind, MT_LINK_RETAINED_END);
	message->kind = (enum mt_link_kind)kind;
	pipe_u64(pipe, &message->number);
	pipe_u64(pipe, &message->count);
	pipe_u64(pipe, &message->sender);
	pipe_u32(pipe, &message->members.count);
	pipe_u32(pipe, &message->members.present);
	pipe_size(pipe, &message->taken_bytes);
	pipe_u8(pipe, &message->to, MT_CORES_MAX - 1);
	pipe_u8(pipe, &message->reason, UINT8_MAX);
	pipe_flag(pipe, &message->is_wanted);
	pipe_flag(pipe, &message->is_kept);
	pipe_bytes(pipe, &message->text);
	pipe_bytes(pipe, &message->heard);
	pipe->is_bad |= message->heard.len % sizeof(uint64_t) != 0;
	pipe_flag(pipe, &message->has_msg);
	if (message->has_msg)
		pipe_msg(pipe, message);
}

static void pipe_proof(struct pipe *pipe, struct mt_proof *proof)
{
	uint8_t kind = (uint8_t)proof->kind;
	pipe_u8(pipe, &kind, MT_PROOF_PSK);
	proof->kind = (enum mt_proof_kind)kind;
	pipe_u64(pipe, &proof->user_id);
	pipe_bytes(pipe, &proof->cn);
	pipe->is_bad |= proof->cn.len > MT_PROOF_CN_BYTES_MAX;
}

static void pipe_adoption(struct pipe *pipe, struct mt_call_adoption *adoption)
{
	pipe_bytes(pipe, &adoption->hello);
	pipe_bytes(pipe, &adoption->reply);
	pipe_bytes(pipe, &adoption->unread);
	pipe_time(pipe, &adoption->opened_ns);
	pipe_u64(pipe, &adoption->user_id);
	pipe_mechanism(pipe, &adoption->mechanism);
	pipe_flags(pipe, &adoption->has_method, &adoption->has_proof);
	if (adoption->has_proof)
		pipe_proof(pipe, &adoption->proof);
}

/* How a core took a connection. */
static void pipe_welcome(struct pipe *pipe, struct mt_call *call)
{
	pipe_facts(pipe, &call->facts);
	pipe_u8(pipe, &call->status, MT_LIMIT);
	pipe_u64(pipe, &call->conn);
	pipe->is_bad |= call->status != MT_OK && call->status != MT_LIMIT;
}

/* What TLS proved of a connection, that it holds no longer, and what is counted of it. */
static void pipe_tls(struct pipe *pipe, struct mt_call *call)
{
	if (call->kind == MT_CALL_FIGURE)
		pipe_bytes(pipe, &call->bytes);
	else
		pipe_u64(pipe, &call->conn);
	if (call->kind == MT_CALL_PROVE)
		pipe_proof(pipe, &call->proof);
	else
		pipe_u64(pipe, &call->number);
	pipe->is_bad |= call->kind == MT_CALL_FIGURE && call->bytes.len > MT_FIGURE_NAME_BYTES_MAX;
	pipe->is_bad |= call->kind == MT_CALL_EXPEL && call->number >= MT_EXPULSION_COUNT;
}

static void pipe_body(struct pipe *pipe, struct mt_call *call)
{
	switch (call->kind) {
	case MT_CALL_CREATE:
		pipe_create(pipe, &call->create);
		break;
	case MT_CALL_LISTENER:
		pipe_listener(pipe, &call->listener);
		break;
	case MT_CALL_OPEN:
		pipe_welcome(pipe, call);
		break;
	case MT_CALL_TURN_AWAY:
		pipe_facts(pipe, &call->facts);
		pipe_u8(pipe, &call->status, MT_LIMIT_COUNT - 1);
		break;
	case MT_CALL_PROVE:
	case MT_CALL_EXPEL:
	case MT_CALL_FIGURE:
		pipe_tls(pipe, call);
		break;
	case MT_CALL_INPUT:
		pipe_u64(pipe, &call->conn);
		pipe_bytes(pipe, &call->bytes);
		break;
	case MT_CALL_CLOSED:
		pipe_u64(pipe, &call->conn);
		break;
	case MT_CALL_AUTHENTICATED:
		pipe_u64(pipe, &call->number);
		pipe_verdict(pipe, &call->verdict);
		break;
	case MT_CALL_STORED:
		pipe_u64(pipe, &call->number);
		pipe_u8(pipe, &call->status, UINT8_MAX);
		break;
	case MT_CALL_PEER:
		pipe_u32(pipe, &call->from);
		pipe_message(pipe, &call->message);
		break;
	case MT_CALL_ADOPT:
		pipe_welcome(pipe, call);
		pipe_adoption(pipe, &call->adoption);
		break;
	case MT_CALL_KICK:
		pipe_bytes(pipe, &call->bytes);
		pipe_bytes(pipe, &call->more);
		pipe_u64(pipe, &call->number);
		break;
	case MT_CALL_SENT:
		pipe_u64(pipe, &call->conn);
		pipe_u64(pipe, &call->number);
		pipe_u64(pipe, &call->digest);
		break;
	case MT_CALL_DRAIN:
	case MT_CALL_CHECK:
		if (call->kind == MT_CALL_DRAIN)
			pipe_u64(pipe, &call->number);
		pipe_u64(pipe, &call->digest);
		break;
	case MT_CALL_SET_POLICY:
	case MT_CALL_END:
		pipe_bytes(pipe, &call->bytes);
		break;
	case MT_CALL_TICK:
	case MT_CALL_SHUT_DOWN:
	case MT_CALL_KIND_COUNT:
		break;
	}
}

static void pipe_call(struct pipe *pipe, struct mt_call *call)
{
	uint8_t kind = (uint8_t)call->kind;
	pipe_u8(pipe, &kind, MT_CALL_KIND_COUNT - 1);
	call->kind = (enum mt_call_kind)kind;
	pipe_flag(pipe, &call->has_time);
	if (call->has_time) {
		pipe_time(pipe, &call->now.mono_ns);
		pipe_time(pipe, &call->now.wall_ns);
	}
	if (!pipe->is_bad)
		pipe_body(pipe, call);
}

static size_t views_of_create(const struct mt_call_create *create)
{
	size_t bytes = create->release.len + create->response_topic.len + create->policy.len;
	for (uint32_t i = 0; i < create->settings.limits.subtree_count; i++)
		bytes += create->subtrees[i].filter.len;
	return bytes;
}

static size_t views_of_message(const struct mt_call_message *message)
{
	return message->text.len + message->heard.len + message->facts.topic.len +
	       message->facts.props.len + message->facts.payload.len;
}

size_t mt_call_bytes_max(const struct mt_call *call)
{
	size_t bytes = FIXED_BYTES_MAX + call->bytes.len + call->more.len;
	if (call->kind == MT_CALL_CREATE)
		bytes += views_of_create(&call->create);
	else if (call->kind == MT_CALL_LISTENER)
		bytes += call->listener.name.len + call->listener.anonymous_role.len +
			 call->listener.client_id_rule.len + call->listener.server_reference.len;
	else if (call->kind == MT_CALL_AUTHENTICATED)
		bytes += call->verdict.data.len + call->verdict.user.len;
	else if (call->kind == MT_CALL_PEER)
		bytes += views_of_message(&call->message);
	else if (call->kind == MT_CALL_ADOPT)
		bytes += call->adoption.hello.len + call->adoption.reply.len +
			 call->adoption.unread.len;
	return bytes;
}

void mt_call_encode(const struct mt_call *call, struct mt_buf *out)
{
	struct pipe pipe = {.out = out};
	struct mt_call copy = *call; /* a pipe that writes changes nothing, but could */
	pipe_call(&pipe, &copy);
	MT_CHECK(!pipe.is_bad);
}

enum mt_status mt_call_decode(struct mt_bytes body, struct mt_call *out)
{
	struct pipe pipe = {.is_reading = true, .in = mt_reader_of(body)};
	struct mt_call call = {0};
	pipe_call(&pipe, &call);
	if (pipe.is_bad || pipe.in.is_short || mt_reader_left(&pipe.in) > 0)
		return MT_INVALID;
	*out = call;
	return MT_OK;
}
