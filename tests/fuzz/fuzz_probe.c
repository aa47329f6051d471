/*
 * What an examined server sends: a ServerHello is read the same from each place in memory, and no
 * text of it moves a terminal's cursor.
 *
 *   input = room | bytes
 */
#include "base/utf8.h"
#include "tls/probe_parts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_hello(struct mt_bytes in)
{
	struct mt_probe_hello hello, again;
	uint8_t *copy;
	if (!mt_probe_hello_read(in, &hello))
		return;
	MT_CHECK(in.len >= 2 + 32 + 1 + 2 + 1);
	copy = malloc(in.len);
	memcpy(copy, in.data, in.len);
	MT_CHECK(mt_probe_hello_read(mt_bytes_of(copy, in.len), &again));
	MT_CHECK(hello.version == again.version && hello.suite == again.suite &&
		 hello.compression == again.compression && hello.is_retry == again.is_retry);
	free(copy);
}

static void check_text(struct mt_bytes in, size_t room)
{
	char *out = malloc(room);
	size_t bad;
	mt_probe_text(in, out, room);
	MT_CHECK(memchr(out, '\0', room));
	MT_CHECK(mt_utf8_check(mt_bytes_str(out), &bad) == MT_UTF8_GOOD);
	for (const char *at = out; *at; at++)
		MT_CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_bytes in;
	uint8_t *block;
	if (size < 1)
		return 0;
	block = malloc(size);
	memcpy(block, data + 1, size - 1);
	in = mt_bytes_of(block, size - 1);
	check_hello(in);
	check_text(in, 5u + data[0]);
	free(block);
	return 0;
}
