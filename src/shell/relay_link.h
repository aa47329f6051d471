/*
 * One connection of the relay: TLS towards the client, plain bytes towards the HTTP server.
 *
 *   client --cipher--> TLS session --> [ in ] --> inner socket --> HTTP server
 *          <--[ out ]<-- TLS session <----------- inner socket <--
 *
 * Each direction holds one piece: the next is read when the last has been taken, so that whoever
 * does not read stops who writes. A close_notify of the client ends its direction alone; the end of
 * the HTTP server's ends both, when the client has its last words.
 *
 * Threading: the relay's.
 */
#pragma once

#include "base/list.h"
#include "base/time.h"
#include "io/listen.h"
#include "tls/session.h"

/* What one read of the socket can turn into, and a record that was half there. */
#define MT_RELAY_IN_BYTES (3u * MT_TLS_RECORD_BYTES_MAX)
/* A flight of the handshake and a record. */
#define MT_RELAY_OUT_BYTES \
	(MT_TLS_FLIGHT_BYTES_MAX + MT_TLS_RECORD_BYTES_MAX + MT_TLS_OVERHEAD_BYTES)

/* What still waits to be written: [pos, end). */
struct mt_relay_piece {
	size_t pos, end;
};

struct mt_relay_link {
	struct mt_list link; /* first: in the relay's list, oldest first */
	int fd;		     /* the client's */
	int inner_fd;	     /* -1 until the handshake is over */
	struct mt_peer_address peer;
	struct mt_tls_session *tls;
	mt_time handshake_due_ns; /* MT_TIME_NEVER behind it */
	mt_time asking_ns;	  /* since when a request is on its way; 0: none is */
	mt_time moved_ns;	  /* when the client last took something, or there was nothing to */
	mt_time linger_due_ns;	  /* MT_TIME_NEVER until all was said */
	bool is_met;		  /* the handshake is over */
	bool is_client_done;	  /* close_notify came */
	bool is_server_deaf; /* the HTTP server takes no more, or was told that no more comes */
	bool is_last;	     /* what is in out is all that the client still gets */
	size_t lingered_bytes;
	struct mt_relay_piece in, out;
	uint8_t in_bytes[MT_RELAY_IN_BYTES];
	uint8_t out_bytes[MT_RELAY_OUT_BYTES];
};

enum mt_relay_end { MT_RELAY_GOES_ON, MT_RELAY_ENDS };

/* NULL without memory; the descriptor stays the caller's then. */
struct mt_relay_link *mt_relay_link_create(struct mt_tls_context *context, int fd,
					   const struct mt_peer_address *peer, mt_time due_ns,
					   mt_time now_ns);
void mt_relay_link_destroy(struct mt_relay_link **link);

/* poll(2) events that it waits for; 0: none. */
short mt_relay_link_outer_events(const struct mt_relay_link *link);
short mt_relay_link_inner_events(const struct mt_relay_link *link);
/* The earliest of its deadlines. */
mt_time mt_relay_link_due(const struct mt_relay_link *link);

/* One of these is ready, or both: moves what can be moved. request_ns: how long a request may take
 * to arrive. scratch: MT_TLS_RECORD_BYTES_MAX. */
MT_MUST_USE enum mt_relay_end mt_relay_link_serve(struct mt_relay_link *link, short outer,
						  short inner, mt_time request_ns, mt_time now_ns,
						  uint8_t *scratch);
/* The handshake is over and nobody serves the inner end yet. */
static inline bool mt_relay_link_wants_server(const struct mt_relay_link *link)
{
	return link->is_met && link->inner_fd < 0 && !link->is_last;
}
