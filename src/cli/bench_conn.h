/* One connection of the load generator: plain TCP, handshake in blocking order, then
 * non-blocking buffers. */
#pragma once

#include "cli/bench.h"
#include "wire/frame.h"

struct mt_bench_conn {
	int fd;		      /* -1: none */
	bool is_dirty;	      /* in the list of those to flush */
	bool is_waiting;      /* for EPOLLOUT */
	uint16_t receive_max; /* QoS 1 and 2 in flight that the broker takes */
	uint8_t *in;	      /* the start of a packet whose end has not come */
	size_t in_len;
	size_t in_cap;
	uint8_t *out;
	size_t out_len;
	size_t out_sent;
	size_t out_cap;
};

/*
 * Connects, sends CONNECT and waits for CONNACK; with a filter also SUBSCRIBE and SUBACK. *reason
 * on failure: static, or in a buffer of this file until the next call. The connection must be
 * closed in either case.
 */
MT_MUST_USE enum mt_status mt_bench_conn_open(struct mt_bench_conn *conn,
					      const struct mt_bench_settings *settings,
					      const char *client_id, const char *filter,
					      const char **reason);
void mt_bench_conn_close(struct mt_bench_conn *conn);
/* Room for `bytes` at the end of what is to be sent; NULL without memory. */
MT_MUST_USE uint8_t *mt_bench_conn_room(struct mt_bench_conn *conn, size_t bytes);
/* MT_OK: all was written. MT_AGAIN: the rest waits for writability. MT_CLOSED, MT_SYSTEM. */
MT_MUST_USE enum mt_status mt_bench_conn_flush(struct mt_bench_conn *conn);
/*
 * One read into `scratch`, behind the kept start of a packet: *whole holds both. MT_LIMIT: that
 * start fills scratch. MT_AGAIN, MT_CLOSED, MT_SYSTEM. The caller takes the whole packets and
 * hands the rest to mt_bench_conn_keep.
 */
MT_MUST_USE enum mt_status mt_bench_conn_read(struct mt_bench_conn *conn, struct mt_buf *scratch,
					      struct mt_bytes *whole);
MT_MUST_USE enum mt_status mt_bench_conn_keep(struct mt_bench_conn *conn, struct mt_bytes rest);
