/* The pump turn by turn: who is read when, what waits for a password, how it ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include "pump_world.h"

static const uint8_t ping[2] = {0xc0, 0};
static struct pump_world pumps;
static uint8_t flood[1u << 18];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(flood); i += 2)
		flood[i] = 0xc0;
	pump_world_open(&pumps, NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pump_world_close(&pumps);
	return 0;
}

static void ping_pong(int fd)
{
	shell_put(fd, mt_bytes_of(ping, sizeof(ping)));
	assert_string_equal(pump_hear(&pumps, fd, 1), "D");
}

static void test_a_client_is_served_until_it_goes(void **state)
{
	int fd = pump_client(&pumps, "a");
	(void)state;
	ping_pong(fd);
	ping_pong(fd);
	assert_int_equal(pumps.pump.socket_count, 1);
	close(fd);
	pump_await(&pumps, 0);
	assert_int_equal(pump_counts(&pumps).connections, 0);
}

static void test_a_violation_is_told_before_the_end(void **state)
{
	static const uint8_t second_connect[] = {0x10, 0};
	int fd = pump_client(&pumps, "a");
	(void)state;
	shell_put(fd, mt_bytes_of(second_connect, sizeof(second_connect)));
	assert_string_equal(pump_hear(&pumps, fd, 2), "E!");
	close(fd);
	pump_await(&pumps, 0);
}

/* As much as the peer's and our buffers take. */
static size_t put_what_fits(int fd)
{
	ssize_t sent = send(fd, flood, sizeof(flood), MSG_NOSIGNAL | MSG_DONTWAIT);
	assert_true(sent > 0);
	if (sent % 2)
		sent += send(fd, ping + 1, 1, MSG_NOSIGNAL);
	return (size_t)sent;
}

/* What a stranger makes us keep is one read, however much it sends. */
static void test_nothing_is_read_while_a_password_is_checked(void **state)
{
	int fd = shell_dial(pumps.ports[0], 0);
	uint64_t kept, sent;
	struct mt_core_counts counts;
	(void)state;
	pump_await(&pumps, 1);
	shell_put_connect(fd, "a", "ann", PUMP_PASSWORD);
	sent = put_what_fits(fd);
	assert_true(sent > 2 * MT_SCRATCH_BYTES);
	while (pump_counts(&pumps).bytes_received == 0)
		pump_turn(&pumps);
	kept = pump_counts(&pumps).bytes_received;
	assert_in_range(kept, 1, MT_SCRATCH_BYTES);
	for (;;) {
		counts = pump_counts(&pumps);
		if (counts.connects_accepted > 0)
			break;
		assert_int_equal(counts.bytes_received, kept);
		pump_turn(&pumps);
	}
	/* Accepted: all of it counts. */
	while (pump_counts(&pumps).packets_received < 1 + sent / 2)
		pump_turn(&pumps);
	close(fd);
	pump_await(&pumps, 0);
}

static void test_a_wrong_password_ends_the_connection(void **state)
{
	int fd = shell_dial(pumps.ports[0], 0);
	(void)state;
	shell_put_connect(fd, "a", "ann", "wrong");
	shell_put(fd, mt_bytes_of(ping, sizeof(ping)));
	assert_string_equal(pump_hear(&pumps, fd, 2), "2!");
	assert_int_equal(pump_counts(&pumps).connects_refused, 1);
	assert_int_equal(pump_counts(&pumps).sessions, 0);
	close(fd);
	pump_await(&pumps, 0);
}

/* No method of enhanced authentication is known here, so each one is refused (0x8c). */
static void test_an_unknown_method_is_refused(void **state)
{
	static const uint8_t connect[] = {0x10, 0x12, 0, 4,    'M', 'Q', 'T', 'T', 5, 2,
					  0,	0,    4, 0x15, 0,   1,	 'M', 0,   1, 'a'};
	uint8_t got[4];
	int fd = shell_dial(pumps.ports[0], 0);
	(void)state;
	shell_put(fd, mt_bytes_of(connect, sizeof(connect)));
	pump_await_client(&pumps, fd);
	assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(got));
	assert_int_equal(got[0], 0x20);
	assert_int_equal(got[3], 0x8c);
	pump_await(&pumps, 0);
	assert_int_equal(pump_counts(&pumps).connects_refused, 1);
	close(fd);
}

