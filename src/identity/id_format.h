/*
 * Formats of client ids: UUIDs, MAC addresses, serial numbers. Recognised at the beginning of a
 * text, and made from random bytes that the caller brings.
 *
 *   UUID     f81d4fae-7dec-11d0-a765-00a0c91e6bf6  RFC 9562, section 4; hex digits of either case,
 *            any version; neither the nil nor the max UUID, which stand for none
 *   MAC      00:1b:63:84:45:e6  00-1b-63-84-45-e6  001b638445e6; either case; one station's: not
 *            all zero, no group address (broadcast is one)
 *   serial   by a pattern such as SN-%8d: %d 0-9, %A A-Z, %a a-z, %X 0-9A-F, %x 0-9a-f, %N 0-9A-Z,
 *            %n 0-9a-z; a number after % says how many (1 to 99); %% %* %} are one % * }; all else
 *            is itself
 */
#pragma once

#include "base/bytes.h"

#define MT_SERIAL_BYTES_MAX 255u /* that a pattern may stand for */
#define MT_UUID_TEXT_BYTES 37u	 /* with its 0 */
#define MT_MAC_TEXT_BYTES 18u	 /* with its 0 */

/* How many bytes at the beginning of `text` are one; 0: it begins with none. Of no two lengths of a
 * MAC address can both stand at one place. */
size_t mt_uuid_span(struct mt_bytes text);
size_t mt_mac_span(struct mt_bytes text);
size_t mt_serial_span(struct mt_bytes pattern, struct mt_bytes text);

/* Why the pattern is none, with what mends it; static. NULL: it is one. */
const char *mt_serial_fault(struct mt_bytes pattern);

/* Version 4, lower case, and its view. */
struct mt_bytes mt_uuid_make(const uint8_t random[16], char out[MT_UUID_TEXT_BYTES]);
/* Locally administered, with colons, lower case. */
struct mt_bytes mt_mac_make(const uint8_t random[6], char out[MT_MAC_TEXT_BYTES]);
/* One of the pattern, which has no fault; each character that it leaves open takes one of the
 * draws, uniform words. */
struct mt_bytes mt_serial_make(struct mt_bytes pattern, const uint64_t draws[MT_SERIAL_BYTES_MAX],
			       char out[MT_SERIAL_BYTES_MAX + 1]);
