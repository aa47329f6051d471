/*
 * The stage between a connection and the core on a WebSocket listener: first the opening handshake,
 * then frames.
 *
 *   socket -> (cipher -> plain) -> web -> core -> web -> (plain -> cipher) -> socket
 *
 * No I/O here: what is to be sent is appended to a buffer of the caller.
 */
#pragma once

#include "ws/frame.h"
#include "ws/upgrade.h"

struct mt_web;

/* rules are borrowed. NULL without memory. */
MT_MUST_USE struct mt_web *mt_web_create(const struct mt_upgrade_rules *rules);
void mt_web_destroy(struct mt_web **web);
/*
 * Takes `len` received bytes, which it changes; *payload, a part of them, is for the core whatever
 * is returned. `answer` (room for MT_UPGRADE_ANSWER_BYTES) gets what is to be sent at once. MT_OK.
 * MT_CLOSED: the peer said so. MT_VIOLATION: mt_web_fault says why. MT_MEMORY.
 */
MT_MUST_USE enum mt_status mt_web_read(struct mt_web *web, uint8_t *data, size_t len,
				       struct mt_bytes *payload, struct mt_buf *answer);
const char *mt_web_fault(const struct mt_web *web); /* static text; "" */

/* The handshake is done: frames of the core may go out. */
bool mt_web_is_open(const struct mt_web *web);
/*
 * Appends frames with the packets in `plain`, each in one of its own: no receiver may count on that
 * ([MQTT-6.0-2]), and some look no further than the first packet of a frame. A packet that is not
 * whole is continued in the next frame. `plain` may stand further back in the buffer of `out`, and
 * is moved. The bytes of it that were taken; those that are left want room, or more of a header.
 */
size_t mt_web_put_packets(struct mt_web *web, struct mt_bytes plain, struct mt_buf *out);
bool mt_web_has_pong(const struct mt_web *web);
void mt_web_put_pong(struct mt_web *web, struct mt_buf *out);
/* Nothing before the handshake is done. */
void mt_web_put_close(struct mt_web *web, struct mt_buf *out);
