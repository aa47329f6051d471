/*
 * A run of the load generator: publishers fill their windows, receivers check and answer, the last
 * delivery ends it.
 *
 *   publisher.done[seq % ring] counts the receivers that have message seq;
 *   tail: all receivers have everything below
 *
 *   0 ... tail ............ sent ..... quota
 *         |<- in flight ->|            in flight <= window
 *
 * A publisher writes again when half of its window is free, so that a write carries many messages
 * in batched runs.
 */
#include "cli/bench.h"
#include "cli/bench_conn.h"
#include "cli/bench_cpu.h"
#include "cli/bench_histogram.h"
#include "io/clock.h"
#include "wire/ack.h"
#include "wire/publish.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS 512
#define READ_BYTES 262144
#define SETTLE_MS 30
#define TICKS_MIN 10

struct publisher {
	struct mt_bench_conn conn;
	uint8_t *packet; /* the whole PUBLISH, into which number, time and packet id are written */
	uint16_t *done;
	size_t packet_id_at; /* 0: none */
	uint32_t sent;
	uint32_t tail;
	uint32_t completed; /* PUBACK or PUBCOMP received */
	uint32_t window;
	bool is_ready; /* in the list of those that may write */
	bool is_finished;
};

struct receiver {
	struct mt_bench_conn conn;
	struct mt_order *orders; /* one for each publisher that it hears */
};

struct run {
	const struct mt_bench_settings *settings;
	const char **reason;
	struct publisher *publishers;
	struct receiver *receivers;
	uint32_t publisher_count;
	uint32_t receiver_count;
	uint32_t copies;
	uint32_t quota; /* messages of each publisher */
	uint32_t ring;	/* slots of done, a power of two */
	uint32_t finished_count;
	size_t packet_bytes;
	uint32_t *ready; /* publishers that may write */
	uint32_t ready_count;
	struct mt_bench_conn **dirty;
	uint32_t dirty_count;
	struct mt_buf scratch;
	int epoll;
	mt_time now_ns;
	mt_time last_ns; /* of the last delivery or completion */
	struct mt_order_tally tally;
	struct mt_histogram latency;
	struct epoll_event events[EVENTS];
};

struct stamp { /* at the start of each payload; both ends are this process */
	uint32_t publisher;
	uint32_t seq;
	mt_time sent_ns;
};

_Static_assert(sizeof(struct stamp) == MT_BENCH_PAYLOAD_MIN, "the smallest payload is a stamp");

static uint32_t in_flight(const struct run *run, const struct publisher *publisher)
{
	uint32_t behind = publisher->tail;

	if (run->settings->qos > 0 && publisher->completed < behind)
		behind = publisher->completed;
	return publisher->sent - behind;
}

static void make_ready(struct run *run, uint32_t index)
{
	if (run->publishers[index].is_ready || run->publishers[index].sent == run->quota)
		return;
	run->publishers[index].is_ready = true;
	run->ready[run->ready_count++] = index;
}

/* After a delivery to all or a completion: who may write now? */
static void advance(struct run *run, struct publisher *publisher)
{
	uint32_t index = (uint32_t)(publisher - run->publishers),
		 flying = in_flight(run, publisher);

	run->last_ns = run->now_ns;
	if (flying == 0 && publisher->sent == run->quota && !publisher->is_finished) {
		publisher->is_finished = true;
		run->finished_count++;
	}
	if (run->settings->lockstep > 0) {
		if (flying == 0)
			make_ready(run, (index + 1) % run->publisher_count);
		return;
	}
	if (publisher->window - flying >= (publisher->window + 1) / 2)
		make_ready(run, index);
}

static void mark(struct run *run, struct mt_bench_conn *conn)
{
	if (conn->is_dirty)
		return;
	conn->is_dirty = true;
	run->dirty[run->dirty_count++] = conn;
}

