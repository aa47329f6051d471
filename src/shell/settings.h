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
#define MT_PATH_BYTES 4096
#define MT_LIST_BYTES 1024 /* of a list in one text */

/* By spec/limits.tbl; 0 where a limit is lifted, unless another number is named. */
struct mt_limits {
	uint64_t packet_bytes;	/* largest packet accepted */
	uint64_t connect_bytes; /* largest CONNECT: all that is ever held before authentication */
	uint64_t property_bytes;
	uint64_t queue_bytes;
	uint64_t output_bytes; /* encoded and unsent per connection */
	uint64_t retained_bytes;
	uint64_t publish_byte_rate; /* a second, per client */
	uint64_t memory_bytes;	    /* ceiling of the broker's accounted memory; UINT64_MAX: none */
	mt_time handshake_ns;	    /* from accept to the first byte of a packet */
	mt_time connect_ns;	    /* from accept to CONNECT (TLS included) */
	uint32_t topic_levels;
	uint32_t topic_bytes;
	uint32_t user_properties;
	uint32_t filters_per_subscribe;
	uint32_t filters_per_session;
	uint32_t subscription_nodes;
	uint32_t queue_messages; /* QoS 1 and 2 waiting per session */
	uint32_t inflight;	 /* unacknowledged each way per session */
	uint32_t retained_count;
	uint32_t retained_nodes;
	uint32_t sessions; /* connected or kept */
	uint32_t connections;
	uint32_t connections_per_address;
	uint32_t connect_rate; /* a second, of one address */
	uint32_t listener_connect_rate;
	uint32_t publish_rate; /* a second, per client */
	uint32_t handshakes;   /* of TLS, at one time */
	uint32_t handshakes_per_address;
	uint32_t topic_aliases;	   /* accepted from a client */
	uint32_t client_aliases;   /* assigned towards one */
	uint32_t session_expiry_s; /* UINT32_MAX: without end */
	uint32_t will_delay_s;
	uint32_t keep_alive_s;
	uint32_t keep_alive_least_s;
};

_Static_assert(sizeof(struct mt_limits) <= 64 * sizeof(uint32_t),
	       "each limit has a bit in own_limits");

/* In the order of spec/config.tbl. */
enum mt_client_certificate {
	MT_CLIENT_CERTIFICATE_AUTO, /* optional, and none by WebSocket */
	MT_CLIENT_CERTIFICATE_REQUIRED,
	MT_CLIENT_CERTIFICATE_OPTIONAL,
	MT_CLIENT_CERTIFICATE_NONE,
};

struct mt_listener_settings {
	char name[MT_LISTENER_NAME_BYTES];
	char address[320]; /* "[::]:8883", "unix:/run/mortise/mqtt.sock" */
	bool is_tls;
	bool is_insecure_allowed; /* `insecure: yes`: plain off loopback is wanted */
	bool has_anonymous_sessions;
	bool is_id_assigned;	     /* an empty client id is; else it is refused */
	char client_id_rule[1025];   /* of identity/client_id.h; "": any */
	char anonymous_role[64];     /* "": credentials are demanded */
	char certificate_path[4096]; /* "": the broker's own */
	char key_path[4096];
	char staple_path[4096];	     /* "": none */
	uint32_t client_certificate; /* enum mt_client_certificate */
	char client_ca_path[4096];   /* "": our own authority's */
	char crl_path[4096];	     /* "": none */
	uint32_t expired_crl;	     /* 0: refuse, 1: accept */
	char identity[256];	     /* a template of identity/template.h */
	bool has_psk;
	char require[MT_LIST_BYTES];	/* of identity/mechanism.h: what says who a client is */
	char resumption[MT_LIST_BYTES]; /* "ids,tickets"; "": each handshake in full */
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
	struct mt_limits limits;    /* its own, and the broker's for all others */
	uint64_t own_limits;	    /* bits: by place in struct mt_limits, in steps of 4 bytes */
};

#define MT_SUBTREES_MAX 16

/* What a part of the topics may retain. */
struct mt_subtree_settings {
	char name[MT_LISTENER_NAME_BYTES];
	char filter[256];
	uint32_t count; /* 0: no limit */
	uint64_t bytes; /* 0: no limit */
};

#define MT_CERTIFICATES_MAX 16

/* A further certificate, for clients that ask for a name in it. */
struct mt_certificate_settings {
	char name[MT_LISTENER_NAME_BYTES];
	char certificate_path[4096];
	char key_path[4096];
	char staple_path[4096];		       /* "": none */
	char listener[MT_LISTENER_NAME_BYTES]; /* "": all with TLS */
};

/* The admin API over the network. */
struct mt_https_settings {
	char address[320];			  /* "": off */
	char certificate[MT_LISTENER_NAME_BYTES]; /* of certificates; "": the broker's own */
	uint32_t connections;
	uint32_t connections_per_address;
	mt_time request_ns; /* that a request may take to arrive */
};

struct mt_settings {
	char state_path[MT_PATH_BYTES];
	struct mt_listener_settings listeners[MT_LISTENERS_MAX];
	uint32_t listener_count;
	struct mt_limits limits;
	struct mt_subtree_settings subtrees[MT_SUBTREES_MAX];
	uint32_t subtree_count;
	struct mt_certificate_settings certificates[MT_CERTIFICATES_MAX];
	uint32_t certificate_count;
	struct mt_https_settings https;
	uint32_t policy_history; /* revisions; 0: no bound */
	uint32_t policy_history_bytes;
	mt_time login_cache_ns;		 /* 0: off */
	uint32_t hash_threads;		 /* password workers, 1..8 */
	mt_time ticket_rotation_ns;	 /* of the keys of session tickets */
	uint32_t tls_session_age_s;	 /* after which none is resumed */
	uint64_t tls_session_bytes;	 /* of those kept for ids */
	mt_time sys_interval_ns;	 /* of $SYS; 0: off */
	bool is_payload_checked;	 /* check_payload_format */
	uint32_t shared_strategy;	 /* enum mt_shared_strategy of core/core.h */
	char response_topic[256];	 /* "": no Response Information */
	char record_path[MT_PATH_BYTES]; /* --record; "": nothing is recorded */
	uint64_t record_bytes;		 /* most of it */
	bool is_revocation_closing;	 /* on_revoke: drop | disconnect */
	bool is_qos0_denial_closing;	 /* on_denied_publish: drop | disconnect */
	struct mt_log_settings log;
	struct {
		uint64_t file_bytes;
		uint32_t files;
	} audit; /* the log of STATE/audit */
};
