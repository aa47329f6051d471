/*
 * libmortise against a scripted server on loopback, and over TLS against Mosquitto where it is
 * installed.
 *
 *   test -> mortise_client_* -> 127.0.0.1 -> a thread that plays a script: accept, expect bytes,
 * send bytes, close
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mortise/client.h"
#include "shell/client_parts.h"
#include "shell/profile.h"
#include "spec.h"
#include "tls_world.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WAIT_MS 10000
#define MOSQUITTO "/usr/sbin/mosquitto"

enum act { ACCEPT, EXPECT, SEND, CLOSE, DONE };

struct step {
	enum act act;
	const char *hex;
};

struct server {
	int listen_fd;
	uint16_t port;
	const struct step *steps;
	pthread_t thread;
	size_t failed_at; /* step + 1; 0: all went as written */
};

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t len = 0;
	unsigned value;
	for (; *text; text++)
		if (*text != ' ' && sscanf(text, "%2x", &value) == 1) {
			out[len++] = (uint8_t)value;
			text++;
		}
	return len;
}

static bool expect(int fd, const char *text)
{
	uint8_t wanted[512];
	uint8_t got[512];
	size_t len = from_hex(text, wanted);
	size_t at = 0;
	while (at < len) {
		ssize_t count = recv(fd, got + at, len - at, 0);
		if (count <= 0)
			return false;
		at += (size_t)count;
	}
	return memcmp(wanted, got, len) == 0;
}

static bool send_hex(int fd, const char *text)
{
	uint8_t bytes[512];
	size_t len = from_hex(text, bytes);
	return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static int accept_one(int listen_fd)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	struct pollfd wait = {.fd = listen_fd, .events = POLLIN};
	int fd = poll(&wait, 1, WAIT_MS) == 1 ? accept(listen_fd, NULL, NULL) : -1;
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void *play(void *argument)
{
	struct server *server = argument;
	int fd = -1;
	for (size_t i = 0; server->steps[i].act != DONE && server->failed_at == 0; i++) {
		const struct step *step = &server->steps[i];
		bool is_good = true;
		if (step->act == CLOSE || step->act == ACCEPT) {
			if (fd >= 0)
				close(fd);
			fd = -1;
		}
		if (step->act == ACCEPT)
			is_good = (fd = accept_one(server->listen_fd)) >= 0;
		if (step->act == EXPECT)
			is_good = expect(fd, step->hex);
		if (step->act == SEND)
			is_good = send_hex(fd, step->hex);
		if (!is_good)
			server->failed_at = i + 1;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void serve(struct server *server, const struct step *steps)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);
	*server = (struct server){.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
				  .steps = steps};
	assert_true(server->listen_fd >= 0);
	assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listen_fd, 4), 0);
	assert_int_equal(getsockname(server->listen_fd, (struct sockaddr *)&address, &len), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, play, server), 0);
}

static void finish(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->listen_fd);
	if (server->failed_at)
		fail_msg("the server's step %zu was not as written", server->failed_at);
}

static mortise_client *client_of(const struct server *server)
{
	mortise_client *client = mortise_client_create("127.0.0.1", server->port);
	assert_non_null(client);
	assert_int_equal(mortise_client_set_version(client, 4), MORTISE_OK);
	assert_int_equal(mortise_client_set_client_id(client, "c"), MORTISE_OK);
	return client;
}

#define CONNECT "10 0d 0004 4d515454 04 02 003c 0001 63"
#define CONNACK "20 02 00 00"

