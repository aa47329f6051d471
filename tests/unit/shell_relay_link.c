/* One connection of the relay, turn by turn: what it waits for, what it holds, when it ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/relay_link.h"

#include "tls_world.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define REQUEST_NS (30 * MT_SECOND)
#define START_NS (1000 * MT_SECOND)

static struct world world;
static struct mt_relay_link *subject;
static struct end *client;
static int client_fd;
static int server_fd; /* the HTTP server's end; -1 before the handshake is over */
static mt_time now_ns;
static uint8_t scratch[MT_TLS_RECORD_BYTES_MAX];

static int pair_of(int *other)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	*other = pair[1];
	return pair[0];
}

static int setup(void **state)
{
	struct mt_peer_address peer = {.byte = {[15] = 1}, .port = 4711};
	int outer;
	(void)state;
	world_open(&world);
	now_ns = START_NS;
	server_fd = -1;
	client_fd = pair_of(&outer);
	client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	subject = mt_relay_link_create(world.server, outer, &peer, now_ns + 10 * MT_SECOND, now_ns);
	assert_non_null(subject);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_relay_link_destroy(&subject);
	end_free(client);
	close(client_fd);
	if (server_fd >= 0)
		close(server_fd);
	world_close(&world);
	return 0;
}

static short ready_of(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};
	if (fd < 0 || events == 0)
		return 0;
	assert_true(poll(&one, 1, 0) >= 0);
	return one.revents;
}

/* One turn of the relay for this subject. */
static enum mt_relay_end turn(void)
{
	enum mt_relay_end end = mt_relay_link_serve(
		subject, ready_of(subject->fd, mt_relay_link_outer_events(subject)),
		ready_of(subject->inner_fd, mt_relay_link_inner_events(subject)), REQUEST_NS,
		now_ns, scratch);
	if (end == MT_RELAY_GOES_ON && mt_relay_link_wants_server(subject)) {
		subject->inner_fd = pair_of(&server_fd);
		end = mt_relay_link_serve(subject, 0, 0, REQUEST_NS, now_ns, scratch);
	}
	return end;
}

static void client_push(void)
{
	struct mt_bytes left = mt_buf_view(&client->out);
	while (left.len > 0) {
		ssize_t sent = send(client_fd, left.data, left.len, MSG_NOSIGNAL);
		assert_true(sent > 0);
		left = mt_bytes_from(left, (size_t)sent);
	}
	client->out.pos = 0;
}

/* False: nothing was there. */
static bool client_pull(void)
{
	static uint8_t wire[65536];
	ssize_t got = recv(client_fd, wire, sizeof(wire), 0);
	if (got <= 0)
		return false;
	end_feed(client, mt_bytes_of(wire, (size_t)got));
	client_push();
	return true;
}

static void meet(void)
{
	end_feed(client, mt_bytes_of(NULL, 0));
	client_push();
	for (int i = 0; i < 10 && server_fd < 0; i++) {
		assert_int_equal(turn(), MT_RELAY_GOES_ON);
		client_pull();
	}
	assert_true(server_fd >= 0);
	assert_true(subject->is_met);
	client_pull();
}

/* As one record. */
static void say(const void *data, size_t len)
{
	assert_int_equal(
		mt_tls_session_write(client->session, mt_bytes_of(data, len), &client->out), MT_OK);
	client_push();
}

static void test_waits_for_the_handshake_alone(void **state)
{
	(void)state;
	assert_int_equal(mt_relay_link_outer_events(subject), POLLIN);
	assert_int_equal(mt_relay_link_inner_events(subject), 0);
	assert_int_equal(mt_relay_link_due(subject), START_NS + 10 * MT_SECOND);
	assert_false(mt_relay_link_wants_server(subject));
	meet();
	assert_int_equal(mt_relay_link_due(subject), MT_TIME_NEVER);
	assert_int_equal(mt_relay_link_outer_events(subject), POLLIN);
	assert_int_equal(mt_relay_link_inner_events(subject), POLLIN);
}

static void test_bytes_go_through_both_ways(void **state)
{
	char text[16] = "";
	(void)state;
	meet();
	say("request", 7);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_int_equal(recv(server_fd, text, sizeof(text), 0), 7);
	assert_memory_equal(text, "request", 7);
	assert_int_equal(send(server_fd, "answer", 6, 0), 6);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_true(client_pull());
	assert_int_equal(client->plain_len, 6);
	assert_memory_equal(client->plain, "answer", 6);
}

/* The server does not read: soon the client is not read either, and what is held has an end. */
static void test_server_that_does_not_read_stops_the_client(void **state)
{
	static char block[16000];
	size_t sent = 0, got = 0;
	(void)state;
	meet();
	while (mt_relay_link_outer_events(subject) == POLLIN && sent < 100 * sizeof(block)) {
		say(block, sizeof(block));
		sent += sizeof(block);
		assert_int_equal(turn(), MT_RELAY_GOES_ON);
	}
	assert_int_equal(mt_relay_link_outer_events(subject), 0);
	assert_true(mt_relay_link_inner_events(subject) & POLLOUT);
	while (got < sent) {
		ssize_t now = recv(server_fd, block, sizeof(block), 0);
		if (now > 0)
			got += (size_t)now;
		else
			assert_int_equal(errno, EAGAIN);
		assert_int_equal(turn(), MT_RELAY_GOES_ON);
	}
	assert_int_equal(got, sent);
	assert_int_equal(mt_relay_link_outer_events(subject), POLLIN);
}

