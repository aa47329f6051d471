/*
 * A world around one core: virtual time, connections, a shell that answers at once. Shared by the
 * tests of the core.
 *
 *   test --send packet--> core --requests, output--> world: bytes per connection, audit, tickets
 */
#pragma once

#include "core/core.h"
#include "wire/ack.h"
#include "wire/connect.h"
#include "wire/control.h"
#include "wire/publish.h"
#include "wire/subscribe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORLD_CONNS 64
#define WORLD_OUT_BYTES (1u << 20)

struct world_conn {
	mt_conn conn;
	enum mt_version version;
	uint8_t *out; /* bytes received by this client, not yet looked at */
	size_t out_bytes, out_pos;
	bool is_closed; /* by the core */
	bool is_paused;
};

struct world {
	struct mt_core *core;
	struct mt_now now;
	struct world_conn conns[WORLD_CONNS];
	uint32_t conn_count;
	bool is_store_held; /* tickets pile up instead of being answered */
	uint64_t tickets[256];
	uint32_t ticket_count;
	uint64_t auth_ticket; /* the last one asked for */
	char auth_user[64], auth_password[64], auth_method[64], auth_data[64];
	bool is_auth_again;
	uint32_t auth_count;
	uint32_t audit_count[8];
	struct mt_audit last_audit;
};

static inline struct mt_core_settings world_settings(void)
{
	return (struct mt_core_settings){
		.limits = {.packet_bytes = 1 << 18,
			   .connect_bytes = 4096,
			   .topic_levels = 32,
			   .filters_per_subscribe = 16,
			   .filters_per_session = 32,
			   .queue_messages = 100,
			   .queue_bytes = 1 << 20,
			   .output_bytes = 1 << 18,
			   .inflight = 10,
			   .retained_count = 100,
			   .retained_bytes = 1 << 20,
			   .sessions = 60,
			   .connections = WORLD_CONNS,
			   .topic_aliases = 8,
			   .session_expiry_s = 3600,
			   .keep_alive_s = 0,
			   .connect_ns = 10 * MT_SECOND},
		.seed = {{1, 2}},
		.memory_bytes = SIZE_MAX,
		.release = "test",
	};
}

/* Roles and users by lines of text are overkill: a policy with the user `ann` (id 7) holding role
 * `r` with the given rules. */
static inline struct mt_policy *world_policy(const struct mt_rule *rules, size_t count)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	struct mt_user user = {.id = 7, .name = mt_bytes_str("ann"), .is_enabled = true};
	struct mt_bytes names[] = {mt_bytes_str("r")};
	struct mt_policy *policy;
	uint32_t role;
	assert_non_null(builder);
	assert_int_equal(mt_policy_builder_role(builder, names[0], &role), MT_OK);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(mt_policy_builder_rule(builder, role, &rules[i]), MT_OK);
	assert_int_equal(mt_policy_builder_user(builder, &user, names, 1), MT_OK);
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

static inline void world_open_with(struct world *world, const struct mt_core_settings *settings,
				   struct mt_policy *policy)
{
	memset(world, 0, sizeof(*world));
	world->now = (struct mt_now){1000 * MT_SECOND, 1700000000 * MT_SECOND};
	world->core = mt_core_create(settings, policy, world->now);
	assert_non_null(world->core);
	mt_policy_unref(&policy);
}

static inline void world_open(struct world *world)
{
	struct mt_core_settings settings = world_settings();
	world_open_with(world, &settings, world_policy(NULL, 0));
}

static inline void world_close(struct world *world)
{
	mt_core_destroy(&world->core);
	for (uint32_t i = 0; i < world->conn_count; i++)
		free(world->conns[i].out);
}

static inline struct world_conn *world_find(struct world *world, mt_conn conn)
{
	for (uint32_t i = 0; i < world->conn_count; i++)
		if (world->conns[i].conn == conn)
			return &world->conns[i];
	return NULL;
}

static inline void world_pull(struct world *world, struct world_conn *conn)
{
	struct mt_bytes list[64];
	size_t count;
	while ((count = mt_core_output(world->core, conn->conn, list, 64)) > 0) {
		size_t bytes = 0;
		for (size_t i = 0; i < count; i++) {
			assert_true(conn->out_bytes + list[i].len <= WORLD_OUT_BYTES);
			memcpy(conn->out + conn->out_bytes, list[i].data, list[i].len);
			conn->out_bytes += list[i].len;
			bytes += list[i].len;
		}
		mt_core_sent(world->core, world->now, conn->conn, bytes);
	}
}

