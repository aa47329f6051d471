/*
 * A world around several joined cores: a queue from each to each with a delay, connections that
 * move between cores, a shell that answers at once unless told otherwise. With one core it is the
 * world of a core that is alone.
 *
 *   client --cores_send--> core of its connection --FORWARD--> queue --delay--> mt_core_peer
 */
#pragma once

#include "core_world.h"

#include "base/rng.h"
#include "link/message.h"

#include <stdio.h>

#define CORES_MAX 4u
#define CORES_QUEUE 8192u

struct cores_queue {
	struct mt_link_message *items[CORES_QUEUE];
	mt_time due_ns[CORES_QUEUE];
	uint32_t first, count;
	mt_time delay_ns; /* of what is put in from now on */
	mt_time last_ns;  /* FIFO: nothing is due before what went in earlier */
	bool is_held;
};

struct cores_conn {
	mt_conn conn;
	uint32_t core;
	enum mt_version version;
	struct world_conn out; /* what the client received; its handle is not used */
	bool is_paused;
	uint32_t moves;
};

struct cores {
	uint32_t count;
	struct mt_core *core[CORES_MAX];
	struct mt_core_settings settings;
	struct mt_now now;
	struct cores_queue queue[CORES_MAX][CORES_MAX];
	struct cores_conn conns[WORLD_CONNS];
	uint32_t conn_count;
	bool is_store_held[CORES_MAX];
	uint64_t tickets[CORES_MAX][256];
	uint32_t ticket_count[CORES_MAX];
	uint64_t auth_ticket[CORES_MAX];
	struct mt_rng rng; /* of delays, when jitter_ns > 0 */
	mt_time jitter_ns;
};

static inline struct cores *cores_open_with(uint32_t count, const struct mt_core_settings *settings,
					    struct mt_policy *policy)
{
	struct cores *cores = calloc(1, sizeof(*cores));
	assert_non_null(cores);
	cores->count = count;
	cores->settings = *settings;
	cores->settings.core_count = count;
	cores->settings.link_seed = (struct mt_seed){{5, 6}};
	cores->now = (struct mt_now){1000 * MT_SECOND, 1700000000 * MT_SECOND};
	for (uint32_t i = 0; i < count; i++) {
		cores->settings.core_index = i;
		cores->settings.seed.word[0] = 10 + i;
		cores->core[i] = mt_core_create(&cores->settings, policy, cores->now);
		assert_non_null(cores->core[i]);
	}
	mt_policy_unref(&policy);
	return cores;
}

static inline struct cores *cores_open(uint32_t count)
{
	struct mt_core_settings settings = world_settings();
	return cores_open_with(count, &settings, world_policy(NULL, 0));
}

static inline void cores_close(struct cores *cores)
{
	for (uint32_t i = 0; i < cores->count; i++)
		for (uint32_t j = 0; j < cores->count; j++) {
			struct cores_queue *queue = &cores->queue[i][j];
			for (; queue->count > 0; queue->count--)
				mt_link_message_free(&queue->items[queue->first++ % CORES_QUEUE]);
		}
	for (uint32_t i = 0; i < cores->count; i++)
		mt_core_empty(cores->core[i]);
	for (uint32_t i = 0; i < cores->count; i++)
		mt_core_destroy(&cores->core[i]);
	for (uint32_t i = 0; i < cores->conn_count; i++)
		free(cores->conns[i].out.out);
	free(cores);
}

static inline void cores_put(struct cores *cores, uint32_t from, const struct mt_request *request)
{
	struct cores_queue *queue = &cores->queue[from][request->to];
	uint32_t at = (queue->first + queue->count) % CORES_QUEUE;
	mt_time delay = queue->delay_ns;
	assert_true(request->to < cores->count && request->to != from);
	assert_true(queue->count < CORES_QUEUE);
	if (cores->jitter_ns > 0)
		delay += (mt_time)mt_rng_below(&cores->rng, (uint64_t)cores->jitter_ns);
	queue->items[at] = request->message;
	if (cores->now.mono_ns + delay > queue->last_ns)
		queue->last_ns = cores->now.mono_ns + delay;
	queue->due_ns[at] = queue->last_ns;
	queue->count++;
}

static inline struct cores_conn *cores_find(struct cores *cores, uint32_t core, mt_conn conn)
{
	for (uint32_t i = 0; i < cores->conn_count; i++)
		if (cores->conns[i].core == core && cores->conns[i].conn == conn)
			return &cores->conns[i];
	return NULL;
}

static inline void cores_pull(struct cores *cores, struct cores_conn *conn)
{
	struct mt_core *core = cores->core[conn->core];
	struct mt_bytes list[64];
	size_t count;
	while ((count = mt_core_output(core, conn->conn, list, 64)) > 0) {
		size_t bytes = 0;
		for (size_t i = 0; i < count; i++) {
			assert_true(conn->out.out_bytes + list[i].len <= WORLD_OUT_BYTES);
			memcpy(conn->out.out + conn->out.out_bytes, list[i].data, list[i].len);
			conn->out.out_bytes += list[i].len;
			bytes += list[i].len;
		}
		mt_core_sent(core, cores->now, conn->conn, bytes);
	}
}

