/* A client's WebSocket frames, written byte by byte as RFC 6455 draws them, and the server's read
 * back: the twin of src/ws/frame.c. */
#pragma once

#include "base/buf.h"

/* first: FIN, reserved bits and opcode. */
static inline void ws_put_frame(struct mt_buf *out, uint8_t first, uint32_t key,
				struct mt_bytes payload)
{
	mt_buf_put_u8(out, first);
	if (payload.len < 126) {
		mt_buf_put_u8(out, (uint8_t)(0x80 | payload.len));
	} else if (payload.len < 65536) {
		mt_buf_put_u8(out, 0x80 | 126);
		mt_buf_put_u16(out, (uint16_t)payload.len);
	} else {
		mt_buf_put_u8(out, 0x80 | 127);
		mt_buf_put_u32(out, 0);
		mt_buf_put_u32(out, (uint32_t)payload.len);
	}
	mt_buf_put_u32(out, key);
	for (size_t i = 0; i < payload.len; i++)
		mt_buf_put_u8(out, (uint8_t)(payload.data[i] ^ key >> (24 - 8 * (i % 4))));
}

/* The next frame of a server; false when it is not whole. */
static inline bool ws_take_frame(struct mt_reader *in, uint8_t *first, struct mt_bytes *payload)
{
	struct mt_reader try = *in;
	uint64_t len;
	*first = mt_reader_u8(&try);
	len = mt_reader_u8(&try);
	if (len == 126) {
		len = mt_reader_u16(&try);
	} else if (len == 127) {
		len = (uint64_t)mt_reader_u32(&try) << 32;
		len |= mt_reader_u32(&try);
	}
	*payload = mt_reader_take(&try, (size_t)len);
	if (try.is_short)
		return false;
	*in = try;
	return true;
}

#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ==" /* of section 1.3 */
#define WS_REQUEST(path, more) \
	"GET " path " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" \
	"Connection: Upgrade\r\nSec-WebSocket-Key: " WS_KEY "\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n" more "\r\n"