static enum mt_status answer(struct run *run, struct mt_bench_conn *conn, uint8_t type,
			     uint16_t packet_id)
{
	const struct mt_ack ack = {.type = type, .packet_id = packet_id};
	uint8_t packet[8];
	struct mt_buf out = mt_buf_of(packet, sizeof(packet));
	uint8_t *at;

	MT_TRY(mt_ack_encode(&ack, run->settings->version, &out));
	at = mt_bench_conn_room(conn, out.pos);
	if (!at)
		return MT_MEMORY;
	memcpy(at, packet, out.pos);
	mark(run, conn);
	return MT_OK;
}

static enum mt_status publish_batch(struct run *run, struct publisher *publisher)
{
	uint32_t count = run->settings->lockstep ? run->settings->lockstep
						 : publisher->window - in_flight(run, publisher);
	struct stamp stamp = {(uint32_t)(publisher - run->publishers), 0, run->now_ns};
	uint8_t *stamp_at = publisher->packet + run->packet_bytes - run->settings->payload_bytes,
		*at;
	uint16_t packet_id;

	if (count > run->quota - publisher->sent)
		count = run->quota - publisher->sent;
	at = mt_bench_conn_room(&publisher->conn, count * run->packet_bytes);
	if (!at)
		return MT_MEMORY;
	for (uint32_t i = 0; i < count; i++) {
		stamp.seq = publisher->sent++;
		memcpy(stamp_at, &stamp, sizeof(stamp));
		packet_id = (uint16_t)(stamp.seq % UINT16_MAX + 1);
		if (publisher->packet_id_at > 0) {
			publisher->packet[publisher->packet_id_at] = (uint8_t)(packet_id >> 8);
			publisher->packet[publisher->packet_id_at + 1] = (uint8_t)packet_id;
		}
		memcpy(at + i * run->packet_bytes, publisher->packet, run->packet_bytes);
	}
	mark(run, &publisher->conn);
	return MT_OK;
}

/* The order of the stream that a message belongs to, or NULL when this receiver must not get it. */
static struct mt_order *order_of(const struct run *run, const struct receiver *receiver,
				 uint32_t publisher)
{
	switch (run->settings->scenario) {
	case MT_BENCH_PAIRS:
		return publisher == (uint32_t)(receiver - run->receivers) ? receiver->orders : NULL;
	case MT_BENCH_FANOUT:
		return publisher == 0 ? receiver->orders : NULL;
	case MT_BENCH_FANIN:
		return publisher < run->publisher_count ? &receiver->orders[publisher] : NULL;
	}
	return NULL;
}

static enum mt_status deliver(struct run *run, struct receiver *receiver, struct mt_bytes payload)
{
	struct publisher *publisher;
	struct mt_order *order;
	struct stamp stamp;

	memcpy(&stamp, payload.data, sizeof(stamp));
	order = order_of(run, receiver, stamp.publisher);
	if (!order || stamp.seq >= run->publishers[stamp.publisher].sent) {
		*run->reason = "a receiver got a message that was not for it";
		return MT_VIOLATION;
	}
	if (!mt_order_take(order, stamp.seq, &run->tally))
		return MT_OK;
	mt_histogram_add(&run->latency,
			 run->now_ns > stamp.sent_ns ? (uint64_t)(run->now_ns - stamp.sent_ns) : 0);
	publisher = &run->publishers[stamp.publisher];
	if (++publisher->done[stamp.seq & (run->ring - 1)] < run->copies ||
	    stamp.seq != publisher->tail)
		return MT_OK;
	while (publisher->tail < publisher->sent &&
	       publisher->done[publisher->tail & (run->ring - 1)] == run->copies)
		publisher->done[publisher->tail++ & (run->ring - 1)] = 0;
	advance(run, publisher);
	return MT_OK;
}

