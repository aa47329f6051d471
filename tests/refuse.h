/* Packets that a decoder must refuse, with the statement and the reason that say why. */
#pragma once

#include "codec.h"

static inline void refuse_bytes(const char *data, size_t len, enum mt_version version,
				enum mt_side side, const char *statement, uint8_t reason, int line)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct mt_violation why = {0};
	struct mt_any any;
	enum mt_status status;
	assert_non_null(copy);
	memcpy(copy, data, len);
	status = any_decode(mt_bytes_of(copy, len), version, side, &any, &why);
	if (status != MT_VIOLATION)
		fail_msg("line %d: not refused, but %d", line, (int)status);
	if (strcmp(why.statement, statement) != 0 || why.reason != reason)
		fail_msg("line %d: refused by %s with 0x%02x", line, why.statement, why.reason);
	assert_true(why.offset <= len);
	free(copy);
}

#define REFUSED(version, side, bytes, statement, reason) \
	refuse_bytes(bytes, sizeof(bytes) - 1, version, side, statement, MT_REASON_##reason, \
		     __LINE__)
#define REFUSED_3(bytes, statement, reason) \
	REFUSED(MT_VERSION_3_1_1, MT_SIDE_CLIENT, bytes, statement, reason)
#define REFUSED_5(bytes, statement, reason) \
	REFUSED(MT_VERSION_5, MT_SIDE_CLIENT, bytes, statement, reason)
#define REFUSED_5_SERVER(bytes, statement, reason) \
	REFUSED(MT_VERSION_5, MT_SIDE_SERVER, bytes, statement, reason)

/* Decodes what must be good. */
static inline struct mt_any accept_bytes(const char *data, size_t len, enum mt_version version,
					 enum mt_side side, int line)
{
	struct mt_violation why = {0};
	struct mt_any any = {0};
	enum mt_status status = any_decode(mt_bytes_of(data, len), version, side, &any, &why);
	if (status != MT_OK)
		fail_msg("line %d: %s", line, status == MT_VIOLATION ? why.statement : "short");
	return any;
}

#define ACCEPTED(version, side, bytes) \
	accept_bytes(bytes, sizeof(bytes) - 1, version, side, __LINE__)
#define ACCEPTED_3(bytes) ACCEPTED(MT_VERSION_3_1_1, MT_SIDE_CLIENT, bytes)
#define ACCEPTED_5(bytes) ACCEPTED(MT_VERSION_5, MT_SIDE_CLIENT, bytes)
#define ACCEPTED_5_SERVER(bytes) ACCEPTED(MT_VERSION_5, MT_SIDE_SERVER, bytes)

#define assert_view(view, text) \
	assert_true(mt_bytes_equal(view, mt_bytes_of(text, sizeof(text) - 1)))