static void publishes_and_receives(void **state)
{
	static const struct step steps[] = {
		{ACCEPT, ""},
		{EXPECT, CONNECT},
		{SEND, CONNACK},
		{EXPECT, "82 06 0001 0001 61 01"},
		{SEND, "90 03 0001 01 30 04 0001 61 31"},
		{EXPECT, "32 06 0001 62 0002 78"},
		{SEND, "32 06 0001 61 0009 32 40 02 0002 30 04 0001 61 33"},
		{EXPECT, "40 02 0009 e0 00"},
		{DONE, ""},
	};
	struct mortise_subscription wanted = {.filter = "a", .qos = 1};
	struct mortise_message message = {
		.topic = "b", .payload = "x", .payload_bytes = 1, .qos = 1};
	struct server server;
	mortise_client *client;
	uint8_t reason = 0x80;
	(void)state;
	serve(&server, steps);
	client = client_of(&server);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_OK);
	assert_true(mortise_client_is_connected(client));
	assert_string_equal(mortise_client_id(client), "c");
	assert_int_equal(mortise_client_subscribe(client, &wanted, 1, NULL, 0, &reason, WAIT_MS),
			 MORTISE_OK);
	assert_int_equal(reason, 1);
	assert_int_equal(mortise_client_publish(client, &message, WAIT_MS), MORTISE_OK);
	for (int i = 1; i <= 3; i++) { /* two of them waited in the inbox */
		assert_int_equal(mortise_client_receive(client, &message, WAIT_MS), MORTISE_OK);
		assert_string_equal(message.topic, "a");
		assert_int_equal(message.payload_bytes, 1);
		assert_int_equal(*(const char *)message.payload, '0' + i);
	}
	assert_int_equal(mortise_client_receive(client, &message, 0), MORTISE_TIMEOUT);
	assert_int_equal(mortise_client_disconnect(client, 0, WAIT_MS), MORTISE_OK);
	assert_int_equal(mortise_client_receive(client, &message, 0), MORTISE_CLOSED);
	finish(&server);
	mortise_client_destroy(&client);
	assert_null(client);
}

static void posted_lines_need_no_round_trips(void **state)
{
	static const struct step steps[] = {
		{ACCEPT, ""},
		{EXPECT, CONNECT},
		{SEND, CONNACK},
		{EXPECT, "32 06 0001 62 0001 78 32 06 0001 62 0002 78 32 06 0001 62 0003 78"},
		{SEND, "40 02 0001 40 02 0002 40 02 0003"},
		{EXPECT, "e0 00"},
		{DONE, ""},
	};
	struct mortise_message message = {
		.topic = "b", .payload = "x", .payload_bytes = 1, .qos = 1};
	struct server server;
	mortise_client *client;
	(void)state;
	serve(&server, steps);
	client = client_of(&server);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mortise_client_post(client, &message, NULL), MORTISE_OK);
	assert_int_equal(mortise_client_settle(client, 0, WAIT_MS), MORTISE_OK);
	assert_int_equal(mortise_client_disconnect(client, 0, WAIT_MS), MORTISE_OK);
	finish(&server);
	mortise_client_destroy(&client);
}

static void refusals_are_told(void **state)
{
	static const struct step steps[] = {
		{ACCEPT, ""}, {EXPECT, CONNECT}, {SEND, "20 02 00 05"}, {DONE, ""}};
	struct server server;
	mortise_client *client;
	(void)state;
	serve(&server, steps);
	client = client_of(&server);
	assert_int_equal(mortise_client_set_reconnect(client, 1, 2, 7), MORTISE_OK);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_DENIED);
	assert_int_equal(mortise_client_reason(client), 0x87);
	assert_non_null(strstr(mortise_client_fault(client), "not authorized"));
	finish(&server);
	mortise_client_destroy(&client);
}

static void hostile_server_is_left(void **state)
{
	static const struct step steps[] = {{ACCEPT, ""},
					    {EXPECT, CONNECT},
					    {SEND, CONNACK "90 03 0007 00"},
					    {EXPECT, ""},
					    {DONE, ""}};
	struct mortise_message message;
	struct server server;
	mortise_client *client;
	(void)state;
	serve(&server, steps);
	client = client_of(&server);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_OK);
	assert_int_equal(mortise_client_receive(client, &message, WAIT_MS), MORTISE_VIOLATION);
	assert_non_null(strstr(mortise_client_fault(client), "MQTT-3.8.4-2"));
	assert_int_equal(mortise_client_fd(client), -1);
	finish(&server);
	mortise_client_destroy(&client);
}

