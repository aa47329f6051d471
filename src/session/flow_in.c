/* The set of QoS 2 packet ids that wait for PUBREL. */
#include "session/flow_in.h"

void mt_flow_in_init(struct mt_flow_in *flow, struct mt_mem *mem)
{
	*flow = (struct mt_flow_in){.mem = mem};
}

void mt_flow_in_finish(struct mt_flow_in *flow)
{
	mt_mem_give(flow->mem, flow->slots, flow->slot_count * sizeof(*flow->slots));
	flow->slots = NULL;
	flow->slot_count = flow->count = 0;
}

/* Clients count their ids up, so the id itself spreads well. */
static uint32_t probe(const struct mt_flow_in *flow, uint16_t packet_id)
{
	uint32_t mask = flow->slot_count - 1;
	uint32_t at = packet_id & mask;
	while (flow->slots[at] != 0 && flow->slots[at] != packet_id)
		at = (at + 1) & mask;
	return at;
}

bool mt_flow_in_has(const struct mt_flow_in *flow, uint16_t packet_id)
{
	return flow->count > 0 && flow->slots[probe(flow, packet_id)] == packet_id;
}

static enum mt_status grow(struct mt_flow_in *flow)
{
	struct mt_flow_in old = *flow;
	uint32_t slot_count = old.slot_count ? old.slot_count * 2 : 8;
	uint16_t *slots = mt_mem_zero(flow->mem, slot_count * sizeof(*slots));
	if (!slots)
		return MT_MEMORY;
	flow->slots = slots;
	flow->slot_count = slot_count;
	for (uint32_t i = 0; i < old.slot_count; i++)
		if (old.slots[i] != 0)
			slots[probe(flow, old.slots[i])] = old.slots[i];
	mt_mem_give(flow->mem, old.slots, old.slot_count * sizeof(*slots));
	return MT_OK;
}

enum mt_status mt_flow_in_add(struct mt_flow_in *flow, uint16_t packet_id)
{
	MT_CHECK(packet_id != 0);
	MT_CHECK(!mt_flow_in_has(flow, packet_id));
	if ((flow->count + 1) * 4 > flow->slot_count * 3)
		MT_TRY(grow(flow));
	flow->slots[probe(flow, packet_id)] = packet_id;
	flow->count++;
	return MT_OK;
}

bool mt_flow_in_remove(struct mt_flow_in *flow, uint16_t packet_id)
{
	uint32_t mask = flow->slot_count - 1;
	uint32_t hole;
	if (!mt_flow_in_has(flow, packet_id))
		return false;
	hole = probe(flow, packet_id);
	for (uint32_t at = (hole + 1) & mask; flow->slots[at] != 0; at = (at + 1) & mask) {
		uint32_t home = flow->slots[at] & mask;
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		flow->slots[hole] = flow->slots[at];
		hole = at;
	}
	flow->slots[hole] = 0;
	flow->count--;
	return true;
}
