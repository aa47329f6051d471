/*
 * The floor: a relay that does what no broker can avoid (wait, read, find the receivers, copy,
 * write) and nothing else. No sessions, no checks, QoS 0 only; not to be exposed: it listens on
 * 127.0.0.1 and trusts its peers.
 *
 *   PUBLISH -> last 8 bytes of its topic -> group -> the packet is appended to each member's buffer
 *   end of the turn: one write for each connection with bytes
 *
 * A filter that ends in a wildcard receives everything. Usage: floor PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512
#define GROUPS 8192
#define PACKET_BYTES_MAX 65536
#define READ_BYTES 65536

struct conn {
	int fd;
	bool is_v5;
	bool is_dirty;
	bool is_closed;
	struct group *group; /* what it receives, NULL: nothing */
	size_t out_len;
	size_t out_sent;
	size_t out_cap;
	uint8_t *out;
	size_t in_len;
	uint8_t *in; /* the start of a packet whose end has not come; NULL until that happens */
};

struct group {
	uint64_t key;
	size_t count;
	size_t cap;
	struct conn **members;
};

struct floor {
	int epoll;
	int listener;
	size_t group_count;
	struct group groups[GROUPS];
	struct group everything;
	struct group dirty;		   /* connections to flush at the end of the turn */
	struct epoll_event events[EVENTS]; /* on the stack they would be zeroed in every turn */
	uint8_t scratch[PACKET_BYTES_MAX + READ_BYTES];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void push(struct group *group, struct conn *conn)
{
	if (group->count == group->cap) {
		group->cap = group->cap ? group->cap * 2 : 8;
		group->members = reallocarray(group->members, group->cap, sizeof(struct conn *));
		if (!group->members)
			die("memory");
	}
	group->members[group->count++] = conn;
}

static void drop(struct group *group, const struct conn *conn)
{
	for (size_t i = 0; i < group->count; i++) {
		if (group->members[i] != conn)
			continue;
		group->members[i] = group->members[--group->count];
		break;
	}
}

static uint64_t key_of(const uint8_t *topic, size_t len)
{
	uint64_t key = 0;

	if (len >= 8)
		memcpy(&key, topic + len - 8, 8);
	else
		memcpy(&key, topic, len);
	return key;
}

static struct group *find(struct floor *floor, uint64_t key)
{
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15ULL >> 51);

	while (floor->groups[at].key != 0 && floor->groups[at].key != key)
		at = (at + 1) % GROUPS;
	return &floor->groups[at];
}

static void mark(struct floor *floor, struct conn *conn)
{
	if (conn->is_dirty)
		return;
	conn->is_dirty = true;
	push(&floor->dirty, conn);
}

static void append(struct floor *floor, struct conn *conn, const uint8_t *data, size_t len)
{
	if (conn->out_cap - conn->out_len < len) {
		conn->out_cap = conn->out_cap * 2 + len + 1024;
		conn->out = realloc(conn->out, conn->out_cap);
		if (!conn->out)
			die("memory");
	}
	memcpy(conn->out + conn->out_len, data, len);
	conn->out_len += len;
	mark(floor, conn);
}

static void relay(struct floor *floor, const struct group *group, const uint8_t *packet, size_t len)
{
	for (size_t i = 0; i < group->count; i++)
		append(floor, group->members[i], packet, len);
}

/* One SUBSCRIBE a connection, and its first filter alone counts; in MQTT 5 its properties may
 * take 127 bytes. */
static void subscribe(struct floor *floor, struct conn *conn, const uint8_t *body, size_t len)
{
	size_t at = 2 + (conn->is_v5 && len > 2 ? 1 + (size_t)body[2] : 0);
	const uint8_t suback[6] = {0x90, (uint8_t)(3 + conn->is_v5), body[0], body[1], 0, 0};
	size_t filter_len;

	if (conn->group || at + 2 > len ||
	    (filter_len = (size_t)(body[at] << 8 | body[at + 1])) == 0 ||
	    at + 2 + filter_len > len) {
		conn->is_closed = true;
		return;
	}
	if (memchr("#+", body[at + 2 + filter_len - 1], 2)) {
		conn->group = &floor->everything;
	} else {
		conn->group = find(floor, key_of(body + at + 2, filter_len));
		if (conn->group->key == 0 && ++floor->group_count == GROUPS)
			die("too many topics");
		conn->group->key = key_of(body + at + 2, filter_len);
	}
	push(conn->group, conn);
	append(floor, conn, suback, 5 + conn->is_v5);
}

static void publish(struct floor *floor, const uint8_t *packet, size_t len, size_t head)
{
	size_t topic_len = (size_t)(packet[head] << 8 | packet[head + 1]);

	if (head + 2 + topic_len > len)
		return;
	relay(floor, find(floor, key_of(packet + head + 2, topic_len)), packet, len);
	if (floor->everything.count > 0)
		relay(floor, &floor->everything, packet, len);
}