static void silence_times_out(void **state)
{
	static const struct step steps[] = {
		{ACCEPT, ""}, {EXPECT, CONNECT}, {EXPECT, "00"}, {DONE, ""}};
	struct server server;
	mortise_client *client;
	(void)state;
	serve(&server, steps);
	client = client_of(&server);
	assert_int_equal(mortise_client_connect(client, 50), MORTISE_TIMEOUT);
	assert_false(mortise_client_is_connected(client));
	assert_int_equal(mortise_client_fd(client), -1);
	pthread_join(server.thread, NULL);
	assert_int_equal(server.failed_at,
			 3); /* the connection was closed, nothing more was said */
	close(server.listen_fd);
	mortise_client_destroy(&client);
}

static void nobody_answers(void **state)
{
	static const struct step steps[] = {{DONE, ""}};
	struct server server;
	mortise_client *client;
	(void)state;
	serve(&server, steps);
	finish(&server); /* the port is free again */
	client = client_of(&server);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_UNREACHABLE);
	assert_non_null(strstr(mortise_client_fault(client), "Connection refused"));
	mortise_client_destroy(&client);
}

/* The event loop's face: lets the client work until an event of that type comes; others are passed
 * over. */
static void run_until(mortise_client *client, enum mortise_event_type type,
		      struct mortise_event *out)
{
	for (int turns = 0; turns < 1000; turns++) {
		struct pollfd wait = {.fd = mortise_client_fd(client),
				      .events = mortise_client_events(client)};
		while (mortise_client_next(client, out) == MORTISE_OK)
			if (out->type == type)
				return;
		int ms = mortise_client_deadline_ms(client);
		(void)poll(&wait, 1, ms < 0 ? WAIT_MS : ms);
		assert_int_equal(mortise_client_process(client), MORTISE_OK);
	}
	fail_msg("event %d does not come", (int)type);
}

static void comes_back_and_subscribes_again(void **state)
{
	static const struct step steps[] = {
		{ACCEPT, ""},
		{EXPECT, CONNECT},
		{SEND, CONNACK},
		{EXPECT, "82 0a 0001 0001 61 01 0001 62 00"},
		{SEND, "90 04 0001 01 80"},
		{EXPECT, "32 06 0001 62 0002 78"},
		{CLOSE, ""},
		{ACCEPT, ""},
		{EXPECT, CONNECT},
		{SEND, CONNACK},
		{EXPECT, "82 06 0003 0001 61 01 32 06 0001 62 0002 78"},
		{SEND, "90 03 0003 01 40 02 0002"},
		{EXPECT, "e0 00"},
		{DONE, ""},
	};
	struct mortise_subscription wanted[] = {{.filter = "a", .qos = 1}, {.filter = "b"}};
	struct mortise_message message = {
		.topic = "b", .payload = "x", .payload_bytes = 1, .qos = 1};
	struct mortise_event event;
	struct server server;
	mortise_client *client;
	uint16_t id = 0;
	(void)state;
	serve(&server, steps);
	client = client_of(&server);
	assert_int_equal(mortise_client_set_reconnect(client, 1, 20, 7), MORTISE_OK);
	assert_int_equal(mortise_client_start(client), MORTISE_OK);
	run_until(client, MORTISE_EVENT_CONNECTED, &event);
	assert_int_equal(mortise_client_post_subscribe(client, wanted, 2, NULL, 0, &id),
			 MORTISE_OK);
	run_until(client, MORTISE_EVENT_SUBSCRIBED, &event);
	assert_int_equal(event.id, id);
	assert_int_equal(event.reason_count, 2);
	assert_int_equal(event.reasons[1], 0x80);
	assert_int_equal(mortise_client_post(client, &message, &id), MORTISE_OK);
	run_until(client, MORTISE_EVENT_LOST, &event);
	assert_true(event.will_return);
	run_until(client, MORTISE_EVENT_CONNECTED, &event);
	assert_false(event.is_session_present);
	run_until(client, MORTISE_EVENT_PUBLISHED, &event);
	assert_int_equal(event.id, id);
	assert_int_equal(mortise_client_post_disconnect(client, 0), MORTISE_OK);
	run_until(client, MORTISE_EVENT_CLOSED, &event);
	finish(&server);
	mortise_client_destroy(&client);
}

