/* Thin epoll loop: descriptors registered once, events handed out as an array. */
#include "io/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256

/* With EPOLLOUT each wake-up would tell that there is room, even where there is nothing to read any
 * more: a turn of the loop for nothing. */
#define EDGES (EPOLLIN | EPOLLRDHUP | EPOLLET)

static enum mt_status control(struct mt_loop *loop, int operation, int fd, uint64_t token,
			      uint32_t interest)
{
	struct epoll_event event = {.events = interest, .data.u64 = token};

	if (epoll_ctl(loop->epoll_fd, operation, fd, &event) == 0)
		return MT_OK;
	return errno == ENOMEM || errno == ENOSPC ? MT_LIMIT : MT_SYSTEM;
}

static uint32_t flags_of(uint32_t events)
{
	uint32_t flags = 0;

	if (events & EPOLLIN)
		flags |= MT_EVENT_READ;
	if (events & EPOLLOUT)
		flags |= MT_EVENT_WRITE;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		flags |= MT_EVENT_HANGUP;
	return flags;
}

enum mt_status mt_loop_open(struct mt_loop *loop)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return MT_SYSTEM;
	loop->epoll_fd = fd;
	return MT_OK;
}

void mt_loop_close(struct mt_loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

enum mt_status mt_loop_add(struct mt_loop *loop, int fd, uint64_t token)
{
	return control(loop, EPOLL_CTL_ADD, fd, token, EDGES);
}

enum mt_status mt_loop_await_room(struct mt_loop *loop, int fd, uint64_t token)
{
	return control(loop, EPOLL_CTL_MOD, fd, token, EDGES | EPOLLOUT);
}

enum mt_status mt_loop_change(struct mt_loop *loop, int fd, uint64_t token)
{
	return control(loop, EPOLL_CTL_MOD, fd, token, EDGES);
}

enum mt_status mt_loop_add_level(struct mt_loop *loop, int fd, uint64_t token)
{
	return control(loop, EPOLL_CTL_ADD, fd, token, EPOLLIN);
}

void mt_loop_remove(struct mt_loop *loop, int fd)
{
	/* A descriptor that was never added (or closed already) is as good as removed. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

enum mt_status mt_loop_wait(struct mt_loop *loop, int timeout_ms, struct mt_event *events,
			    int event_max, int *count)
{
	struct epoll_event ready[EVENTS_MAX];
	int found;

	MT_CHECK(event_max > 0 && event_max <= EVENTS_MAX);
	found = epoll_wait(loop->epoll_fd, ready, event_max, timeout_ms);
	if (found < 0 && errno != EINTR)
		return MT_SYSTEM;
	for (int i = 0; i < found; i++)
		events[i] = (struct mt_event){ready[i].data.u64, flags_of(ready[i].events)};
	*count = found > 0 ? found : 0;
	return MT_OK;
}
