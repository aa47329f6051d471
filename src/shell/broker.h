/*
 * The broker put together: one loop, one core, listeners, password pool, state database, admin API.
 */
#pragma once

#include "core/core.h"
#include "shell/hub.h"
#include "shell/settings.h"
#include "store/state.h"

struct mt_broker;
struct mt_pump;
struct mt_transport;
struct mt_tape;
struct mt_audit_log;
struct mt_relay;

/* Provisions the state directory when needed, opens everything. fault: one sentence with a remedy;
 * *exit_code on failure. */
MT_MUST_USE enum mt_status mt_broker_open(const struct mt_settings *settings,
					  struct mt_broker **out, char *fault, size_t cap,
					  int *exit_code);
/* Serves until SIGTERM or SIGINT. */
MT_MUST_USE enum mt_status mt_broker_run(struct mt_broker *broker);
void mt_broker_close(struct mt_broker **broker);

/* For the admin API. Loop thread (inside mt_hub_call): */
struct mt_core *mt_broker_core(struct mt_broker *broker);
/* NULL: nothing is recorded. */
struct mt_tape *mt_broker_tape(struct mt_broker *broker);
const struct mt_settings *mt_broker_settings(const struct mt_broker *broker);
/* Where clients on this machine reach it by TLS: of the first listener with our own certificate,
 * else of the first with TLS. host of 256 bytes. False: there is none by TCP. */
bool mt_broker_address(const struct mt_broker *broker, char *host, uint16_t *port);
struct mt_pump *mt_broker_pump(struct mt_broker *broker);
/* Passwords that needed no hash, because they were right a short while ago. */
uint64_t mt_broker_remembered_count(const struct mt_broker *broker);
/* May be written by any thread; NULL: none is kept. */
struct mt_audit_log *mt_broker_audit(const struct mt_broker *broker);
/* Its counts and facts may be read by any thread. */
const struct mt_transport *mt_broker_transport(const struct mt_broker *broker);
/* The listener, or NULL past the end. Its settings may be read by any thread. */
const struct mt_listener *mt_broker_listener(const struct mt_broker *broker, uint32_t index);
/* Sessions that TLS clients resume by id; NULL: no listener speaks TLS. */
struct mt_tls_cache *mt_broker_tls_cache(const struct mt_broker *broker);
/* HTTPS of the admin API; NULL: it has none. */
struct mt_relay *mt_broker_relay(const struct mt_broker *broker);
/* "tls=127.0.0.1:8883" and so on: the real addresses by listener, for status. NULL past the end. */
const char *mt_broker_listener_text(const struct mt_broker *broker, uint32_t index);
mt_time mt_broker_started_ns(const struct mt_broker *broker); /* monotonic */
struct mt_now mt_broker_now(const struct mt_broker *broker);
/* Admin thread: */
struct mt_hub *mt_broker_hub(struct mt_broker *broker);
struct mt_state *mt_broker_state(struct mt_broker *broker);