static inline void cores_move(struct cores *cores, struct cores_conn *conn,
			      struct mt_request *request)
{
	assert_non_null(conn);
	assert_true(request->to < cores->count && request->to != conn->core);
	conn->core = request->to;
	conn->moves++;
	conn->is_paused = false;
	conn->conn = MT_HANDLE_NONE;
	if (mt_core_adopt(cores->core[conn->core], cores->now, request->adoption, &conn->conn) !=
	    MT_OK)
		conn->out.is_closed = true;
	mt_adoption_free(&request->adoption);
}

static inline void cores_obey(struct cores *cores, uint32_t index, struct mt_request *request)
{
	struct mt_core *core = cores->core[index];
	struct cores_conn *conn = cores_find(cores, index, request->conn);
	switch (request->type) {
	case MT_REQUEST_SEND:
		if (conn)
			cores_pull(cores, conn);
		break;
	case MT_REQUEST_CLOSE:
		cores_pull(cores, conn);
		conn->out.is_closed = true;
		mt_core_closed(core, cores->now, conn->conn);
		break;
	case MT_REQUEST_PAUSE:
	case MT_REQUEST_RESUME:
		if (!conn)
			break; /* it has moved since */
		conn->is_paused = request->type == MT_REQUEST_PAUSE;
		if (!conn->is_paused)
			mt_core_input(core, cores->now, conn->conn, mt_bytes_of(NULL, 0));
		break;
	case MT_REQUEST_AUTHENTICATE:
		cores->auth_ticket[index] = request->ticket;
		break;
	case MT_REQUEST_STORE:
		if (cores->is_store_held[index])
			cores->tickets[index][cores->ticket_count[index]++] = request->ticket;
		else
			mt_core_stored(core, cores->now, request->ticket, MT_OK);
		break;
	case MT_REQUEST_FORWARD:
		cores_put(cores, index, request);
		break;
	case MT_REQUEST_MOVE:
		cores_move(cores, conn, request);
		break;
	case MT_REQUEST_AUDIT:
		break;
	}
}

static inline bool cores_transport(struct cores *cores)
{
	bool is_busy = false;
	for (uint32_t i = 0; i < cores->count; i++)
		for (uint32_t j = 0; j < cores->count; j++) {
			struct cores_queue *queue = &cores->queue[i][j];
			uint32_t at = queue->first % CORES_QUEUE;
			if (queue->is_held || queue->count == 0 ||
			    queue->due_ns[at] > cores->now.mono_ns)
				continue;
			queue->first++;
			queue->count--;
			mt_core_peer(cores->core[j], cores->now, i, queue->items[at]);
			is_busy = true;
		}
	return is_busy;
}

/* Until nobody has anything to do now. */
static inline void cores_serve(struct cores *cores)
{
	bool is_busy = true;
	while (is_busy) {
		struct mt_request request;
		is_busy = false;
		for (uint32_t i = 0; i < cores->count; i++) {
			while (mt_core_request(cores->core[i], &request)) {
				cores_obey(cores, i, &request);
				is_busy = true;
			}
			if (mt_core_deadline(cores->core[i]) <= cores->now.mono_ns) {
				mt_core_tick(cores->core[i], cores->now);
				is_busy = true;
			}
		}
		is_busy |= cores_transport(cores);
	}
}

static inline void cores_pass(struct cores *cores, mt_time ns)
{
	cores->now.mono_ns += ns;
	cores->now.wall_ns += ns;
	for (uint32_t i = 0; i < cores->count; i++)
		mt_core_tick(cores->core[i], cores->now);
	cores_serve(cores);
}

/* All links hold back, or all go on. */
static inline void cores_hold(struct cores *cores, bool is_held)
{
	for (uint32_t i = 0; i < cores->count; i++)
		for (uint32_t j = 0; j < cores->count; j++)
			cores->queue[i][j].is_held = is_held;
	if (!is_held)
		cores_serve(cores);
}

static inline struct cores_conn *cores_dial(struct cores *cores, uint32_t core, const char *role)
{
	struct cores_conn *conn = &cores->conns[cores->conn_count++];
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = role,
				      .has_anonymous_sessions = true,
				      .is_secret_safe = true};
	facts.address.byte[15] = 1;
	assert_true(cores->conn_count <= WORLD_CONNS);
	conn->core = core % cores->count;
	conn->out.out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out.out);
	assert_int_equal(mt_core_open(cores->core[conn->core], cores->now, &facts, &conn->conn),
			 MT_OK);
	cores_serve(cores);
	return conn;
}

static inline void cores_send(struct cores *cores, struct cores_conn *conn, struct mt_bytes bytes)
{
	mt_core_input(cores->core[conn->core], cores->now, conn->conn, bytes);
	cores_serve(cores);
}

