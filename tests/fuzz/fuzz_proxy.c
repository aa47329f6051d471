/* A PROXY header: each shorter part of one that is whole is none yet, and what follows it changes
 * nothing. */
#include "wire/proxy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_whole(struct mt_bytes in, const struct mt_proxy *proxy)
{
	static const uint8_t none[16];
	struct mt_proxy again = {.has_source = false};
	const char *why = NULL;
	MT_CHECK(proxy->bytes <= in.len && proxy->bytes <= MT_PROXY_BYTES_MAX);
	MT_CHECK(!proxy->has_source || memcmp(proxy->address, none, sizeof(none)) != 0);
	in.len = proxy->bytes;
	MT_CHECK(mt_proxy_read(in, &again, &why) == MT_OK);
	MT_CHECK(again.bytes == proxy->bytes && again.has_source == proxy->has_source &&
		 again.port == proxy->port &&
		 memcmp(again.address, proxy->address, sizeof(none)) == 0);
	for (in.len = 0; in.len < proxy->bytes; in.len++)
		MT_CHECK(mt_proxy_read(in, &again, &why) == MT_AGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *block = malloc(size ? size : 1);
	struct mt_proxy proxy = {.has_source = false};
	const char *why = NULL;
	struct mt_bytes in = mt_bytes_of(block, size);
	enum mt_status status;
	MT_CHECK(block != NULL);
	if (size)
		memcpy(block, data, size);
	status = mt_proxy_read(in, &proxy, &why);
	MT_CHECK((status == MT_VIOLATION) == (why != NULL));
	if (status == MT_OK)
		check_whole(in, &proxy);
	else if (status == MT_AGAIN)
		MT_CHECK(size < MT_PROXY_BYTES_MAX);
	free(block);
	return 0;
}
