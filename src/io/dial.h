/* Outgoing connections: name resolution (blocking) and a non-blocking connect. */
#pragma once

#include "base/status.h"

/* A socket that is connecting or connected, non-blocking and tuned. Tries each address of the name
 * in turn from *attempt (start with 0; raised past the one used). MT_UNREACHABLE: the name does not
 * resolve, or no address is left; *reason (static or strerror text). */
MT_MUST_USE enum mt_status mt_dial_start(const char *host, uint16_t port, unsigned *attempt,
					 int *fd, const char **reason);
/* After writability: MT_OK connected, MT_AGAIN still connecting, MT_UNREACHABLE failed (*reason).
 */
MT_MUST_USE enum mt_status mt_dial_finish(int fd, const char **reason);
