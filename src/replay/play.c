/* Playing a log: what a shell did is done again. */
#include "replay/play.h"

#include "base/arena.h"
#include "policy/image.h"
#include "replay/outcome.h"
#include "replay/record.h"
#include "wire/connect.h"

#include <stdlib.h>

#define OPENED_MAX 10000000u /* connections; a log that promises more was not written by us */

/* What the facts of its connections point to. */
struct listener {
	struct mt_conn_facts facts;
	struct mt_core_limits limits;
	struct mt_offer offer;
};

struct mt_play {
	struct mt_bytes in;
	struct mt_records records;
	struct mt_core *core;
	struct mt_core_settings settings;
	struct mt_mem mem; /* of messages and adoptions, and the arena */
	struct mt_arena arena;
	struct mt_outcome outcome;
	struct listener *listeners[MT_CALL_LISTENERS_MAX];
	uint32_t listener_count;
	uint64_t *tickets; /* asked for by STORE and not yet answered */
	size_t ticket_first, ticket_count, ticket_cap;
	struct mt_play_facts facts;
	const char *what;
	bool is_over;
};

static enum mt_play_state say(struct mt_play *play, enum mt_play_state state, const char *what)
{
	play->what = what;
	return state;
}

static enum mt_play_state invalid(struct mt_play *play, const char *what)
{
	return say(play, MT_PLAY_INVALID, what);
}

static enum mt_play_state differs(struct mt_play *play, const char *what)
{
	return say(play, MT_PLAY_DIFFERS, what);
}

enum mt_status mt_play_open(struct mt_bytes log, struct mt_play **out)
{
	struct mt_play *play;
	MT_TRY(mt_records_open(&log));
	play = calloc(1, sizeof(*play));
	if (!play)
		return MT_MEMORY;
	play->in = log;
	mt_mem_init(&play->mem, SIZE_MAX);
	mt_arena_init(&play->arena, &play->mem);
	mt_outcome_init(&play->outcome);
	*out = play;
	return MT_OK;
}

void mt_play_close(struct mt_play **play)
{
	struct mt_play *old = *play;
	*play = NULL;
	if (!old)
		return;
	mt_core_destroy(&old->core);
	mt_outcome_finish(&old->outcome);
	mt_mem_give(&old->mem, old->tickets, old->ticket_cap * sizeof(*old->tickets));
	mt_arena_finish(&old->arena);
	MT_CHECK(mt_mem_bytes(&old->mem) == 0);
	free(old);
}

/* ---- from the log's form to that of the core ---- */

/* A C string in the arena; NULL without memory. */
static const char *text_of(struct mt_play *play, struct mt_bytes bytes)
{
	struct mt_bytes copy;
	if (mt_arena_copy(&play->arena, bytes, &copy) != MT_OK)
		return NULL;
	return (const char *)copy.data;
}

static bool copy_subtrees(struct mt_play *play, const struct mt_call_create *create)
{
	uint32_t count = create->settings.limits.subtree_count;
	struct mt_retained_subtree *copy =
		mt_arena_take(&play->arena, count * sizeof(struct mt_retained_subtree));
	if (!copy)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		copy[i] = create->subtrees[i];
		if (mt_arena_copy(&play->arena, create->subtrees[i].filter, &copy[i].filter) !=
		    MT_OK)
			return false;
	}
	play->settings.limits.subtrees = copy;
	return true;
}

static bool copy_settings(struct mt_play *play, const struct mt_call_create *create)
{
	play->settings = create->settings;
	play->settings.release = text_of(play, create->release);
	play->settings.response_topic = text_of(play, create->response_topic);
	return play->settings.release && play->settings.response_topic &&
	       copy_subtrees(play, create);
}

static enum mt_play_state play_create(struct mt_play *play, const struct mt_call *call)
{
	const struct mt_call_create *create = &call->create;
	struct mt_policy *policy;
	enum mt_status status;
	if (play->core)
		return invalid(play, "a core is there already");
	if (create->settings.limits.connections > OPENED_MAX)
		return invalid(play, "too many connections");
	status = mt_policy_decode(create->policy, &policy);
	if (status != MT_OK)
		return invalid(play, "the policy is none");
	if (copy_settings(play, create))
		play->core = mt_core_create(&play->settings, policy, call->now);
	mt_policy_unref(&policy);
	play->facts.release = create->release;
	play->facts.first_ns = play->facts.last_ns = call->now.mono_ns;
	play->facts.first_wall_ns = call->now.wall_ns;
	return play->core ? MT_PLAY_ON : MT_PLAY_MEMORY;
}

