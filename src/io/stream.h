/* Non-blocking reading and writing of sockets. SIGPIPE never arises. */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

/*
 * MT_OK: *out bytes read; *is_drained when fewer than cap came (on a stream socket nothing is left:
 * no second read is needed). MT_AGAIN: nothing there. MT_CLOSED: end of stream. MT_SYSTEM: error
 * (errno kept).
 */
MT_MUST_USE enum mt_status mt_stream_read(int fd, void *to, size_t cap, size_t *out,
					  bool *is_drained);
/* What mt_stream_read would give, left where it is: at most `cap` bytes. */
MT_MUST_USE enum mt_status mt_stream_peek(int fd, void *to, size_t cap, size_t *out);
/* Writes a gather list (count <= 64). MT_OK: *out bytes taken (may be fewer). MT_AGAIN: none.
 * MT_CLOSED: peer gone. MT_SYSTEM. */
MT_MUST_USE enum mt_status mt_stream_write(int fd, const struct mt_bytes *list, size_t count,
					   size_t *out);
/* Non-blocking, TCP_NODELAY, TCP_NOTSENT_LOWAT of 64 KiB, keep-alive probes; for TCP sockets,
 * harmless on others. */
void mt_stream_tune(int fd);
