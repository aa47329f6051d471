/* A conformant client that watches the broker's core: it sends bytes and looks at the bytes that
 * come back. */
#pragma once

#include "../core_world.h"
#include "../spec.h"
#include "notation.h"

/* One test: a world of its own, and the version that its clients speak. */
struct scene {
	struct world world;
	enum mt_version version;
};

static enum mt_version test_versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};

static inline int scene_open(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	assert_non_null(scene);
	scene->version = *(const enum mt_version *)*state;
	world_open(&scene->world);
	*state = scene;
	return 0;
}

static inline int scene_close(void **state)
{
	struct scene *scene = *state;
	world_close(&scene->world);
	free(scene);
	return 0;
}

#define IN_3(test) \
	{ \
		"3.1.1: " #test, test, scene_open, scene_close, &test_versions[0] \
	}
#define IN_5(test) \
	{ \
		"5.0: " #test, test, scene_open, scene_close, &test_versions[1] \
	}
#define IN_BOTH(test) IN_3(test), IN_5(test)

/* The world anew, with a broker set up otherwise. */
static inline void scene_restart(struct scene *scene, const struct mt_core_settings *settings,
				 struct mt_policy *policy)
{
	world_close(&scene->world);
	world_open_with(&scene->world, settings, policy);
}

static inline void send(struct world *world, struct world_conn *conn, unsigned first,
			const char *body)
{
	static struct note note;
	world_send(world, conn, note_packet(&note, conn->version, first, body));
}

/* The next bytes are exactly this packet. */
static inline void expect(struct world_conn *conn, unsigned first, const char *body)
{
	static struct note note;
	struct mt_bytes wanted = note_packet(&note, conn->version, first, body);
	if (conn->out_bytes - conn->out_pos < wanted.len ||
	    memcmp(conn->out + conn->out_pos, wanted.data, wanted.len) != 0) {
		print_error("version %d, wanted %02x %s; came", conn->version, first, body);
		for (size_t i = conn->out_pos; i < conn->out_bytes; i++)
			print_error(" %02x", conn->out[i]);
		print_error("\n");
		fail();
	}
	conn->out_pos += wanted.len;
}

/* Nothing came, and the connection stands. */
static inline void expect_quiet(const struct world_conn *conn)
{
	assert_true(world_is_quiet(conn));
	assert_false(conn->is_closed);
}

/* The connection is over and nothing more was said. */
static inline void expect_closed(const struct world_conn *conn)
{
	assert_true(world_is_quiet(conn));
	assert_true(conn->is_closed);
}

/* In 5 a DISCONNECT with this reason as the last packet; then, and in 3.1.1 at once, the end. */
static inline void expect_end(struct world_conn *conn, uint8_t reason)
{
	if (conn->version == MT_VERSION_5) {
		assert_true(conn->out_bytes - conn->out_pos >= 3);
		assert_int_equal(conn->out[conn->out_pos], 0xe0);
		assert_int_equal(conn->out[conn->out_pos + 2], reason);
		conn->out_pos += 2u + conn->out[conn->out_pos + 1];
	}
	expect_closed(conn);
}

/* A connection without a CONNECT; role "": the password is asked for. */
static inline struct world_conn *dial(struct world *world, enum mt_version version,
				      const char *role)
{
	struct world_conn *conn = world_dial(world, role);
	conn->version = version;
	return conn;
}

/* CONNACK: 20, length, flags, reason. */
static inline void expect_connack(struct world_conn *conn, uint8_t flags, uint8_t reason)
{
	const uint8_t *at = conn->out + conn->out_pos;
	assert_true(conn->out_bytes - conn->out_pos >= 4);
	assert_int_equal(at[0], 0x20);
	assert_true(conn->version == MT_VERSION_5 ? at[1] >= 3 && at[1] < 128 : at[1] == 2);
	assert_int_equal(at[2], flags);
	assert_int_equal(at[3], reason);
	conn->out_pos += 2u + at[1];
}

/* Sends this CONNECT and is let in without a session. */
static inline struct world_conn *enter(struct world *world, enum mt_version version,
				       const char *connect)
{
	struct world_conn *conn = dial(world, version, "open");
	send(world, conn, 0x10, connect);
	expect_connack(conn, 0, 0);
	return conn;
}

/* As the user `ann`, who has no rules but those of the scene's policy; the CONNECT has flags c2 and
 * ends in <ann> <p>. */
static inline struct world_conn *enter_as_ann(struct world *world, enum mt_version version,
					      const char *connect)
{
	struct mt_auth_verdict yes = {.is_accepted = true, .user_id = 7};
	struct world_conn *conn = dial(world, version, "");
	send(world, conn, 0x10, connect);
	mt_core_authenticated(world->core, world->now, world->auth_ticket, &yes);
	world_serve(world);
	expect_connack(conn, 0, 0);
	return conn;
}

/* The same into the session that is there. */
static inline struct world_conn *enter_again(struct world *world, enum mt_version version,
					     const char *connect)
{
	struct world_conn *conn = dial(world, version, "open");
	send(world, conn, 0x10, connect);
	expect_connack(conn, 1, 0);
	return conn;
}

/* A client that keeps no session, and one that keeps it for ten minutes. */
#define CLEAN(id) "<MQTT> V 02 0000 {} <" id ">"
#define KEPT(id) "<MQTT> V 00 0000 {11 00000258} <" id ">"

/* Sends SUBSCRIBE for one filter and is granted it. */
static inline void subscribe(struct world *world, struct world_conn *conn, const char *filter,
			     unsigned options)
{
	char body[256], answer[64];
	snprintf(body, sizeof(body), "0001 {} <%s> %02x", filter, options);
	snprintf(answer, sizeof(answer), "0001 {} %02x", options & 3);
	send(world, conn, 0x82, body);
	expect(conn, 0x90, answer);
}

/* The QoS 0 message with this topic and payload reaches the client now. */
static inline void expect_message(struct world_conn *conn, const char *topic, const char *payload)
{
	char body[256];
	snprintf(body, sizeof(body), "<%s> {} '%s'", topic, payload);
	expect(conn, 0x30, body);
}
