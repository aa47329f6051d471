/* User names. */
#include "identity/user.h"

#include "base/utf8.h"

/* C0, DEL, and C1 (U+0080 to U+009F, two bytes of valid UTF-8). */
static bool is_control(struct mt_bytes name, size_t at)
{
	uint8_t byte = name.data[at];
	return byte < 0x20 || byte == 0x7f || (byte == 0xc2 && name.data[at + 1] < 0xa0);
}

const char *mt_user_name_fault(struct mt_bytes name)
{
	size_t bad;
	if (name.len == 0)
		return "is empty; expected at least one character";
	if (name.len > MT_USER_NAME_BYTES_MAX)
		return "is too long; expected at most 255 bytes";
	if (mt_utf8_check(name, &bad) != MT_UTF8_GOOD)
		return "is not valid UTF-8";
	for (size_t i = 0; i < name.len; i++)
		if (is_control(name, i))
			return "holds a control character";
	return NULL;
}
