/*
 * For the tests of the pump: a pump with its core, passwords and store, and the test as its loop.
 *
 *   test: client socket --> kernel --> pump_turn() --> core
 *
 * The core ticks every 10 ms, so that no turn waits for long.
 */
#pragma once

#include "shell/pump.h"

#include "crypto/password.h"
#include "io/clock.h"
#include "shell_world.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#define PUMP_PASSWORD "correct horse"
#define PUMP_LISTENERS 2u /* 0: anonymous clients; 1: TLS, when there is a context */

struct pump_world {
	struct mt_pump pump;
	struct mt_settings settings;
	struct mt_hub hub;
	uint16_t ports[PUMP_LISTENERS];
	bool is_over;
};

static inline struct mt_policy *pump_policy(void)
{
	static char hash[MT_PASSWORD_HASH_BYTES];
	static const uint8_t salt[16] = "salt";
	if (hash[0] == '\0')
		assert_int_equal(mt_password_hash(mt_bytes_str(PUMP_PASSWORD), salt, hash), MT_OK);
	return shell_policy(hash);
}

static inline void pump_add_listener(struct pump_world *world, const char *name,
				     struct mt_tls_context *tls)
{
	uint32_t index = world->pump.listener_count++;
	struct mt_listener_settings *settings = &world->settings.listeners[index];
	struct mt_listener *listener = &world->pump.listeners[index];
	snprintf(settings->name, sizeof(settings->name), "%s", name);
	snprintf(settings->anonymous_role, sizeof(settings->anonymous_role), "open");
	settings->has_anonymous_sessions = true;
	settings->is_id_assigned = true;
	settings->is_tls = tls != NULL;
	settings->limits = world->settings.limits;
	listener->settings = settings;
	listener->tls = tls;
	listener->fd = shell_listen(&world->ports[index]);
}

/* tls NULL: one listener only. */
static inline void pump_world_open(struct pump_world *world, struct mt_tls_context *tls,
				   uint32_t connections_per_address)
{
	struct mt_core_settings core = shell_core_settings();
	struct mt_policy *policy = pump_policy();
	struct mt_pump *pump = &world->pump;
	memset(world, 0, sizeof(*world));
	core.sys_interval_ns = 10 * MT_MS;
	world->settings.limits.connections_per_address = connections_per_address;
	pump->settings = &world->settings;
	pump->signal_fd = mt_pump_open_signals();
	pump->core = mt_core_create(&core, policy, mt_clock_now());
	assert_non_null(pump->core);
	mt_policy_unref(&policy);
	pump_add_listener(world, "plain", NULL);
	if (tls)
		pump_add_listener(world, "tls", tls);
	pump->store = mt_store_open_memory();
	assert_non_null(pump->store);
	assert_int_equal(mt_hub_open(&world->hub), MT_OK);
	pump->hub = &world->hub;
	assert_int_equal(mt_auth_open(1, 16, &pump->auth), MT_OK);
	assert_int_equal(mt_pump_open(pump), MT_OK);
}

static inline void pump_world_close(struct pump_world *world)
{
	struct mt_pump *pump = &world->pump;
	mt_hub_close(&world->hub);
	mt_auth_close(&pump->auth);
	mt_pump_close(pump);
	for (uint32_t i = 0; i < pump->listener_count; i++)
		close(pump->listeners[i].fd);
	close(pump->signal_fd);
	mt_core_destroy(&pump->core);
	mt_store_close(&pump->store);
}

static inline void pump_turn(struct pump_world *world)
{
	assert_int_equal(mt_pump_turn(&world->pump, &world->is_over), MT_OK);
}

static inline struct mt_core_counts pump_counts(const struct pump_world *world)
{
	return mt_core_counts(world->pump.core);
}

/* Turns until so many connections are there. */
static inline void pump_await(struct pump_world *world, uint32_t connections)
{
	while (world->pump.socket_count != connections)
		pump_turn(world);
}

/* Turns until the client has something to read: bytes or the end. */
static inline void pump_await_client(struct pump_world *world, int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	while (poll(&readable, 1, 0) == 0)
		pump_turn(world);
}

/* The types of the packets that come next, at least `count` of them; "!" behind the last when the
 * connection ended. */
static inline const char *pump_hear(struct pump_world *world, int fd, size_t count)
{
	static uint8_t data[65536];
	static char types[64];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	ssize_t got = 1;
	types[0] = '\0';
	while (strlen(types) < count && got > 0) {
		pump_await_client(world, fd);
		got = recv(fd, data + buf.pos, sizeof(data) - buf.pos, 0);
		buf.pos += got > 0 ? (size_t)got : 0;
		shell_types(mt_buf_view(&buf), types, sizeof(types) - 1);
	}
	if (got <= 0)
		strcat(types, "!");
	return types;
}

/* An anonymous client, connected. */
static inline int pump_client(struct pump_world *world, const char *id)
{
	int fd = shell_dial(world->ports[0], 0);
	shell_put_connect(fd, id, NULL, NULL);
	assert_string_equal(pump_hear(world, fd, 1), "2");
	return fd;
}