static inline void world_note_auth(struct world *world, const struct mt_request *request)
{
	world->auth_ticket = request->ticket;
	mt_bytes_cut(world->auth_user, sizeof(world->auth_user), request->user);
	mt_bytes_cut(world->auth_password, sizeof(world->auth_password), request->password);
	mt_bytes_cut(world->auth_method, sizeof(world->auth_method), request->method);
	mt_bytes_cut(world->auth_data, sizeof(world->auth_data), request->data);
	world->is_auth_again = request->is_again;
	world->auth_count++;
}

/* Does what the shell does, until the core asks for nothing more. */
static inline void world_serve(struct world *world)
{
	struct mt_request request;
	while (mt_core_request(world->core, &request)) {
		struct world_conn *conn = world_find(world, request.conn);
		switch (request.type) {
		case MT_REQUEST_SEND:
			world_pull(world, conn);
			break;
		case MT_REQUEST_CLOSE:
			world_pull(world, conn);
			conn->is_closed = true;
			mt_core_closed(world->core, world->now, conn->conn);
			break;
		case MT_REQUEST_PAUSE:
		case MT_REQUEST_RESUME:
			conn->is_paused = request.type == MT_REQUEST_PAUSE;
			if (!conn->is_paused)
				mt_core_input(world->core, world->now, conn->conn,
					      mt_bytes_of(NULL, 0));
			break;
		case MT_REQUEST_AUTHENTICATE:
			world_note_auth(world, &request);
			break;
		case MT_REQUEST_STORE:
			if (world->is_store_held)
				world->tickets[world->ticket_count++] = request.ticket;
			else
				mt_core_stored(world->core, world->now, request.ticket, MT_OK);
			break;
		case MT_REQUEST_FORWARD:
		case MT_REQUEST_MOVE:
			fail_msg("%s", "this core is alone");
			break;
		case MT_REQUEST_AUDIT:
			world->audit_count[request.audit->event]++;
			world->last_audit = *request.audit;
			break;
		}
	}
}

/* A connection with the role `open` unless told otherwise. */
static inline struct world_conn *world_dial(struct world *world, const char *role)
{
	struct world_conn *conn = &world->conns[world->conn_count++];
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = role,
				      .has_anonymous_sessions = true,
				      .is_secret_safe = true};
	facts.address.byte[15] = 1;
	assert_true(world->conn_count <= WORLD_CONNS);
	conn->out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out);
	assert_int_equal(mt_core_open(world->core, world->now, &facts, &conn->conn), MT_OK);
	world_serve(world);
	return conn;
}

static inline void world_send(struct world *world, struct world_conn *conn, struct mt_bytes bytes)
{
	mt_core_input(world->core, world->now, conn->conn, bytes);
	world_serve(world);
}

static inline void world_pass(struct world *world, mt_time ns)
{
	world->now.mono_ns += ns;
	world->now.wall_ns += ns;
	mt_core_tick(world->core, world->now);
	world_serve(world);
}

/* The next packet the client received; fails the test when there is none. */
static inline struct mt_frame world_take(struct world_conn *conn)
{
	struct mt_frame frame;
	struct mt_violation why = {0};
	struct mt_bytes in =
		mt_bytes_of(conn->out + conn->out_pos, conn->out_bytes - conn->out_pos);
	assert_int_equal(mt_frame_next(in, SIZE_MAX, &frame, &why), MT_OK);
	conn->out_pos += frame.bytes;
	return frame;
}

static inline bool world_is_quiet(const struct world_conn *conn)
{
	return conn->out_pos == conn->out_bytes;
}

static inline struct mt_connack world_take_connack(struct world_conn *conn)
{
	struct mt_frame frame = world_take(conn);
	struct mt_connack connack;
	struct mt_violation why;
	assert_int_equal(frame.type, MT_PACKET_CONNACK);
	assert_int_equal(mt_connack_decode(&frame, conn->version, &connack, &why), MT_OK);
	return connack;
}