static bool fill_listener(struct mt_play *play, const struct mt_call_listener *from,
			  struct listener *to)
{
	to->limits = from->limits;
	to->offer = from->offer;
	to->offer.server_reference = text_of(play, from->server_reference);
	to->facts = (struct mt_conn_facts){
		.listener = text_of(play, from->name),
		.anonymous_role = text_of(play, from->anonymous_role),
		.has_anonymous_sessions = from->has_anonymous_sessions,
		.is_certificate_required = from->is_certificate_required,
		.client_id_rule = text_of(play, from->client_id_rule),
		.is_id_demanded = from->is_id_demanded,
		.accepted = from->accepted,
		.limits = from->has_limits ? &to->limits : NULL,
		.offer = from->has_offer ? &to->offer : NULL,
	};
	return to->offer.server_reference && to->facts.listener && to->facts.anonymous_role &&
	       to->facts.client_id_rule;
}

static enum mt_play_state play_listener(struct mt_play *play, const struct mt_call *call)
{
	struct listener *listener;
	if (play->listener_count == MT_CALL_LISTENERS_MAX)
		return invalid(play, "too many listeners");
	listener = mt_arena_take(&play->arena, sizeof(*listener));
	if (!listener || !fill_listener(play, &call->listener, listener))
		return MT_PLAY_MEMORY;
	play->listeners[play->listener_count++] = listener;
	return MT_PLAY_ON;
}

static bool find_facts(const struct mt_play *play, const struct mt_call_facts *from,
		       struct mt_conn_facts *to)
{
	if (from->listener >= play->listener_count)
		return false;
	*to = play->listeners[from->listener]->facts;
	to->address = from->address;
	to->port = from->port;
	to->is_secret_safe = from->is_secret_safe;
	return true;
}

/* ---- connections ---- */

static enum mt_play_state compare_welcome(struct mt_play *play, const struct mt_call *call,
					  enum mt_status status, mt_conn conn)
{
	if (status != (enum mt_status)call->status)
		return differs(play, status == MT_OK ? "a connection was taken that was refused"
						     : "a connection was refused that was taken");
	if (conn != call->conn)
		return differs(play, "a connection has another handle");
	if (status == MT_OK && mt_outcome_begin(&play->outcome, conn) != MT_OK)
		return MT_PLAY_MEMORY;
	return MT_PLAY_ON;
}

static enum mt_play_state play_open(struct mt_play *play, const struct mt_call *call)
{
	struct mt_conn_facts facts;
	mt_conn conn = MT_HANDLE_NONE;
	enum mt_status status;
	if (!find_facts(play, &call->facts, &facts))
		return invalid(play, "there is no such listener");
	status = mt_core_open(play->core, call->now, &facts, &conn);
	play->facts.connections++;
	return compare_welcome(play, call, status, conn);
}

static enum mt_play_state play_turn_away(struct mt_play *play, const struct mt_call *call)
{
	struct mt_conn_facts facts;
	if (!find_facts(play, &call->facts, &facts))
		return invalid(play, "there is no such listener");
	mt_core_turn_away(play->core, call->now, &facts, (enum mt_limit_id)call->status);
	return MT_PLAY_ON;
}

static enum mt_play_state play_input(struct mt_play *play, const struct mt_call *call)
{
	play->facts.inputs++;
	play->facts.input_bytes += call->bytes.len;
	mt_core_input(play->core, call->now, call->conn, call->bytes);
	return MT_PLAY_ON;
}

static bool is_connect(struct mt_bytes hello)
{
	struct mt_frame frame;
	struct mt_connect connect;
	struct mt_violation why;
	enum mt_version version;
	return mt_frame_next(hello, SIZE_MAX, &frame, &why) == MT_OK && frame.bytes == hello.len &&
	       frame.type == MT_PACKET_CONNECT &&
	       mt_connect_decode(&frame, &connect, &version, &why) == MT_OK;
}

