/*
 * Acknowledgements that may not leave yet: PUBACK and PUBREC go out in the order of the PUBLISHes,
 * and one whose message is not durable holds back those behind it (MQTT 5.0 [MQTT-4.6.0-2],
 * [MQTT-4.6.0-3]). A ring. Pure.
 */
#pragma once

#include "base/mem.h"

struct mt_held_ack {
	uint64_t ticket; /* of the store; 0: ready */
	uint16_t packet_id;
	uint8_t type;
	uint8_t reason;
};

struct mt_acks {
	struct mt_mem *mem;
	struct mt_held_ack *ring;
	uint32_t cap; /* a power of two */
	uint32_t first;
	uint32_t count;
	uint32_t final_count; /* that end their exchange: PUBACK, and PUBREC that says no */
};

void mt_acks_init(struct mt_acks *acks, struct mt_mem *mem);
void mt_acks_finish(struct mt_acks *acks);
MT_MUST_USE enum mt_status mt_acks_push(struct mt_acks *acks, struct mt_held_ack ack);
/* The ticket is answered: its acknowledgement is ready; a reason other than 0 replaces its own.
 * Nothing happens when it is not here. */
void mt_acks_settle(struct mt_acks *acks, uint64_t ticket, uint8_t reason);
/* Does one of this type and packet id wait? */
bool mt_acks_has(const struct mt_acks *acks, uint8_t type, uint16_t packet_id);
/* Takes the first one when it is ready. */
MT_MUST_USE bool mt_acks_pop(struct mt_acks *acks, struct mt_held_ack *out);
