/* Calls on their way to a core, written down. */
#include "replay/tape.h"

#include "policy/image.h"

#define BUFFER_BYTES 65536u
#define CHECK_INTERVAL 256u /* records */
#define END_BYTES 512u	    /* kept for the last records */

void mt_tape_init(struct mt_tape *tape, mt_tape_write_fn *write, void *context, uint64_t bytes_max)
{
	*tape = (struct mt_tape){.write = write, .context = context, .bytes_left = bytes_max};
	mt_mem_init(&tape->mem, SIZE_MAX);
	mt_outcome_init(&tape->outcome);
}

static void flush(struct mt_tape *tape, const char *end)
{
	if (tape->pos == 0 && !end)
		return;
	if (!tape->write(tape->context, mt_bytes_of(tape->data, tape->pos), end))
		tape->is_over = true;
	tape->pos = 0;
}

static bool make_room(struct mt_tape *tape, size_t bytes)
{
	size_t cap = bytes < BUFFER_BYTES ? BUFFER_BYTES : bytes;
	uint8_t *data;
	if (tape->cap - tape->pos >= bytes)
		return true;
	flush(tape, NULL);
	if (tape->cap >= bytes)
		return true;
	data = mt_mem_take(&tape->mem, cap);
	if (!data)
		return false;
	mt_mem_give(&tape->mem, tape->data, tape->cap);
	tape->data = data;
	tape->cap = cap;
	return true;
}

static void append(struct mt_tape *tape, const struct mt_call *call)
{
	struct mt_call copy = *call;
	struct mt_buf out = mt_buf_of(tape->data + tape->pos, tape->cap - tape->pos);
	if (tape->records.count == 0)
		mt_records_begin(&out);
	mt_record_put(&tape->records, &copy, &out);
	tape->pos += out.pos;
	tape->bytes_left -= out.pos < tape->bytes_left ? out.pos : tape->bytes_left;
}

static void end(struct mt_tape *tape, const char *why)
{
	struct mt_call call = {.kind = MT_CALL_END, .now = tape->now, .bytes = mt_bytes_str(why)};
	if (tape->is_over)
		return;
	/* A log without a first record is no log. */
	if (tape->records.count > 0 && make_room(tape, END_BYTES + mt_call_bytes_max(&call)))
		append(tape, &call);
	flush(tape, why);
	tape->is_over = true;
}

static bool fits(struct mt_tape *tape, size_t bytes)
{
	if (tape->is_over)
		return false;
	if (bytes + END_BYTES > tape->bytes_left)
		end(tape, "the log is full");
	else if (!make_room(tape, bytes))
		end(tape, "out of memory");
	return !tape->is_over;
}

static size_t record_bytes_max(const struct mt_call *call)
{
	return MT_RECORD_HEAD_BYTES + MT_RECORD_EXTRA_BYTES + mt_call_bytes_max(call);
}

static void put(struct mt_tape *tape, const struct mt_call *call)
{
	if (fits(tape, record_bytes_max(call)))
		append(tape, call);
}

/* The requests that were pulled before this call. */
static void put_drain(struct mt_tape *tape)
{
	struct mt_call call = {.kind = MT_CALL_DRAIN,
			       .now = tape->now,
			       .number = tape->drain_count,
			       .digest = tape->outcome.digest};
	if (tape->drain_count == 0)
		return;
	tape->drain_count = 0;
	put(tape, &call);
}

/* What cannot harm the core may wait in the buffer; all else is out before the core sees it. */
static bool is_harmless(enum mt_call_kind kind)
{
	return kind == MT_CALL_SENT || kind == MT_CALL_DRAIN || kind == MT_CALL_CHECK;
}

static void note(struct mt_tape *tape, const struct mt_call *call)
{
	if (tape->is_over)
		return;
	put_drain(tape);
	tape->now = call->now;
	tape->unchecked_count++;
	put(tape, call);
	if (!tape->is_over && !is_harmless(call->kind))
		flush(tape, NULL);
}

void mt_tape_finish(struct mt_tape *tape, const struct mt_core *core, const char *why)
{
	if (core && !tape->is_over) {
		put_drain(tape);
		tape->unchecked_count = CHECK_INTERVAL;
		mt_tape_check(tape, core);
	}
	end(tape, why);
	if (tape->data)
		mt_mem_give(&tape->mem, tape->data, tape->cap);
	mt_mem_give(&tape->mem, tape->copy, tape->copy_cap);
	tape->data = tape->copy = NULL;
	tape->cap = tape->copy_cap = 0;
	mt_outcome_finish(&tape->outcome);
}