static struct mt_adoption *make_adoption(struct mt_play *play, const struct mt_call_adoption *from)
{
	size_t cn_bytes = from->has_proof ? from->proof.cn.len : 0;
	size_t bytes = sizeof(struct mt_adoption) + from->hello.len + from->reply.len + cn_bytes;
	struct mt_adoption *to = mt_mem_take_shared(&play->mem, bytes);
	if (!to)
		return NULL;
	*to = (struct mt_adoption){.mem = &play->mem,
				   .bytes = bytes,
				   .opened_ns = from->opened_ns,
				   .user_id = from->user_id,
				   .hello_bytes = from->hello.len,
				   .reply_bytes = from->reply.len,
				   .mechanism = from->mechanism,
				   .has_method = from->has_method,
				   .has_proof = from->has_proof,
				   .proof = from->proof,
				   .cn_bytes = cn_bytes};
	memcpy(to->data, from->hello.data, from->hello.len);
	if (from->reply.len > 0)
		memcpy(to->data + from->hello.len, from->reply.data, from->reply.len);
	if (cn_bytes > 0)
		memcpy(to->data + from->hello.len + from->reply.len, from->proof.cn.data, cn_bytes);
	if (from->unread.len == 0)
		return to;
	to->unread = mt_mem_take_shared(&play->mem, from->unread.len);
	if (!to->unread) {
		mt_adoption_free(&to);
		return NULL;
	}
	to->unread_bytes = from->unread.len;
	memcpy(to->unread, from->unread.data, from->unread.len);
	return to;
}

static enum mt_play_state play_adopt(struct mt_play *play, const struct mt_call *call)
{
	struct mt_adoption *adoption;
	mt_conn conn = MT_HANDLE_NONE;
	enum mt_status status;
	if (!is_connect(call->adoption.hello))
		return invalid(play, "a connection came without its CONNECT");
	adoption = make_adoption(play, &call->adoption);
	if (!adoption)
		return MT_PLAY_MEMORY;
	if (!find_facts(play, &call->facts, &adoption->facts)) {
		mt_adoption_free(&adoption);
		return invalid(play, "there is no such listener");
	}
	status = mt_core_adopt(play->core, call->now, adoption, &conn);
	mt_adoption_free(&adoption);
	play->facts.connections++;
	return compare_welcome(play, call, status, conn);
}

static enum mt_play_state play_sent(struct mt_play *play, const struct mt_call *call)
{
	enum mt_status status = MT_INVALID;
	if (call->number <= SIZE_MAX)
		status = mt_outcome_output(&play->outcome, play->core, call->conn,
					   (size_t)call->number);
	if (status != MT_OK)
		return differs(play, "the core has fewer bytes to send");
	mt_core_sent(play->core, call->now, call->conn, (size_t)call->number);
	play->facts.output_bytes += call->number;
	if (play->outcome.digest != call->digest)
		return differs(play, "the core sends other bytes");
	return MT_PLAY_ON;
}

/* ---- siblings ---- */

static struct mt_msg *make_msg(struct mt_play *play, const struct mt_call_message *from)
{
	struct mt_msg *msg = mt_msg_create(&play->mem, &from->facts);
	if (!msg)
		return NULL;
	msg->stamp = from->stamp;
	msg->core = from->core;
	return msg;
}

static struct mt_link_message *make_message(struct mt_play *play,
					    const struct mt_call_message *from)
{
	struct mt_reader heard = mt_reader_of(from->heard);
	uint32_t count = (uint32_t)(from->heard.len / sizeof(uint64_t));
	struct mt_link_message *to =
		mt_link_message_create(&play->mem, from->kind, from->text, count);
	if (!to)
		return NULL;
	to->number = from->number;
	to->count = from->count;
	to->sender = from->sender;
	to->members = from->members;
	to->taken_bytes = from->taken_bytes;
	to->to = from->to;
	to->reason = from->reason;
	to->is_wanted = from->is_wanted;
	to->is_kept = from->is_kept;
	for (uint32_t i = 0; i < count; i++)
		to->heard[i] = mt_reader_u64(&heard);
	if (from->has_msg && !(to->msg = make_msg(play, from)))
		mt_link_message_free(&to);
	return to;
}

