/* Moments as people write them: 2027-01-01T00:00:00Z (RFC 3339, UTC, whole seconds). */
#pragma once

#include "base/bytes.h"

#define MT_MOMENT_BYTES 32u /* of a text, with its 0 */

/* That form and nothing looser; a day that no calendar has is refused. Seconds since 1970. */
MT_MUST_USE bool mt_moment_parse(const char *text, int64_t *out);
/* Empty when it has no such text. */
void mt_moment_print(int64_t when_s, char out[MT_MOMENT_BYTES]);