/* It stays until the verdict, then its end is seen. */
static void test_vanishing_while_a_password_is_checked(void **state)
{
	int fd = shell_dial(pumps.ports[0], 0);
	(void)state;
	shell_put_connect(fd, "a", "ann", PUMP_PASSWORD);
	while (pump_counts(&pumps).packets_received == 0)
		pump_turn(&pumps);
	close(fd);
	pump_await(&pumps, 0);
	assert_int_equal(pump_counts(&pumps).connections, 0);
	assert_int_equal(pump_counts(&pumps).sessions, 0);
	fd = pump_client(&pumps, "a");
	ping_pong(fd);
	close(fd);
}

/* One that never stops sending takes at most its share of each turn. */
static void test_a_flood_does_not_starve_the_others(void **state)
{
	int noisy = pump_client(&pumps, "noisy"), quiet = pump_client(&pumps, "quiet");
	uint64_t before = pump_counts(&pumps).bytes_received;
	(void)state;
	put_what_fits(noisy);
	shell_put(quiet, mt_bytes_of(ping, sizeof(ping)));
	assert_string_equal(pump_hear(&pumps, quiet, 1), "D");
	assert_true(pump_counts(&pumps).bytes_received - before <=
		    3 * 4 * (uint64_t)MT_SCRATCH_BYTES);
	close(noisy);
	close(quiet);
	pump_await(&pumps, 0);
}

static void raise_flag(struct mt_broker *broker, void *argument)
{
	assert_null(broker);
	*(bool *)argument = true;
}

static void *call(void *context)
{
	bool *is_run = context;
	return mt_hub_call(&pumps.hub, raise_flag, is_run) == MT_OK ? is_run : NULL;
}

static void test_calls_of_other_threads_run_in_a_turn(void **state)
{
	bool is_run = false;
	pthread_t thread;
	void *result;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, call, &is_run), 0);
	while (!is_run)
		pump_turn(&pumps);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, &is_run);
}

static void test_hangup_signal_is_ignored(void **state)
{
	int fd = pump_client(&pumps, "a");
	(void)state;
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	pump_turn(&pumps);
	pump_turn(&pumps);
	assert_false(pumps.pump.is_stopping);
	ping_pong(fd);
	close(fd);
}

static void test_stop_says_goodbye_and_ends(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(signals); i++) {
		int fd = pump_client(&pumps, "a"), silent = shell_dial(pumps.ports[0], 0);
		pump_await(&pumps, 2);
		assert_int_equal(kill(getpid(), signals[i]), 0);
		while (!pumps.is_over)
			pump_turn(&pumps);
		assert_int_equal(pumps.pump.socket_count, 0);
		assert_string_equal(pump_hear(&pumps, fd, 2), "E!");
		assert_string_equal(pump_hear(&pumps, silent, 1), "!");
		close(fd);
		close(silent);
		pump_world_close(&pumps);
		setup(NULL);
	}
}

/* A client that takes nothing does not hold up the stop. */
static void test_a_blocked_client_does_not_hold_up_the_stop(void **state)
{
	static uint8_t payload[65536], data[70000];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	int deaf = shell_dial(pumps.ports[0], 4096), fd = pump_client(&pumps, "a");
	uint64_t before;
	(void)state;
	shell_put_connect(deaf, "deaf", NULL, NULL);
	shell_put(deaf, shell_subscribe(&buf, "t"));
	while (pump_counts(&pumps).subscriptions == 0)
		pump_turn(&pumps);
	before = pump_counts(&pumps).publishes_received;
	shell_publish(&buf, "t", mt_bytes_of(payload, sizeof(payload)));
	for (uint64_t i = 1; i <= 10; i++) {
		shell_put(fd, mt_buf_view(&buf));
		while (pump_counts(&pumps).publishes_received < before + i)
			pump_turn(&pumps);
	}
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	while (!pumps.is_over)
		pump_turn(&pumps);
	assert_int_equal(pumps.pump.socket_count, 0);
	close(deaf);
	close(fd);
}

static void test_nobody_is_let_in_while_stopping(void **state)
{
	int fd;
	(void)state;
	pump_turn(&pumps);
	/* Both are seen in the same turn, the signal first. */
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	fd = shell_dial(pumps.ports[0], 0);
	pump_turn(&pumps);
	assert_true(pumps.is_over);
	assert_int_equal(pump_counts(&pumps).connections, 0);
	close(fd);
}