static enum mt_play_state play_peer(struct mt_play *play, const struct mt_call *call)
{
	struct mt_link_message *message;
	if (call->from >= play->settings.core_count || call->from == play->settings.core_index)
		return invalid(play, "there is no such sibling");
	message = make_message(play, &call->message);
	if (!message)
		return MT_PLAY_MEMORY;
	mt_core_peer(play->core, call->now, call->from, message);
	return MT_PLAY_ON;
}

/* ---- answers ---- */

static bool keep_ticket(struct mt_play *play, uint64_t ticket)
{
	if (play->ticket_first + play->ticket_count == play->ticket_cap) {
		size_t cap = play->ticket_cap ? play->ticket_cap * 2 : 64;
		uint64_t *tickets =
			mt_mem_resize(&play->mem, play->tickets,
				      play->ticket_cap * sizeof(*tickets), cap * sizeof(*tickets));
		if (!tickets)
			return false;
		play->tickets = tickets;
		play->ticket_cap = cap;
	}
	play->tickets[play->ticket_first + play->ticket_count++] = ticket;
	return true;
}

static enum mt_play_state play_stored(struct mt_play *play, const struct mt_call *call)
{
	if (play->ticket_count == 0 || play->tickets[play->ticket_first] != call->number)
		return differs(play, "the core did not ask to store this");
	play->ticket_first++;
	if (--play->ticket_count == 0)
		play->ticket_first = 0;
	mt_core_stored(play->core, call->now, call->number, (enum mt_status)call->status);
	return MT_PLAY_ON;
}

/* What it hands over is for nobody here. */
static bool take_request(struct mt_play *play, struct mt_request *request)
{
	mt_outcome_request(&play->outcome, request);
	play->facts.requests++;
	if (request->type == MT_REQUEST_STORE)
		return keep_ticket(play, request->ticket);
	if (request->type == MT_REQUEST_FORWARD)
		mt_link_message_free(&request->message);
	else if (request->type == MT_REQUEST_MOVE)
		mt_adoption_free(&request->adoption);
	return true;
}

static enum mt_play_state play_drain(struct mt_play *play, const struct mt_call *call)
{
	struct mt_request request;
	for (uint64_t i = 0; i < call->number && mt_core_request(play->core, &request); i++)
		if (!take_request(play, &request))
			return MT_PLAY_MEMORY;
	if (play->outcome.digest != call->digest)
		return differs(play, "the core asks for something else");
	return MT_PLAY_ON;
}

/* ---- the rest ---- */

static enum mt_play_state play_policy(struct mt_play *play, const struct mt_call *call)
{
	struct mt_policy *policy;
	if (mt_policy_decode(call->bytes, &policy) != MT_OK)
		return invalid(play, "the policy is none");
	mt_core_set_policy(play->core, call->now, policy);
	mt_policy_unref(&policy);
	return MT_PLAY_ON;
}

static enum mt_play_state play_kick(struct mt_play *play, const struct mt_call *call)
{
	uint32_t count = mt_core_kick(play->core, call->now, call->bytes, call->more);
	return count == call->number ? MT_PLAY_ON : differs(play, "another number was kicked out");
}

static enum mt_play_state play_check(struct mt_play *play, const struct mt_call *call)
{
	return mt_outcome_counts(play->core, play->settings.core_count <= 1) == call->digest
		       ? MT_PLAY_ON
		       : differs(play, "the core counts otherwise");
}

