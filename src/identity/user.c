/* User names. */
#include "identity/user.h"

#include "base/utf8.h"

const char *mt_user_name_fault(struct mt_bytes name)
{
	size_t bad;
	if (name.len == 0)
		return "is empty; expected at least one character";
	if (name.len > MT_USER_NAME_BYTES_MAX)
		return "is too long; expected at most 255 bytes";
	if (mt_utf8_check(name, &bad) != MT_UTF8_GOOD)
		return "is not valid UTF-8";
	return mt_utf8_has_control(name) ? "holds a control character" : NULL;
}
