/*
 * Acknowledgements with several parts (durable across cores): the own store and every sibling that
 * a message was forwarded to. The PUBACK or PUBREC leaves when all are done; when one failed it
 * says 0x97.
 */
#include "core/links.h"

#define NUMBER_BIT (UINT64_C(1) << 63) /* in a held acknowledgement: not the number of a ticket */

struct mt_pledge *mt_pledge_open(struct mt_core *core, const struct mt_pledge *facts)
{
	mt_handle self;
	struct mt_pledge *pledge = mt_pool_take(&core->links->pledges, &self);
	if (!pledge)
		return NULL;
	*pledge = *facts;
	pledge->self = self;
	pledge->part_count = 1;
	return pledge;
}

uint64_t mt_pledge_number(const struct mt_pledge *pledge)
{
	return pledge->self | NUMBER_BIT;
}

uint64_t mt_pledge_find(struct mt_core *core, const struct mt_peer *peer, uint16_t packet_id)
{
	uint32_t index = 0;
	mt_handle handle;
	struct mt_pledge *pledge;
	while ((pledge = mt_pool_next(&core->links->pledges, &index, &handle)))
		if (pledge->sibling == 0 && pledge->qos == 2 &&
		    pledge->session == peer->session->self && pledge->packet_id == packet_id) {
			pledge->conn = peer->self;
			return mt_pledge_number(pledge);
		}
	return 0;
}

static void answer(struct mt_core *core, uint32_t to, uint64_t number, uint8_t reason)
{
	struct mt_link_message *message =
		mt_link_message_promised(&core->mem, MT_LINK_ANSWER, mt_bytes_of(NULL, 0));
	MT_CHECK(message != NULL);
	message->number = number;
	message->reason = reason;
	mt_link_send(core, to, message);
}

void mt_pledge_refuse(struct mt_core *core, uint32_t to, uint64_t number)
{
	answer(core, to, number, MT_REASON_QUOTA_EXCEEDED);
}

static void answer_publisher(struct mt_core *core, const struct mt_pledge *pledge)
{
	struct mt_peer *peer = mt_peer_get(core, pledge->conn);
	struct mt_session *author = mt_pool_get(&core->sessions.pool, pledge->session);
	if (author && pledge->reason != 0 && pledge->qos == 2)
		mt_flow_in_remove(&author->in, pledge->packet_id);
	if (!peer || peer->phase != MT_PHASE_OPEN)
		return;
	mt_acks_settle(&peer->acks, mt_pledge_number(pledge), pledge->reason);
	mt_ticket_flush(core, peer);
}

void mt_pledge_settle(struct mt_core *core, struct mt_pledge *pledge, uint8_t reason)
{
	struct mt_pledge done;
	if (pledge->reason == 0)
		pledge->reason = reason;
	if (--pledge->part_count > 0)
		return;
	done = *pledge;
	mt_pool_give(&core->links->pledges, pledge->self);
	if (done.sibling != 0)
		answer(core, done.sibling - 1u, done.number, done.reason);
	else
		answer_publisher(core, &done);
}

void mt_pledge_answered(struct mt_core *core, uint64_t number, uint8_t reason)
{
	struct mt_pledge *pledge = mt_pool_get(&core->links->pledges, number);
	MT_CHECK(pledge != NULL);
	mt_pledge_settle(core, pledge, reason);
}
