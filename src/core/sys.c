/*
 * $SYS: the broker's own figures as retained messages (spec/sys.tbl), under the names that
 * Mosquitto gave them, and our own below $SYS/broker/mortise/.
 */
#include "core/state.h"

#define TEXT_BYTES 32u
#define MINUTE_S 60.0
#define TOPIC_BYTES 96u

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

/* Two digits behind the point. */
static void publish_average(struct mt_core *core, const char *name, const char *span, double value)
{
	char text[TEXT_BYTES], line[TEXT_BYTES + 4], topic[TOPIC_BYTES];
	struct mt_buf buf = mt_buf_of(line, sizeof(line)),
		      path = mt_buf_of(topic, sizeof(topic) - 1);
	uint64_t hundredths = (uint64_t)(value * 100.0 + 0.5);
	mt_buf_put(&buf, decimal(hundredths / 100, text));
	mt_buf_put_u8(&buf, '.');
	mt_buf_put_u8(&buf, (uint8_t)('0' + hundredths / 10 % 10));
	mt_buf_put_u8(&buf, (uint8_t)('0' + hundredths % 10));
	mt_buf_put(&path, mt_bytes_str("$SYS/broker/load/"));
	mt_buf_put(&path, mt_bytes_str(name));
	mt_buf_put(&path, mt_bytes_str(span));
	MT_CHECK(!path.is_overflown);
	topic[path.pos] = '\0';
	publish(core, topic, mt_buf_view(&buf));
}

/* per_second to the power of seconds, by squaring. */
static double decay(double per_second, uint64_t seconds)
{
	double product = 1.0;
	for (; seconds > 0; seconds >>= 1, per_second *= per_second)
		if (seconds & 1)
			product *= per_second;
	return product;
}

static void publish_load(struct mt_core *core, struct mt_sys_load *load, const char *name,
			 uint64_t count, uint64_t seconds)
{
	/* e to the power of -1/60, -1/300 and -1/900. */
	static const double per_second[] = {0.983471453821617, 0.996672216097159,
					    0.998889506178967};
	static const char *const spans[] = {"/1min", "/5min", "/15min"};
	double rate = (double)(count - load->count) * MINUTE_S / (double)seconds;
	load->count = count;
	for (size_t i = 0; i < MT_COUNT_OF(spans); i++) {
		double kept = decay(per_second[i], seconds);
		load->averages[i] = rate + kept * (load->averages[i] - rate);
		publish_average(core, name, spans[i], load->averages[i]);
	}
}

static void publish_loads(struct mt_core *core, const struct mt_core_counts *counts)
{
	mt_time elapsed_ns = core->now.mono_ns - core->load_ns;
	uint64_t seconds = (uint64_t)(elapsed_ns / MT_SECOND);
	struct mt_sys_load *load = core->loads;
	if (seconds == 0)
		return;
	core->load_ns = core->now.mono_ns;
#define X(name, field, meaning) publish_load(core, load++, name, counts->field, seconds);
	MT_TABLE_SYS_LOAD(X)
#undef X
}

/* A limit appears once it was met. */
static void publish_limits(struct mt_core *core, const struct mt_core_counts *counts)
{
	for (size_t i = 0; i < MT_LIMIT_COUNT; i++) {
		char topic[TOPIC_BYTES] = "", text[TEXT_BYTES];
		struct mt_buf path = mt_buf_of(topic, sizeof(topic) - 1);
		if (counts->limits[i] == 0)
			continue;
		mt_buf_put(&path, mt_bytes_str("$SYS/broker/mortise/limits/"));
		mt_buf_put(&path, mt_bytes_str(mt_limit_name((enum mt_limit_id)i)));
		MT_CHECK(!path.is_overflown);
		publish(core, topic, decimal(counts->limits[i], text));
	}
}

void mt_sys_publish(struct mt_core *core)
{
	char text[TEXT_BYTES];
	struct mt_core_counts counts;
	size_t memory_bytes = mt_mem_bytes(&core->mem);
	core->sys_due_ns = core->now.mono_ns + core->settings.sys_interval_ns;
	if (memory_bytes > core->counts.memory_bytes_most)
		core->counts.memory_bytes_most = memory_bytes;
	counts = mt_core_counts(core);
	publish(core, "$SYS/broker/version", mt_bytes_str(core->settings.release));
	publish_uptime(core);
#define X(name, field, meaning) publish(core, "$SYS/broker/" name, decimal(counts.field, text));
	MT_TABLE_SYS(X)
#undef X
	publish_loads(core, &counts);
	publish_limits(core, &counts);
}

void mt_core_publish_figure(struct mt_core *core, struct mt_now now, struct mt_bytes name,
			    uint64_t value)
{
	char topic[MT_FIGURE_NAME_BYTES_MAX + 32] = "", text[TEXT_BYTES];
	struct mt_buf path = mt_buf_of(topic, sizeof(topic) - 1);
	core->now = now;
	MT_CHECK(name.len <= MT_FIGURE_NAME_BYTES_MAX);
	if (core->settings.sys_interval_ns == 0 || core->settings.core_index != 0)
		return;
	mt_buf_put(&path, mt_bytes_str("$SYS/broker/mortise/"));
	mt_buf_put(&path, name);
	publish(core, topic, decimal(value, text));
}
