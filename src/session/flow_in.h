/*
 * QoS 2 from a client: the packet ids between PUBLISH and PUBREL, so that a message sent again is
 * not passed on again (MQTT 5.0 section 4.3.3, method B). A small open-addressing set; 0 is no
 * packet id and marks a free slot. Pure.
 */
#pragma once

#include "base/mem.h"

struct mt_flow_in {
	struct mt_mem *mem;
	uint16_t *slots;
	uint32_t slot_count; /* a power of two, 0 while nothing was ever held */
	uint32_t count;
};

void mt_flow_in_init(struct mt_flow_in *flow, struct mt_mem *mem);
void mt_flow_in_finish(struct mt_flow_in *flow);
bool mt_flow_in_has(const struct mt_flow_in *flow, uint16_t packet_id);
/* The id must not be in it. */
MT_MUST_USE enum mt_status mt_flow_in_add(struct mt_flow_in *flow, uint16_t packet_id);
/* False when it was not in it. */
bool mt_flow_in_remove(struct mt_flow_in *flow, uint16_t packet_id);