static enum mt_status take_publish(struct run *run, struct receiver *receiver,
				   const struct mt_frame *frame)
{
	const uint8_t *body = frame->body.data;
	uint8_t qos = frame->flags >> 1 & 3;
	size_t id_at;

	*run->reason = "a message is not as it was sent";
	if (qos != run->settings->qos || frame->body.len < run->settings->payload_bytes + 4)
		return MT_VIOLATION;
	if (qos > 0) {
		id_at = 2 + (size_t)(body[0] << 8 | body[1]);
		if (id_at + 2 + run->settings->payload_bytes > frame->body.len)
			return MT_VIOLATION;
		MT_TRY(answer(run, &receiver->conn, qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC,
			      (uint16_t)(body[id_at] << 8 | body[id_at + 1])));
	}
	return deliver(run, receiver,
		       mt_bytes_from(frame->body, frame->body.len - run->settings->payload_bytes));
}

/* PUBREC and PUBREL are answered; what ends the flow of a publisher opens its window. */
static enum mt_status take_ack(struct run *run, struct publisher *publisher,
			       struct mt_bench_conn *conn, const struct mt_frame *frame)
{
	struct mt_violation why;
	struct mt_ack ack;

	*run->reason = "malformed acknowledgement";
	MT_TRY(mt_ack_decode(frame, run->settings->version, &ack, &why));
	if (ack.reason >= MT_REASON_UNSPECIFIED_ERROR) {
		*run->reason = mt_reason_text(ack.reason);
		return MT_DENIED;
	}
	if (frame->type == MT_PACKET_PUBREC && publisher)
		return answer(run, conn, MT_PACKET_PUBREL, ack.packet_id);
	if (frame->type == MT_PACKET_PUBREL && !publisher)
		return answer(run, conn, MT_PACKET_PUBCOMP, ack.packet_id);
	*run->reason = "an acknowledgement of nothing";
	if (!publisher || publisher->completed == publisher->sent ||
	    frame->type == MT_PACKET_PUBREL)
		return MT_VIOLATION;
	publisher->completed++;
	advance(run, publisher);
	return MT_OK;
}

static enum mt_status take_frame(struct run *run, uint32_t who, const struct mt_frame *frame)
{
	struct publisher *publisher = who < run->publisher_count ? &run->publishers[who] : NULL;
	struct receiver *receiver = publisher ? NULL : &run->receivers[who - run->publisher_count];

	switch (frame->type) {
	case MT_PACKET_PUBLISH:
		if (receiver)
			return take_publish(run, receiver, frame);
		break;
	case MT_PACKET_PUBACK:
	case MT_PACKET_PUBREC:
	case MT_PACKET_PUBREL:
	case MT_PACKET_PUBCOMP:
		return take_ack(run, publisher, publisher ? &publisher->conn : &receiver->conn,
				frame);
	default:
		break;
	}
	*run->reason = mt_packet_name(frame->type);
	return MT_VIOLATION;
}

static struct mt_bench_conn *conn_of(struct run *run, uint32_t who)
{
	return who < run->publisher_count ? &run->publishers[who].conn
					  : &run->receivers[who - run->publisher_count].conn;
}

static enum mt_status receive(struct run *run, uint32_t who)
{
	struct mt_bench_conn *conn = conn_of(run, who);
	struct mt_violation why;
	struct mt_frame frame;
	enum mt_status status;
	struct mt_bytes whole;

	status = mt_bench_conn_read(conn, &run->scratch, &whole);
	if (status == MT_AGAIN)
		return MT_OK;
	*run->reason = "the broker closed a connection";
	MT_TRY(status);
	run->now_ns = mt_clock_now().mono_ns;
	while ((status = mt_frame_next(whole, run->scratch.cap, &frame, &why)) == MT_OK) {
		MT_TRY(take_frame(run, who, &frame));
		whole = mt_bytes_from(whole, frame.bytes);
	}
	*run->reason = "malformed packet";
	return status == MT_AGAIN ? mt_bench_conn_keep(conn, whole) : status;
}

static enum mt_status watch(struct run *run, uint32_t who, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u32 = who};

	*run->reason = "epoll_ctl";
	return epoll_ctl(run->epoll, operation, conn_of(run, who)->fd, &event) == 0 ? MT_OK
										    : MT_SYSTEM;
}

