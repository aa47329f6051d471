/* The broker put together in a state directory of its own: it serves, it ends, and a start that
 * fails leaves nothing behind but a sentence. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/config.h"
#include "shell/broker.h"
#include "shell/profile.h"

#include "folder.h"

#include "shell_world.h"

#include <pthread.h>
#include <signal.h>
#include <sys/un.h>

static const char *folder;
static struct mt_settings settings;
static struct mt_broker *broker;
static char fault[512];
static int exit_code;

/* The broker in its folder, with these values of --set. */
static void configure(const char *const *sets, size_t count)
{
	static struct mt_report report;
	memset(&report, 0, sizeof(report));
	if (mt_config_parse(mt_bytes_str(""), "test", sets, count, &settings, &report) != MT_OK)
		fail_msg("%s", report.text);
	snprintf(settings.state_path, sizeof(settings.state_path), "%s/state", folder);
	settings.log.level = MT_LOG_ERROR;
	mt_log_configure(settings.log);
}

#define CONFIGURE(...) \
	configure((const char *const[]){__VA_ARGS__}, \
		  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
#define TLS "listeners.tls.address=127.0.0.1:0"
#define PLAIN \
	"listeners.plain.address=127.0.0.1:0", "listeners.plain.tls=no", \
		"listeners.plain.anonymous=open"

static const char *at(const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	CONFIGURE(TLS, PLAIN);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_broker_close(&broker);
	folder_remove(folder);
	return 0;
}

static void open_broker(void)
{
	fault[0] = '\0';
	if (mt_broker_open(&settings, &broker, fault, sizeof(fault), &exit_code) != MT_OK)
		fail_msg("%s", fault);
}

static size_t open_files(void)
{
	size_t count = 0;
	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* It does not open; one sentence tells why, and nothing stays open. */
static void assert_refused(const char *word, const char *remedy, int code)
{
	struct mt_broker *none = NULL;
	size_t before = open_files();
	fault[0] = '\0';
	exit_code = 0;
	assert_int_not_equal(mt_broker_open(&settings, &none, fault, sizeof(fault), &exit_code),
			     MT_OK);
	assert_null(none);
	if (!strstr(fault, word) || !strstr(fault, remedy))
		fail_msg("said: %s", fault);
	assert_null(strchr(fault, '\n'));
	assert_int_equal(exit_code, code);
	assert_int_equal(open_files(), before);
}

static void *run(void *context)
{
	(void)context;
	return mt_broker_run(broker) == MT_OK ? broker : NULL;
}

static pthread_t start(void)
{
	pthread_t thread;
	open_broker();
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
	return thread;
}

static void stop(pthread_t thread, int signal)
{
	void *result;
	assert_int_equal(kill(getpid(), signal), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, broker);
	mt_broker_close(&broker);
	assert_null(broker);
}

/* The real port of the listener whose text begins so. */
static uint16_t port_of(const char *begin)
{
	for (uint32_t i = 0;; i++) {
		const char *text = mt_broker_listener_text(broker, i);
		assert_non_null(text);
		if (strncmp(text, begin, strlen(begin)) == 0)
			return (uint16_t)strtoul(text + strlen(begin), NULL, 10);
	}
}

static uint16_t plain_port(void)
{
	return port_of("plain=127.0.0.1:");
}

static void read_bytes(int fd, uint8_t *to, size_t len)
{
	while (len > 0) {
		ssize_t got = recv(fd, to, len, 0);
		assert_true(got > 0);
		to += got;
		len -= (size_t)got;
	}
}

/* An MQTT 3.1.1 client, let in. */
static int enter(uint16_t port)
{
	static const uint8_t hello[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'c'};
	static const uint8_t welcome[] = {0x20, 2, 0, 0};
	uint8_t answer[4];
	int fd = shell_dial(port, 0);
	shell_put(fd, mt_bytes_of(hello, sizeof(hello)));
	read_bytes(fd, answer, sizeof(answer));
	assert_memory_equal(answer, welcome, sizeof(welcome));
	return fd;
}

static void ping_pong(int fd)
{
	static const uint8_t ping[2] = {0xc0, 0}, pong[2] = {0xd0, 0};
	uint8_t answer[2];
	shell_put(fd, mt_bytes_of(ping, sizeof(ping)));
	read_bytes(fd, answer, sizeof(answer));
	assert_memory_equal(answer, pong, sizeof(pong));
}

static void assert_ended(int fd)
{
	uint8_t byte;
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void test_serves_until_a_signal(void **state)
{
	pthread_t thread = start();
	int fd = enter(plain_port());
	(void)state;
	ping_pong(fd);
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	ping_pong(fd);
	ping_pong(fd);
	stop(thread, SIGTERM);
	assert_ended(fd);
}

static void test_interrupt_ends_it_too(void **state)
{
	pthread_t thread = start();
	(void)state;
	stop(thread, SIGINT);
}

/* What a stop leaves is what the next start goes on with. */
static void test_starts_again_in_the_same_state(void **state)
{
	size_t before = open_files(), len, len_again;
	uint8_t *ca, *ca_again;
	(void)state;
	stop(start(), SIGTERM);
	assert_int_equal(open_files(), before);
	ca = file_get(at("state/tls/ca.pem"), &len);
	stop(start(), SIGTERM);
	ca_again = file_get(at("state/tls/ca.pem"), &len_again);
	assert_int_equal(len, len_again);
	assert_memory_equal(ca, ca_again, len);
	free(ca);
	free(ca_again);
}

/* Clients amid everything: unsent words, a handshake half done, a password that is checked. */
static void test_ends_with_clients_in_every_state(void **state)
{
	static const uint8_t login[] = {0x10, 20, 0, 4,	  'M', 'Q', 'T', 'T', 4, 0xc2, 0,
					0,    0,  1, 'd', 0,   1,   'u', 0,   2, 'p',  'w'};
	static const uint8_t half_hello[] = {22, 3, 1, 2, 0, 1};
	pthread_t thread = start();
	int silent = shell_dial(plain_port(), 0), login_fd = shell_dial(plain_port(), 0);
	int tls = shell_dial(port_of("tls=127.0.0.1:"), 0), fd = enter(plain_port());
	(void)state;
	shell_put(login_fd, mt_bytes_of(login, sizeof(login)));
	shell_put(tls, mt_bytes_of(half_hello, sizeof(half_hello)));
	ping_pong(fd);
	stop(thread, SIGTERM);
	assert_ended(fd);
	close(silent);
	close(login_fd);
	close(tls);
}

static void test_the_admin_socket_answers(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	static char answer[8192];
	struct mt_buf got = mt_buf_of((uint8_t *)answer, sizeof(answer));
	pthread_t thread = start();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", at("state/admin.sock"));
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	shell_put(fd, mt_bytes_str("GET /api/status HTTP/1.0\r\n\r\n"));
	assert_true(shell_drain(fd, &got));
	assert_int_equal(strncmp(answer, "HTTP/1.", 7), 0);
	assert_int_equal(strncmp(answer + 8, " 200 ", 5), 0);
	assert_non_null(strstr(answer, "\"listeners\""));
	close(fd);
	stop(thread, SIGTERM);
	assert_false(file_is_there(at("state/admin.sock")));
}

/* The administrator's profile leads to the port that the system chose. */
static void test_the_profile_knows_the_real_port(void **state)
{
	struct mt_profile profile;
	(void)state;
	open_broker();
	assert_int_equal(
		mt_profile_read(at("state/profiles/admin.mortise"), &profile, fault, sizeof(fault)),
		MT_OK);
	assert_int_equal(profile.port, port_of("tls=127.0.0.1:"));
	mt_profile_finish(&profile);
	assert_null(mt_broker_listener_text(broker, settings.listener_count));
	assert_null(mt_broker_listener_text(broker, UINT32_MAX));
}

static void test_one_broker_per_state(void **state)
{
	(void)state;
	open_broker();
	assert_refused("another broker uses it", "; stop that one", 1);
	mt_broker_close(&broker);
	open_broker();
}

static void test_bad_certificates(void **state)
{
	char certificate[PATH_MAX], key[PATH_MAX];
	struct mt_listener_settings *tls = &settings.listeners[0];
	(void)state;
	while (!tls->is_tls)
		tls++;
	open_broker();
	mt_broker_close(&broker);
	snprintf(certificate, sizeof(certificate), "%s", at("state/tls/server.pem"));
	snprintf(key, sizeof(key), "%s", at("state/tls/server.key"));
	snprintf(tls->certificate_path, sizeof(tls->certificate_path), "%s/none.pem", folder);
	snprintf(tls->key_path, sizeof(tls->key_path), "%s", key);
	assert_refused("none.pem", "; see listeners.tls.certificate", 1);
	strcpy(tls->certificate_path, certificate);
	snprintf(tls->key_path, sizeof(tls->key_path), "%s", at("state/tls/ca.key"));
	assert_refused("ca.key", "does not belong to the certificate", 2);
	snprintf(tls->key_path, sizeof(tls->key_path), "%s", at("open.key"));
	file_put(at("open.key"), "x", 1, 0644);
	assert_refused("open.key", "chmod 600", 4);
	file_put(at("open.key"), "x", 1, 0600);
	assert_refused("no private key", "; see listeners.tls.certificate", 2);
	strcpy(tls->key_path, key);
	open_broker();
}

static void test_a_port_that_is_taken(void **state)
{
	uint16_t port;
	int taken = shell_listen(&port);
	(void)state;
	for (uint32_t i = 0; i < settings.listener_count; i++) {
		char *address = settings.listeners[i].address;
		snprintf(address, sizeof(settings.listeners[i].address), "127.0.0.1:%u", port);
		assert_refused("in use", "--set listeners.", 1);
		strcpy(address, "127.0.0.1:0");
	}
	close(taken);
	open_broker();
}

static void test_an_address_that_is_none(void **state)
{
	(void)state;
	strcpy(settings.listeners[1].address, "127.0.0.1:many");
	assert_refused("127.0.0.1:many", settings.listeners[1].name, 2);
}

static void test_a_state_that_is_unusable(void **state)
{
	(void)state;
	file_put(at("state"), "", 0, 0600);
	assert_refused("folder", at("state"), 4);
	assert_int_equal(unlink(at("state")), 0);
	assert_int_equal(mkdir(at("state"), 0700), 0);
	assert_int_equal(chmod(at("state"), 0777), 0);
	assert_refused("chmod", at("state"), 4);
	assert_int_equal(chmod(at("state"), 0700), 0);
	open_broker();
}

static void test_a_database_that_is_none(void **state)
{
	static const char garbage[5000] = "this is no database";
	(void)state;
	open_broker();
	mt_broker_close(&broker);
	file_put(at("state/mortise.db"), garbage, sizeof(garbage), 0600);
	unlink(at("state/mortise.db-wal"));
	assert_refused("mortise.db", "backup", 5);
}

/* A state directory whose path has `len` bytes. */
static void state_of(size_t len)
{
	size_t used =
		(size_t)snprintf(settings.state_path, sizeof(settings.state_path), "%s/", folder);
	assert_true(used < len && len < sizeof(settings.state_path));
	memset(settings.state_path + used, 'd', len - used);
	settings.state_path[len] = '\0';
}

static void test_a_path_that_is_too_long(void **state)
{
	const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/admin.sock");
	(void)state;
	state_of(sizeof(settings.state_path) - 1);
	assert_refused(folder, "", 1);
	/* The folder fits; a socket in it does not. */
	state_of(most + 1);
	assert_refused("admin socket", "; choose a shorter --state", 2);
	state_of(most);
	open_broker();
}

static void test_closing_nothing_is_harmless(void **state)
{
	struct mt_broker *none = NULL;
	(void)state;
	mt_broker_close(&none);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves_until_a_signal),
		cmocka_unit_test(test_interrupt_ends_it_too),
		cmocka_unit_test(test_starts_again_in_the_same_state),
		cmocka_unit_test(test_ends_with_clients_in_every_state),
		cmocka_unit_test(test_the_admin_socket_answers),
		cmocka_unit_test(test_the_profile_knows_the_real_port),
		cmocka_unit_test(test_one_broker_per_state),
		cmocka_unit_test(test_bad_certificates),
		cmocka_unit_test(test_a_port_that_is_taken),
		cmocka_unit_test(test_an_address_that_is_none),
		cmocka_unit_test(test_a_state_that_is_unusable),
		cmocka_unit_test(test_a_database_that_is_none),
		cmocka_unit_test(test_a_path_that_is_too_long),
		cmocka_unit_test(test_closing_nothing_is_harmless),
	};
	struct CMUnitTest framed[MT_COUNT_OF(tests)];
	memcpy(framed, tests, sizeof(tests));
	for (size_t i = 0; i < MT_COUNT_OF(framed); i++) {
		framed[i].setup_func = setup;
		framed[i].teardown_func = teardown;
	}
	return cmocka_run_group_tests_name("broker", framed, NULL, NULL);
}
