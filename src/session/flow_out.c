/* QoS 1 and 2 towards a client. */
#include "session/flow_out.h"

#define WINDOW_SIZE_MIN 8u

void mt_sub_ids_unref(struct mt_mem *mem, struct mt_sub_ids **ids)
{
	struct mt_sub_ids *old = *ids;
	*ids = NULL;
	if (old && --old->ref_count == 0)
		mt_mem_give(mem, old, sizeof(*old) + old->count * sizeof(old->ids[0]));
}

void mt_flow_out_init(struct mt_flow_out *flow, struct mt_mem *mem, uint16_t inflight_max)
{
	MT_CHECK(inflight_max > 0);
	*flow = (struct mt_flow_out){.mem = mem, .inflight_max = inflight_max};
	mt_list_init(&flow->waiting);
	mt_list_init(&flow->inflight);
}

static struct mt_delivery *delivery_of(struct mt_list *link)
{
	return link ? MT_LIST_ITEM(link, struct mt_delivery, link) : NULL;
}

void mt_flow_out_finish(struct mt_flow_out *flow)
{
	struct mt_delivery *delivery;
	while ((delivery = delivery_of(mt_list_first(&flow->waiting))) ||
	       (delivery = delivery_of(mt_list_first(&flow->inflight))))
		mt_flow_out_drop(flow, &delivery);
	mt_mem_give(flow->mem, flow->window, flow->window_size * sizeof(struct mt_delivery *));
	flow->window = NULL;
	flow->window_size = 0;
}

struct mt_delivery *mt_flow_out_push(struct mt_flow_out *flow, struct mt_msg *msg,
				     struct mt_sub_ids *ids, uint8_t qos, bool is_retain,
				     uint64_t epoch)
{
	struct mt_delivery *delivery = mt_mem_zero(flow->mem, sizeof(*delivery));
	MT_CHECK(qos == 1 || qos == 2);
	if (!delivery)
		return NULL;
	delivery->flow = flow;
	delivery->msg = mt_msg_ref(msg);
	delivery->bytes = mt_delivery_bytes(msg);
	delivery->qos = qos;
	delivery->is_retain = is_retain;
	delivery->epoch = epoch;
	if (ids) {
		ids->ref_count++;
		delivery->ids = ids;
	}
	flow->bytes += delivery->bytes;
	flow->waiting_count++;
	mt_list_push_back(&flow->waiting, &delivery->link);
	return delivery;
}

static bool has_window(const struct mt_flow_out *flow)
{
	return flow->inflight_count - flow->due_count < flow->inflight_max;
}

void mt_flow_out_resume(struct mt_flow_out *flow)
{
	struct mt_delivery *delivery = mt_flow_out_first_inflight(flow);
	flow->due = NULL;
	flow->due_count = 0;
	for (; delivery; delivery = mt_flow_out_next_inflight(flow, delivery)) {
		delivery->is_due = delivery->state == MT_DELIVERY_SENT;
		flow->due_count += delivery->is_due;
		if (delivery->is_due && !flow->due)
			flow->due = delivery;
	}
}

struct mt_delivery *mt_flow_out_peek_due(const struct mt_flow_out *flow)
{
	return has_window(flow) ? flow->due : NULL;
}

void mt_flow_out_repeat(struct mt_flow_out *flow, struct mt_delivery *delivery)
{
	if (!delivery->is_due)
		return;
	delivery->is_due = false;
	flow->due_count--;
	if (flow->due != delivery)
		return;
	do
		flow->due = mt_flow_out_next_inflight(flow, flow->due);
	while (flow->due && !flow->due->is_due);
}

struct mt_delivery *mt_flow_out_peek(const struct mt_flow_out *flow)
{
	return has_window(flow) && !flow->due ? delivery_of(mt_list_first(&flow->waiting)) : NULL;
}

/* Doubles the window; packet ids in flight keep distinct slots because the new size is a multiple
 * of the old. */