void mt_tape_check(struct mt_tape *tape, const struct mt_core *core)
{
	struct mt_call call = {.kind = MT_CALL_CHECK, .now = tape->now};
	if (tape->is_over || tape->unchecked_count < CHECK_INTERVAL)
		return;
	call.digest = mt_outcome_counts(core, tape->is_alone);
	note(tape, &call);
	tape->unchecked_count = 0;
}

/* ---- calls with something to be brought into form ---- */

void mt_tape_note(struct mt_tape *tape, enum mt_call_kind kind, struct mt_now now, mt_conn conn,
		  uint64_t number, enum mt_status status)
{
	const struct mt_call call = {.kind = kind,
				     .now = now,
				     .conn = conn,
				     .number = number,
				     .status = (uint8_t)status};
	note(tape, &call);
}

void mt_tape_note_kick(struct mt_tape *tape, struct mt_now now, struct mt_bytes user,
		       struct mt_bytes client_id, uint32_t count)
{
	const struct mt_call call = {.kind = MT_CALL_KICK,
				     .now = now,
				     .bytes = user,
				     .more = client_id,
				     .number = count};
	note(tape, &call);
}

static uint8_t *policy_image(struct mt_tape *tape, const struct mt_policy *policy,
			     struct mt_bytes *image)
{
	size_t bytes = mt_policy_image_bytes(policy);
	uint8_t *data = mt_mem_take(&tape->mem, bytes);
	struct mt_buf buf = mt_buf_of(data, bytes);
	if (!data) {
		end(tape, "out of memory");
		return NULL;
	}
	mt_policy_encode(policy, &buf);
	MT_CHECK(!buf.is_overflown && buf.pos == bytes);
	*image = mt_buf_view(&buf);
	return data;
}

void mt_tape_note_create(struct mt_tape *tape, const struct mt_core_settings *settings,
			 const struct mt_policy *policy, struct mt_now now)
{
	struct mt_call call = {.kind = MT_CALL_CREATE, .now = now};
	struct mt_call_create *create = &call.create;
	uint8_t *data = policy_image(tape, policy, &create->policy);
	if (!data)
		return;
	tape->is_alone = settings->core_count <= 1;
	create->settings = *settings;
	create->release = mt_bytes_str(settings->release);
	create->response_topic = mt_bytes_str(settings->response_topic);
	if (settings->limits.subtree_count > MT_CALL_SUBTREES_MAX) {
		end(tape, "too many subtrees");
	} else {
		for (uint32_t i = 0; i < settings->limits.subtree_count; i++)
			create->subtrees[i] = settings->limits.subtrees[i];
		note(tape, &call);
	}
	mt_mem_give(&tape->mem, data, create->policy.len);
}

void mt_tape_note_policy(struct mt_tape *tape, struct mt_now now, const struct mt_policy *policy)
{
	struct mt_call call = {.kind = MT_CALL_SET_POLICY, .now = now};
	uint8_t *data;
	if (tape->is_over || !(data = policy_image(tape, policy, &call.bytes)))
		return;
	note(tape, &call);
	mt_mem_give(&tape->mem, data, call.bytes.len);
}

static void note_listener(struct mt_tape *tape, struct mt_now now,
			  const struct mt_conn_facts *facts)
{
	struct mt_call call = {.kind = MT_CALL_LISTENER, .now = now};
	struct mt_call_listener *listener = &call.listener;
	listener->name = mt_bytes_str(facts->listener);
	listener->anonymous_role = mt_bytes_str(facts->anonymous_role);
	listener->has_anonymous_sessions = facts->has_anonymous_sessions;
	listener->is_certificate_required = facts->is_certificate_required;
	listener->client_id_rule = mt_bytes_str(facts->client_id_rule);
	listener->is_id_demanded = facts->is_id_demanded;
	listener->accepted = facts->accepted;
	listener->has_limits = facts->limits != NULL;
	listener->has_offer = facts->offer != NULL;
	if (facts->limits)
		listener->limits = *facts->limits;
	if (facts->offer) {
		listener->offer = *facts->offer;
		listener->server_reference = mt_bytes_str(facts->offer->server_reference);
	}
	note(tape, &call);
}

static bool is_of_listener(const struct mt_conn_facts *facts, const struct mt_conn_facts *listener)
{
	return facts->listener == listener->listener && facts->limits == listener->limits &&
	       facts->offer == listener->offer &&
	       facts->anonymous_role == listener->anonymous_role &&
	       facts->has_anonymous_sessions == listener->has_anonymous_sessions &&
	       facts->is_certificate_required == listener->is_certificate_required &&
	       facts->client_id_rule == listener->client_id_rule &&
	       facts->is_id_demanded == listener->is_id_demanded &&
	       facts->accepted == listener->accepted;
}