static void waits_grow_and_differ(void **state)
{
	mortise_client *clients[2];
	int waits[2][6];
	(void)state;
	for (int c = 0; c < 2; c++) {
		clients[c] = mortise_client_create("127.0.0.1", 1);
		assert_int_equal(
			mortise_client_set_reconnect(clients[c], 1000, 8000, 11 + (uint64_t)c),
			MORTISE_OK);
		assert_int_equal(mortise_client_start(clients[c]), MORTISE_OK);
		for (int i = 0; i < 6; i++) {
			int base = i < 3 ? 1000 << i : 8000;
			mt_client_link_lose(clients[c], MORTISE_CLOSED, 0);
			clients[c]->has_lost = false;
			waits[c][i] = mortise_client_deadline_ms(clients[c]);
			assert_in_range(waits[c][i], 1, base);
			assert_true(clients[c]->retry_ms <= 8000);
		}
		assert_int_equal(clients[c]->retry_ms, 8000);
		mortise_client_destroy(&clients[c]);
	}
	assert_memory_not_equal(waits[0], waits[1], sizeof(waits[0]));
}

static void options_are_checked(void **state)
{
	static const struct step steps[] = {
		{ACCEPT, ""}, {EXPECT, CONNECT}, {SEND, CONNACK}, {DONE, ""}};
	struct mortise_property user = {.id = MORTISE_USER_PROPERTY,
					.text = "n",
					.text_bytes = 1,
					.value = "v",
					.value_bytes = 1};
	struct mortise_message message = {.topic = "t", .properties = &user, .property_count = 1};
	struct server server;
	mortise_client *client;
	(void)state;
	assert_null(mortise_client_create("", 0));
	serve(&server, steps);
	client = client_of(&server);
	assert_int_equal(mortise_client_set_version(client, 3), MORTISE_INVALID);
	assert_int_equal(mortise_client_set_tls(client, NULL, "cert", NULL), MORTISE_INVALID);
	assert_int_equal(mortise_client_set_reconnect(client, 5, 4, 0), MORTISE_INVALID);
	assert_int_equal(mortise_client_set_will(client, &message),
			 MORTISE_INVALID); /* 3.1.1 has no properties */
	assert_int_equal(mortise_client_publish(client, &message, 0), MORTISE_INVALID);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_OK);
	assert_int_equal(mortise_client_set_client_id(client, "d"), MORTISE_INVALID);
	assert_int_equal(mortise_client_start(client), MORTISE_INVALID);
	assert_int_equal(mortise_client_post(client, &message, NULL), MORTISE_INVALID);
	message.property_count = 0;
	message.topic = "a/#";
	assert_int_equal(mortise_client_post(client, &message, NULL), MORTISE_INVALID);
	finish(&server);
	mortise_client_destroy(&client);
}

/* Some address of this machine that is not loopback, by the route to a documentation address;
 * false: there is none. */
static bool own_address(char out[INET_ADDRSTRLEN])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_good = fd >= 0 && inet_pton(AF_INET, "192.0.2.1", &address.sin_addr) == 1 &&
		       connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		       getsockname(fd, (struct sockaddr *)&address, &len) == 0;
	if (fd >= 0)
		close(fd);
	return is_good && ntohl(address.sin_addr.s_addr) >> 24 != 127 &&
	       inet_ntop(AF_INET, &address.sin_addr, out, INET_ADDRSTRLEN) != NULL;
}

static int listen_any(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void password_does_not_travel_in_the_clear(void **state)
{
	char host[INET_ADDRSTRLEN];
	uint8_t byte;
	uint16_t port;
	int listen_fd;
	int fd;
	mortise_client *client;
	(void)state;
	if (!own_address(host))
		skip();
	listen_fd = listen_any(&port);
	client = mortise_client_create(host, port);
	assert_int_equal(mortise_client_set_credentials(client, "u", "secret", 6), MORTISE_OK);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_DENIED);
	assert_int_equal(mortise_client_reason(client), 0);
	fd = accept_one(listen_fd);
	assert_true(fd >= 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 0); /* closed, without a byte */
	close(fd);
	close(listen_fd);
	mortise_client_destroy(&client);
}

static void write_text(const char *path, const char *text, mode_t mode)
{
	struct mt_pem pem = {.text = (char *)(uintptr_t)text, .len = strlen(text)};
	world_file(path, &pem, mode);
}

