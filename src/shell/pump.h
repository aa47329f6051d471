/*
 * The pump: from a turn of the loop to calls of the core, and from the core's requests to sockets,
 * password workers, store and log.
 *
 *   wait -> accept / receive each ready socket -> answers (passwords, store, admin calls) -> tick
 *        -> requests in order -> one flush per dirty connection -> close what is to be closed
 */
#pragma once

#include "io/loop.h"
#include "core/core.h"
#include "shell/auth.h"
#include "shell/heap.h"
#include "shell/hub.h"
#include "shell/linger.h"
#include "shell/settings.h"
#include "shell/socket.h"
#include "shell/source.h"
#include "shell/transport.h"
#include "store/store.h"
#include "tls/context.h"

/* A listening socket at work. */
struct mt_listener {
	const struct mt_listener_settings *settings;
	const struct mt_offer *offer;	     /* NULL: everything */
	const struct mt_core_limits *limits; /* NULL: the core's */
	struct mt_tls_context *tls;	     /* NULL: plain */
	struct mt_upgrade_rules web;	     /* when it is one of WebSocket */
	int fd;
	bool is_unix;
	uint32_t connection_count;
	struct mt_bucket bucket;					/* of new connections */
	char text[MT_LISTENER_NAME_BYTES + MT_ENDPOINT_TEXT_BYTES + 2]; /* "tls=127.0.0.1:8883" */
};

/* A growing list of connections to come back to in this turn. */
struct mt_conn_list {
	mt_conn *items;
	size_t count, cap;
};

/* A look at all connections whose clients proved who they are: does it still hold? In slices. */
struct mt_review {
	uint32_t deep, deep_wanted; /* listeners whose trust has changed, a bit each */
	bool is_running;	    /* from `next` on, and then from the start if is_wanted */
	bool is_wanted;
	size_t next;
	mt_time due_ns;	     /* of the next one: the earliest certificate ends */
	int64_t not_after_s; /* the earliest; so far, of one that runs */
};

struct mt_audit_log;

struct mt_pump {
	struct mt_broker *broker; /* for hub calls */
	const struct mt_settings *settings;
	struct mt_loop loop;
	struct mt_core *core;
	struct mt_tape *tape;	    /* of the core; NULL: nothing is recorded */
	struct mt_audit_log *audit; /* NULL: none is kept */
	struct mt_auth *auth;
	struct mt_scram_desk scram;
	struct mt_store *store;
	struct mt_hub *hub;
	struct mt_listener listeners[MT_LISTENERS_MAX];
	uint32_t listener_count;
	int signal_fd;
	bool is_stopping;
	mt_time stop_due_ns;
	mt_time accept_due_ns; /* out of descriptors: listeners rest until then; MT_TIME_NEVER: they
				  work */
	struct mt_socket **sockets; /* by index of the core's handle */
	size_t socket_cap;
	uint32_t socket_count;
	struct mt_conn_list dirty, closing, pending;
	struct mt_conn_list waiting; /* for their turn of a handshake in full */
	struct mt_list handshakes;   /* of TLS that go on, oldest first */
	uint32_t handshake_count;
	struct mt_sources sources;
	struct mt_linger linger;
	struct mt_heap heap;
	struct mt_resumption
		resumption; /* opened and closed by the caller, and so is what follows */
	struct mt_transport transport;
	struct mt_review review;
	mt_time figures_due_ns;		  /* of the next round of TLS below $SYS */
	struct mt_bucket shortage_bucket; /* of records that descriptors are short */
	struct mt_now now;
	struct mt_scratch scratch;
};

/* SIGTERM, SIGINT and SIGHUP as a descriptor, blocked for this thread and all it starts: call it
 * before any other thread. -1: failed. */
int mt_pump_open_signals(void);
/* signal_fd, listeners, core, auth, store and hub are set by the caller and stay its own. On
 * failure nothing is left to close. */
MT_MUST_USE enum mt_status mt_pump_open(struct mt_pump *pump);
/* One turn; *is_over when everything has ended after a stop. */
MT_MUST_USE enum mt_status mt_pump_turn(struct mt_pump *pump, bool *is_over);
void mt_pump_close(struct mt_pump *pump);

/* ---- accept.c ---- */
void mt_pump_accept(struct mt_pump *pump, uint32_t listener_index);
/* No descriptors are left: listening sockets, which stay readable, would spin the loop. */
void mt_pump_rest_listeners(struct mt_pump *pump);
/* Counts it among those of the address; else it is to be closed, and the log was told. */
MT_MUST_USE enum mt_status mt_pump_admit(struct mt_pump *pump, struct mt_socket *socket,
					 const struct mt_peer_address *peer);
/* Its TLS handshake is over. */
void mt_pump_met(struct mt_pump *pump, struct mt_socket *socket);
/* No longer counted. */
void mt_pump_dismiss(struct mt_pump *pump, struct mt_socket *socket);
/* The core gets to know the connection, by the address it has now; false without room. */
MT_MUST_USE enum mt_status mt_pump_introduce(struct mt_pump *pump, struct mt_socket *socket);
/* ---- review.c ---- */
/* TLS is done, or a token was believed, and the core is told: the review knows how long that
 * holds. */
void mt_pump_note_proof(struct mt_pump *pump, const struct mt_socket *socket);
/* deep: listeners whose trust has changed, a bit each. */
void mt_pump_review(struct mt_pump *pump, uint32_t deep);
void mt_pump_review_slice(struct mt_pump *pump);
/* At once, for the connections of one user: how many had to go. */
uint32_t mt_pump_review_user(struct mt_pump *pump, uint64_t user_id);
/* ---- proxy.c ---- */
bool mt_pump_is_proxy(const struct mt_listener *listener, const struct mt_peer_address *peer);
/* What came from a proxy, as far as its header; is_proxy_awaited tells whether it is done. */
MT_MUST_USE enum mt_socket_end mt_pump_meet_proxy(struct mt_pump *pump, struct mt_socket *socket);
/* ---- audit.c ---- */
void mt_pump_audit(struct mt_pump *pump, const struct mt_audit *audit);
/* ---- login.c ---- */
/* A request of the core for a verdict. */
void mt_pump_authenticate(struct mt_pump *pump, const struct mt_request *request);
/* Every verdict that ends a login, whatever proved or refuted it, passes here on its way to the
 * core. */
void mt_pump_conclude(struct mt_pump *pump, uint64_t ticket, const struct mt_auth_verdict *verdict);
/* ---- scram.c ---- */
/* A packet of an exchange by a method: the next word, or a verdict. */
void mt_pump_scram(struct mt_pump *pump, const struct mt_request *request);
/* ---- login.c ---- */
/* Verdicts of the password workers. */
void mt_pump_serve_logins(struct mt_pump *pump);
/* ---- pump.c, for those above ---- */
/* NULL: it is gone. */
struct mt_socket *mt_pump_socket(const struct mt_pump *pump, mt_conn conn);
/* It is closed at the end of the turn. */
void mt_pump_give_up(struct mt_pump *pump, struct mt_socket *socket);
MT_MUST_USE enum mt_status mt_pump_adopt(struct mt_pump *pump, struct mt_socket *socket);
/* Forgotten by the core and introduced anew, by its address of now. */
MT_MUST_USE enum mt_status mt_pump_reopen(struct mt_pump *pump, struct mt_socket *socket);
