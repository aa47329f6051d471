/* For the tests of the shell: a real core, joined sockets, and the packets of a small client. */
#pragma once

#include "core/core.h"
#include "wire/ack.h"
#include "wire/connect.h"
#include "wire/control.h"
#include "wire/publish.h"
#include "wire/subscribe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHELL_OUTPUT_BYTES (1u << 20)

static inline struct mt_core_settings shell_core_settings(void)
{
	return (struct mt_core_settings){
		.limits = {.packet_bytes = 1u << 20,
			   .connect_bytes = 4096,
			   .topic_levels = 16,
			   .filters_per_subscribe = 8,
			   .filters_per_session = 16,
			   .queue_messages = 1000,
			   .queue_bytes = 8u << 20,
			   .output_bytes = SHELL_OUTPUT_BYTES,
			   .inflight = 10,
			   .retained_count = 64,
			   .retained_bytes = 65536,
			   .sessions = 64,
			   .connections = 16,
			   .connect_ns = 60 * MT_SECOND},
		.seed = {{1, 2}},
		.memory_bytes = SIZE_MAX,
		.release = "test",
	};
}

/* One user `ann` (id 7) with this password hash ("": none). */
static inline struct mt_policy *shell_policy(const char *password_hash)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	struct mt_user user = {.id = 7,
			       .name = mt_bytes_str("ann"),
			       .is_enabled = true,
			       .password_hash = mt_bytes_str(password_hash)};
	struct mt_bytes role = mt_bytes_str("open");
	struct mt_policy *policy;
	assert_non_null(builder);
	assert_int_equal(mt_policy_builder_user(builder, &user, &role, 1), MT_OK);
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

static inline int shell_listen(uint16_t *port)
{
	struct sockaddr_in here = {.sin_family = AF_INET};
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&here, &len), 0);
	*port = ntohs(here.sin_port);
	return fd;
}

/* A client's end; a small buffer blocks the other side soon. */
static inline int shell_dial(uint16_t port, int receive_bytes)
{
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int at_once = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (receive_bytes)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
					    sizeof(receive_bytes)),
				 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&there, sizeof(there)), 0);
	return fd;
}

static inline void shell_put(int fd, struct mt_bytes bytes)
{
	while (bytes.len > 0) {
		ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
		assert_true(sent > 0);
		bytes = mt_bytes_from(bytes, (size_t)sent);
	}
}

/* Reads to the end: true when it is a clean one, false when the connection was reset. */
static inline bool shell_drain(int fd, struct mt_buf *to)
{
	ssize_t got;
	while ((got = recv(fd, to->data + to->pos, to->cap - to->pos, 0)) > 0)
		to->pos += (size_t)got;
	assert_true(to->pos < to->cap);
	return got == 0;
}

static inline void shell_put_connect(int fd, const char *id, const char *user, const char *password)
{
	uint8_t data[512];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .client_id = mt_bytes_str(id),
				     .has_user = user != NULL,
				     .user = mt_bytes_str(user ? user : ""),
				     .has_password = password != NULL,
				     .password = mt_bytes_str(password ? password : "")};
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	shell_put(fd, mt_buf_view(&buf));
}

static inline struct mt_bytes shell_publish(struct mt_buf *buf, const char *topic,
					    struct mt_bytes payload)
{
	struct mt_publish publish = {.topic = mt_bytes_str(topic), .payload = payload};
	buf->pos = 0;
	assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, buf), MT_OK);
	return mt_buf_view(buf);
}

static inline struct mt_bytes shell_subscribe(struct mt_buf *buf, const char *filter)
{
	uint8_t list[128];
	struct mt_buf items = mt_buf_of(list, sizeof(list));
	struct mt_sub_options options = {0};
	struct mt_subscribe subscribe = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 9, .filter_count = 1};
	mt_subscribe_put(&items, mt_bytes_str(filter), &options, MT_VERSION_5);
	subscribe.list = mt_buf_view(&items);
	buf->pos = 0;
	assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, buf), MT_OK);
	return mt_buf_view(buf);
}

/* Whole packets at the start of what came, by their first four bits: "2 9 3 3 ..." as characters.
 */
static inline void shell_types(struct mt_bytes bytes, char *out, size_t cap)
{
	struct mt_frame frame;
	struct mt_violation why;
	size_t count = 0;
	while (count + 1 < cap && mt_frame_next(bytes, SIZE_MAX, &frame, &why) == MT_OK) {
		out[count++] = "0123456789ABCDEF"[frame.type];
		bytes = mt_bytes_from(bytes, frame.bytes);
	}
	assert_int_equal(bytes.len, 0);
	out[count] = '\0';
}
