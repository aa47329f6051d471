/*
 * The admin API against a real state database and a real core, without sockets: the broker's
 * accessors are defined here, and a thread serves the hub as the loop does. A test that includes
 * this links no shell/broker.c.
 */
#pragma once

#include "core/core.h"
#include "io/clock.h"
#include "shell/api.h"
#include "shell/directory.h"
#include "shell/pump.h"

#include <poll.h>
#include <stdio.h>

struct mt_broker {
	struct mt_hub hub;
	struct mt_state *state;
	struct mt_core *core;
	struct mt_settings settings;
	pthread_t thread;
	_Atomic bool is_over;
	uint32_t adopted_count;
	bool has_book;
	struct mt_pump pump; /* without sockets */
};

struct mt_core *mt_broker_core(struct mt_broker *broker)
{
	return broker->core;
}

struct mt_tape *mt_broker_tape(struct mt_broker *broker)
{
	(void)broker;
	return NULL;
}

uint64_t mt_broker_remembered_count(const struct mt_broker *broker)
{
	(void)broker;
	return 0;
}

struct mt_audit_log *mt_broker_audit(const struct mt_broker *broker)
{
	(void)broker;
	return NULL;
}

const struct mt_settings *mt_broker_settings(const struct mt_broker *broker)
{
	return &broker->settings;
}

struct mt_relay *mt_broker_relay(const struct mt_broker *broker)
{
	(void)broker;
	return NULL;
}

const char *mt_broker_listener_text(const struct mt_broker *broker, uint32_t index)
{
	(void)broker;
	return index == 0 ? "tls=127.0.0.1:8883" : NULL;
}

const struct mt_listener *mt_broker_listener(const struct mt_broker *of, uint32_t index)
{
	(void)of;
	(void)index;
	return NULL;
}

struct mt_pump *mt_broker_pump(struct mt_broker *broker)
{
	return &broker->pump;
}

const struct mt_transport *mt_broker_transport(const struct mt_broker *broker)
{
	return &broker->pump.transport;
}

bool mt_broker_address(const struct mt_broker *of, char *host, uint16_t *port)
{
	(void)of;
	snprintf(host, 256, "localhost");
	*port = 8883;
	return true;
}

struct mt_tls_cache *mt_broker_tls_cache(const struct mt_broker *of)
{
	(void)of;
	return NULL;
}

mt_time mt_broker_started_ns(const struct mt_broker *broker)
{
	(void)broker;
	return 0;
}

struct mt_now mt_broker_now(const struct mt_broker *broker)
{
	(void)broker;
	return (struct mt_now){.mono_ns = 7 * MT_SECOND, .wall_ns = 1800000000 * MT_SECOND};
}

struct mt_hub *mt_broker_hub(struct mt_broker *broker)
{
	return &broker->hub;
}

struct mt_state *mt_broker_state(struct mt_broker *broker)
{
	return broker->state;
}

static void *api_world_loop(void *context)
{
	struct mt_broker *broker = context;
	struct pollfd wait = {.fd = broker->hub.box.event_fd, .events = POLLIN};
	while (!broker->is_over) {
		struct mt_request request;
		if (poll(&wait, 1, 2) <= 0)
			continue;
		mt_hub_serve(&broker->hub, broker);
		while (mt_core_request(broker->core, &request))
			;
	}
	mt_hub_close(&broker->hub);
	return NULL;
}

static void api_world_set_policy(struct mt_broker *broker, void *argument)
{
	mt_core_set_policy(broker->core, mt_broker_now(broker), argument);
	broker->adopted_count++;
}

static enum mt_status api_world_adopt(void *context, struct mt_policy *policy, struct mt_book *book,
				      struct mt_revoked *out)
{
	struct mt_broker *broker = context;
	*out = (struct mt_revoked){.is_complete = true};
	broker->has_book |= book != NULL;
	return mt_hub_call(&broker->hub, api_world_set_policy, policy);
}

static struct mt_core_settings api_world_core_settings(void)
{
	return (struct mt_core_settings){
		.limits = {.packet_bytes = 65536,
			   .connect_bytes = 4096,
			   .topic_levels = 16,
			   .filters_per_subscribe = 8,
			   .filters_per_session = 16,
			   .queue_messages = 16,
			   .queue_bytes = 65536,
			   .output_bytes = 65536,
			   .inflight = 8,
			   .retained_count = 64,
			   .retained_bytes = 65536,
			   .sessions = 4096,
			   .connections = 4096,
			   .connect_ns = 10 * MT_SECOND},
		.memory_bytes = 64u << 20,
		.release = "test",
	};
}

/* False: it did not open. */
static inline bool api_world_open(struct mt_broker *broker, const char *path, struct mt_api **api)
{
	struct mt_core_settings settings = api_world_core_settings();
	struct mt_policy *policy = NULL;
	char fault[256];
	memset(broker, 0, sizeof(*broker));
	if (mt_state_open(path, true, &broker->state, fault, sizeof(fault)) != MT_OK ||
	    mt_directory_load(broker->state, &policy, fault, sizeof(fault)) != MT_OK)
		return false;
	broker->core = mt_core_create(&settings, policy, mt_broker_now(broker));
	mt_policy_unref(&policy);
	return broker->core && mt_hub_open(&broker->hub) == MT_OK &&
	       pthread_create(&broker->thread, NULL, api_world_loop, broker) == 0 &&
	       mt_api_open(broker, api_world_adopt, api) == MT_OK;
}

/* The loop ends as in a broker that stops. */
static inline void api_world_stop(struct mt_broker *broker)
{
	if (broker->is_over)
		return;
	broker->is_over = true;
	pthread_join(broker->thread, NULL);
}

static inline void api_world_close(struct mt_broker *broker, struct mt_api **api)
{
	api_world_stop(broker);
	mt_api_close(api);
	mt_core_destroy(&broker->core);
	mt_state_close(&broker->state);
}
