/* $SYS: the broker's own figures as retained messages, under the names that Mosquitto gave them. */
#include "core/state.h"

#define TEXT_BYTES 32u

/* topic below $SYS/broker/, and where the figure comes from. */
#define SYS_FIGURES(X) \
	X("clients/connected", core->connected_count) \
	X("clients/disconnected", core->sessions.pool.used_count - core->connected_count) \
	X("clients/total", core->sessions.pool.used_count) \
	X("messages/received", core->counts.packets_received) \
	X("messages/sent", core->counts.packets_sent) \
	X("bytes/received", core->counts.bytes_received) \
	X("bytes/sent", core->counts.bytes_sent) \
	X("publish/messages/received", core->counts.publishes_received) \
	X("publish/messages/sent", core->counts.publishes_sent) \
	X("publish/messages/dropped", core->counts.publishes_dropped) \
	X("publish/messages/denied", core->counts.publishes_denied) \
	X("subscriptions/count", core->subscriptions.by_key.count) \
	X("retained messages/count", mt_retained_count(core->retained)) \
	X("store/messages/count", core->queued_count) \
	X("heap/current", mt_mem_bytes(&core->mem))

static void publish(struct mt_core *core, const char *topic, struct mt_bytes value)
{
	struct mt_msg_facts facts = {.topic = mt_bytes_str(topic),
				     .payload = value,
				     .expires_ns = MT_TIME_NEVER,
				     .is_retain = true};
	struct mt_msg *former = mt_retained_find(core->retained, facts.topic);
	struct mt_msg *msg;
	/* Only what has changed is said again. */
	if (former && mt_bytes_equal(mt_msg_payload(former), value))
		return;
	msg = mt_msg_create(&core->mem, &facts);
	if (msg)
		mt_stage_release(core, msg);
	mt_msg_unref(&msg);
}

static struct mt_bytes decimal(uint64_t value, char text[TEXT_BYTES])
{
	size_t at = TEXT_BYTES;
	do
		text[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return mt_bytes_of(text + at, TEXT_BYTES - at);
}

static void publish_uptime(struct mt_core *core)
{
	char text[TEXT_BYTES], line[TEXT_BYTES + 16];
	struct mt_buf buf = mt_buf_of(line, sizeof(line));
	uint64_t seconds = (uint64_t)((core->now.mono_ns - core->started_ns) / MT_SECOND);
	mt_buf_put(&buf, decimal(seconds, text));
	mt_buf_put(&buf, mt_bytes_str(" seconds"));
	publish(core, "$SYS/broker/uptime", mt_buf_view(&buf));
}

void mt_sys_publish(struct mt_core *core)
{
	char text[TEXT_BYTES];
	core->sys_due_ns = core->now.mono_ns + core->settings.sys_interval_ns;
	publish(core, "$SYS/broker/version", mt_bytes_str(core->settings.release));
	publish_uptime(core);
#define X(name, figure) publish(core, "$SYS/broker/" name, decimal(figure, text));
	SYS_FIGURES(X)
#undef X
}
