/* Counted messages. */
#include "base/msg.h"

#include <stdatomic.h>

struct mt_msg *mt_msg_create(struct mt_mem *mem, const struct mt_msg_facts *facts)
{
	size_t bytes = facts->topic.len + facts->props.len + facts->payload.len + facts->author.len;
	struct mt_msg *msg;
	uint8_t *at;
	MT_CHECK(facts->topic.len <= UINT16_MAX);
	MT_CHECK(bytes <= UINT32_MAX);
	msg = mt_mem_take_shared(mem, sizeof(*msg) + bytes);
	if (!msg)
		return NULL;
	msg->mem = mem;
	atomic_init(&msg->ref_count, 1);
	msg->topic_len = (uint32_t)facts->topic.len;
	msg->props_len = (uint32_t)facts->props.len;
	msg->payload_len = (uint32_t)facts->payload.len;
	msg->author_len = (uint32_t)facts->author.len;
	msg->expires_ns = facts->expires_ns;
	msg->author_id = facts->author_id;
	msg->qos = facts->qos;
	msg->is_retain = facts->is_retain;
	msg->core = 0;
	msg->stamp = 0;
	at = msg->data;
	if (facts->topic.len > 0)
		memcpy(at, facts->topic.data, facts->topic.len);
	at += facts->topic.len;
	if (facts->props.len > 0)
		memcpy(at, facts->props.data, facts->props.len);
	at += facts->props.len;
	if (facts->payload.len > 0)
		memcpy(at, facts->payload.data, facts->payload.len);
	at += facts->payload.len;
	if (facts->author.len > 0)
		memcpy(at, facts->author.data, facts->author.len);
	return msg;
}

void mt_msg_unref(struct mt_msg **msg)
{
	struct mt_msg *old = *msg;
	*msg = NULL;
	if (old && atomic_fetch_sub_explicit(&old->ref_count, 1, memory_order_acq_rel) == 1)
		mt_mem_give_shared(old->mem, old, mt_msg_bytes(old));
}