static inline void cores_send_connect(struct cores *cores, struct cores_conn *conn, const char *id,
				      bool is_clean)
{
	uint8_t data[512];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = is_clean, .client_id = mt_bytes_str(id)};
	connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	connect.props.session_expiry_s = is_clean ? 0 : 600;
	conn->out.version = MT_VERSION_5;
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	cores_send(cores, conn, mt_buf_view(&buf));
}

/* A client of role `open` that dials core `core`, wherever it ends up. */
static inline struct cores_conn *cores_client(struct cores *cores, uint32_t core, const char *id,
					      bool is_clean)
{
	struct cores_conn *conn = cores_dial(cores, core, "open");
	cores_send_connect(cores, conn, id, is_clean);
	assert_int_equal(world_take_connack(&conn->out).reason, MT_REASON_SUCCESS);
	return conn;
}

/* An id, in a static buffer each, whose session belongs to the core (taken modulo the count). */
static inline struct cores_conn *cores_client_at(struct cores *cores, uint32_t home,
						 const char *name, bool is_clean)
{
	for (int i = 0; i < 1000; i++) {
		char id[64];
		struct cores_conn *conn;
		snprintf(id, sizeof(id), "%s-%u-%d", name, home, i);
		conn = cores_client(cores, home, id, is_clean);
		if (conn->core == home % cores->count && conn->moves == 0)
			return conn;
		mt_core_closed(cores->core[conn->core], cores->now, conn->conn);
		cores_serve(cores);
		free(conn->out.out);
		cores->conn_count--;
		memset(conn, 0, sizeof(*conn));
	}
	fail_msg("no id belongs to core %u", home);
	return NULL;
}

static inline void cores_send_subscribe(struct cores *cores, struct cores_conn *conn,
					const char *filter, uint8_t qos)
{
	uint8_t list[512], data[600];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), buf = mt_buf_of(data, sizeof(data));
	struct mt_sub_options options = {.qos = qos};
	struct mt_subscribe subscribe = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 9, .filter_count = 1};
	mt_subscribe_put(&items, mt_bytes_str(filter), &options, MT_VERSION_5);
	subscribe.list = mt_buf_view(&items);
	assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, &buf), MT_OK);
	cores_send(cores, conn, mt_buf_view(&buf));
}

static inline uint8_t cores_take_suback(struct cores_conn *conn)
{
	struct mt_frame frame = world_take(&conn->out);
	struct mt_suback suback;
	struct mt_violation why;
	assert_int_equal(frame.type, MT_PACKET_SUBACK);
	assert_int_equal(mt_suback_decode(&frame, MT_VERSION_5, &suback, &why), MT_OK);
	return suback.reasons.data[0];
}

static inline void cores_subscribe(struct cores *cores, struct cores_conn *conn, const char *filter,
				   uint8_t qos)
{
	cores_send_subscribe(cores, conn, filter, qos);
	assert_int_equal(cores_take_suback(conn), qos);
}

static inline void cores_unsubscribe(struct cores *cores, struct cores_conn *conn,
				     const char *filter)
{
	uint8_t list[512], data[600];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), buf = mt_buf_of(data, sizeof(data));
	struct mt_subscribe packet = {
		.type = MT_PACKET_UNSUBSCRIBE, .packet_id = 10, .filter_count = 1};
	mt_subscribe_put(&items, mt_bytes_str(filter), NULL, MT_VERSION_5);
	packet.list = mt_buf_view(&items);
	assert_int_equal(mt_subscribe_encode(&packet, MT_VERSION_5, &buf), MT_OK);
	cores_send(cores, conn, mt_buf_view(&buf));
	assert_int_equal(world_take(&conn->out).type, MT_PACKET_UNSUBACK);
}

static inline void cores_publish(struct cores *cores, struct cores_conn *conn, const char *topic,
				 const char *payload, uint8_t qos, bool is_retain,
				 uint16_t packet_id)
{
	uint8_t data[2048];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_publish publish = {.qos = qos,
				     .is_retain = is_retain,
				     .packet_id = packet_id,
				     .topic = mt_bytes_str(topic),
				     .payload = mt_bytes_str(payload)};
	assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, &buf), MT_OK);
	cores_send(cores, conn, mt_buf_view(&buf));
}

static inline void cores_ack(struct cores *cores, struct cores_conn *conn, uint8_t type,
			     uint16_t packet_id)
{
	struct mt_ack ack = {.type = type, .packet_id = packet_id};
	uint8_t data[32];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	assert_int_equal(mt_ack_encode(&ack, MT_VERSION_5, &buf), MT_OK);
	cores_send(cores, conn, mt_buf_view(&buf));
}

/* The oldest STORE of a core is answered. */
static inline void cores_stored(struct cores *cores, uint32_t core, enum mt_status status)
{
	uint64_t ticket = cores->tickets[core][0];
	assert_true(cores->ticket_count[core] > 0);
	memmove(&cores->tickets[core][0], &cores->tickets[core][1],
		--cores->ticket_count[core] * sizeof(uint64_t));
	mt_core_stored(cores->core[core], cores->now, ticket, status);
	cores_serve(cores);
}