static uint32_t index_of(const struct run *run, const struct mt_bench_conn *conn)
{
	const struct publisher *first = run->publishers;
	uintptr_t at = (uintptr_t)conn, from = (uintptr_t)first;

	if (at >= from && at < from + run->publisher_count * sizeof(*first))
		return (uint32_t)((at - from) / sizeof(*first));
	return run->publisher_count +
	       (uint32_t)((at - (uintptr_t)run->receivers) / sizeof(*run->receivers));
}

static enum mt_status flush(struct run *run, struct mt_bench_conn *conn)
{
	enum mt_status status = mt_bench_conn_flush(conn);
	bool is_waiting = status == MT_AGAIN;

	*run->reason = "the broker closed a connection";
	if (status != MT_AGAIN)
		MT_TRY(status);
	if (is_waiting == conn->is_waiting)
		return MT_OK;
	conn->is_waiting = is_waiting;
	return watch(run, index_of(run, conn), EPOLL_CTL_MOD,
		     EPOLLIN | (is_waiting ? (uint32_t)EPOLLOUT : 0));
}

/* Everything that the events of one turn made possible, then one write for each connection. */
static enum mt_status finish_turn(struct run *run)
{
	for (uint32_t i = 0; i < run->ready_count; i++) {
		run->publishers[run->ready[i]].is_ready = false;
		MT_TRY(publish_batch(run, &run->publishers[run->ready[i]]));
	}
	run->ready_count = 0;
	for (uint32_t i = 0; i < run->dirty_count; i++) {
		run->dirty[i]->is_dirty = false;
		MT_TRY(flush(run, run->dirty[i]));
	}
	run->dirty_count = 0;
	return MT_OK;
}

/* One wait and what follows; MT_TIMEOUT: nothing came. */
static enum mt_status turn(struct run *run, int timeout_ms)
{
	const struct epoll_event *events = run->events;
	int count = epoll_wait(run->epoll, run->events, EVENTS, timeout_ms);

	*run->reason = "epoll_wait";
	if (count < 0)
		return errno == EINTR ? MT_OK : MT_SYSTEM;
	if (count == 0)
		return MT_TIMEOUT;
	for (int i = 0; i < count; i++) {
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			MT_TRY(receive(run, events[i].data.u32));
		if (events[i].events & EPOLLOUT)
			mark(run, conn_of(run, events[i].data.u32));
	}
	return finish_turn(run);
}

/* Late copies and the ends of QoS 2 flows, until it is quiet. */
static enum mt_status settle(struct run *run)
{
	enum mt_status status;

	while ((status = turn(run, SETTLE_MS)) == MT_OK)
		;
	return status == MT_TIMEOUT ? MT_OK : status;
}

static enum mt_status load(struct run *run, mt_time *elapsed_ns)
{
	enum mt_status status = MT_OK;
	mt_time begin = mt_clock_now().mono_ns;

	run->now_ns = run->last_ns = begin;
	for (uint32_t i = 0; i < (run->settings->lockstep ? 1 : run->publisher_count); i++)
		make_ready(run, i);
	MT_TRY(finish_turn(run));
	while (status == MT_OK && run->finished_count < run->publisher_count)
		status = turn(run, (int)run->settings->timeout_s * 1000);
	if (status != MT_OK && status != MT_TIMEOUT)
		return status;
	*elapsed_ns = run->last_ns - begin;
	return settle(run);
}

static enum mt_status prepare_publisher(struct run *run, uint32_t index)
{
	const struct mt_bench_settings *settings = run->settings;
	struct publisher *publisher = &run->publishers[index];
	struct mt_publish publish = {.qos = settings->qos, .packet_id = settings->qos > 0};
	size_t cap = settings->payload_bytes + 128, id_at;
	struct mt_buf out;
	char topic[96];

