/* Outgoing connections: resolves a name and starts a non-blocking connect to its next address. */
#include "io/dial.h"

#include "io/stream.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *text_of(int error)
{
	const char *text = strerrordesc_np(error);

	return text ? text : "unknown error of the system";
}

/* localhost and what is below it are this machine, whatever a resolver says or lacks (RFC 6761,
 * section 6.3). */
static bool is_this_machine(const char *host)
{
	static const char name[] = "localhost";
	size_t len = strlen(host), name_len = sizeof(name) - 1;

	if (len < name_len || strcasecmp(host + len - name_len, name) != 0)
		return false;
	return len == name_len || host[len - name_len - 1] == '.';
}

/* The addresses of the name; free with freeaddrinfo. NULL with *reason. */
static struct addrinfo *resolve(const char *host, uint16_t port, const char **reason)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char service[8];
	int error;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	error = getaddrinfo(is_this_machine(host) ? NULL : host, service, &hints, &found);
	if (error == 0)
		return found;
	*reason = error == EAI_SYSTEM ? text_of(errno) : gai_strerror(error);
	return NULL;
}

/* A socket on its way to one address, or -1 with errno. */
static int connect_to(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	mt_stream_tune(fd);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

enum mt_status mt_dial_start(const char *host, uint16_t port, unsigned *attempt, int *fd,
			     const char **reason)
{
	const char *why = "none of its addresses answers";
	struct addrinfo *list = resolve(host, port, reason);
	unsigned index = 0;
	int connecting = -1;

	if (!list)
		return MT_UNREACHABLE;
	for (struct addrinfo *at = list; at && connecting < 0; at = at->ai_next, index++) {
		if (index < *attempt)
			continue;
		connecting = connect_to(at);
		if (connecting < 0)
			why = text_of(errno);
	}
	freeaddrinfo(list);
	if (connecting < 0) {
		*reason = why;
		return MT_UNREACHABLE;
	}
	*attempt = index;
	*fd = connecting;
	return MT_OK;
}

enum mt_status mt_dial_finish(int fd, const char **reason)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int error = 0;

	if (poll(&wait, 1, 0) == 0)
		return MT_AGAIN;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		*reason = text_of(error);
		return MT_UNREACHABLE;
	}
	return MT_OK;
}