static void handle(struct floor *floor, struct conn *conn, const uint8_t *packet, size_t len,
		   size_t head)
{
	static const uint8_t connack[5] = {0x20, 2, 0, 0, 0}, connack5[5] = {0x20, 3, 0, 0, 0},
			     pong[2] = {0xd0, 0};

	switch (packet[0] >> 4) {
	case 3:
		if (len >= head + 2)
			publish(floor, packet, len, head);
		break;
	case 1:
		conn->is_v5 = len > head + 6 && packet[head + 6] == 5;
		append(floor, conn, conn->is_v5 ? connack5 : connack, 4 + conn->is_v5);
		break;
	case 8:
		if (len >= head + 2)
			subscribe(floor, conn, packet + head, len - head);
		break;
	case 12:
		append(floor, conn, pong, 2);
		break;
	default:
		conn->is_closed = true;
	}
}

/* Bytes of the packet at `at` (0: more are needed, SIZE_MAX: too long) and of its fixed header. */
static size_t measure(const uint8_t *at, size_t len, size_t *head)
{
	size_t remaining = 0;

	for (size_t i = 1; i < len && i <= 3; i++) {
		remaining |= (size_t)(at[i] & 127) << 7 * (i - 1);
		if (at[i] < 128) {
			*head = i + 1;
			if (i + 1 + remaining > PACKET_BYTES_MAX)
				return SIZE_MAX;
			return i + 1 + remaining <= len ? i + 1 + remaining : 0;
		}
	}
	return len > 3 ? SIZE_MAX : 0;
}

/* Handles every whole packet and keeps the rest. */
static void feed(struct floor *floor, struct conn *conn, const uint8_t *data, size_t len)
{
	size_t at = 0, head = 0, bytes;

	while (!conn->is_closed && (bytes = measure(data + at, len - at, &head)) > 0) {
		if (bytes == SIZE_MAX) {
			conn->is_closed = true;
			break;
		}
		handle(floor, conn, data + at, bytes, head);
		at += bytes;
	}
	conn->in_len = conn->is_closed ? 0 : len - at;
	if (conn->in_len == 0)
		return;
	if (!conn->in && !(conn->in = malloc(PACKET_BYTES_MAX)))
		die("memory");
	memcpy(conn->in, data + at, conn->in_len);
}

/* Edge-triggered: reads until a short read shows that the socket is empty. */
static void receive(struct floor *floor, struct conn *conn)
{
	ssize_t got;

	do {
		if (conn->in_len > 0)
			memcpy(floor->scratch, conn->in, conn->in_len);
		got = recv(conn->fd, floor->scratch + conn->in_len, READ_BYTES, 0);
		if (got > 0)
			feed(floor, conn, floor->scratch, conn->in_len + (size_t)got);
		else if (got == 0 || errno != EAGAIN)
			conn->is_closed = true;
	} while (got == READ_BYTES && !conn->is_closed);
	if (conn->is_closed)
		mark(floor, conn);
}

static void destroy(struct conn *conn)
{
	if (conn->group)
		drop(conn->group, conn);
	close(conn->fd);
	free(conn->in);
	free(conn->out);
	free(conn);
}

/* What the socket does not take waits for the edge of EPOLLOUT. */
static void flush(struct conn *conn)
{
	ssize_t put = 0;

	if (conn->out_sent < conn->out_len && !conn->is_closed) {
		put = send(conn->fd, conn->out + conn->out_sent, conn->out_len - conn->out_sent,
			   MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			conn->is_closed = true;
	}
	if (conn->is_closed) {
		destroy(conn);
		return;
	}
	conn->is_dirty = false;
	conn->out_sent += put > 0 ? (size_t)put : 0;
	if (conn->out_sent == conn->out_len)
		conn->out_sent = conn->out_len = 0;
}

static void watch(struct floor *floor, int fd, void *about)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = about};

	if (epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

static void welcome(struct floor *floor)
{
	int fd, on = 1;
	struct conn *conn;

	while ((fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
			die("TCP_NODELAY");
		conn = calloc(1, sizeof(*conn));
		if (!conn)
			die("memory");
		conn->fd = fd;
		watch(floor, fd, conn);
	}
}

static void turn(struct floor *floor)
{
	const struct epoll_event *events = floor->events;
	int count = epoll_wait(floor->epoll, floor->events, EVENTS, -1);
	struct conn *conn;

	for (int i = 0; i < count; i++) {
		conn = events[i].data.ptr;
		if (!conn) {
			welcome(floor);
			continue;
		}
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
			receive(floor, conn);
		if (conn->out_sent < conn->out_len)
			mark(floor, conn);
	}
	for (size_t i = 0; i < floor->dirty.count; i++)
		flush(floor->dirty.members[i]);
	floor->dirty.count = 0;
}

static void listen_at(struct floor *floor, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;

	floor->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	floor->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (floor->listener < 0 || floor->epoll < 0 ||
	    setsockopt(floor->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(floor->listener, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(floor->listener, 4096) != 0)
		die("listen");
	watch(floor, floor->listener, NULL);
}

int main(int argc, char **argv)
{
	static struct floor floor;
	char *end = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;

	if (!end || *end != 0 || port == 0 || port > UINT16_MAX) {
		fputs("usage: floor PORT\n", stderr);
		return 2;
	}
	listen_at(&floor, (uint16_t)port);
	for (;;)
		turn(&floor);
}