static void test_client_that_does_not_read_stops_the_server(void **state)
{
	static char block[16000];
	size_t sent = 0;
	(void)state;
	meet();
	while (mt_relay_link_inner_events(subject) & POLLIN) {
		assert_true(sent < 100 * sizeof(block));
		if (send(server_fd, block, sizeof(block), 0) == (ssize_t)sizeof(block))
			sent += sizeof(block);
		assert_int_equal(turn(), MT_RELAY_GOES_ON);
	}
	assert_int_equal(mt_relay_link_outer_events(subject), POLLOUT);
	assert_int_equal(mt_relay_link_due(subject), START_NS + 10 * MT_SECOND);
	now_ns += 9 * MT_SECOND;
	while (client_pull())
		;
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	/* It took some: its time begins anew, or nothing is left to wait for. */
	assert_true(mt_relay_link_due(subject) > START_NS + 10 * MT_SECOND);
	for (int i = 0; i < 1000 && client->plain_len < sent; i++) {
		assert_int_equal(turn(), MT_RELAY_GOES_ON);
		client_pull();
	}
	assert_int_equal(client->plain_len, sent);
}

static void test_a_request_has_its_time(void **state)
{
	char text[16];
	(void)state;
	meet();
	say("a", 1);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	now_ns += REQUEST_NS;
	say("b", 1);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	/* An answer begins a new time. */
	assert_int_equal(send(server_fd, "answer", 6, 0), 6);
	assert_int_equal(recv(server_fd, text, sizeof(text), 0), 2);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	now_ns += REQUEST_NS;
	say("c", 1);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	now_ns += REQUEST_NS + 1;
	say("d", 1);
	assert_int_equal(turn(), MT_RELAY_ENDS);
}

static void test_end_of_the_server_is_told_and_waited_for(void **state)
{
	(void)state;
	meet();
	assert_int_equal(send(server_fd, "last", 4, 0), 4);
	close(server_fd);
	server_fd = -1;
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	client_pull();
	assert_int_equal(client->plain_len, 4);
	assert_int_equal(client->last, MT_CLOSED); /* close_notify */
	/* What the client still sends is thrown away, for a while. */
	assert_int_equal(mt_relay_link_due(subject), START_NS + 2 * MT_SECOND);
	assert_int_equal(send(client_fd, "xxxx", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	shutdown(client_fd, SHUT_WR);
	assert_int_equal(turn(), MT_RELAY_ENDS);
}

static void test_close_notify_ends_one_direction(void **state)
{
	char text[16];
	(void)state;
	meet();
	say("request", 7);
	mt_tls_session_close(client->session, &client->out);
	client_push();
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_int_equal(recv(server_fd, text, sizeof(text), 0), 7);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_int_equal(recv(server_fd, text, sizeof(text), 0), 0);
	assert_int_equal(send(server_fd, "answer", 6, 0), 6);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_true(client_pull());
	assert_int_equal(client->plain_len, 6);
}

static void test_cut_off_is_no_end_of_a_request(void **state)
{
	char text[16];
	(void)state;
	meet();
	say("half", 4);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	close(client_fd);
	client_fd = -1;
	assert_int_equal(turn(), MT_RELAY_ENDS);
	assert_int_equal(recv(server_fd, text, sizeof(text), 0), 4);
}

static void test_noise_gets_an_alert_at_most(void **state)
{
	static const char noise[] = "GET / HTTP/1.1\r\n\r\n";
	(void)state;
	assert_int_equal(send(client_fd, noise, sizeof(noise) - 1, 0), sizeof(noise) - 1);
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_false(mt_relay_link_wants_server(subject));
	assert_int_equal(mt_relay_link_due(subject), START_NS + 2 * MT_SECOND);
}

static void test_noise_behind_the_handshake(void **state)
{
	static char noise[300];
	char text[16];
	(void)state;
	meet();
	memset(noise, 0x17, sizeof(noise));
	assert_int_equal(send(client_fd, noise, sizeof(noise), 0), sizeof(noise));
	assert_int_equal(turn(), MT_RELAY_GOES_ON);
	assert_int_equal(recv(server_fd, text, sizeof(text), 0), -1); /* not a byte of it */
	assert_int_equal(mt_relay_link_inner_events(subject), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_waits_for_the_handshake_alone),
		TEST(test_bytes_go_through_both_ways),
		TEST(test_server_that_does_not_read_stops_the_client),
		TEST(test_client_that_does_not_read_stops_the_server),
		TEST(test_a_request_has_its_time),
		TEST(test_end_of_the_server_is_told_and_waited_for),
		TEST(test_close_notify_ends_one_direction),
		TEST(test_cut_off_is_no_end_of_a_request),
		TEST(test_noise_gets_an_alert_at_most),
		TEST(test_noise_behind_the_handshake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
