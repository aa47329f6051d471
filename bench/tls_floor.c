/*
 * The floor of TLS: what OpenSSL and the kernel alone cost a server of MQTT clients that come and
 * go. Not to be exposed: it listens on 127.0.0.1 and trusts its peers.
 *
 *   accept -> handshake (resumed if the client can) -> first packet: CONNACK -> until it closes
 *
 * Usage: tls_floor PORT tickets|ids CERTIFICATE KEY [CLIENT_CA]
 * With CLIENT_CA clients must show a certificate, which nobody looks at afterwards.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64

struct conn {
	int fd;
	bool is_answered;
	SSL *ssl;
};

struct floor {
	int epoll;
	int listener;
	SSL_CTX *ctx;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void die_of_tls(const char *what)
{
	(void)fprintf(stderr, "%s: ", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* What mortised and our clients agree on, and nothing else: a list costs memory in each connection.
 */
static bool apply_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	/* An end without close_notify is no error after which the session may not be resumed. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_read_ahead(ctx, 1);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256") == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
	       SSL_CTX_set1_sigalgs_list(ctx, "ecdsa_secp256r1_sha256") == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 1) == 1;
}

/* In TLS 1.3 without SSL_OP_NO_TICKET the client holds the session, with it our cache does. */
static bool resume_by(SSL_CTX *ctx, const char *way)
{
	static const unsigned char scope[] = "floor";

	if (strcmp(way, "ids") == 0) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	} else {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	}
	return SSL_CTX_set_session_id_context(ctx, scope, sizeof(scope)) == 1;
}

static SSL_CTX *make_context(const char *way, const char *certificate, const char *key,
			     const char *client_ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || !apply_rules(ctx) || !resume_by(ctx, way))
		die_of_tls("settings");
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		die_of_tls("certificate");
	if (!client_ca)
		return ctx;
	if (SSL_CTX_load_verify_locations(ctx, client_ca, NULL) != 1)
		die_of_tls("client CA");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ctx;
}

/* A client that is gone without a close_notify may resume all the same. */
static void destroy(struct conn *conn)
{
	if (SSL_is_init_finished(conn->ssl))
		SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(conn->ssl);
	close(conn->fd);
	free(conn);
}

/* Everything after the first packet is read and forgotten. */
static bool answer(struct conn *conn)
{
	static const uint8_t connack[4] = {0x20, 2, 0, 0};

	if (conn->is_answered)
		return true;
	conn->is_answered = true;
	return SSL_write(conn->ssl, connack, sizeof(connack)) == sizeof(connack);
}

/* As far as the bytes that are there allow; false: it is over. Nothing here fills a socket. */
static bool advance(struct conn *conn)
{
	uint8_t packet[1024];
	int got;

	ERR_clear_error();
	do {
		got = SSL_read(conn->ssl, packet, sizeof(packet));
		if (got > 0 && !answer(conn))
			return false;
	} while (got > 0);
	return SSL_get_error(conn->ssl, got) == SSL_ERROR_WANT_READ;
}

static void watch(struct floor *floor, int fd, void *about)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = about};

	if (epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

static void welcome(struct floor *floor)
{
	int fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	struct conn *conn;

	if (fd < 0)
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn || !(conn->ssl = SSL_new(floor->ctx)) || SSL_set_fd(conn->ssl, fd) != 1)
		die_of_tls("memory");
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		die("TCP_NODELAY");
	SSL_set_accept_state(conn->ssl);
	conn->fd = fd;
	watch(floor, fd, conn);
}

static void turn(struct floor *floor)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(floor->epoll, events, EVENTS, -1);
	struct conn *conn;

	for (int i = 0; i < count; i++) {
		conn = events[i].data.ptr;
		if (!conn)
			welcome(floor);
		else if (!advance(conn))
			destroy(conn);
	}
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
	unsigned long port = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	struct floor floor;

	if (argc < 5 || argc > 6 || port == 0 || port > UINT16_MAX ||
	    (strcmp(argv[2], "tickets") != 0 && strcmp(argv[2], "ids") != 0)) {
		fputs("usage: tls_floor PORT tickets|ids CERTIFICATE KEY [CLIENT_CA]\n", stderr);
		return 2;
	}
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die("SIGPIPE");
	floor.ctx = make_context(argv[2], argv[3], argv[4], argc == 6 ? argv[5] : NULL);
	listen_at(&floor, (uint16_t)port);
	for (;;)
		turn(&floor);
}
