/* The pump with a store that refuses: answers keep their order, and what was not kept is not
 * acknowledged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include "pump_world.h"

/* In place of store/memory.c: takes one message, answers it when asked, refuses all others. */
struct mt_store {
	uint64_t ticket;
	bool is_pending;
	uint32_t taken_count;
};

struct mt_store *mt_store_open_memory(void)
{
	return calloc(1, sizeof(struct mt_store));
}

void mt_store_close(struct mt_store **store)
{
	free(*store);
	*store = NULL;
}

enum mt_status mt_store_append(struct mt_store *store, uint64_t ticket, struct mt_bytes topic,
			       struct mt_bytes payload)
{
	(void)topic;
	(void)payload;
	if (store->taken_count++ > 0)
		return MT_MEMORY;
	store->ticket = ticket;
	store->is_pending = true;
	return MT_OK;
}

bool mt_store_answer(struct mt_store *store, uint64_t *ticket, enum mt_status *status)
{
	if (!store->is_pending)
		return false;
	store->is_pending = false;
	*ticket = store->ticket;
	*status = MT_OK;
	return true;
}

static struct pump_world pumps;

/* Two retained messages of QoS 1 in one write: the first is kept, the second is not. */
static void test_a_refusal_waits_its_turn(void **state)
{
	static const uint8_t two[] = {0x33, 7, 0, 1, 'a', 0, 1, 0, 'x',
				      0x33, 7, 0, 1, 'b', 0, 2, 0, 'y'};
	static const uint8_t kept[] = {0x40, 3, 0, 1, 0x10}; /* nobody subscribes */
	static const uint8_t refused[] = {0, 2,
					  0x97}; /* behind its length: a reason string follows */
	uint8_t got[sizeof(kept) + 2 + sizeof(refused)];
	size_t length = 0;
	int fd;
	(void)state;
	pump_world_open(&pumps, NULL, 0);
	fd = pump_client(&pumps, "a");
	shell_put(fd, mt_bytes_of(two, sizeof(two)));
	while (length < sizeof(got)) {
		ssize_t count;
		pump_await_client(&pumps, fd);
		count = recv(fd, got + length, sizeof(got) - length, 0);
		assert_true(count > 0);
		length += (size_t)count;
	}
	assert_memory_equal(got, kept, sizeof(kept));
	assert_int_equal(got[sizeof(kept)], 0x40);
	assert_memory_equal(got + sizeof(kept) + 2, refused, sizeof(refused));
	close(fd);
	pump_await(&pumps, 0);
	pump_world_close(&pumps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_refusal_waits_its_turn)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
