/* Digests of requests and output. */
#include "replay/outcome.h"

#include "base/buf.h"
#include "link/message.h"

#define VIEWS_MAX 64u
#define PIECE_BYTES 1024u

void mt_outcome_init(struct mt_outcome *outcome)
{
	*outcome = (struct mt_outcome){.digest = 1};
	mt_mem_init(&outcome->mem, SIZE_MAX);
}

void mt_outcome_finish(struct mt_outcome *outcome)
{
	mt_mem_give(&outcome->mem, outcome->streams,
		    outcome->stream_cap * sizeof(*outcome->streams));
	outcome->streams = NULL;
	outcome->stream_cap = 0;
}

static bool make_room(struct mt_outcome *outcome, size_t index)
{
	size_t cap = (index + 1) * 2;
	struct mt_stream *streams;
	if (index < outcome->stream_cap)
		return true;
	streams = mt_mem_resize(&outcome->mem, outcome->streams,
				outcome->stream_cap * sizeof(*streams), cap * sizeof(*streams));
	if (!streams)
		return false;
	memset(streams + outcome->stream_cap, 0, (cap - outcome->stream_cap) * sizeof(*streams));
	outcome->streams = streams;
	outcome->stream_cap = cap;
	return true;
}

enum mt_status mt_outcome_begin(struct mt_outcome *outcome, mt_conn conn)
{
	struct mt_stream *stream;
	if (!make_room(outcome, mt_handle_index(conn)))
		return MT_MEMORY;
	stream = &outcome->streams[mt_handle_index(conn)];
	stream->conn = conn;
	mt_secret_init(&stream->in, false);
	mt_secret_init(&stream->out, true);
	return MT_OK;
}

struct mt_stream *mt_outcome_stream(const struct mt_outcome *outcome, mt_conn conn)
{
	uint32_t index = mt_handle_index(conn);
	struct mt_stream *stream = index < outcome->stream_cap ? &outcome->streams[index] : NULL;
	return conn != MT_HANDLE_NONE && stream && stream->conn == conn ? stream : NULL;
}

static void absorb(struct mt_outcome *outcome, struct mt_bytes bytes)
{
	outcome->digest = mt_hash_bytes((struct mt_seed){{outcome->digest, bytes.len}}, bytes);
}

static void absorb_text(struct mt_outcome *outcome, const char *text)
{
	absorb(outcome, mt_bytes_str(text));
}

static void absorb_numbers(struct mt_outcome *outcome, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t data[8];
		struct mt_buf buf = mt_buf_of(data, sizeof(data));
		mt_buf_put_u64(&buf, numbers[i]);
		absorb(outcome, mt_buf_view(&buf));
	}
}

static void absorb_audit(struct mt_outcome *outcome, const struct mt_audit *audit)
{
	const uint64_t numbers[] = {audit->event,   audit->reason, audit->count,
				    audit->rule_id, audit->port,   audit->mechanism};
	absorb_numbers(outcome, numbers, MT_COUNT_OF(numbers));
	absorb_text(outcome, audit->statement);
	absorb_text(outcome, audit->what);
	absorb_text(outcome, audit->user);
	absorb_text(outcome, audit->client_id);
	absorb_text(outcome, audit->topic);
	absorb_text(outcome, audit->listener);
	absorb(outcome, mt_bytes_of(audit->address.byte, sizeof(audit->address.byte)));
}

static void absorb_msg(struct mt_outcome *outcome, const struct mt_msg *msg)
{
	const uint64_t numbers[] = {(uint64_t)msg->expires_ns,
				    msg->author_id,
				    msg->qos,
				    msg->is_retain,
				    msg->core,
				    msg->stamp};
	absorb_numbers(outcome, numbers, MT_COUNT_OF(numbers));
	absorb(outcome, mt_msg_topic(msg));
	absorb(outcome, mt_msg_props(msg));
	absorb(outcome, mt_msg_payload(msg));
	absorb(outcome, mt_msg_author(msg));
}

static void absorb_message(struct mt_outcome *outcome, const struct mt_link_message *message)
{
	const uint64_t numbers[] = {message->kind,
				    message->number,
				    message->count,
				    message->taken_bytes,
				    message->to,
				    message->reason,
				    message->is_wanted,
				    message->is_kept,
				    message->sender,
				    message->members.count,
				    message->members.present};
	absorb_numbers(outcome, numbers, MT_COUNT_OF(numbers));
	absorb_numbers(outcome, message->heard, message->heard_count);
	absorb(outcome, mt_link_message_text(message));
	if (message->msg)
		absorb_msg(outcome, message->msg);
}

