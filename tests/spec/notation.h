/*
 * Packets as the standard draws them, written by hand: so that these tests lean on no encoder and
 * no decoder of ours.
 *
 *   00 3c    bytes in hexadecimal         V      the protocol version, one byte
 *   <text>   a string with its length     'text' bytes as they are
 *   {...}    properties with their length of one byte, in 5 alone
 *   [...]    what is there in 5 alone     (...)  what is there in 3.1.1 alone
 */
#pragma once

#include "wire/packet.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define NOTE_BYTES_MAX 4096u

struct note {
	enum mt_version version;
	const char *text;
	uint8_t data[NOTE_BYTES_MAX];
	size_t bytes;
	size_t open_at; /* of the length of the properties that are being written */
	bool is_skipped;
};

static inline void note_put(struct note *note, unsigned byte)
{
	if (note->is_skipped)
		return;
	assert_true(note->bytes < NOTE_BYTES_MAX);
	note->data[note->bytes++] = (uint8_t)byte;
}

static inline void note_put_text(struct note *note, char end, bool has_length)
{
	const char *at = strchr(note->text, end);
	size_t len;
	assert_non_null(at);
	len = (size_t)(at - note->text);
	if (has_length) {
		note_put(note, (unsigned)(len >> 8));
		note_put(note, (unsigned)(len & 255));
	}
	for (; note->text < at; note->text++)
		note_put(note, (uint8_t)*note->text);
	note->text++;
}

static inline void note_put_hex(struct note *note)
{
	unsigned value;
	assert_int_equal(sscanf(note->text - 1, "%2x", &value), 1);
	note_put(note, value);
	note->text++;
}

static inline void note_close_props(struct note *note)
{
	size_t len = note->bytes - note->open_at - 1;
	if (!note->is_skipped) {
		assert_true(len < 128);
		note->data[note->open_at] = (uint8_t)len;
	}
	note->is_skipped = false;
}

static inline void note_step(struct note *note, char c)
{
	bool is_new = note->version == MT_VERSION_5;
	switch (c) {
	case ' ':
		break;
	case 'V':
		note_put(note, note->version);
		break;
	case '<':
		note_put_text(note, '>', true);
		break;
	case '\'':
		note_put_text(note, '\'', false);
		break;
	case '{':
		note->is_skipped = !is_new;
		note->open_at = note->bytes;
		note_put(note, 0);
		break;
	case '}':
		note_close_props(note);
		break;
	case '[':
	case '(':
		note->is_skipped = is_new == (c == '(');
		break;
	case ']':
	case ')':
		note->is_skipped = false;
		break;
	default:
		note_put_hex(note);
		break;
	}
}

/* The packet with this first byte and this body; note holds it. */
static inline struct mt_bytes note_packet(struct note *note, enum mt_version version,
					  unsigned first, const char *body)
{
	size_t header_bytes;
	*note = (struct note){.version = version, .text = body, .bytes = 3};
	while (*note->text) {
		char c = *note->text++;
		note_step(note, c);
	}
	assert_true(note->bytes - 3 < 16384);
	header_bytes = note->bytes - 3 < 128 ? 2 : 3;
	if (header_bytes == 2) {
		note->data[2] = (uint8_t)(note->bytes - 3);
	} else {
		note->data[1] = (uint8_t)(((note->bytes - 3) & 127) | 128);
		note->data[2] = (uint8_t)((note->bytes - 3) >> 7);
	}
	note->data[3 - header_bytes] = (uint8_t)first;
	return mt_bytes_of(note->data + 3 - header_bytes, note->bytes - 3 + header_bytes);
}
