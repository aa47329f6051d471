/* The admin socket: who is heard, what arrives at the handler, and what bounds it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "admin/server.h"

#include "folder.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define STRANGER 54321

struct world {
	const char *folder;
	char path[PATH_MAX];
	struct mt_admin_server *server;
	/* of the last request */
	uint32_t request_count;
	char method[16];
	char request_path[256];
	char query[64];
	size_t body_len;
	uint8_t body_sum;
	uint32_t peer_uid;
	bool is_local;
	bool is_admitting;
	uint32_t asked_count; /* of the gate */
	char authorization[64];
	struct mt_admin_address address;
};

static void handle(void *context, const struct mt_admin_request *request,
		   struct mt_admin_answer *answer)
{
	struct world *world = context;
	const char *query = request->query(request, "q");
	world->request_count++;
	snprintf(world->method, sizeof(world->method), "%s", request->method);
	snprintf(world->request_path, sizeof(world->request_path), "%s", request->path);
	snprintf(world->query, sizeof(world->query), "%s", query ? query : "absent");
	world->body_len = request->body.len;
	world->body_sum = 0;
	for (size_t i = 0; i < request->body.len; i++)
		world->body_sum = (uint8_t)(world->body_sum + request->body.data[i]);
	world->peer_uid = request->peer_uid;
	world->is_local = request->is_local;
	world->address = request->address;
	snprintf(world->authorization, sizeof(world->authorization), "%s",
		 request->authorization ? request->authorization : "none");
	answer->http_status = 200;
	answer->body = strcmp(request->path, "/none") == 0 ? NULL : strdup("{\"good\":true}");
}

static bool admit(void *context, const struct mt_admin_request *request,
		  struct mt_admin_answer *answer)
{
	struct world *world = context;
	world->asked_count++;
	assert_int_equal(request->body.len, 0);
	if (world->is_admitting)
		return true;
	answer->http_status = 401;
	answer->body = strdup("{\"error\":\"no\"}");
	return false;
}

static struct world the_world;
static const struct mt_admin_uses uses = {handle, admit, &the_world};

static int setup(void **state)
{
	char fault[256];
	struct world *world = &the_world;
	memset(world, 0, sizeof(*world));
	world->folder = folder_make();
	world->is_admitting = true;
	snprintf(world->path, sizeof(world->path), "%s/s", world->folder);
	assert_int_equal(
		mt_admin_server_open(world->path, &uses, &world->server, fault, sizeof(fault)),
		MT_OK);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	mt_admin_server_close(&world->server);
	folder_remove(world->folder);
	return 0;
}

static int dial(const struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", world->path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Writes all it can; reads to the end into out. */
static void converse(int fd, const char *text, size_t len, char *out, size_t cap)
{
	size_t got = 0;
	while (len > 0) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
		if (sent <= 0)
			break;
		text += sent;
		len -= (size_t)sent;
	}
	shutdown(fd, SHUT_WR);
	for (;;) {
		ssize_t now = recv(fd, out + got, cap - 1 - got, 0);
		if (now <= 0)
			break;
		got += (size_t)now;
	}
	out[got] = '\0';
	close(fd);
}

static void ask(const struct world *world, const char *request, char *out, size_t cap)
{
	int fd = dial(world);
	assert_true(fd >= 0);
	converse(fd, request, strlen(request), out, cap);
}

static void test_request_reaches_the_handler_as_it_was_sent(void **state)
{
	struct world *world = *state;
	char answer[2048];
	ask(world,
	    "PUT /api/a%2Fb%00/../c+d?q=x%20y HTTP/1.1\r\nHost: x\r\nContent-Length: "
	    "3\r\nConnection: "
	    "close\r\n\r\nabc",
	    answer, sizeof(answer));
	assert_int_equal(world->request_count, 1);
	assert_string_equal(world->method, "PUT");
	assert_string_equal(world->request_path, "/api/a%2Fb%00/../c+d");
	assert_string_equal(world->query, "x%20y");
	assert_int_equal(world->body_len, 3);
	assert_int_equal(world->body_sum, (uint8_t)('a' + 'b' + 'c'));
	assert_int_equal(world->peer_uid, geteuid());
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(answer, "{\"good\":true}"));
	assert_non_null(strstr(answer, "no-store"));
}

static void test_answer_without_body(void **state)
{
	char answer[2048];
	ask(*state, "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
	    sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(answer, "Content-Length: 0"));
}

