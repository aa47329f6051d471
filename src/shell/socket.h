/*
 * One accepted connection as the shell sees it: a descriptor, perhaps TLS, perhaps WebSocket, and
 * the core's handle.
 *
 *   read:  socket -> (cipher -> plain) -> (frames -> payload) -> core
 *   write: core -> (payload -> one frame a flush) -> (plain -> cipher) -> socket
 *
 * Bytes that the socket would not take are kept here; while there are some, nothing more is pulled
 * from the core.
 */
#pragma once

#include "core/core.h"
#include "io/listen.h"
#include "replay/tape.h"
#include "shell/jwt.h"
#include "shell/scram.h"
#include "shell/web.h"
#include "tls/session.h"

struct mt_socket {
	mt_conn conn;
	int fd;
	uint32_t listener_index;
	const char *listener;
	struct mt_tls_session *tls; /* NULL: plain */
	struct mt_web *web;	    /* NULL: no WebSocket */
	struct mt_tape *tape;	    /* NULL: nothing is recorded */
	uint8_t *left;		    /* cipher bytes not yet taken */
	uint32_t left_bytes, left_cap;
	int64_t proven_until_s;		 /* what TLS proved; INT64_MAX: without end; 0: nothing */
	struct mt_jwt_grant *grant;	 /* what a token in CONNECT proved; NULL: nothing */
	struct mt_scram_exchange *scram; /* NULL: none goes on */
	struct mt_list handshake;	 /* in `handshakes` of the pump, as long as it goes on */
	struct mt_peer_address peer;
	bool is_queued_dirty, is_queued_closing, is_queued_pending, is_queued_waiting;
	bool is_proxy_awaited : 1; /* nothing is read before the PROXY header */
	bool is_met : 1;	   /* TLS is done */
	bool is_waiting : 1; /* its handshake is put off: nothing is read until mt_socket_go_on */
	bool is_local : 1;   /* the other end, proxy or not, is on this machine */
	bool is_counted : 1; /* among the connections of its address */
	bool is_paused : 1;  /* the core wants no bytes now */
	bool is_read_pending : 1; /* an edge came that was not served to its end */
	bool is_blocked : 1;	  /* the socket takes no bytes until EPOLLOUT */
	bool is_room_awaited : 1; /* EPOLLOUT is asked for */
	bool is_ended : 1;	  /* the peer has closed its half, and all of it was read */
	bool is_hung_up : 1;	  /* the peer will send no more: read until the end shows */
};

/* Scratch of the loop's thread: one set for all connections. */
#define MT_SCRATCH_BYTES 65536u
struct mt_scratch {
	uint8_t received[MT_SCRATCH_BYTES];
	uint8_t plain[MT_SCRATCH_BYTES];
	uint8_t cipher[MT_SCRATCH_BYTES + MT_TLS_FLIGHT_BYTES_MAX];
	uint32_t handshakes_left; /* in full, that may begin in this turn */
};

/* Kept cipher bytes: a record of ours and answers to the peer's; with more the connection ends. */
#define MT_SOCKET_LEFT_BYTES_MAX 65536u

enum mt_socket_end { MT_SOCKET_LIVES, MT_SOCKET_ENDS };

/*
 * Reads what is there and feeds the core, at most `rounds` reads (then is_read_pending stays set).
 * The caller drains the core's requests after each call. MT_SOCKET_ENDS: the connection is over.
 */
MT_MUST_USE enum mt_socket_end mt_socket_receive(struct mt_socket *socket, struct mt_core *core,
						 struct mt_now now, struct mt_scratch *scratch,
						 unsigned rounds);
/* The handshake that was put off goes on, when it may; is_waiting tells. */
MT_MUST_USE enum mt_socket_end mt_socket_go_on(struct mt_socket *socket, struct mt_core *core,
					       struct mt_now now, struct mt_scratch *scratch);
/* Sends what the core has, until all is out or the socket blocks. */
MT_MUST_USE enum mt_socket_end mt_socket_flush(struct mt_socket *socket, struct mt_core *core,
					       struct mt_now now, struct mt_scratch *scratch);
/* Close frame, close_notify, half-close, what came in thrown away (so that our last words are not
 * lost to a reset). Frees. The descriptor, when more may come and it should linger; else it is
 * closed, and the answer is -1. */
int mt_socket_end(struct mt_socket **socket, struct mt_scratch *scratch);
/* The same, and closes it. */
void mt_socket_close(struct mt_socket **socket, struct mt_scratch *scratch);
