/* Listening sockets, and the addresses of peers. */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#define MT_ENDPOINT_TEXT_BYTES 128

struct mt_peer_address {
	uint8_t byte[16]; /* IPv6, or IPv4 mapped to ::ffff:0:0/96 */
	uint16_t port;
}; /* all zero: a client of a Unix socket */

/* "[::]:8883", "127.0.0.1:1883", "localhost:1883", ":8883" (any). MT_INVALID: *fault says what was
 * expected (static text). */
struct mt_endpoint {
	char host[256]; /* without brackets; empty: any; of a Unix socket its path */
	uint16_t port;	/* 0: the system picks */
	bool is_unix;
};
MT_MUST_USE enum mt_status mt_endpoint_parse(struct mt_bytes text, struct mt_endpoint *out,
					     const char **fault);
/* The same, or "unix:/PATH" with an absolute path that a socket can have. */
MT_MUST_USE enum mt_status mt_endpoint_parse_local(struct mt_bytes text, struct mt_endpoint *out,
						   const char **fault);
/* True when every address of it is loopback (127.0.0.0/8, ::1, localhost, a Unix socket). */
bool mt_endpoint_is_loopback(const struct mt_endpoint *endpoint);

/* For HOST:PORT. Bound, listening, non-blocking, SO_REUSEADDR; "[::]" serves IPv4 too, and falls
 * back to 0.0.0.0 where there is no IPv6. MT_SYSTEM: errno tells (EADDRINUSE ...). */
MT_MUST_USE enum mt_status mt_listen_open(const struct mt_endpoint *endpoint, int *fd);
/* Where it really listens: "127.0.0.1:8883", "[::]:8883", "unix:/run/mqtt.sock". */
void mt_listen_name(int fd, char out[MT_ENDPOINT_TEXT_BYTES]);
/* One connection, tuned. MT_AGAIN: none waits (or it vanished). MT_LIMIT: out of descriptors.
 * MT_SYSTEM. */
MT_MUST_USE enum mt_status mt_listen_accept(int listen_fd, int *fd, struct mt_peer_address *peer);
/* "10.1.2.3:4711", "[fe80::1]:4711", "unix". */
void mt_peer_address_text(const struct mt_peer_address *peer, char out[MT_ENDPOINT_TEXT_BYTES]);