static enum mt_play_state play_call(struct mt_play *play, const struct mt_call *call)
{
	switch (call->kind) {
	case MT_CALL_CREATE:
		return play_create(play, call);
	case MT_CALL_LISTENER:
		return play_listener(play, call);
	case MT_CALL_OPEN:
		return play_open(play, call);
	case MT_CALL_TURN_AWAY:
		return play_turn_away(play, call);
	case MT_CALL_PROVE:
		mt_core_prove(play->core, call->now, call->conn, &call->proof);
		return MT_PLAY_ON;
	case MT_CALL_EXPEL:
		mt_core_expel(play->core, call->now, call->conn, (enum mt_expulsion)call->number);
		return MT_PLAY_ON;
	case MT_CALL_FIGURE:
		mt_core_publish_figure(play->core, call->now, call->bytes, call->number);
		return MT_PLAY_ON;
	case MT_CALL_INPUT:
		return play_input(play, call);
	case MT_CALL_CLOSED:
		mt_core_closed(play->core, call->now, call->conn);
		return MT_PLAY_ON;
	case MT_CALL_AUTHENTICATED:
		mt_core_authenticated(play->core, call->now, call->number, &call->verdict);
		return MT_PLAY_ON;
	case MT_CALL_STORED:
		return play_stored(play, call);
	case MT_CALL_PEER:
		return play_peer(play, call);
	case MT_CALL_ADOPT:
		return play_adopt(play, call);
	case MT_CALL_SET_POLICY:
		return play_policy(play, call);
	case MT_CALL_TICK:
		mt_core_tick(play->core, call->now);
		return MT_PLAY_ON;
	case MT_CALL_KICK:
		return play_kick(play, call);
	case MT_CALL_SHUT_DOWN:
		mt_core_shut_down(play->core, call->now);
		return MT_PLAY_ON;
	case MT_CALL_SENT:
		return play_sent(play, call);
	case MT_CALL_DRAIN:
		return play_drain(play, call);
	case MT_CALL_CHECK:
		return play_check(play, call);
	case MT_CALL_END:
		return MT_PLAY_END;
	case MT_CALL_KIND_COUNT:
		break;
	}
	return invalid(play, "there is no such call");
}

static void describe(const struct mt_play *play, const struct mt_call *call,
		     struct mt_play_event *out)
{
	bool is_input = call->kind == MT_CALL_INPUT;
	*out = (struct mt_play_event){.name = mt_call_name(call->kind),
				      .number = play->facts.records,
				      .conn = call->conn,
				      .amount = is_input ? call->bytes.len : call->number,
				      .now = call->now};
	if (call->kind == MT_CALL_END)
		out->text = call->bytes;
}

static enum mt_play_state play_one(struct mt_play *play, const struct mt_call *call)
{
	if (!play->core && call->kind != MT_CALL_CREATE && call->kind != MT_CALL_END)
		return invalid(play, "the log does not begin with a core");
	if (play->core && call->now.mono_ns < play->facts.last_ns)
		return invalid(play, "time runs backwards");
	if (play->core)
		play->facts.last_ns = call->now.mono_ns;
	return play_call(play, call);
}

static enum mt_play_state state_of(struct mt_play *play, enum mt_status status)
{
	if (status == MT_AGAIN) {
		play->facts.unread_bytes = play->in.len;
		return MT_PLAY_CUT;
	}
	if (status == MT_CORRUPT)
		return say(play, MT_PLAY_CORRUPT, "a check of the log fails");
	return invalid(play, "a record is no call");
}

enum mt_play_state mt_play_step(struct mt_play *play, struct mt_play_event *out)
{
	struct mt_call call;
	enum mt_status status;
	enum mt_play_state state;
	MT_CHECK(!play->is_over);
	status = mt_record_take(&play->records, &play->in, &call);
	*out = (struct mt_play_event){.name = "", .number = play->facts.records};
	if (status == MT_OK) {
		describe(play, &call, out);
		state = play_one(play, &call);
		play->facts.records++;
	} else {
		state = state_of(play, status);
	}
	out->what = play->what ? play->what : "";
	play->is_over = state != MT_PLAY_ON;
	return state;
}

struct mt_play_facts mt_play_facts(const struct mt_play *play)
{
	struct mt_play_facts facts = play->facts;
	struct mt_core_counts counts;
	if (!play->core)
		return facts;
	counts = mt_core_counts(play->core);
	facts.publishes_received = counts.publishes_received;
	facts.publishes_sent = counts.publishes_sent;
	facts.connects_refused = counts.connects_refused;
	facts.publishes_denied = counts.publishes_denied;
	facts.subscribes_denied = counts.subscribes_denied;
	facts.violations = counts.violations;
	return facts;
}

uint64_t mt_play_digest(const struct mt_play *play)
{
	return play->outcome.digest;
}
