/* Listening sockets, and the addresses of peers. */
#include "io/listen.h"

#include "io/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* "[fe80::1%eth0]" allows a zone behind the address. */
static bool is_ipv6_text(struct mt_bytes text)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	size_t len = 0;

	while (len < text.len && text.data[len] != '%')
		len++;
	if (len == 0 || len >= sizeof(address) || text.len - len > 17)
		return false;
	for (size_t i = len + 1; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 127 || text.data[i] == '%')
			return false;
	memcpy(address, text.data, len);
	address[len] = '\0';
	return strlen(address) == len && inet_pton(AF_INET6, address, &parsed) == 1;
}

static bool is_name_text(struct mt_bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
			return false;
	}
	return true;
}

static bool parse_port(struct mt_bytes text, uint16_t *port)
{
	uint32_t value = 0;

	if (text.len == 0 || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* Bytes before the last colon; false without one. */
static bool split(struct mt_bytes text, struct mt_bytes *host, struct mt_bytes *port)
{
	size_t at = text.len;

	while (at > 0 && text.data[at - 1] != ':')
		at--;
	if (at == 0)
		return false;
	*host = mt_bytes_of(text.data, at - 1);
	*port = mt_bytes_from(text, at);
	return true;
}

/* Why this is no host, or NULL; strips brackets. */
static const char *check_host(struct mt_bytes *host)
{
	if (host->len > 0 && host->data[0] == '[') {
		if (host->data[host->len - 1] != ']')
			return "expected a closing bracket, as in [::1]:8883";
		*host = mt_bytes_of(host->data + 1, host->len - 2);
		return is_ipv6_text(*host)
			       ? NULL
			       : "expected an IPv6 address in the brackets, as in [::1]:8883";
	}
	if (host->len > 0 && memchr(host->data, ':', host->len))
		return "an IPv6 address stands in brackets, as in [::1]:8883";
	if (!is_name_text(*host))
		return "expected a name or an address before the port, as in localhost:1883";
	return NULL;
}

enum mt_status mt_endpoint_parse(struct mt_bytes text, struct mt_endpoint *out, const char **fault)
{
	struct mt_endpoint parsed = {.port = 0};
	struct mt_bytes host, port;
	const char *why;

	if (!split(text, &host, &port)) {
		*fault = "expected HOST:PORT, as in 127.0.0.1:1883 or [::]:8883";
		return MT_INVALID;
	}
	why = check_host(&host);
	if (!why && host.len >= sizeof(parsed.host))
		why = "a host has at most 255 characters";
	if (!why && !parse_port(port, &parsed.port))
		why = "expected a port from 0 to 65535 after the last colon";
	if (why) {
		*fault = why;
		return MT_INVALID;
	}
	if (host.len > 0)
		memcpy(parsed.host, host.data, host.len);
	*out = parsed;
	return MT_OK;
}

enum mt_status mt_endpoint_parse_local(struct mt_bytes text, struct mt_endpoint *out,
				       const char **fault)
{
	const struct mt_bytes prefix = mt_bytes_str("unix:");
	struct mt_endpoint parsed = {.is_unix = true};
	struct mt_bytes path;

	if (!mt_bytes_starts(text, prefix))
		return mt_endpoint_parse(text, out, fault);
	path = mt_bytes_from(text, prefix.len);
	if (path.len < 2 || path.data[0] != '/' || memchr(path.data, '\0', path.len)) {
		*fault = "expected an absolute path behind unix:, as in unix:/run/mqtt.sock";
		return MT_INVALID;
	}
	if (path.len >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		*fault = "the path of a Unix socket has at most 107 characters";
		return MT_INVALID;
	}
	memcpy(parsed.host, path.data, path.len);
	*out = parsed;
	return MT_OK;
}

bool mt_endpoint_is_loopback(const struct mt_endpoint *endpoint)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (endpoint->is_unix)
		return true;
	if (strcasecmp(endpoint->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, endpoint->host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, endpoint->host, &v6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

/* Listens at one address: a descriptor, or -1 with errno. */
static int listen_at(const struct addrinfo *at)
{
	const int on = 1, off = 0;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	/* Accepted sockets inherit these options: no system calls per connection. */
	mt_stream_tune(fd);
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int listen_by_name(const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char service[8];
	int fd, error;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	error = getaddrinfo(host, service, &hints, &list);
	if (error != 0) {
		if (error != EAI_SYSTEM)
			errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = listen_at(list);
	error = errno;
	freeaddrinfo(list);
	errno = error;
	return fd;
}

enum mt_status mt_listen_open(const struct mt_endpoint *endpoint, int *fd)
{
	bool is_any = endpoint->host[0] == '\0' || strcmp(endpoint->host, "::") == 0;
	const char *host = is_any ? "::" : endpoint->host;
	int opened;

	/* Never asked of a resolver: what is said to be loopback must be. */
	if (strcasecmp(host, "localhost") == 0)
		host = "127.0.0.1";
	opened = listen_by_name(host, endpoint->port);
	if (opened < 0 && is_any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		opened = listen_by_name("0.0.0.0", endpoint->port);
	if (opened < 0)
		return MT_SYSTEM;
	*fd = opened;
	return MT_OK;
}

static struct mt_peer_address address_of(const struct sockaddr_storage *from)
{
	struct mt_peer_address address = {.port = 0};

	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
		memcpy(address.byte, mapped_prefix, sizeof(mapped_prefix));
		memcpy(address.byte + 12, &v4->sin_addr, 4);
		address.port = ntohs(v4->sin_port);
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
		memcpy(address.byte, &v6->sin6_addr, 16);
		address.port = ntohs(v6->sin6_port);
	}
	return address;
}

void mt_listen_name(int fd, char out[MT_ENDPOINT_TEXT_BYTES])
{
	struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(name);
	struct mt_peer_address address;

	out[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
		return;
	if (name.ss_family == AF_UNIX) {
		const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)&name;
		snprintf(out, MT_ENDPOINT_TEXT_BYTES, "unix:%.107s", local->sun_path);
		return;
	}
	address = address_of(&name);
	mt_peer_address_text(&address, out);
}

static enum mt_status accept_status(void)
{
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return MT_LIMIT;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		return MT_SYSTEM;
	default:
		/* accept(2) also reports the fate of the connection that waited: it is gone. */
		return MT_AGAIN;
	}
}

enum mt_status mt_listen_accept(int listen_fd, int *fd, struct mt_peer_address *peer)
{
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(from);
	int accepted;

	do
		accepted = accept4(listen_fd, (struct sockaddr *)&from, &len,
				   SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (accepted < 0 && errno == EINTR);
	if (accepted < 0)
		return accept_status();
	*fd = accepted;
	*peer = address_of(&from);
	return MT_OK;
}

void mt_peer_address_text(const struct mt_peer_address *peer, char out[MT_ENDPOINT_TEXT_BYTES])
{
	static const struct mt_peer_address local;
	char host[INET6_ADDRSTRLEN];

	if (memcmp(peer->byte, local.byte, sizeof(local.byte)) == 0 && peer->port == 0) {
		snprintf(out, MT_ENDPOINT_TEXT_BYTES, "unix");
		return;
	}
	if (memcmp(peer->byte, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		MT_CHECK(inet_ntop(AF_INET, peer->byte + 12, host, sizeof(host)) != NULL);
		snprintf(out, MT_ENDPOINT_TEXT_BYTES, "%s:%u", host, (unsigned)peer->port);
	} else {
		MT_CHECK(inet_ntop(AF_INET6, peer->byte, host, sizeof(host)) != NULL);
		snprintf(out, MT_ENDPOINT_TEXT_BYTES, "[%s]:%u", host, (unsigned)peer->port);
	}
}