static void profiles_read_as_they_are_written(void **state)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	char path[] = "/tmp/mortise-profile-XXXXXX";
	char copy[3][sizeof(pem)];
	struct mt_profile profile = {
		.host = "broker.example",
		.port = 8883,
		.user = "a\"b\\c \xc3\xa4\xe2\x80\xa8",
		.password = ": #{}&*!|>'%@`",
		.client_id = "true",
	};
	mortise_client *client = mortise_client_create("x", 1);
	int fd = mkstemp(path);
	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (int i = 0; i < 3; i++)
		memcpy(copy[i], pem, sizeof(pem));
	profile.ca_pem = copy[0];
	profile.certificate_pem = copy[1];
	profile.key_pem = copy[2];
	assert_int_equal(mt_profile_write(path, &profile), MT_OK);
	assert_int_equal(mortise_client_set_profile(client, path), MORTISE_OK);
	assert_string_equal(client->options.host, profile.host);
	assert_int_equal(client->options.port, 8883);
	assert_true(client->options.is_tls);
	assert_int_equal(client->options.core.connect.user.len, strlen(profile.user));
	assert_memory_equal(client->options.core.connect.user.data, profile.user,
			    strlen(profile.user));
	assert_int_equal(client->options.secret_bytes, strlen(profile.password));
	assert_memory_equal(client->options.secret, profile.password, strlen(profile.password));
	assert_memory_equal(client->options.core.connect.client_id.data, "true", 4);
	assert_string_equal(client->options.ca_pem, pem);
	assert_string_equal(client->options.key_pem, pem);
	mortise_client_destroy(&client);
	client = mortise_client_create("x", 1);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(mortise_client_set_profile(client, path), MORTISE_DENIED);
	unlink(path);
	assert_int_equal(mortise_client_set_profile(client, path), MORTISE_NOT_FOUND);
	mortise_client_destroy(&client);
}

static void bad_profiles_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"address\n",
		"user: \"x\"\n",
		"address: \"h\"\n",
		"address: \"h:1\"\nunknown: \"x\"\n",
		"address: \"h:1\"\nuser: \"x\n",
		"address: \"h:1\"\nuser: \"\\u0000\"\n",
		"address: \"h:1\"\nuser: \"\\ud800\"\n",
		"address: \"h:1\"\nca: |\n  nothing\n",
		"address: \"h:1\"\nca: x\n",
		"address: \"h:1\"\nkey: |\n  -----BEGIN X\n",
		"address: [h, 1]\n",
	};
	char path[] = "/tmp/mortise-profile-XXXXXX";
	int fd = mkstemp(path);
	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < MT_COUNT_OF(texts); i++) {
		mortise_client *client = mortise_client_create("x", 1);
		write_text(path, texts[i], 0600);
		assert_int_equal(mortise_client_set_profile(client, path), MORTISE_INVALID);
		assert_non_null(strstr(mortise_client_fault(client), "line"));
		mortise_client_destroy(&client);
	}
	unlink(path);
}

/* ---- TLS, against Mosquitto ---- */

static uint16_t free_port(void)
{
	uint16_t port;
	close(listen_any(&port));
	return port;
}

static void wait_for_port(uint16_t port)
{
	for (int i = 0; i < 100; i++) {
		mortise_client *client = mortise_client_create("127.0.0.1", port);
		int status = mortise_client_connect(client, 1000);
		mortise_client_destroy(&client);
		if (status != MORTISE_UNREACHABLE)
			return;
		poll(NULL, 0, 50);
	}
	fail_msg("%s does not start", MOSQUITTO);
}

static pid_t start_mosquitto(const struct world *world, uint16_t port, const char *more)
{
	char path[128];
	char text[1024];
	pid_t pid;
	snprintf(path, sizeof(path), "%s/mosquitto.conf", world->folder);
	snprintf(text, sizeof(text),
		 "user root\nlistener %u 127.0.0.1\nallow_anonymous true\n"
		 "cafile %s\ncertfile %s\nkeyfile %s\n%s\n",
		 port, world->ca_path, world->chain_path, world->key_path, more);
	write_text(path, text, 0600);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		wait_for_port(port);
		return pid;
	}
	(void)!freopen("/dev/null", "w", stderr);
	execl(MOSQUITTO, MOSQUITTO, "-c", path, (char *)NULL);
	_exit(127);
}

