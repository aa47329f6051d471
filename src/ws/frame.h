/*
 * The server's side of WebSocket frames (RFC 6455, section 5) as a transformer of bytes: frames in
 * -> payload out, in the same memory.
 *
 *   | FIN RSV opcode | MASK length 7 | length 0, 2 or 8 | key 4 | payload ... |
 *
 *   read:  [head|pay][head|load][ping] --> [payload]  and a pong that is due
 *
 * MQTT packets and frames need not share their boundaries ([MQTT-6.0.0-2]): a frame need not be
 * whole, and what one call takes comes out as one run of bytes. Of a flood of pings the last is
 * answered, as section 5.5.3 allows, so that a peer who does not read costs no memory.
 *
 * Pure. Memory: the struct alone.
 */
#pragma once

#include "base/buf.h"
#include "base/status.h"

#define MT_WS_CONTROL_BYTES_MAX 125u
/* Room for one head of ours, and for a control frame of ours. */
#define MT_WS_HEAD_BYTES_MAX 10u
#define MT_WS_CONTROL_FRAME_BYTES_MAX (2u + MT_WS_CONTROL_BYTES_MAX)

enum mt_ws_close {
	MT_WS_CLOSE_NONE = 0,
	MT_WS_CLOSE_NORMAL = 1000,
	MT_WS_CLOSE_PROTOCOL = 1002,
	MT_WS_CLOSE_NOT_BINARY = 1003,
	MT_WS_CLOSE_TOO_BIG = 1009,
};

struct mt_ws {
	uint64_t frame_bytes_max;
	uint64_t left;	      /* payload of the current frame that is still to come */
	const char *fault;    /* why the peer is at fault; NULL */
	uint16_t close_code;  /* to be said; 0: the peer closed without one, or nothing is over */
	bool is_over;	      /* a close came, or the peer is at fault */
	bool is_close_said;   /* ours went out */
	bool is_in_frame;     /* the head is complete */
	bool is_message_open; /* a message began and its last frame has not come */
	bool has_pong;
	uint8_t head[14];
	uint8_t head_bytes;
	uint8_t mask_at; /* next byte of the key */
	uint8_t control_bytes;
	uint8_t pong_bytes;
	uint8_t control[MT_WS_CONTROL_BYTES_MAX];
	uint8_t pong[MT_WS_CONTROL_BYTES_MAX];
};

/* frame_bytes_max: payload of the largest frame accepted. */
void mt_ws_init(struct mt_ws *ws, uint64_t frame_bytes_max);

/*
 * Takes all `len` bytes; *payload_bytes of payload then stand at the start of `data`, whatever is
 * returned. MT_OK. MT_CLOSED: the peer's close came. MT_VIOLATION: `fault` says why. After these
 * two nothing more is taken, and mt_ws_put_close answers.
 */
MT_MUST_USE enum mt_status mt_ws_read(struct mt_ws *ws, uint8_t *data, size_t len,
				      size_t *payload_bytes);

/* The head of a binary frame with so much payload: 2, 4 or 10 bytes. */
void mt_ws_put_head(struct mt_buf *out, uint64_t payload_bytes);
/* The pong that is due, or nothing. */
void mt_ws_put_pong(struct mt_ws *ws, struct mt_buf *out);
/* Our close frame, once; the last one that goes out. */
void mt_ws_put_close(struct mt_ws *ws, struct mt_buf *out);