static enum mt_status grow_window(struct mt_flow_out *flow)
{
	uint32_t size = flow->window_size ? flow->window_size * 2 : WINDOW_SIZE_MIN;
	struct mt_delivery **window = mt_mem_zero(flow->mem, size * sizeof(struct mt_delivery *));
	if (!window)
		return MT_MEMORY;
	for (uint32_t i = 0; i < flow->window_size; i++)
		if (flow->window[i])
			window[flow->window[i]->packet_id & (size - 1)] = flow->window[i];
	mt_mem_give(flow->mem, flow->window, flow->window_size * sizeof(struct mt_delivery *));
	flow->window = window;
	flow->window_size = size;
	return MT_OK;
}

/* The next id after the last one that is not 0 and whose slot is free; there is one while the
 * window is at most half full. */
static uint16_t free_id(const struct mt_flow_out *flow)
{
	uint16_t id = flow->last_id;
	do
		id++;
	while (id == 0 || flow->window[id & (flow->window_size - 1)]);
	return id;
}

enum mt_status mt_flow_out_start(struct mt_flow_out *flow, struct mt_delivery *delivery)
{
	MT_CHECK(delivery->state == MT_DELIVERY_WAITING);
	MT_CHECK(has_window(flow) && !flow->due);
	if ((flow->inflight_count + 1) * 2 > flow->window_size && flow->window_size < 0x10000)
		MT_TRY(grow_window(flow));
	delivery->packet_id = flow->last_id = free_id(flow);
	delivery->state = MT_DELIVERY_SENT;
	flow->window[delivery->packet_id & (flow->window_size - 1)] = delivery;
	mt_list_remove(&delivery->link);
	mt_list_push_back(&flow->inflight, &delivery->link);
	flow->waiting_count--;
	flow->inflight_count++;
	return MT_OK;
}

struct mt_delivery *mt_flow_out_find(const struct mt_flow_out *flow, uint16_t packet_id)
{
	struct mt_delivery *delivery;
	if (flow->window_size == 0)
		return NULL;
	delivery = flow->window[packet_id & (flow->window_size - 1)];
	return delivery && delivery->packet_id == packet_id ? delivery : NULL;
}

void mt_flow_out_release(struct mt_flow_out *flow, struct mt_delivery *delivery)
{
	MT_CHECK(delivery->qos == 2);
	mt_flow_out_repeat(flow, delivery);
	mt_list_remove(&delivery->link);
	mt_list_push_back(&flow->inflight, &delivery->link);
	delivery->state = MT_DELIVERY_RELEASED;
	flow->bytes -= delivery->bytes - sizeof(*delivery);
	delivery->bytes = sizeof(*delivery);
	mt_msg_unref(&delivery->msg);
}

void mt_flow_out_drop(struct mt_flow_out *flow, struct mt_delivery **delivery)
{
	struct mt_delivery *old = *delivery;
	*delivery = NULL;
	MT_CHECK(old->flow == flow);
	if (old->state == MT_DELIVERY_WAITING) {
		flow->waiting_count--;
	} else {
		mt_flow_out_repeat(flow, old);
		flow->inflight_count--;
		flow->window[old->packet_id & (flow->window_size - 1)] = NULL;
	}
	flow->bytes -= old->bytes;
	mt_list_remove(&old->link);
	mt_list_remove(&old->hold);
	mt_msg_unref(&old->msg);
	mt_sub_ids_unref(flow->mem, &old->ids);
	mt_mem_give(flow->mem, old, sizeof(*old));
}

struct mt_delivery *mt_flow_out_first_inflight(const struct mt_flow_out *flow)
{
	return delivery_of(mt_list_first(&flow->inflight));
}

struct mt_delivery *mt_flow_out_next_inflight(const struct mt_flow_out *flow,
					      const struct mt_delivery *delivery)
{
	return delivery->link.next == &flow->inflight ? NULL : delivery_of(delivery->link.next);
}
