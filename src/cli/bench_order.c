/* Order and loss of one stream of numbered messages. Pure. */
#include "cli/bench_order.h"

#define HISTORY_BITS 64

static void take_late(struct mt_order *order, uint32_t back, struct mt_order_tally *tally)
{
	uint64_t bit = back < HISTORY_BITS ? UINT64_C(1) << back : 0;

	if (bit == 0 || order->history & bit) {
		tally->duplicated_count++;
		return;
	}
	order->history |= bit;
	MT_CHECK(tally->lost_count > 0);
	tally->lost_count--;
	tally->reordered_count++;
	tally->delivered_count++;
}

bool mt_order_take(struct mt_order *order, uint32_t seq, struct mt_order_tally *tally)
{
	uint64_t before = tally->delivered_count;
	uint32_t step;

	if (seq < order->next) {
		take_late(order, order->next - 1 - seq, tally);
		return tally->delivered_count > before;
	}
	step = seq - order->next + 1;
	tally->lost_count += step - 1;
	order->history = (step < HISTORY_BITS ? order->history << step : 0) | 1;
	order->next = seq + 1;
	tally->delivered_count++;
	return true;
}

void mt_order_end(const struct mt_order *order, uint32_t sent_count, struct mt_order_tally *tally)
{
	MT_CHECK(order->next <= sent_count);
	tally->lost_count += sent_count - order->next;
}

bool mt_order_tally_is_clean(const struct mt_order_tally *tally)
{
	return tally->lost_count == 0 && tally->duplicated_count == 0 &&
	       tally->reordered_count == 0;
}
