/* UTF-8 as MQTT demands it: RFC 3629, no surrogates, no U+0000 (MQTT 5.0 and 3.1.1, section 1.5).
 */
#pragma once

#include "base/bytes.h"

enum mt_utf8 { MT_UTF8_GOOD, MT_UTF8_MALFORMED, MT_UTF8_NUL };

/* Verdict, and in *bad (on failure only) the offset of the first wrong byte. ASCII goes by 8 bytes
 * a step. */
enum mt_utf8 mt_utf8_check(struct mt_bytes text, size_t *bad);
/* A control character (C0, DEL, C1) in a text that is valid. */
bool mt_utf8_has_control(struct mt_bytes text);
