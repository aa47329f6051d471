/* Non-blocking reading and writing of sockets, and the options that every connection gets. */
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define GATHER_MAX 64
#define UNSENT_BYTES_MAX (64 * 1024)
/* A peer that vanished without a word is noticed after 60 + 4 * 15 seconds. */
#define PROBE_IDLE_S 60
#define PROBE_INTERVAL_S 15
#define PROBE_COUNT 4

static enum mt_status receive(int fd, void *to, size_t cap, int flags, size_t *out)
{
	ssize_t got;

	MT_CHECK(cap > 0);
	do
		got = recv(fd, to, cap, flags | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? MT_AGAIN : MT_SYSTEM;
	if (got == 0)
		return MT_CLOSED;
	*out = (size_t)got;
	return MT_OK;
}

enum mt_status mt_stream_read(int fd, void *to, size_t cap, size_t *out, bool *is_drained)
{
	MT_TRY(receive(fd, to, cap, 0, out));
	*is_drained = *out < cap;
	return MT_OK;
}

enum mt_status mt_stream_peek(int fd, void *to, size_t cap, size_t *out)
{
	return receive(fd, to, cap, MSG_PEEK, out);
}

static enum mt_status write_status(void)
{
	switch (errno) {
	case EAGAIN:
		return MT_AGAIN;
	case EPIPE:
	case ECONNRESET:
		return MT_CLOSED;
	default:
		return MT_SYSTEM;
	}
}

enum mt_status mt_stream_write(int fd, const struct mt_bytes *list, size_t count, size_t *out)
{
	struct iovec parts[GATHER_MAX];
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t sent;

	MT_CHECK(count <= GATHER_MAX);
	for (size_t i = 0; i < count; i++) {
		/* struct iovec has no const; sendmsg only reads. */
		parts[i].iov_base = (void *)(uintptr_t)list[i].data;
		parts[i].iov_len = list[i].len;
	}
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return write_status();
	*out = (size_t)sent;
	return MT_OK;
}

static void set_number(int fd, int level, int option, int value)
{
	/* Refused by sockets that are not TCP; they work without. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

void mt_stream_tune(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_number(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX);
	set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, PROBE_IDLE_S);
	set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_INTERVAL_S);
	set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBE_COUNT);
}
