/* A socket with a deadline: it waits no longer, whatever the other end does. */
#include "tls/probe_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t mt_probe_clock_ns(void)
{
	struct timespec at;
	MT_CHECK(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
	return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

bool mt_probe_wire_open(struct mt_probe *probe, struct mt_probe_wire *wire, const char **reason)
{
	int flags;
	*wire = (struct mt_probe_wire){.fd = -1};
	wire->fd = probe->settings->dial(probe->settings->context, reason);
	if (wire->fd < 0)
		return false;
	probe->facts->connections++;
	flags = fcntl(wire->fd, F_GETFL);
	if (flags < 0 || fcntl(wire->fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		*reason = "the operating system refused";
		mt_probe_wire_close(wire);
		return false;
	}
	wire->deadline_ms = mt_probe_clock_ns() / 1000000 + probe->settings->timeout_ms;
	return true;
}

/* False when the deadline passes first. */
static bool await(struct mt_probe_wire *wire, short events)
{
	for (;;) {
		struct pollfd wait = {.fd = wire->fd, .events = events};
		int64_t left_ms = wire->deadline_ms - mt_probe_clock_ns() / 1000000;
		int ready =
			left_ms > 0 ? poll(&wait, 1, left_ms > 60000 ? 60000 : (int)left_ms) : 0;
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
		if (left_ms <= 0) {
			wire->is_late = true;
			return false;
		}
	}
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static void note_first(struct mt_probe_wire *wire, const uint8_t *data, size_t len)
{
	size_t room = sizeof(wire->first) - wire->first_count;
	size_t count = len < room ? len : room;
	memcpy(wire->first + wire->first_count, data, count);
	wire->first_count += (uint32_t)count;
}

int mt_probe_wire_receive(struct mt_probe_wire *wire, void *to, size_t cap)
{
	ssize_t got = -1;
	MT_CHECK(cap > 0 && cap <= INT32_MAX);
	while (await(wire, POLLIN)) {
		got = recv(wire->fd, to, cap, 0);
		if (got >= 0 || !is_passing(errno))
			break;
	}
	wire->is_closed = got <= 0 && !wire->is_late;
	if (got <= 0)
		return (int)got;
	wire->received_bytes += (uint32_t)got;
	note_first(wire, to, (size_t)got);
	return (int)got;
}

int mt_probe_wire_send(struct mt_probe_wire *wire, const void *from, size_t len)
{
	ssize_t taken = -1;
	MT_CHECK(len > 0 && len <= INT32_MAX);
	while (await(wire, POLLOUT)) {
		taken = send(wire->fd, from, len, MSG_NOSIGNAL);
		if (taken >= 0 || !is_passing(errno))
			break;
	}
	wire->is_closed = taken < 0 && !wire->is_late;
	if (taken > 0)
		wire->sent_bytes += (uint32_t)taken;
	return (int)taken;
}

void mt_probe_wire_close(struct mt_probe_wire *wire)
{
	if (wire->fd >= 0)
		close(wire->fd);
	wire->fd = -1;
}

bool mt_probe_wire_is_tls(const struct mt_probe_wire *wire)
{
	/* A change of cipher, an alert, a handshake; of version 3.x. */
	return wire->first_count > 0 && wire->first[0] >= 20 && wire->first[0] <= 22 &&
	       (wire->first_count < 2 || wire->first[1] == 3);
}