static inline void world_send_connect(struct world *world, struct world_conn *conn,
				      const struct mt_connect *connect)
{
	uint8_t data[8192];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	conn->version = connect->version;
	assert_int_equal(mt_connect_encode(connect, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
}

/* Connects with this id and expects to be let in. */
static inline struct mt_connack world_connect(struct world *world, struct world_conn *conn,
					      enum mt_version version, const char *id,
					      bool is_clean)
{
	struct mt_connect connect = {
		.version = version, .is_clean = is_clean, .client_id = mt_bytes_str(id)};
	struct mt_connack connack;
	if (version == MT_VERSION_5 && !is_clean) {
		connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect.props.session_expiry_s = 600;
	}
	world_send_connect(world, conn, &connect);
	connack = world_take_connack(conn);
	assert_int_equal(connack.reason, MT_REASON_SUCCESS);
	return connack;
}

/* A client with role `open`, connected. */
static inline struct world_conn *world_client(struct world *world, enum mt_version version,
					      const char *id, bool is_clean)
{
	struct world_conn *conn = world_dial(world, "open");
	world_connect(world, conn, version, id, is_clean);
	return conn;
}

static inline uint8_t world_subscribe_with(struct world *world, struct world_conn *conn,
					   const char *filter, const struct mt_sub_options *options,
					   uint32_t identifier)
{
	uint8_t list[512], data[600];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), buf = mt_buf_of(data, sizeof(data));
	struct mt_subscribe subscribe = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 9, .filter_count = 1};
	struct mt_frame frame;
	struct mt_suback suback;
	struct mt_violation why;
	mt_subscribe_put(&items, mt_bytes_str(filter), options, conn->version);
	subscribe.list = mt_buf_view(&items);
	if (identifier) {
		subscribe.props.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER);
		subscribe.props.subscription_id = identifier;
	}
	assert_int_equal(mt_subscribe_encode(&subscribe, conn->version, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
	frame = world_take(conn);
	assert_int_equal(frame.type, MT_PACKET_SUBACK);
	assert_int_equal(mt_suback_decode(&frame, conn->version, &suback, &why), MT_OK);
	assert_int_equal(suback.packet_id, 9);
	assert_int_equal(suback.reasons.len, 1);
	return suback.reasons.data[0];
}

static inline uint8_t world_subscribe(struct world *world, struct world_conn *conn,
				      const char *filter, uint8_t qos)
{
	struct mt_sub_options options = {.qos = qos};
	return world_subscribe_with(world, conn, filter, &options, 0);
}

static inline void world_send_publish(struct world *world, struct world_conn *conn,
				      const struct mt_publish *publish)
{
	uint8_t *data = malloc(1 << 18);
	struct mt_buf buf = mt_buf_of(data, 1 << 18);
	assert_int_equal(mt_publish_encode(publish, conn->version, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
	free(data);
}

static inline void world_publish(struct world *world, struct world_conn *conn, const char *topic,
				 const char *payload, uint8_t qos, bool is_retain,
				 uint16_t packet_id)
{
	struct mt_publish publish = {.qos = qos,
				     .is_retain = is_retain,
				     .packet_id = packet_id,
				     .topic = mt_bytes_str(topic),
				     .payload = mt_bytes_str(payload)};
	world_send_publish(world, conn, &publish);
}

static inline struct mt_publish world_take_publish(struct world_conn *conn)
{
	struct mt_frame frame = world_take(conn);
	struct mt_publish publish;
	struct mt_violation why;
	assert_int_equal(frame.type, MT_PACKET_PUBLISH);
	assert_int_equal(mt_publish_decode(&frame, conn->version, MT_SIDE_SERVER, &publish, &why),
			 MT_OK);
	return publish;
}

static inline struct mt_publish world_expect(struct world_conn *conn, const char *topic,
					     const char *payload)
{
	struct mt_publish publish = world_take_publish(conn);
	assert_true(mt_bytes_equal(publish.topic, mt_bytes_str(topic)));
	assert_true(mt_bytes_equal(publish.payload, mt_bytes_str(payload)));
	return publish;
}

static inline void world_send_ack(struct world *world, struct world_conn *conn, uint8_t type,
				  uint16_t packet_id, uint8_t reason)
{
	struct mt_ack ack = {.type = type, .packet_id = packet_id, .reason = reason};
	uint8_t data[32];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	assert_int_equal(mt_ack_encode(&ack, conn->version, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
}

static inline struct mt_ack world_take_ack(struct world_conn *conn, uint8_t type,
					   uint16_t packet_id)
{
	struct mt_frame frame = world_take(conn);
	struct mt_ack ack;
	struct mt_violation why;
	assert_int_equal(frame.type, type);
	assert_int_equal(mt_ack_decode(&frame, conn->version, &ack, &why), MT_OK);
	assert_int_equal(ack.packet_id, packet_id);
	return ack;
}

static inline uint8_t world_take_disconnect(struct world_conn *conn)
{
	struct mt_frame frame = world_take(conn);
	struct mt_control control;
	struct mt_violation why;
	assert_int_equal(frame.type, MT_PACKET_DISCONNECT);
	assert_int_equal(mt_control_decode(&frame, conn->version, MT_SIDE_SERVER, &control, &why),
			 MT_OK);
	return control.reason;
}

/* The network drops the connection. */
static inline void world_cut(struct world *world, struct world_conn *conn)
{
	mt_core_closed(world->core, world->now, conn->conn);
	world_serve(world);
	conn->is_closed = true;
}

static inline void world_disconnect(struct world *world, struct world_conn *conn, uint8_t reason)
{
	struct mt_control control = {.type = MT_PACKET_DISCONNECT, .reason = reason};
	uint8_t data[16];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	assert_int_equal(mt_control_encode(&control, conn->version, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
	assert_true(conn->is_closed);
}