	(void)snprintf(topic, sizeof(topic), "%s/%07u", settings->topic, index);
	publish.topic = mt_bytes_str(topic);
	publisher->packet = calloc(1, cap);
	publisher->done = calloc(run->ring, sizeof(*publisher->done));
	if (!publisher->packet || !publisher->done)
		return MT_MEMORY;
	out = mt_buf_of(publisher->packet, cap);
	MT_TRY(mt_publish_encode_head(&publish, settings->version, settings->payload_bytes, &out,
				      &id_at));
	publisher->packet_id_at = settings->qos > 0 ? id_at : 0;
	run->packet_bytes = out.pos + settings->payload_bytes;
	return MT_OK;
}

static enum mt_status open_publisher(struct run *run, uint32_t index)
{
	const struct mt_bench_settings *settings = run->settings;
	struct publisher *publisher = &run->publishers[index];
	char id[32];

	(void)snprintf(id, sizeof(id), "bench-%d-p%u", (int)getpid(), index);
	MT_TRY(mt_bench_conn_open(&publisher->conn, settings, id, NULL, run->reason));
	publisher->window = settings->window;
	if (settings->qos > 0 && publisher->window > publisher->conn.receive_max)
		publisher->window = publisher->conn.receive_max;
	*run->reason = "the broker takes fewer messages in flight than --lockstep sends";
	if (settings->qos > 0 && settings->lockstep > publisher->conn.receive_max)
		return MT_LIMIT;
	MT_TRY(prepare_publisher(run, index));
	return watch(run, index, EPOLL_CTL_ADD, EPOLLIN);
}

static enum mt_status open_receiver(struct run *run, uint32_t index)
{
	const struct mt_bench_settings *settings = run->settings;
	bool is_fanin = settings->scenario == MT_BENCH_FANIN;
	struct receiver *receiver = &run->receivers[index];
	char id[32], filter[96];

	(void)snprintf(id, sizeof(id), "bench-%d-r%u", (int)getpid(), index);
	if (is_fanin)
		(void)snprintf(filter, sizeof(filter), "%s/+", settings->topic);
	else
		(void)snprintf(filter, sizeof(filter), "%s/%07u", settings->topic,
			       settings->scenario == MT_BENCH_FANOUT ? 0 : index);
	MT_TRY(mt_bench_conn_open(&receiver->conn, settings, id, filter, run->reason));
	receiver->orders = calloc(is_fanin ? run->publisher_count : 1, sizeof(*receiver->orders));
	if (!receiver->orders)
		return MT_MEMORY;
	return watch(run, run->publisher_count + index, EPOLL_CTL_ADD, EPOLLIN);
}

static enum mt_status open_all(struct run *run)
{
	for (uint32_t i = 0; i < run->receiver_count; i++)
		MT_TRY(open_receiver(run, i));
	for (uint32_t i = 0; i < run->publisher_count; i++)
		MT_TRY(open_publisher(run, i));
	return MT_OK;
}

static enum mt_status prepare(struct run *run)
{
	const struct mt_bench_settings *settings = run->settings;
	size_t conn_count, scratch_bytes = READ_BYTES + settings->payload_bytes + 128;
	uint32_t window =
		settings->window > settings->lockstep ? settings->window : settings->lockstep;

	run->publisher_count = mt_bench_publishers(settings);
	run->receiver_count = mt_bench_receivers(settings);
	run->copies = mt_bench_copies(settings);
	run->quota = (settings->messages + run->publisher_count - 1) / run->publisher_count;
	for (run->ring = 1; run->ring < window; run->ring *= 2)
		;
	conn_count = (size_t)run->publisher_count + run->receiver_count;
	run->publishers = calloc(run->publisher_count, sizeof(*run->publishers));
	run->receivers = calloc(run->receiver_count, sizeof(*run->receivers));
	run->ready = calloc(run->publisher_count, sizeof(*run->ready));
	run->dirty = calloc(conn_count, sizeof(struct mt_bench_conn *));
	run->scratch = mt_buf_of(malloc(scratch_bytes), scratch_bytes);
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	*run->reason = "out of memory";
	if (!run->publishers || !run->receivers || !run->ready || !run->dirty || !run->scratch.data)
		return MT_MEMORY;
	for (size_t i = 0; i < conn_count; i++)
		conn_of(run, (uint32_t)i)->fd = -1;
	return run->epoll >= 0 ? MT_OK : MT_SYSTEM;
}

