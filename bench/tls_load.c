/*
 * The load of `bench/tls`: TLS clients of MQTT that come and go, one after another, and what they
 * cost the server in CPU time; or many that stay, and what each costs it in memory.
 *
 *   TCP -> TLS, in full or resumed from the session before -> CONNECT -> CONNACK -> end
 *
 * Prints one line for a table: microseconds a connection or bytes a connection; or what went
 * otherwise, in words, and then no figure: "317 of 400 resumed", "not offered". Exit 1 with a
 * reason when a connection failed that should not.
 */
#include "cli/bench_cpu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 1000000
#define TIMEOUT_S 20
/* A server that has seen the end of a connection is idle again long before. */
#define SETTLE_CPU_MS 50
#define SETTLE_MEMORY_MS 2000
/* In TLS 1.3 OpenSSL's stateful ticket is the session's id. */
#define ID_BYTES 32

enum way { WAY_FULL, WAY_TICKET, WAY_ID };

struct load {
	uint16_t port;
	int32_t pid;
	const char *ca;
	const char *identity; /* PEM of a client's certificate and key, NULL: none */
	int version;
	enum way way;
	uint32_t count;
	bool is_idle;	      /* connections that stay */
	bool is_disconnected; /* they end by DISCONNECT and close_notify, else by a mere close */
	SSL_CTX *ctx;
	SSL_SESSION *session; /* to resume next time */
	uint32_t id;	      /* of the client that came last */
	uint32_t resumed_count;
	uint32_t refused_count; /* connections that came with a session and were not let in */
	bool is_way_wrong;	/* the server's sessions are of the other kind */
};

struct client {
	int fd;
	SSL *ssl;
	time_t until_s; /* for its next answer, monotonic */
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list parts;

	(void)fputs("tls_load: ", stderr);
	va_start(parts, format);
	(void)vfprintf(stderr, format, parts);
	va_end(parts);
	(void)fputc('\n', stderr);
	exit(1);
}

static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	return text ? text : "no CONNACK that lets it in";
}

static time_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

static void pause_ms(long ms)
{
	const struct timespec span = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&span, NULL);
}

/* ---- sessions ---- */

static bool is_wanted(const struct load *load, const SSL_SESSION *session)
{
	const unsigned char *ticket;
	size_t bytes = 0;
	bool is_ticket = SSL_SESSION_has_ticket(session) == 1;

	if (is_ticket && load->version == TLS1_3_VERSION) {
		SSL_SESSION_get0_ticket(session, &ticket, &bytes);
		is_ticket = bytes != ID_BYTES;
	}
	return is_ticket == (load->way == WAY_TICKET);
}

/* Takes over the reference. With several tickets in one handshake the last one is kept. */
static int take_session(SSL *ssl, SSL_SESSION *session)
{
	struct load *load = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (load->way == WAY_FULL)
		return 0;
	if (!is_wanted(load, session))
		load->is_way_wrong = true;
	SSL_SESSION_free(load->session);
	load->session = session;
	return 1;
}

/* A ticket of TLS 1.3 is used once; in TLS 1.2 the session stays good until a new one comes. */
static void forget_session(struct load *load)
{
	SSL_SESSION_free(load->session);
	load->session = NULL;
}

static void make_context(struct load *load)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	load->ctx = ctx;
	if (!ctx || SSL_CTX_set_app_data(ctx, load) != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, load->version) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, load->version) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, load->ca, NULL) != 1)
		die("settings: %s", reason());
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, take_session);
	if (load->way == WAY_ID && load->version == TLS1_2_VERSION)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (load->identity &&
	    (SSL_CTX_use_certificate_chain_file(ctx, load->identity) != 1 ||
	     SSL_CTX_use_PrivateKey_file(ctx, load->identity, SSL_FILETYPE_PEM) != 1))
		die("%s: %s", load->identity, reason());
}

/* ---- one client ---- */

static int dial(uint16_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		die("connect: %s", strerror(errno));
	return fd;
}

