/* Mailboxes: order, one wake-up for many letters, and none lost between threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/mailbox.h"

#include <poll.h>

enum { SENDERS = 3, LETTERS = 20000 };

struct note {
	struct mt_letter letter;
	int sender, number;
};

struct sender {
	struct mt_mailbox *box;
	int number;
};

static struct note notes[SENDERS][LETTERS];

static bool is_raised(const struct mt_mailbox *box)
{
	return poll(&(struct pollfd){.fd = box->event_fd, .events = POLLIN}, 1, 0) == 1;
}

static struct note *take(struct mt_mailbox *box)
{
	struct mt_letter *letter = mt_mailbox_take(box);

	return letter ? (struct note *)(void *)((char *)letter - offsetof(struct note, letter))
		      : NULL;
}

static void letters_keep_their_order(void **state)
{
	struct mt_mailbox box;

	(void)state;
	assert_int_equal(mt_mailbox_open(&box), MT_OK);
	assert_false(is_raised(&box));
	assert_null(take(&box));
	for (int i = 0; i < 3; i++)
		mt_mailbox_post(&box, &notes[0][i].letter);
	assert_true(is_raised(&box));
	assert_ptr_equal(take(&box), &notes[0][0]);
	assert_false(is_raised(&box));
	/* What comes while the owner takes is taken in the same turn or wakes it again. */
	mt_mailbox_post(&box, &notes[0][3].letter);
	for (int i = 1; i < 4; i++)
		assert_ptr_equal(take(&box), &notes[0][i]);
	assert_null(take(&box));
	assert_null(take(&box));
	assert_false(is_raised(&box));
	mt_mailbox_post(&box, &notes[0][0].letter);
	assert_true(is_raised(&box));
	assert_ptr_equal(take(&box), &notes[0][0]);
	assert_null(take(&box));
	mt_mailbox_close(&box);
	assert_int_equal(box.event_fd, -1);
}

static void *send_all(void *argument)
{
	struct sender *sender = argument;

	for (int i = 0; i < LETTERS; i++) {
		notes[sender->number][i].sender = sender->number;
		notes[sender->number][i].number = i;
		mt_mailbox_post(sender->box, &notes[sender->number][i].letter);
	}
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	struct mt_mailbox box;
	int next[SENDERS] = {0}, total = 0;

	(void)state;
	assert_int_equal(mt_mailbox_open(&box), MT_OK);
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){&box, i};
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	}
	/* Sleeps until it is woken: a lost wake-up shows as a test that never ends. */
	while (total < SENDERS * LETTERS) {
		struct note *note;
		assert_int_equal(
			poll(&(struct pollfd){.fd = box.event_fd, .events = POLLIN}, 1, -1), 1);
		for (note = take(&box); note; note = take(&box), total++)
			assert_int_equal(note->number, next[note->sender]++);
	}
	for (int i = 0; i < SENDERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(next[i], LETTERS);
	}
	/* At most one wake-up for nothing is left. */
	assert_null(take(&box));
	assert_false(is_raised(&box));
	mt_mailbox_close(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_keep_their_order),
		cmocka_unit_test(threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
