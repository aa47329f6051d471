/*
 * Who published a retained message: the facts of that moment travel with it, so that the rules of
 * today can be asked whether its author may still say so.
 *
 *   user id | published, seconds of the wall clock | address | user, client id, CN, anonymous role,
 * listener
 *
 * A time window that has passed since withdraws nothing: the rules are asked as of the moment of
 * publication.
 */
#include "core/state.h"

#define TEXTS 5

static void list_texts(struct mt_subject *subject, struct mt_bytes *out[TEXTS])
{
	out[0] = &subject->user;
	out[1] = &subject->client_id;
	out[2] = &subject->cn;
	out[3] = &subject->anonymous_role;
	out[4] = &subject->listener;
}

static enum mt_status put_facts(struct mt_core *core, const struct mt_subject *subject,
				struct mt_bytes *out)
{
	struct mt_subject copy = *subject;
	struct mt_bytes *texts[TEXTS];
	size_t bytes = 8 + 8 + sizeof(subject->address.byte);
	struct mt_buf buf;
	uint8_t *data;
	list_texts(&copy, texts);
	for (size_t i = 0; i < TEXTS; i++)
		bytes += 2 + texts[i]->len;
	data = mt_mem_take(&core->mem, bytes);
	if (!data)
		return MT_MEMORY;
	buf = mt_buf_of(data, bytes);
	mt_buf_put_u64(&buf, subject->user_id);
	mt_buf_put_u64(&buf, (uint64_t)mt_core_wall_s(core));
	mt_buf_put(&buf, mt_bytes_of(subject->address.byte, sizeof(subject->address.byte)));
	for (size_t i = 0; i < TEXTS; i++) {
		mt_buf_put_u16(&buf, (uint16_t)texts[i]->len);
		mt_buf_put(&buf, *texts[i]);
	}
	MT_CHECK(!buf.is_overflown && buf.pos == bytes);
	*out = mt_buf_view(&buf);
	return MT_OK;
}

static void free_author(struct mt_core *core, struct mt_bytes author)
{
	union {
		const uint8_t *view;
		void *owned;
	} block = {.view = author.data};
	mt_mem_give(&core->mem, block.owned, author.len);
}

struct mt_msg *mt_msg_authored(struct mt_core *core, const struct mt_subject *subject,
			       const struct mt_msg_facts *facts)
{
	struct mt_msg_facts authored = *facts;
	struct mt_msg *msg;
	if (!facts->is_retain || facts->payload.len == 0)
		return mt_msg_create(&core->mem, facts);
	if (put_facts(core, subject, &authored.author) != MT_OK)
		return NULL;
	msg = mt_msg_create(&core->mem, &authored);
	free_author(core, authored.author);
	return msg;
}

/* What may have come from a store: nothing in it is trusted to be whole. */
static bool read_facts(struct mt_bytes author, struct mt_subject *out, int64_t *published_s)
{
	struct mt_reader in = mt_reader_of(author);
	struct mt_bytes address, *texts[TEXTS];
	*out = (struct mt_subject){.user_id = mt_reader_u64(&in)};
	*published_s = (int64_t)mt_reader_u64(&in);
	address = mt_reader_take(&in, sizeof(out->address.byte));
	list_texts(out, texts);
	for (size_t i = 0; i < TEXTS; i++)
		*texts[i] = mt_reader_take(&in, mt_reader_u16(&in));
	if (in.is_short)
		return false;
	memcpy(out->address.byte, address.data, address.len);
	return true;
}

bool mt_author_may(const struct mt_policy *policy, const struct mt_msg *msg)
{
	struct mt_subject author;
	int64_t published_s;
	if (msg->author_len == 0)
		return true; /* the broker's own */
	return read_facts(mt_msg_author(msg), &author, &published_s) &&
	       mt_decide_publish(policy, &author, mt_msg_topic(msg), msg->qos, true, published_s)
		       .is_allowed;
}