/* False: the log has ended. */
static bool describe(struct mt_tape *tape, struct mt_now now, const struct mt_conn_facts *facts,
		     struct mt_call_facts *out)
{
	uint32_t i = 0;
	while (i < tape->listener_count && !is_of_listener(facts, &tape->listeners[i]))
		i++;
	if (i == MT_CALL_LISTENERS_MAX)
		end(tape, "too many listeners");
	if (tape->is_over)
		return false;
	if (i == tape->listener_count) {
		tape->listeners[tape->listener_count++] = *facts;
		note_listener(tape, now, facts);
	}
	*out = (struct mt_call_facts){.listener = i,
				      .address = facts->address,
				      .port = facts->port,
				      .is_secret_safe = facts->is_secret_safe};
	return true;
}

static void begin_stream(struct mt_tape *tape, enum mt_status status, mt_conn conn)
{
	if (status == MT_OK && mt_outcome_begin(&tape->outcome, conn) != MT_OK)
		end(tape, "out of memory");
}

void mt_tape_note_facts(struct mt_tape *tape, struct mt_now now, enum mt_call_kind kind,
			const struct mt_conn_facts *facts, uint8_t status, mt_conn conn)
{
	struct mt_call call = {.kind = kind, .now = now, .conn = conn, .status = status};
	if (kind == MT_CALL_OPEN && !tape->is_over)
		begin_stream(tape, (enum mt_status)status, conn);
	if (describe(tape, now, facts, &call.facts))
		note(tape, &call);
}

void mt_tape_note_proof(struct mt_tape *tape, struct mt_now now, mt_conn conn,
			const struct mt_proof *proof)
{
	note(tape,
	     &(struct mt_call){.kind = MT_CALL_PROVE, .now = now, .conn = conn, .proof = *proof});
}

void mt_tape_note_figure(struct mt_tape *tape, struct mt_now now, struct mt_bytes name,
			 uint64_t value)
{
	note(tape,
	     &(struct mt_call){.kind = MT_CALL_FIGURE, .now = now, .bytes = name, .number = value});
}

/* Where secrets may be overwritten; NULL: the log has ended. */
static uint8_t *copy_room(struct mt_tape *tape, size_t bytes)
{
	size_t cap = bytes < BUFFER_BYTES ? BUFFER_BYTES : bytes;
	if (tape->copy && bytes <= tape->copy_cap)
		return tape->copy;
	mt_mem_give(&tape->mem, tape->copy, tape->copy_cap);
	tape->copy = mt_mem_take(&tape->mem, cap);
	tape->copy_cap = tape->copy ? cap : 0;
	if (!tape->copy)
		end(tape, "out of memory");
	return tape->copy;
}

