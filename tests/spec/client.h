/* A conformant server that watches libmortise's machine: it sends bytes and looks at the bytes that
 * come back. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../spec.h"
#include "../unit/client_world.h"
#include "notation.h"

/* One test: a client of its own in one version. */
struct scene {
	enum mt_version version;
	struct mt_client_settings settings;
	struct world *world; /* NULL until it connects */
};

static enum mt_version test_versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};

/* Announces nothing in CONNECT but what a test asks for, and keeps no time. */
static inline struct mt_client_settings plain_settings(enum mt_version version)
{
	struct mt_client_settings settings = settings_of(version);
	settings.connect.keep_alive_s = 0;
	settings.limits.receive_max = 10;
	settings.limits.topic_alias_max = 0;
	return settings;
}

static inline int scene_open(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	assert_non_null(scene);
	scene->version = *(const enum mt_version *)*state;
	scene->settings = plain_settings(scene->version);
	*state = scene;
	return 0;
}

static inline int scene_close(void **state)
{
	struct scene *scene = *state;
	if (scene->world)
		end(scene->world);
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

/* What CONNECT of plain_settings announces: receive maximum 10, packets of 1 MiB. */
#define ANNOUNCED "21 000a 27 00100000"

/* The next bytes of the client are exactly this packet. */
static inline void said(struct scene *s, unsigned first, const char *body)
{
	static struct note note;
	struct world *world = s->world;
	struct mt_bytes wanted = note_packet(&note, s->version, first, body);
	pull(world);
	if (world->sent_len < wanted.len || memcmp(world->sent, wanted.data, wanted.len) != 0) {
		print_error("version %d, wanted %02x %s; came", s->version, first, body);
		for (size_t i = 0; i < world->sent_len; i++)
			print_error(" %02x", world->sent[i]);
		print_error("\n");
		fail();
	}
	world->sent_len -= wanted.len;
	memmove(world->sent, world->sent + wanted.len, world->sent_len);
}

static inline void said_nothing(struct scene *s)
{
	pull(s->world);
	assert_int_equal(s->world->sent_len, 0);
}

/* The server says this; events wait to be looked at. */
static inline void hear(struct scene *s, unsigned first, const char *body)
{
	static struct note note;
	struct mt_bytes packet = note_packet(&note, s->version, first, body);
	memcpy(s->world->held, packet.data, packet.len);
	mt_client_input(s->world->client, s->world->now, mt_bytes_of(s->world->held, packet.len));
}

/* The same, and it tells the user nothing. */
static inline void hear_quietly(struct scene *s, unsigned first, const char *body)
{
	hear(s, first, body);
	expect_none(s->world);
	assert_true(mt_client_is_open(s->world->client));
}

/* A message; it is acknowledged when the user has looked. */
static inline void hear_message(struct scene *s, unsigned first, const char *body)
{
	hear(s, first, body);
	expect_event(s->world, MT_CLIENT_MESSAGE);
	expect_none(s->world);
}

/* Dials with the settings of the scene; CONNECT is out, unlooked at. */
static inline void dial(struct scene *s)
{
	if (!s->world) {
		s->world = begin(&s->settings);
		return;
	}
	mt_client_closed(s->world->client);
	s->world->sent_len = 0;
	assert_int_equal(mt_client_connect(s->world->client, s->world->now), MT_OK);
}

/* The server lets it in with this body of CONNACK. */
static inline void enter_with(struct scene *s, const char *connack)
{
	dial(s);
	skip_sent(s->world);
	hear(s, 0x20, connack);
	expect_event(s->world, MT_CLIENT_CONNECTED);
	expect_none(s->world);
}

static inline void enter(struct scene *s)
{
	enter_with(s, "00 00 {}");
}

/* A client that keeps its session. */
static inline void enter_kept(struct scene *s)
{
	s->settings.connect.is_clean = false;
	if (s->version == MT_VERSION_5) {
		s->settings.connect.props.present |= MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		s->settings.connect.props.session_expiry_s = 600;
	}
	enter(s);
}

/* The network was lost, and the server has the session. */
static inline void come_back(struct scene *s)
{
	enter_with(s, "01 00 {}");
}

/* In 5 DISCONNECT says why; either way the client is through. */
static inline void expect_end(struct scene *s, uint8_t reason)
{
	struct world *world = s->world;
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_VIOLATION);
	expect_none(world);
	pull(world);
	if (s->version == MT_VERSION_5) {
		assert_true(world->sent_len >= 3);
		assert_int_equal(world->sent[world->sent_len - 3], 0xe0);
		assert_int_equal(world->sent[world->sent_len - 1], reason);
	}
	assert_true(mt_client_is_over(world->client));
}

static inline enum mt_status publish_to(struct scene *s, const char *topic, const char *payload,
					uint8_t qos)
{
	struct mt_publish packet = {
		.qos = qos, .topic = mt_bytes_str(topic), .payload = mt_bytes_str(payload)};
	struct mt_violation why;
	uint16_t id;
	return mt_client_publish(s->world->client, &packet, &id, &why);
}

static inline enum mt_status subscribe_to(struct scene *s, const char *filter, uint8_t qos)
{
	struct mt_client_filter item = {.filter = mt_bytes_str(filter), .options = {.qos = qos}};
	struct mt_violation why;
	uint16_t id;
	return mt_client_subscribe(s->world->client, &item, 1, NULL, &id, &why);
}

static inline enum mt_status unsubscribe_from(struct scene *s, const char *filter)
{
	struct mt_client_filter item = {.filter = mt_bytes_str(filter)};
	struct mt_violation why;
	uint16_t id;
	return mt_client_unsubscribe(s->world->client, &item, 1, NULL, &id, &why);
}