static void send_body(const struct world *world, size_t len, const char *length_header,
		      char *answer, size_t cap)
{
	size_t head_len;
	char *text = malloc(len + 256);
	assert_non_null(text);
	head_len = (size_t)snprintf(text, 256,
				    "POST /x HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n",
				    length_header);
	memset(text + head_len, 1, len);
	converse(dial(world), text, head_len + len, answer, cap);
	free(text);
}

static void test_body_limit_is_exact(void **state)
{
	struct world *world = *state;
	char answer[2048];
	char header[64];
	snprintf(header, sizeof(header), "Content-Length: %u\r\n", MT_ADMIN_BODY_BYTES_MAX);
	send_body(world, MT_ADMIN_BODY_BYTES_MAX, header, answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	assert_int_equal(world->body_len, MT_ADMIN_BODY_BYTES_MAX);
	assert_int_equal(world->body_sum, (uint8_t)MT_ADMIN_BODY_BYTES_MAX);
	snprintf(header, sizeof(header), "Content-Length: %u\r\n", MT_ADMIN_BODY_BYTES_MAX + 1);
	send_body(world, 0, header, answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 413 ", 13);
	assert_int_equal(world->request_count, 1);
}

static void test_chunked_body_over_the_limit_is_refused(void **state)
{
	struct world *world = *state;
	size_t chunk = MT_ADMIN_BODY_BYTES_MAX / 2 + 1;
	size_t cap = 2 * chunk + 512;
	char *text = malloc(cap);
	char answer[2048];
	size_t len;
	assert_non_null(text);
	len = (size_t)snprintf(text, cap,
			       "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
			       "chunked\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < 2; i++) {
		len += (size_t)snprintf(text + len, cap - len, "%zx\r\n", chunk);
		memset(text + len, 1, chunk);
		len += chunk;
		len += (size_t)snprintf(text + len, cap - len, "\r\n");
	}
	len += (size_t)snprintf(text + len, cap - len, "0\r\n\r\n");
	converse(dial(world), text, len, answer, sizeof(answer));
	assert_int_equal(world->request_count, 0);
	assert_null(strstr(answer, " 200 "));
	free(text);
}

static void test_nonsense_does_not_reach_the_handler(void **state)
{
	static const char *const lines[] = {
		"\r\n\r\n",
		"GET\r\n\r\n",
		"\x16\x03\x01\x02",
		"GET /api/users HTTP/1.1\r\n",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"};
	struct world *world = *state;
	char answer[2048];
	for (size_t i = 0; i < MT_COUNT_OF(lines); i++)
		ask(world, lines[i], answer, sizeof(answer));
	assert_int_equal(world->request_count, 0);
}

/* As a child process: another user, with `group` as its only one; writes what it was told to `out`.
 */
static void ask_as(const struct world *world, gid_t group, char *out, size_t cap)
{
	int pipe_fd[2];
	ssize_t got;
	pid_t child;
	assert_int_equal(pipe(pipe_fd), 0);
	child = fork();
	if (child == 0) {
		static const char request[] =
			"GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
		char answer[1024] = "no connection";
		int fd;
		if (setgroups(1, &group) != 0 || setresgid(group, group, group) != 0 ||
		    setresuid(STRANGER, STRANGER, STRANGER) != 0)
			_exit(1);
		fd = dial(world);
		if (fd >= 0)
			converse(fd, request, sizeof(request) - 1, answer, sizeof(answer));
		_exit(write(pipe_fd[1], answer, strlen(answer) + 1) < 0);
	}
	close(pipe_fd[1]);
	got = read(pipe_fd[0], out, cap - 1);
	out[got > 0 ? got : 0] = '\0';
	close(pipe_fd[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_stranger_is_turned_away_unheard(void **state)
{
	struct world *world = *state;
	char answer[1024];
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(world->folder, 0711), 0);
	ask_as(world, STRANGER, answer, sizeof(answer));
	assert_string_equal(answer, "no connection"); /* the mode of the socket */
	assert_int_equal(chmod(world->path, 0666), 0);
	ask_as(world, STRANGER, answer, sizeof(answer));
	assert_null(strstr(answer, " 200 "));
	assert_non_null(strstr(answer, " 403 "));
	assert_int_equal(world->request_count, 0);
}

static void test_socket_is_for_owner_and_group_alone(void **state)
{
	struct world *world = *state;
	struct stat facts;
	assert_int_equal(lstat(world->path, &facts), 0);
	assert_true(S_ISSOCK(facts.st_mode));
	assert_int_equal(facts.st_mode & 0117, 0);
	if (getgrnam("mortise") == NULL)
		assert_int_equal(facts.st_mode & 0777, 0600);
}

static void test_close_removes_the_socket(void **state)
{
	struct world *world = *state;
	mt_admin_server_close(&world->server);
	assert_null(world->server);
	assert_int_equal(access(world->path, F_OK), -1);
	assert_int_equal(dial(world), -1);
}

static void test_stale_socket_is_replaced_and_a_file_is_not(void **state)
{
	struct world *world = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char answer[2048];
	char fault[256] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	mt_admin_server_close(&world->server);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", world->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(
		mt_admin_server_open(world->path, &uses, &world->server, fault, sizeof(fault)),
		MT_OK);
	ask(world, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
	    sizeof(answer));
	assert_int_equal(world->request_count, 1);
	mt_admin_server_close(&world->server);
	file_put(world->path, "x", 1, 0600);
	assert_int_equal(
		mt_admin_server_open(world->path, &uses, &world->server, fault, sizeof(fault)),
		MT_SYSTEM);
	assert_non_null(strstr(fault, world->path));
	assert_int_equal(access(world->path, F_OK), 0);
}

static void test_long_path_is_refused(void **state)
{
	struct mt_admin_server *server = NULL;
	char path[200];
	char fault[512] = "";
	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mt_admin_server_open(path, &uses, &server, fault, sizeof(fault)),
			 MT_INVALID);
	assert_null(server);
	assert_non_null(strstr(fault, "shorter"));
}

/* One end for us, the other for the server. */
static int adopt(const struct world *world)
{
	struct mt_admin_address address = {.byte = {[15] = 7}, .port = 4711};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	assert_true(mt_admin_server_adopt(world->server, pair[1], &address));
	return pair[0];
}

static void ask_adopted(const struct world *world, const char *request, char *out, size_t cap)
{
	converse(adopt(world), request, strlen(request), out, cap);
}

/* A socketpair bears our own user number, which opens the Unix socket. */
static void test_adopted_connection_is_never_local(void **state)
{
	struct world *world = *state;
	char answer[2048];
	ask_adopted(world,
		    "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nConnection: "
		    "close\r\n\r\n",
		    answer, sizeof(answer));
	assert_int_equal(world->request_count, 1);
	assert_int_equal(world->asked_count, 1);
	assert_false(world->is_local);
	assert_int_equal(world->address.byte[15], 7);
	assert_int_equal(world->address.port, 4711);
	assert_string_equal(world->authorization, "Bearer t");
	assert_non_null(strstr(answer, "Strict-Transport-Security: "));
	assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff"));
	assert_null(strstr(answer, "Access-Control"));
	assert_null(strstr(answer, "Set-Cookie"));
	ask(world, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
	    sizeof(answer));
	assert_int_equal(world->request_count, 2);
	assert_int_equal(world->asked_count, 1);
	assert_true(world->is_local);
	assert_null(strstr(answer, "Strict-Transport-Security: "));
}

static void test_gate_answers_before_the_body(void **state)
{
	struct world *world = *state;
	char answer[2048];
	int fd = adopt(world);
	static const char head[] = "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
	world->is_admitting = false;
	assert_int_equal(send(fd, head, sizeof(head) - 1, 0), sizeof(head) - 1);
	/* Not a byte of the body is sent: the answer comes and the connection ends all the same. */
	converse(fd, "", 0, answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 401 ", 13);
	assert_non_null(strstr(answer, "WWW-Authenticate: Bearer"));
	assert_non_null(strstr(answer, "Connection: close"));
	assert_int_equal(world->request_count, 0);
}

static void test_two_authorizations_are_none(void **state)
{
	struct world *world = *state;
	char answer[2048];
	ask_adopted(
		world,
		"GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nauthorization: Bearer "
		"u\r\nConnection: close\r\n\r\n",
		answer, sizeof(answer));
	assert_int_equal(world->request_count, 1);
	assert_string_equal(world->authorization, "none");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_request_reaches_the_handler_as_it_was_sent),
		TEST(test_adopted_connection_is_never_local),
		TEST(test_gate_answers_before_the_body),
		TEST(test_two_authorizations_are_none),
		TEST(test_answer_without_body),
		TEST(test_body_limit_is_exact),
		TEST(test_chunked_body_over_the_limit_is_refused),
		TEST(test_nonsense_does_not_reach_the_handler),
		TEST(test_stranger_is_turned_away_unheard),
		TEST(test_socket_is_for_owner_and_group_alone),
		TEST(test_close_removes_the_socket),
		TEST(test_stale_socket_is_replaced_and_a_file_is_not),
		TEST(test_long_path_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