static size_t open_files(void)
{
	size_t count = 0;
	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_a_pump_that_cannot_open_leaves_nothing(void **state)
{
	static struct mt_pump pump;
	size_t before = open_files();
	(void)state;
	pump = (struct mt_pump){.settings = &pumps.settings,
				.hub = &pumps.hub,
				.auth = pumps.pump.auth,
				.signal_fd = -1};
	assert_int_equal(mt_pump_open(&pump), MT_SYSTEM);
	assert_int_equal(open_files(), before);
}

/* ---- with TLS ---- */

static struct world tls;

static int setup_tls(void **state)
{
	(void)state;
	world_open(&tls);
	pump_world_open(&pumps, tls.server, 0);
	return 0;
}

static int teardown_tls(void **state)
{
	teardown(state);
	world_close(&tls);
	return 0;
}

static void exchange(struct end *client, int fd)
{
	uint8_t data[16384];
	ssize_t got;
	if (client->out.pos > 0)
		shell_put(fd, mt_buf_view(&client->out));
	client->out.pos = 0;
	pump_turn(&pumps);
	while ((got = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		end_feed(client, mt_bytes_of(data, (size_t)got));
}

static void test_a_client_is_served_over_tls(void **state)
{
	int fd = shell_dial(pumps.ports[1], 0);
	struct end *client = end_of(mt_tls_session_create_client(tls.client, "localhost"));
	uint8_t data[64];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("c")};
	char types[8] = "";
	(void)state;
	end_feed(client, mt_bytes_of(NULL, 0));
	while (!mt_tls_session_is_open(client->session))
		exchange(client, fd);
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	mt_buf_put(&buf, mt_bytes_of(ping, sizeof(ping)));
	assert_int_equal(mt_tls_session_write(client->session, mt_buf_view(&buf), &client->out),
			 MT_OK);
	while (strlen(types) < 2) {
		exchange(client, fd);
		shell_types(mt_bytes_of(client->plain, client->plain_len), types, sizeof(types));
	}
	assert_string_equal(types, "2D");
	mt_tls_session_close(client->session, &client->out);
	while (pumps.pump.socket_count > 0)
		exchange(client, fd);
	assert_int_equal(client->last, MT_CLOSED);
	end_free(client);
	close(fd);
}

static void test_vanishing_amid_the_handshake_frees_the_connection(void **state)
{
	(void)state;
	for (size_t len = 0; len < 300; len = len * 3 + 1) {
		int fd = shell_dial(pumps.ports[1], 0);
		struct end *client = end_of(mt_tls_session_create_client(tls.client, "localhost"));
		end_feed(client, mt_bytes_of(NULL, 0));
		shell_put(fd, mt_bytes_of(client->wire, len));
		pump_await(&pumps, 1);
		pump_turn(&pumps);
		close(fd);
		pump_await(&pumps, 0);
		assert_int_equal(pump_counts(&pumps).connections, 0);
		end_free(client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_client_is_served_until_it_goes),
		cmocka_unit_test(test_a_violation_is_told_before_the_end),
		cmocka_unit_test(test_nothing_is_read_while_a_password_is_checked),
		cmocka_unit_test(test_a_wrong_password_ends_the_connection),
		cmocka_unit_test(test_an_unknown_method_is_refused),
		cmocka_unit_test(test_vanishing_while_a_password_is_checked),
		cmocka_unit_test(test_a_flood_does_not_starve_the_others),
		cmocka_unit_test(test_calls_of_other_threads_run_in_a_turn),
		cmocka_unit_test(test_hangup_signal_is_ignored),
		cmocka_unit_test(test_stop_says_goodbye_and_ends),
		cmocka_unit_test(test_a_blocked_client_does_not_hold_up_the_stop),
		cmocka_unit_test(test_nobody_is_let_in_while_stopping),
		cmocka_unit_test(test_a_pump_that_cannot_open_leaves_nothing),
	};
	const struct CMUnitTest tls_tests[] = {
		cmocka_unit_test(test_a_client_is_served_over_tls),
		cmocka_unit_test(test_vanishing_amid_the_handshake_frees_the_connection),
	};
	struct CMUnitTest plain[MT_COUNT_OF(tests)];
	int failed;
	memcpy(plain, tests, sizeof(tests));
	for (size_t i = 0; i < MT_COUNT_OF(plain); i++) {
		plain[i].setup_func = setup;
		plain[i].teardown_func = teardown;
	}
	failed = cmocka_run_group_tests_name("pump", plain, NULL, NULL);
	return failed +
	       cmocka_run_group_tests_name("pump with TLS", tls_tests, setup_tls, teardown_tls);
}
