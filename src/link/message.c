/* Blocks of what joined cores tell each other. */
#include "link/message.h"

static struct mt_link_message *fill(struct mt_link_message *message, struct mt_mem *mem,
				    enum mt_link_kind kind, struct mt_bytes text, size_t bytes)
{
	if (!message)
		return NULL;
	memset(message, 0, bytes);
	message->mem = mem;
	message->bytes = bytes;
	message->kind = kind;
	message->text_len = (uint32_t)text.len;
	return message;
}

static void put_text(struct mt_link_message *message, struct mt_bytes text)
{
	if (text.len > 0)
		memcpy(message->heard + message->heard_count, text.data, text.len);
}

struct mt_link_message *mt_link_message_create(struct mt_mem *mem, enum mt_link_kind kind,
					       struct mt_bytes text, uint32_t heard_count)
{
	size_t bytes = sizeof(struct mt_link_message) + heard_count * sizeof(uint64_t) + text.len;
	struct mt_link_message *message =
		fill(mt_mem_take_shared(mem, bytes), mem, kind, text, bytes);
	if (!message)
		return NULL;
	message->heard_count = heard_count;
	put_text(message, text);
	return message;
}

struct mt_link_message *mt_link_message_promised(struct mt_mem *mem, enum mt_link_kind kind,
						 struct mt_bytes text)
{
	size_t bytes = sizeof(struct mt_link_message) + text.len;
	struct mt_link_message *message =
		fill(mt_mem_promise_shared(mem, bytes), mem, kind, text, bytes);
	if (message)
		put_text(message, text);
	return message;
}

void mt_link_message_free(struct mt_link_message **message)
{
	struct mt_link_message *old = *message;
	*message = NULL;
	if (!old)
		return;
	MT_CHECK(!mt_list_is_linked(&old->link));
	mt_msg_unref(&old->msg);
	mt_mem_give_shared(old->mem, old, old->bytes);
}
