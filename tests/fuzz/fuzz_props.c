/* A property list: the first byte picks packet type and side; what decodes is walked, forwarded and
 * encoded again. */
#include "codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes on to receivers goes on from them unchanged: forwarding twice equals once. */
static void forward(const struct mt_props *props, uint8_t *room, size_t bytes)
{
	struct mt_buf first = mt_buf_of(room, bytes), second;
	struct mt_props passed = *props;
	uint8_t *again = malloc(bytes + 1);
	MT_CHECK(again);
	mt_props_forward(props, &first);
	MT_CHECK(!first.is_overflown);
	passed.raw = mt_buf_view(&first);
	second = mt_buf_of(again, bytes);
	mt_props_forward(&passed, &second);
	MT_CHECK(mt_bytes_equal(mt_buf_view(&first), mt_buf_view(&second)));
	free(again);
}

static void encode(struct mt_props *props, uint8_t type, enum mt_side side, uint8_t *room,
		   size_t bytes)
{
	uint8_t *encoded = malloc(bytes + 1);
	struct mt_buf scratch = mt_buf_of(room, bytes), out = mt_buf_of(encoded, bytes);
	struct mt_reader in;
	struct mt_props again;
	struct mt_violation why;
	MT_CHECK(encoded);
	any_collect_user(props, &scratch);
	mt_props_encode(props, &out);
	MT_CHECK(!out.is_overflown && !scratch.is_overflown);
	MT_CHECK(out.pos == mt_props_bytes(props));
	in = mt_reader_of(mt_buf_view(&out));
	MT_CHECK(mt_props_decode(&in, type, side, &again, &why) == MT_OK);
	MT_CHECK(is_props_equal(props, &again));
	free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_reader in;
	struct mt_props props;
	struct mt_violation why = {0};
	uint8_t type, *room;
	enum mt_side side;
	if (size == 0)
		return 0;
	type = (uint8_t)(1 + (data[0] & 15));
	side = data[0] & 16 ? MT_SIDE_SERVER : MT_SIDE_CLIENT;
	in = mt_reader_of(mt_bytes_of(data + 1, size - 1));
	if (mt_props_decode(&in, type, side, &props, &why) != MT_OK) {
		MT_CHECK(is_violation_whole(&why, size - 1));
		return 0;
	}
	room = malloc(size);
	MT_CHECK(room);
	forward(&props, room, size);
	encode(&props, type, side, room, size);
	free(room);
	return 0;
}
