/* A view of bytes that someone else owns; valid as long as the owner says. */
#pragma once

#include "base/check.h"

#include <string.h>

struct mt_bytes {
	const uint8_t *data; /* may be NULL when len is 0 */
	size_t len;
};

static inline struct mt_bytes mt_bytes_of(const void *data, size_t len)
{
	return (struct mt_bytes){(const uint8_t *)data, len};
}

/* View of a C string without its terminator; NULL is the empty view. */
static inline struct mt_bytes mt_bytes_str(const char *text)
{
	return mt_bytes_of(text, text ? strlen(text) : 0);
}

static inline bool mt_bytes_equal(struct mt_bytes a, struct mt_bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Bytes [from, end of view); from <= len. */
static inline struct mt_bytes mt_bytes_from(struct mt_bytes view, size_t from)
{
	MT_CHECK(from <= view.len);
	return from == 0 ? view : mt_bytes_of(view.data + from, view.len - from);
}

static inline bool mt_bytes_starts(struct mt_bytes view, struct mt_bytes prefix)
{
	return view.len >= prefix.len && mt_bytes_equal(mt_bytes_of(view.data, prefix.len), prefix);
}

/* Compares without leaking where the difference is: time depends on the lengths alone. */
bool mt_bytes_equal_secret(struct mt_bytes a, struct mt_bytes b);
/* Overwrites memory in a way the compiler keeps. */
void mt_bytes_wipe(void *data, size_t len);
/* -1, 0, 1 as memcmp, a shorter prefix first. */
int mt_bytes_compare(struct mt_bytes a, struct mt_bytes b);
/* Copies into a C string of `cap` bytes, cut to fit, always terminated. */
void mt_bytes_cut(char *to, size_t cap, struct mt_bytes from);