static void stop_mosquitto(const struct world *world, pid_t pid)
{
	char path[128];
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/mosquitto.conf", world->folder);
	unlink(path);
}

static mortise_client *tls_client(uint16_t port, const char *host, const char *ca)
{
	mortise_client *client = mortise_client_create(host, port);
	assert_int_equal(mortise_client_set_tls(client, ca, NULL, NULL), MORTISE_OK);
	return client;
}

static void exchange_large(mortise_client *client)
{
	enum { BYTES = 300000 };
	char *payload = malloc(BYTES);
	struct mortise_subscription wanted = {.filter = "large/#", .qos = 2};
	struct mortise_message message = {
		.topic = "large/1", .payload = payload, .payload_bytes = BYTES, .qos = 2};
	assert_non_null(payload);
	for (size_t i = 0; i < BYTES; i++)
		payload[i] = (char)(i * 7);
	assert_int_equal(mortise_client_subscribe(client, &wanted, 1, NULL, 0, NULL, WAIT_MS),
			 MORTISE_OK);
	assert_int_equal(mortise_client_publish(client, &message, WAIT_MS), MORTISE_OK);
	assert_int_equal(mortise_client_receive(client, &message, WAIT_MS), MORTISE_OK);
	assert_int_equal(message.payload_bytes, BYTES);
	assert_memory_equal(message.payload, payload, BYTES);
	free(payload);
}

static void tls_is_verified(void **state)
{
	struct world world;
	uint16_t port = free_port();
	mortise_client *client;
	pid_t pid;
	(void)state;
	if (access(MOSQUITTO, X_OK) != 0)
		skip();
	world_open(&world);
	pid = start_mosquitto(&world, port, "");

	client = tls_client(port, "127.0.0.1", world.ca_path);
	if (mortise_client_connect(client, WAIT_MS) != MORTISE_OK)
		fail_msg("%s", mortise_client_fault(client));
	exchange_large(client);
	assert_int_equal(mortise_client_disconnect(client, 0, WAIT_MS), MORTISE_OK);
	mortise_client_destroy(&client);

	client = tls_client(port, "127.0.0.1", world.other_ca_path);
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_TLS);
	mortise_client_destroy(&client);
	client = tls_client(port, "127.0.0.2",
			    world.ca_path); /* not in the certificate, if it answers at all */
	assert_int_not_equal(mortise_client_connect(client, WAIT_MS), MORTISE_OK);
	mortise_client_destroy(&client);
	client = tls_client(port, "127.0.0.1", "/nonexistent/ca.pem");
	assert_int_equal(mortise_client_connect(client, WAIT_MS), MORTISE_NOT_FOUND);
	mortise_client_destroy(&client);

	stop_mosquitto(&world, pid);
	world_close(&world);
}

/* The alert comes after our side of the handshake is done, with more of ours on its way into a
 * closed connection. */
static void alert_after_the_handshake_is_heard(void **state)
{
	struct world world;
	uint16_t port = free_port();
	mortise_client *client;
	pid_t pid;
	(void)state;
	if (access(MOSQUITTO, X_OK) != 0)
		skip();
	world_open(&world);
	pid = start_mosquitto(&world, port, "require_certificate true");
	client = tls_client(port, "127.0.0.1", world.ca_path);
	assert_int_not_equal(mortise_client_connect(client, WAIT_MS), MORTISE_TIMEOUT);
	assert_false(mortise_client_is_connected(client));
	mortise_client_destroy(&client);
	stop_mosquitto(&world, pid);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publishes_and_receives),
		cmocka_unit_test(posted_lines_need_no_round_trips),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(hostile_server_is_left),
		cmocka_unit_test(silence_times_out),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(comes_back_and_subscribes_again),
		cmocka_unit_test(waits_grow_and_differ),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(password_does_not_travel_in_the_clear),
		cmocka_unit_test(profiles_read_as_they_are_written),
		cmocka_unit_test(bad_profiles_are_refused),
		cmocka_unit_test(tls_is_verified),
		cmocka_unit_test(alert_after_the_handshake_is_heard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
