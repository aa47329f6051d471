/* For the tests of the client machine: a machine, and a server that is made of hand-written
 * packets. */
#pragma once

#include "client/client.h"
#include "client/state.h"

#include <stdlib.h>
#include "wire/ack.h"

#include <stdio.h>
#include <stdlib.h>

struct world {
	struct mt_client *client;
	struct mt_now now;
	struct mt_client_event event;
	uint8_t sent[65536]; /* what the client put out, as yet unread by the test */
	size_t sent_len;
	uint8_t held[65536]; /* the view given to input stays valid here */
};

static inline struct mt_bytes hex(const char *text, uint8_t *out)
{
	size_t len = 0;
	for (; *text; text++) {
		unsigned value;
		if (*text == ' ')
			continue;
		assert_int_equal(sscanf(text, "%2x", &value), 1);
		out[len++] = (uint8_t)value;
		text++;
	}
	return mt_bytes_of(out, len);
}

static inline void pull(struct world *world)
{
	struct mt_bytes list[4];
	size_t count;
	while ((count = mt_client_output(world->client, list, 4)) > 0)
		for (size_t i = 0; i < count; i++) {
			assert_true(world->sent_len + list[i].len <= sizeof(world->sent));
			memcpy(world->sent + world->sent_len, list[i].data, list[i].len);
			world->sent_len += list[i].len;
			mt_client_sent(world->client, world->now, list[i].len);
			break;
		}
}

/* What the client sent since the last look, as a whole. */
static inline void expect_sent(struct world *world, const char *text)
{
	uint8_t wanted[4096];
	struct mt_bytes view = hex(text, wanted);
	pull(world);
	assert_int_equal(world->sent_len, view.len);
	assert_memory_equal(world->sent, view.data, view.len);
	world->sent_len = 0;
}

static inline void skip_sent(struct world *world)
{
	pull(world);
	world->sent_len = 0;
}

static inline void give(struct world *world, const char *text)
{
	struct mt_bytes view = hex(text, world->held);
	mt_client_input(world->client, world->now, view);
}

static inline bool next(struct world *world)
{
	return mt_client_event(world->client, &world->event);
}

static inline void expect_event(struct world *world, enum mt_client_event_type type)
{
	assert_true(next(world));
	assert_int_equal(world->event.type, type);
}

static inline void expect_none(struct world *world)
{
	assert_false(next(world));
}

static inline void expect_violation(struct world *world, const char *statement)
{
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_VIOLATION);
	assert_string_equal(world->event.violation.statement, statement);
	assert_false(mt_client_is_open(world->client));
	expect_none(world);
}

static inline struct mt_client_settings settings_of(enum mt_version version)
{
	struct mt_client_settings settings = mt_client_defaults();
	settings.connect.version = version;
	settings.connect.client_id = mt_bytes_str("c");
	return settings;
}

static inline struct world *begin(const struct mt_client_settings *settings)
{
	struct world *world = calloc(1, sizeof(*world));
	struct mt_violation why;
	assert_non_null(world);
	world->now = (struct mt_now){1000 * MT_SECOND, 0};
	assert_int_equal(mt_client_create(settings, &world->client, &why), MT_OK);
	assert_int_equal(mt_client_connect(world->client, world->now), MT_OK);
	return world;
}

static inline struct world *begin_open(enum mt_version version)
{
	struct mt_client_settings settings = settings_of(version);
	struct world *world = begin(&settings);
	skip_sent(world);
	give(world, version == MT_VERSION_5 ? "20 03 00 00 00" : "20 02 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	return world;
}

static inline void end(struct world *world)
{
	mt_client_destroy(&world->client);
	free(world);
}

static inline enum mt_status publish(struct world *world, uint8_t qos, bool is_retain, uint16_t *id)
{
	struct mt_violation why;
	struct mt_publish packet = {.qos = qos,
				    .is_retain = is_retain,
				    .topic = mt_bytes_str("t"),
				    .payload = mt_bytes_str("p")};
	return mt_client_publish(world->client, &packet, id, &why);
}

static inline void reconnect(struct world *world, const char *connack)
{
	mt_client_closed(world->client);
	assert_int_equal(mt_client_connect(world->client, world->now), MT_OK);
	skip_sent(world);
	give(world, connack);
	expect_event(world, MT_CLIENT_CONNECTED);
}
