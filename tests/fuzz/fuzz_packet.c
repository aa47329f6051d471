/* A stream of packets into every decoder: the first byte picks version and side, the rest is the
 * stream. */
#include "codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_bytes in;
	struct mt_violation why;
	struct mt_frame frame;
	enum mt_version version;
	enum mt_side side;
	if (size == 0)
		return 0;
	version = data[0] & 1 ? MT_VERSION_5 : MT_VERSION_3_1_1;
	side = data[0] & 2 ? MT_SIDE_SERVER : MT_SIDE_CLIENT;
	in = mt_bytes_of(data + 1, size - 1);
	while (mt_frame_next(in, MT_VARINT_MAX, &frame, &why) == MT_OK) {
		MT_CHECK(frame.bytes >= 2 && frame.bytes <= in.len);
		MT_CHECK(mt_frame_bytes(in) == frame.bytes);
		MT_CHECK(any_round_trips(mt_bytes_of(in.data, frame.bytes), version, side));
		in = mt_bytes_from(in, frame.bytes);
	}
	MT_CHECK(any_round_trips(in, version, side));
	return 0;
}