/*
 * The answer has not come yet. We spin: a client that sleeps must be woken by the server's write,
 * between two CPUs of a virtual machine that costs as much as the rest of a resumption, and no
 * server pays it for a client on the network.
 */
static bool is_early(const struct client *client, int result)
{
	return result <= 0 && SSL_get_error(client->ssl, result) == SSL_ERROR_WANT_READ &&
	       now_s() < client->until_s;
}

/* MQTT 3.1.1, clean session, no keep alive, an id of its own. */
static bool send_connect(struct load *load, SSL *ssl)
{
	char packet[32] = "\x10\x14\0\4MQTT\4\2\0\0\0\10";
	size_t head = 14;

	(void)snprintf(packet + head, sizeof(packet) - head, "%08x", (unsigned)load->id);
	return SSL_write(ssl, packet, (int)head + 8) == (int)head + 8;
}

/* The tickets of TLS 1.3 belong to the handshake: they stand before the CONNACK and are read with
 * it. */
static bool receive_connack(const struct client *client)
{
	uint8_t packet[4];
	int got;

	do
		got = SSL_read(client->ssl, packet, sizeof(packet));
	while (is_early(client, got));
	return got == sizeof(packet) && packet[0] == 0x20 && packet[3] == 0;
}

static void leave(struct load *load, struct client *client)
{
	static const uint8_t disconnect[2] = {0xe0, 0};

	if (load->is_disconnected) {
		(void)SSL_write(client->ssl, disconnect, sizeof(disconnect));
		(void)SSL_shutdown(client->ssl);
	}
	/* Without it OpenSSL would hold that the session must not be resumed. */
	SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client->ssl);
	close(client->fd);
}

static bool enter(struct load *load, struct client *client)
{
	int result;

	ERR_clear_error();
	client->until_s = now_s() + TIMEOUT_S;
	do
		result = SSL_connect(client->ssl);
	while (is_early(client, result));
	return result == 1 && send_connect(load, client->ssl) && receive_connack(client);
}

/* False: the server does not go on from the session, and lets nobody in who tries. */
static bool come(struct load *load, struct client *client)
{
	bool is_with_session = load->session;

	load->id++;
	client->fd = dial(load->port);
	client->ssl = SSL_new(load->ctx);
	if (!client->ssl || SSL_set_fd(client->ssl, client->fd) != 1 ||
	    SSL_set_tlsext_host_name(client->ssl, "localhost") != 1 ||
	    SSL_set1_host(client->ssl, "localhost") != 1 ||
	    (is_with_session && SSL_set_session(client->ssl, load->session) != 1))
		die("connection: %s", reason());
	if (load->version == TLS1_3_VERSION)
		forget_session(load);
	if (!enter(load, client)) {
		if (!is_with_session)
			die("connection %u: %s", load->id, reason());
		forget_session(load);
		load->refused_count++;
		return false;
	}
	if (SSL_session_reused(client->ssl) == 1)
		load->resumed_count++;
	return true;
}

static void visit(struct load *load, uint32_t count)
{
	struct client client;

	for (uint32_t i = 0; i < count && !load->is_way_wrong; i++) {
		(void)come(load, &client);
		leave(load, &client);
	}
}

/* ---- what it costs ---- */

static uint64_t cpu_ns(const struct load *load)
{
	struct mt_cpu cpu;

	pause_ms(SETTLE_CPU_MS);
	if (mt_cpu_read(load->pid, &cpu) != MT_OK)
		die("the server is gone");
	return cpu.run_ns;
}

/* The kernel's number for that key; false: none. */
static bool take_kib(const struct load *load, const char *file, const char *key, uint64_t *kib)
{
	char path[64], line[256];
	bool is_found = false;
	FILE *from;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", load->pid, file);
	from = fopen(path, "re");
	if (!from)
		return false;
	while (!is_found && fgets(line, sizeof(line), from))
		if (strncmp(line, key, strlen(key)) == 0) {
			*kib = strtoull(line + strlen(key), NULL, 10);
			is_found = true;
		}
	(void)fclose(from);
	return is_found;
}

/* smaps_rollup is exact, but of another user's or of an undumpable process only root may read it.
 */