static void absorb_adoption(struct mt_outcome *outcome, const struct mt_adoption *adoption)
{
	const uint64_t numbers[] = {
		adoption->hello_bytes, adoption->reply_bytes,	adoption->unread_bytes,
		adoption->user_id,     adoption->has_method,	(uint64_t)adoption->opened_ns,
		adoption->has_proof,   adoption->proof.user_id, adoption->mechanism};
	absorb_numbers(outcome, numbers, MT_COUNT_OF(numbers));
}

static void absorb_question(struct mt_outcome *outcome, const struct mt_request *request)
{
	const uint64_t numbers[] = {request->ticket, request->password.len, request->data.len,
				    request->is_again, request->accepted};
	absorb_numbers(outcome, numbers, MT_COUNT_OF(numbers));
	absorb(outcome, request->user);
	absorb(outcome, request->method);
}

void mt_outcome_request(struct mt_outcome *outcome, const struct mt_request *request)
{
	const uint64_t numbers[] = {request->type, request->conn};
	absorb_numbers(outcome, numbers, MT_COUNT_OF(numbers));
	switch (request->type) {
	case MT_REQUEST_AUTHENTICATE:
		absorb_question(outcome, request);
		break;
	case MT_REQUEST_STORE:
		absorb_numbers(outcome, &request->ticket, 1);
		absorb_msg(outcome, request->msg);
		break;
	case MT_REQUEST_AUDIT:
		absorb_audit(outcome, request->audit);
		break;
	case MT_REQUEST_FORWARD:
		absorb_numbers(outcome, &(uint64_t){request->to}, 1);
		absorb_message(outcome, request->message);
		break;
	case MT_REQUEST_MOVE:
		absorb_numbers(outcome, &(uint64_t){request->to}, 1);
		absorb_adoption(outcome, request->adoption);
		break;
	case MT_REQUEST_SEND:
	case MT_REQUEST_CLOSE:
	case MT_REQUEST_PAUSE:
	case MT_REQUEST_RESUME:
		break;
	}
}

/* In pieces, for what is secret is overwritten in a copy. */
static void absorb_output(struct mt_outcome *outcome, struct mt_secret *secret,
			  struct mt_bytes view)
{
	uint8_t piece[PIECE_BYTES];
	while (view.len > 0) {
		size_t len = view.len < sizeof(piece) ? view.len : sizeof(piece);
		memcpy(piece, view.data, len);
		mt_secret_hide(secret, piece, len);
		absorb(outcome, mt_bytes_of(piece, len));
		view = mt_bytes_from(view, len);
	}
}

enum mt_status mt_outcome_output(struct mt_outcome *outcome, const struct mt_core *core,
				 mt_conn conn, size_t bytes)
{
	struct mt_bytes views[VIEWS_MAX];
	size_t count = mt_core_output(core, conn, views, VIEWS_MAX), sum = 0;
	struct mt_stream *stream = mt_outcome_stream(outcome, conn);
	for (size_t i = 0; i < count; i++)
		sum += views[i].len;
	if (sum < bytes || (bytes > 0 && !stream))
		return MT_INVALID;
	for (size_t i = 0; bytes > 0; i++) {
		struct mt_bytes view = views[i];
		view.len = view.len < bytes ? view.len : bytes;
		absorb_output(outcome, &stream->out, view);
		bytes -= view.len;
	}
	return MT_OK;
}

uint64_t mt_outcome_counts(const struct mt_core *core, bool is_alone)
{
	struct mt_outcome outcome = {.digest = 1};
	const struct mt_core_counts counts = mt_core_counts(core);
	const uint64_t numbers[] = {counts.packets_received,
				    counts.packets_sent,
				    counts.publishes_received,
				    counts.publishes_sent,
				    counts.publishes_dropped,
				    counts.publishes_denied,
				    counts.violations,
				    counts.connects_accepted,
				    counts.sessions_expired,
				    counts.connections,
				    counts.sessions,
				    counts.subscriptions,
				    counts.retained_count,
				    counts.retained_bytes,
				    counts.queued_messages,
				    counts.queued_bytes,
				    is_alone ? counts.memory_bytes : 0};
	absorb_numbers(&outcome, numbers, MT_COUNT_OF(numbers));
	return outcome.digest;
}