static void clean_up(struct run *run)
{
	for (uint32_t i = 0; run->publishers && i < run->publisher_count; i++) {
		mt_bench_conn_close(&run->publishers[i].conn);
		free(run->publishers[i].packet);
		free(run->publishers[i].done);
	}
	for (uint32_t i = 0; run->receivers && i < run->receiver_count; i++) {
		mt_bench_conn_close(&run->receivers[i].conn);
		free(run->receivers[i].orders);
	}
	free(run->publishers);
	free(run->receivers);
	free(run->ready);
	free(run->dirty);
	free(run->scratch.data);
	if (run->epoll >= 0)
		(void)close(run->epoll);
}

static void sum_up(struct run *run, struct mt_bench_result *out)
{
	const struct publisher *publisher;
	struct receiver *receiver;

	for (uint32_t p = 0; p < run->publisher_count; p++) {
		publisher = &run->publishers[p];
		out->published_count += publisher->sent;
		for (uint32_t r = 0; r < run->receiver_count; r++) {
			receiver =
				&run->receivers[run->settings->scenario == MT_BENCH_PAIRS ? p : r];
			mt_order_end(order_of(run, receiver, p), publisher->sent, &run->tally);
			if (run->settings->scenario == MT_BENCH_PAIRS)
				break;
		}
	}
	out->tally = run->tally;
	out->delivered_count = run->tally.delivered_count;
	out->latency_p50_ns = (mt_time)mt_histogram_at(&run->latency, 0.5);
}

static void measure(const struct mt_cpu *before, const struct mt_cpu *after,
		    struct mt_bench_result *out)
{
	uint64_t user = after->user_ticks - before->user_ticks,
		 system = after->system_ticks - before->system_ticks;

	out->has_cpu = true;
	out->cpu_ns = after->run_ns - before->run_ns;
	out->cpu_user_share =
		user + system < TICKS_MIN ? -1 : (double)user / (double)(user + system);
}

static enum mt_status execute(struct run *run, struct mt_bench_result *out)
{
	struct mt_cpu before = {0}, after = {0};
	int32_t pid = run->settings->pid;

	MT_TRY(prepare(run));
	MT_TRY(open_all(run));
	MT_TRY(settle(run));
	*run->reason = "no process with that --pid";
	if (pid > 0)
		MT_TRY(mt_cpu_read(pid, &before));
	MT_TRY(load(run, &out->elapsed_ns));
	*run->reason = "the broker ended";
	if (pid > 0) {
		MT_TRY(mt_cpu_read(pid, &after));
		measure(&before, &after, out);
	}
	sum_up(run, out);
	return MT_OK;
}

static enum mt_status take_place(const struct mt_bench_settings *settings, const char **reason)
{
	struct rlimit files;
	cpu_set_t cpus;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (settings->cpu < 0)
		return MT_OK;
	CPU_ZERO(&cpus);
	CPU_SET((size_t)settings->cpu, &cpus);
	*reason = "this process may not run on that --cpu";
	return sched_setaffinity(0, sizeof(cpus), &cpus) == 0 ? MT_OK : MT_SYSTEM;
}

enum mt_status mt_bench_run(const struct mt_bench_settings *settings, struct mt_bench_result *out,
			    const char **reason)
{
	struct mt_bench_result result = {0};
	struct run run = {.settings = settings, .reason = reason, .epoll = -1};
	enum mt_status status;

	MT_TRY(mt_bench_check(settings, reason));
	MT_TRY(take_place(settings, reason));
	status = execute(&run, &result);
	clean_up(&run);
	if (status == MT_OK)
		*out = result;
	return status;
}