static uint64_t resident_bytes(const struct load *load)
{
	uint64_t kib;

	pause_ms(SETTLE_MEMORY_MS);
	if (!take_kib(load, "smaps_rollup", "Rss:", &kib) &&
	    !take_kib(load, "status", "VmRSS:", &kib))
		die("the server is gone");
	return kib * 1024;
}

static void measure_cpu(struct load *load)
{
	uint64_t before, after;

	/* The session of the last one is the first to be resumed. */
	visit(load, load->count / 10 + 10);
	load->resumed_count = load->refused_count = 0;
	before = cpu_ns(load);
	visit(load, load->count);
	after = cpu_ns(load);
	if (load->is_way_wrong || (load->way != WAY_FULL && !load->session &&
				   load->resumed_count + load->refused_count == 0))
		(void)printf("not offered\n");
	else if (load->refused_count > 0)
		(void)printf("%u of %u resumed, %u refused\n", load->resumed_count, load->count,
			     load->refused_count);
	else if (load->resumed_count != (load->way == WAY_FULL ? 0 : load->count))
		(void)printf("%u of %u resumed\n", load->resumed_count, load->count);
	else
		(void)printf("%.1f\n", (double)(after - before) / 1000 / load->count);
}

static void measure_memory(struct load *load)
{
	struct client *clients = calloc(load->count, sizeof(*clients));
	uint64_t before, after;

	if (!clients)
		die("memory");
	visit(load, 20);
	before = resident_bytes(load);
	for (uint32_t i = 0; i < load->count; i++)
		(void)come(load, &clients[i]);
	after = resident_bytes(load);
	for (uint32_t i = 0; i < load->count; i++)
		leave(load, &clients[i]);
	free(clients);
	(void)printf("%.0f\n", ((double)after - (double)before) / load->count);
}

/* ---- options ---- */

static uint32_t take_number(const char *text, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == 0 || *end != 0 || value == 0 || value > most)
		die("%s is no number from 1 to %u", text, most);
	return (uint32_t)value;
}

static enum way take_way(const char *text)
{
	static const char *const names[] = {"full", "ticket", "id"};

	for (int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return (enum way)i;
	die("%s is none of full, ticket, id", text);
}

static void take_option(struct load *load, int option)
{
	switch (option) {
	case 'p':
		load->port = (uint16_t)take_number(optarg, UINT16_MAX);
		break;
	case 'P':
		load->pid = (int32_t)take_number(optarg, INT32_MAX);
		break;
	case 'c':
		load->ca = optarg;
		break;
	case 'i':
		load->identity = optarg;
		break;
	case 'v':
		load->version = strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
		break;
	case 'w':
		load->way = take_way(optarg);
		break;
	case 'n':
		load->count = take_number(optarg, COUNT_MAX);
		break;
	case 's':
		load->is_idle = true;
		break;
	case 'd':
		load->is_disconnected = true;
		break;
	default:
		die("usage: tls_load --port N --pid PID --ca FILE [--identity FILE] [--version "
		    "1.2|1.3] [--way full|ticket|id] [--count N] [--idle] [--disconnect]");
	}
}

/* Each connection that stays needs a descriptor. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'},	    {"pid", 1, NULL, 'P'},     {"ca", 1, NULL, 'c'},
		{"identity", 1, NULL, 'i'}, {"version", 1, NULL, 'v'}, {"way", 1, NULL, 'w'},
		{"count", 1, NULL, 'n'},    {"idle", 0, NULL, 's'},    {"disconnect", 0, NULL, 'd'},
		{NULL, 0, NULL, 0}};
	struct load load = {.version = TLS1_3_VERSION, .count = 400};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(&load, option);
	if (optind != argc || !load.port || !load.pid || !load.ca)
		take_option(&load, '?');
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die("SIGPIPE");
	raise_descriptors();
	make_context(&load);
	if (load.is_idle)
		measure_memory(&load);
	else
		measure_cpu(&load);
	forget_session(&load);
	SSL_CTX_free(load.ctx);
	return 0;
}
