/* The payload format indicator (section 3.3.2.3.2): what says that it is text must be text. */
#include "core/state.h"

#include "base/utf8.h"

/* U+0000 may stand in a payload, if nowhere else in MQTT. */
static bool is_text(struct mt_bytes payload)
{
	size_t bad = 0;
	enum mt_utf8 found;
	while ((found = mt_utf8_check(payload, &bad)) == MT_UTF8_NUL)
		payload = mt_bytes_from(payload, bad + 1);
	return found == MT_UTF8_GOOD;
}

bool mt_payload_keeps_format(const struct mt_core *core, const struct mt_props *props,
			     struct mt_bytes payload)
{
	return !core->settings.is_payload_checked || props->payload_format != 1 || is_text(payload);
}
