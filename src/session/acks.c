/* The ring of acknowledgements that wait for the store. */
#include "session/acks.h"

#include "wire/packet.h"

void mt_acks_init(struct mt_acks *acks, struct mt_mem *mem)
{
	*acks = (struct mt_acks){.mem = mem};
}

void mt_acks_finish(struct mt_acks *acks)
{
	mt_mem_give(acks->mem, acks->ring, acks->cap * sizeof(*acks->ring));
	*acks = (struct mt_acks){.mem = acks->mem};
}

static struct mt_held_ack *at(const struct mt_acks *acks, uint32_t index)
{
	return &acks->ring[(acks->first + index) & (acks->cap - 1)];
}

static bool is_final(const struct mt_held_ack *ack)
{
	return ack->type == MT_PACKET_PUBACK || ack->reason >= MT_REASON_UNSPECIFIED_ERROR;
}

static enum mt_status grow(struct mt_acks *acks)
{
	uint32_t cap = acks->cap ? acks->cap * 2 : 8;
	struct mt_held_ack *ring = mt_mem_take(acks->mem, cap * sizeof(*ring));
	if (!ring)
		return MT_MEMORY;
	for (uint32_t i = 0; i < acks->count; i++)
		ring[i] = *at(acks, i);
	mt_mem_give(acks->mem, acks->ring, acks->cap * sizeof(*ring));
	acks->ring = ring;
	acks->cap = cap;
	acks->first = 0;
	return MT_OK;
}

enum mt_status mt_acks_push(struct mt_acks *acks, struct mt_held_ack ack)
{
	if (acks->count == acks->cap)
		MT_TRY(grow(acks));
	*at(acks, acks->count++) = ack;
	acks->final_count += is_final(&ack);
	return MT_OK;
}

void mt_acks_settle(struct mt_acks *acks, uint64_t ticket, uint8_t reason)
{
	MT_CHECK(ticket != 0);
	for (uint32_t i = 0; i < acks->count; i++) {
		struct mt_held_ack *ack = at(acks, i);
		if (ack->ticket != ticket)
			continue;
		ack->ticket = 0;
		acks->final_count -= is_final(ack);
		if (reason != 0)
			ack->reason = reason;
		acks->final_count += is_final(ack);
		return;
	}
}

bool mt_acks_has(const struct mt_acks *acks, uint8_t type, uint16_t packet_id)
{
	for (uint32_t i = 0; i < acks->count; i++)
		if (at(acks, i)->type == type && at(acks, i)->packet_id == packet_id)
			return true;
	return false;
}

bool mt_acks_pop(struct mt_acks *acks, struct mt_held_ack *out)
{
	if (acks->count == 0 || at(acks, 0)->ticket != 0)
		return false;
	*out = *at(acks, 0);
	acks->first = (acks->first + 1) & (acks->cap - 1);
	acks->count--;
	acks->final_count -= is_final(out);
	return true;
}
