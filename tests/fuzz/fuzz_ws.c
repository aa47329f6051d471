/*
 * What a client sends to a WebSocket listener. Cut into pieces as the first byte says, it means the
 * same as whole: the handshake, then the frames. And what a twin writes as frames comes out as it
 * went in.
 */
#include "ws/frame.h"
#include "ws/upgrade.h"

#include "ws_client.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAME_BYTES_MAX 70000u
#define ROOM (1u << 20)

static uint8_t out_whole[ROOM], out_cut[ROOM], sent[ROOM];

struct outcome {
	enum mt_status status;
	size_t bytes;
	uint8_t end[2 * MT_WS_CONTROL_FRAME_BYTES_MAX];
	size_t end_bytes;
};

/* Pieces of 1, 2 ... `step` bytes in turn, each in a block of its own; 0: all at once. */
static struct outcome read_frames(struct mt_bytes in, size_t step, uint8_t *to)
{
	struct outcome outcome = {.status = MT_OK};
	struct mt_buf end = mt_buf_of(outcome.end, sizeof(outcome.end));
	struct mt_ws ws;
	mt_ws_init(&ws, FRAME_BYTES_MAX);
	for (size_t turn = 0; in.len > 0 && outcome.status == MT_OK; turn++) {
		size_t len = step ? turn % step + 1 : in.len, payload;
		uint8_t *block;
		len = len < in.len ? len : in.len;
		block = malloc(len);
		MT_CHECK(block != NULL);
		memcpy(block, in.data, len);
		outcome.status = mt_ws_read(&ws, block, len, &payload);
		MT_CHECK(payload <= len);
		memcpy(to + outcome.bytes, block, payload);
		outcome.bytes += payload;
		free(block);
		in = mt_bytes_from(in, len);
	}
	MT_CHECK((outcome.status == MT_VIOLATION) == (ws.fault != NULL));
	mt_ws_put_pong(&ws, &end);
	mt_ws_put_close(&ws, &end);
	MT_CHECK(!end.is_overflown && end.pos > 0);
	outcome.end_bytes = end.pos;
	return outcome;
}

static void check_pieces(struct mt_bytes in, size_t step)
{
	struct outcome whole = read_frames(in, 0, out_whole);
	struct outcome cut = read_frames(in, step, out_cut);
	MT_CHECK(whole.status == cut.status && whole.bytes == cut.bytes);
	MT_CHECK(whole.end_bytes == cut.end_bytes &&
		 memcmp(whole.end, cut.end, whole.end_bytes) == 0);
	MT_CHECK(memcmp(out_whole, out_cut, whole.bytes) == 0);
}

static void check_round_trip(struct mt_bytes in, size_t step)
{
	struct mt_buf frames = mt_buf_of(sent, sizeof(sent));
	struct mt_bytes rest = in;
	struct outcome outcome;
	uint32_t key = (uint32_t)in.len * 2654435761u;
	bool is_first = true;
	while (rest.len > 0) {
		size_t len = rest.data[0] % 150u + 1;
		len = len < rest.len ? len : rest.len;
		ws_put_frame(&frames, (uint8_t)((is_first ? 2 : 0) | (len == rest.len ? 0x80 : 0)),
			     key += 0x9e3779b9u, mt_bytes_of(rest.data, len));
		ws_put_frame(&frames, 0x89, key, mt_bytes_of(rest.data, len < 125 ? len : 125));
		is_first = false;
		rest = mt_bytes_from(rest, len);
	}
	outcome = read_frames(mt_buf_view(&frames), step, out_cut);
	MT_CHECK(!frames.is_overflown && outcome.status == MT_OK);
	MT_CHECK(mt_bytes_equal(mt_bytes_of(out_cut, outcome.bytes), in));
}

static void check_upgrade(struct mt_bytes in)
{
	static const struct mt_upgrade_rules rules = {.path = "/mqtt",
						      .origins = "same,https://a.example"};
	uint8_t data[MT_UPGRADE_ANSWER_BYTES];
	struct mt_buf answer = mt_buf_of(data, sizeof(data));
	struct mt_upgrade upgrade = {.status = 0}, again = {.status = 0};
	size_t used = 0, used_again = 0;
	enum mt_status status = mt_upgrade_read(in, &rules, &used, &upgrade);
	if (status == MT_AGAIN) {
		MT_CHECK(in.len <= MT_UPGRADE_BYTES_MAX);
		return;
	}
	mt_upgrade_answer(&upgrade, &answer);
	MT_CHECK(!answer.is_overflown && (status == MT_OK) == (upgrade.status == 101));
	if (status != MT_OK)
		return;
	/* The request alone means the same as with what follows, and one byte less is not whole. */
	MT_CHECK(used <= in.len && used <= MT_UPGRADE_BYTES_MAX);
	in.len = used;
	MT_CHECK(mt_upgrade_read(in, &rules, &used_again, &again) == MT_OK && used_again == used);
	MT_CHECK(strcmp(again.accept, upgrade.accept) == 0);
	in.len--;
	MT_CHECK(mt_upgrade_read(in, &rules, &used, &upgrade) == MT_AGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 65536)
		return 0;
	check_upgrade(mt_bytes_of(data + 1, size - 1));
	check_pieces(mt_bytes_of(data + 1, size - 1), data[0] % 64u + 1);
	check_round_trip(mt_bytes_of(data + 1, size - 1 < 4096 ? size - 1 : 4096),
			 data[0] % 64u + 1);
	return 0;
}
