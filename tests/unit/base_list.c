/* Intrusive list against an array: random pushing and removing, walked both ways. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"
#include "base/rng.h"

#include <string.h>

#define NODE_COUNT 12u

struct item {
	uint32_t number;
	struct mt_list link;
};

static void check_order(struct mt_list *head, const uint32_t *order, size_t count)
{
	struct mt_list *node = head;
	assert_int_equal(mt_list_is_empty(head), count == 0);
	for (size_t i = 0; i < count; i++) {
		node = node->next;
		assert_int_equal(MT_LIST_ITEM(node, struct item, link)->number, order[i]);
	}
	assert_ptr_equal(node->next, head);
	for (size_t i = count; i-- > 0; node = node->prev)
		assert_int_equal(MT_LIST_ITEM(node, struct item, link)->number, order[i]);
	assert_ptr_equal(node, head);
	if (count == 0)
		assert_null(mt_list_first(head));
	else
		assert_int_equal(MT_LIST_ITEM(mt_list_first(head), struct item, link)->number,
				 order[0]);
}

/* Where the number stands, or `count`. */
static size_t place_of(const uint32_t *order, size_t count, uint32_t number)
{
	size_t at = 0;
	while (at < count && order[at] != number)
		at++;
	return at;
}

static void random_operations_agree(void **state)
{
	struct item items[NODE_COUNT] = {{0}};
	uint32_t order[NODE_COUNT];
	size_t count = 0;
	struct mt_list head;
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 8);
	mt_list_init(&head);
	for (uint32_t i = 0; i < NODE_COUNT; i++)
		items[i].number = i;
	for (int step = 0; step < 20000; step++) {
		uint32_t number = (uint32_t)mt_rng_below(&rng, NODE_COUNT);
		size_t at = place_of(order, count, number);
		assert_int_equal(mt_list_is_linked(&items[number].link), at < count);
		if (at == count && mt_rng_below(&rng, 4) > 0) {
			mt_list_push_back(&head, &items[number].link);
			order[count++] = number;
		} else {
			mt_list_remove(&items[number].link);
			assert_false(mt_list_is_linked(&items[number].link));
			if (at < count)
				memmove(&order[at], &order[at + 1],
					(--count - at) * sizeof(*order));
		}
		check_order(&head, order, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