static uint8_t *copy_of(struct mt_tape *tape, struct mt_bytes bytes)
{
	uint8_t *copy = copy_room(tape, bytes.len);
	if (copy && bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	return copy;
}

/* Of a stale handle, which the core ignores, nothing is kept. */
static void hide_input(const struct mt_tape *tape, mt_conn conn, uint8_t *data, size_t len)
{
	struct mt_stream *stream = mt_outcome_stream(&tape->outcome, conn);
	if (stream)
		mt_secret_hide(&stream->in, data, len);
	else
		memset(data, MT_SECRET_TOKEN, len);
}

void mt_tape_note_input(struct mt_tape *tape, struct mt_now now, mt_conn conn,
			struct mt_bytes bytes)
{
	struct mt_call call = {.kind = MT_CALL_INPUT, .now = now, .conn = conn};
	uint8_t *copy = tape->is_over ? NULL : copy_of(tape, bytes);
	if (!copy)
		return;
	hide_input(tape, conn, copy, bytes.len);
	call.bytes = mt_bytes_of(copy, bytes.len);
	note(tape, &call);
}

void mt_tape_note_sent(struct mt_tape *tape, struct mt_now now, const struct mt_core *core,
		       mt_conn conn, size_t bytes)
{
	struct mt_call call = {.kind = MT_CALL_SENT, .now = now, .conn = conn, .number = bytes};
	if (tape->is_over)
		return;
	put_drain(tape);
	if (mt_outcome_output(&tape->outcome, core, conn, bytes) != MT_OK) {
		end(tape, "more was sent than the core had");
		return;
	}
	call.digest = tape->outcome.digest;
	note(tape, &call);
}

void mt_tape_note_verdict(struct mt_tape *tape, struct mt_now now, uint64_t ticket,
			  const struct mt_auth_verdict *verdict)
{
	struct mt_call call = {.kind = MT_CALL_AUTHENTICATED, .now = now, .number = ticket};
	uint8_t *copy = tape->is_over ? NULL : copy_of(tape, verdict->data);
	if (!copy)
		return;
	memset(copy, MT_SECRET_TOKEN, verdict->data.len);
	call.verdict = *verdict;
	call.verdict.data = mt_bytes_of(copy, verdict->data.len);
	note(tape, &call);
}

static void describe_msg(const struct mt_msg *msg, struct mt_call_message *out)
{
	out->has_msg = true;
	out->stamp = msg->stamp;
	out->core = msg->core;
	out->facts = (struct mt_msg_facts){.topic = mt_msg_topic(msg),
					   .props = mt_msg_props(msg),
					   .payload = mt_msg_payload(msg),
					   .author = mt_msg_author(msg),
					   .expires_ns = msg->expires_ns,
					   .author_id = msg->author_id,
					   .qos = msg->qos,
					   .is_retain = msg->is_retain};
}

void mt_tape_note_message(struct mt_tape *tape, struct mt_now now, uint32_t from,
			  const struct mt_link_message *message)
{
	size_t heard_bytes = message->heard_count * sizeof(uint64_t);
	uint8_t *data = heard_bytes > 0 ? mt_mem_take(&tape->mem, heard_bytes) : NULL;
	struct mt_buf heard = mt_buf_of(data, heard_bytes);
	struct mt_call call = {.kind = MT_CALL_PEER, .now = now, .from = from};
	if (!data && heard_bytes > 0) {
		end(tape, "out of memory");
		return;
	}
	for (uint32_t i = 0; i < message->heard_count; i++)
		mt_buf_put_u64(&heard, message->heard[i]);
	call.message = (struct mt_call_message){.kind = message->kind,
						.number = message->number,
						.count = message->count,
						.sender = message->sender,
						.members = message->members,
						.taken_bytes = message->taken_bytes,
						.to = message->to,
						.reason = message->reason,
						.is_wanted = message->is_wanted,
						.is_kept = message->is_kept,
						.text = mt_link_message_text(message),
						.heard = mt_buf_view(&heard)};
	if (message->msg)
		describe_msg(message->msg, &call.message);
	note(tape, &call);
	mt_mem_give(&tape->mem, data, heard_bytes);
}

/* One that found no room has no stream, and yet a CONNECT that can be read. */
static void hide_hello(const struct mt_tape *tape, mt_conn conn, uint8_t *data, size_t len)
{
	struct mt_secret secret;
	mt_secret_init(&secret, false);
	if (mt_outcome_stream(&tape->outcome, conn))
		hide_input(tape, conn, data, len);
	else
		mt_secret_hide(&secret, data, len);
}

void mt_tape_note_adoption(struct mt_tape *tape, struct mt_now now,
			   const struct mt_adoption *adoption, enum mt_status status, mt_conn conn)
{
	struct mt_call call = {
		.kind = MT_CALL_ADOPT, .now = now, .conn = conn, .status = (uint8_t)status};
	struct mt_bytes said =
		mt_bytes_of(adoption->data, adoption->hello_bytes + adoption->reply_bytes);
	size_t hello = adoption->hello_bytes, reply = adoption->reply_bytes;
	size_t unread = adoption->unread_bytes;
	uint8_t *copy;
	if (!describe(tape, now, &adoption->facts, &call.facts))
		return;
	begin_stream(tape, status, conn);
	if (tape->is_over || !(copy = copy_room(tape, said.len + unread)))
		return;
	memcpy(copy, said.data, said.len);
	if (unread > 0)
		memcpy(copy + said.len, adoption->unread, unread);
	hide_hello(tape, conn, copy, hello);
	memset(copy + hello, MT_SECRET_TOKEN, reply);
	hide_input(tape, conn, copy + said.len, unread);
	call.adoption = (struct mt_call_adoption){.hello = mt_bytes_of(copy, hello),
						  .reply = mt_bytes_of(copy + hello, reply),
						  .unread = mt_bytes_of(copy + said.len, unread),
						  .opened_ns = adoption->opened_ns,
						  .user_id = adoption->user_id,
						  .mechanism = adoption->mechanism,
						  .has_method = adoption->has_method,
						  .has_proof = adoption->has_proof,
						  .proof = adoption->proof};
	call.adoption.proof.cn = mt_bytes_of(adoption->data + said.len, adoption->cn_bytes);
	note(tape, &call);
}

void mt_tape_note_request(struct mt_tape *tape, const struct mt_request *request)
{
	if (tape->is_over)
		return;
	tape->drain_count++;
	if (request)
		mt_outcome_request(&tape->outcome, request);
}
