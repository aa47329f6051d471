/* Comparisons and wiping of byte views. */
#include "base/bytes.h"

bool mt_bytes_equal_secret(struct mt_bytes a, struct mt_bytes b)
{
	uint8_t difference = 0;
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
	return difference == 0;
}

void mt_bytes_wipe(void *data, size_t len)
{
	if (len > 0)
		explicit_bzero(data, len);
}

int mt_bytes_compare(struct mt_bytes a, struct mt_bytes b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
	if (order == 0)
		order = (a.len > b.len) - (a.len < b.len);
	return (order > 0) - (order < 0);
}

void mt_bytes_cut(char *to, size_t cap, struct mt_bytes from)
{
	size_t len = from.len < cap - 1 ? from.len : cap - 1;
	MT_CHECK(cap > 0);
	if (len > 0)
		memcpy(to, from.data, len);
	to[len] = '\0';
}
