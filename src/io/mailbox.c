/*
 * Mailbox: letters from other threads, fetched in one go.
 *
 * A letter never waits without a wake-up: who posts into an empty box raises the event after that,
 * and the owner quiets the event before it fetches. The worst outcome of a race is one wake-up for
 * nothing.
 */
#include "io/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum mt_status mt_mailbox_open(struct mt_mailbox *box)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return MT_SYSTEM;
	MT_CHECK(pthread_mutex_init(&box->lock, NULL) == 0);
	mt_list_init(&box->letters);
	mt_list_init(&box->taken);
	box->event_fd = fd;
	box->is_quiet = false;
	return MT_OK;
}

void mt_mailbox_close(struct mt_mailbox *box)
{
	MT_CHECK(mt_list_is_empty(&box->letters));
	MT_CHECK(mt_list_is_empty(&box->taken));
	pthread_mutex_destroy(&box->lock);
	close(box->event_fd);
	box->event_fd = -1;
}

void mt_mailbox_post(struct mt_mailbox *box, struct mt_letter *letter)
{
	const uint64_t one = 1;
	bool was_empty;

	MT_CHECK(pthread_mutex_lock(&box->lock) == 0);
	was_empty = mt_list_is_empty(&box->letters);
	mt_list_push_back(&box->letters, &letter->link);
	MT_CHECK(pthread_mutex_unlock(&box->lock) == 0);
	if (was_empty)
		MT_CHECK(write(box->event_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static void quiet(struct mt_mailbox *box)
{
	uint64_t raised;

	/* Fails when the event was not raised, which is what is wanted. */
	if (read(box->event_fd, &raised, sizeof(raised)) < 0)
		MT_CHECK(errno == EAGAIN);
	box->is_quiet = true;
}

/* Moves every waiting letter to the owner's list, which is empty. */
static void fetch(struct mt_mailbox *box)
{
	MT_CHECK(pthread_mutex_lock(&box->lock) == 0);
	if (!mt_list_is_empty(&box->letters)) {
		box->taken = box->letters;
		box->taken.next->prev = &box->taken;
		box->taken.prev->next = &box->taken;
		mt_list_init(&box->letters);
	}
	MT_CHECK(pthread_mutex_unlock(&box->lock) == 0);
}

struct mt_letter *mt_mailbox_take(struct mt_mailbox *box)
{
	struct mt_list *first;

	if (!box->is_quiet)
		quiet(box);
	if (mt_list_is_empty(&box->taken))
		fetch(box);
	first = mt_list_first(&box->taken);
	if (!first) {
		box->is_quiet = false;
		return NULL;
	}
	mt_list_remove(first);
	return MT_LIST_ITEM(first, struct mt_letter, link);
}
