/*
 * What a broker is told before it starts: the configuration file, `--set` and `--state`, as plain
 * values. Keys, types, ranges and defaults stand in spec/config.tbl; src/broker/config.c fills
 * this.
 */
#pragma once

#include "base/log.h"
#include "base/time.h"

#define MT_LISTENERS_MAX 32
#define MT_LISTENER_NAME_BYTES 64
#define MT_LIST_BYTES 1024 /* of a list in one text */

struct mt_limits {
	uint64_t packet_bytes;	/* largest packet accepted */
	uint64_t connect_bytes; /* largest CONNECT: all that is ever held before authentication */
	uint32_t topic_levels;
	uint32_t filters_per_subscribe;
	uint32_t filters_per_session;
	uint32_t queue_messages; /* QoS 1 and 2 waiting per session */
	uint64_t queue_bytes;	 /* the same in bytes */
	uint64_t output_bytes; /* encoded and unsent per connection: QoS 0 beyond it is dropped and
				  counted */
	uint32_t inflight;     /* unacknowledged each way per session */
	uint32_t retained_count;
	uint64_t retained_bytes;
	uint32_t sessions; /* connected or kept */
	uint32_t connections;
	uint32_t connections_per_address; /* 0: no limit */
	uint32_t topic_aliases;		  /* accepted from a client */
	uint32_t client_aliases;	  /* assigned towards one */
	uint32_t session_expiry_s;	  /* longest life of a session without its client */
	uint32_t keep_alive_s; /* longest; 0 from a client is allowed unless this is set */
	mt_time connect_ns;    /* from accept to CONNECT (TLS included) */
	uint64_t memory_bytes; /* ceiling of the broker's accounted memory */
};

struct mt_listener_settings {
	char name[MT_LISTENER_NAME_BYTES];
	char address[320]; /* "[::]:8883", "unix:/run/mortise/mqtt.sock" */
	bool is_tls;
	bool is_insecure_allowed; /* `insecure: yes`: plain off loopback is wanted */
	bool has_anonymous_sessions;
	char anonymous_role[64];     /* "": credentials are demanded */
	char certificate_path[4096]; /* "": the broker's own */
	char key_path[4096];
	bool is_websocket;
	char web_path[256];
	char origins[MT_LIST_BYTES]; /* see struct mt_upgrade_rules of ws/upgrade.h */
	char proxies[MT_LIST_BYTES]; /* networks with commas: who there speaks for others */
	char owner[64];		     /* of a Unix socket; "": the broker's own user */
	char group[64];
	uint32_t mode;
	uint32_t qos_max; /* what is offered; see struct mt_offer of core/core.h */
	bool is_retain_available;
	bool is_wildcard_available;
	bool is_shared_available;
	bool is_subscription_id_available;
	bool is_moved;
	char server_reference[256]; /* "": clients stay */
};

struct mt_settings {
	char state_path[4096];
	struct mt_listener_settings listeners[MT_LISTENERS_MAX];
	uint32_t listener_count;
	struct mt_limits limits;
	uint32_t hash_threads;	     /* password workers, 1..8 */
	mt_time sys_interval_ns;     /* of $SYS; 0: off */
	bool is_payload_checked;     /* check_payload_format */
	uint32_t shared_strategy;    /* enum mt_shared_strategy of core/core.h */
	char response_topic[256];    /* "": no Response Information */
	bool is_qos0_denial_closing; /* on_denied_publish: drop | disconnect */
	struct mt_log_settings log;
};
