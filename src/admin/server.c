/*
 * The admin API's HTTP server on a Unix socket, and on what is handed to it.
 *
 *   accept -> notify_connection: SO_PEERCRED -> not permitted: 403 and shut, unread
 *                                            -> headers -> body (bounded) -> handler -> answer
 *   adopt  -> notify_connection: no name of ours -> headers -> gate -> body -> handler -> answer
 *
 * Threading: libmicrohttpd's one thread does all of it, so requests are served one by one.
 */
#include "admin/server.h"

#include "admin/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 32
#define CONNECTIONS_MAX 32u
#define ADOPTED_MAX \
	2048u /* whoever adopts has a bound of its own; some of them are about to end \
	       */
#define HEAD_BYTES_MAX 32768u /* of one connection: request line, headers and the read buffer */
#define SEND_TIMEOUT_S 10u
#define FIRST_BODY_BYTES 4096u

struct mt_admin_server {
	struct MHD_Daemon *daemon;
	struct mt_admin_uses uses;
	uint32_t own_uid;
	uint32_t gid; /* valid with has_group */
	bool has_group;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Of a permitted connection; the socket context of the others is NULL. */
struct peer {
	bool is_local;
	uint32_t uid;			 /* when it is */
	struct mt_admin_address address; /* when it is not */
};

/* One request while its body arrives. */
struct exchange {
	uint8_t *body;
	size_t len;
	size_t cap;
	bool is_too_large;
};

static void wipe_and_free(void *data, size_t len)
{
	if (data)
		mt_bytes_wipe(data, len);
	free(data);
}

static void free_text(void *text)
{
	wipe_and_free(text, strlen(text));
}

/* The client may not have sent its request yet; the answer waits in its socket all the same. */
static void turn_away(int fd)
{
	static const char answer[] =
		"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close\r\n"
		"Content-Length: 78\r\n\r\n"
		"{\"error\":\"not permitted: be root, the broker's user or in the group "
		"mortise\"}\n";
	ssize_t sent = send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)sent; /* a courtesy: the refusal is the shutdown */
	shutdown(fd, SHUT_RDWR);
}

/* Accepted by our Unix socket: the kernel gives it that socket's name, which no other one has. */
static bool is_ours(const struct mt_admin_server *server, int fd)
{
	struct sockaddr_un name = {0};
	socklen_t bytes = sizeof(name);
	return getsockname(fd, (struct sockaddr *)&name, &bytes) == 0 &&
	       name.sun_family == AF_UNIX && strcmp(name.sun_path, server->path) == 0;
}

static bool know_adopted(struct MHD_Connection *connection, struct peer *peer)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct sockaddr_in6 from;
	if (!info || !info->client_addr || info->client_addr->sa_family != AF_INET6)
		return false;
	memcpy(&from, info->client_addr, sizeof(from));
	memcpy(peer->address.byte, &from.sin6_addr, sizeof(peer->address.byte));
	peer->address.port = ntohs(from.sin6_port);
	return true;
}

static bool know_peer(const struct mt_admin_server *server, struct MHD_Connection *connection,
		      int fd, struct peer *peer)
{
	peer->is_local = is_ours(server, fd);
	return peer->is_local ? mt_peer_is_permitted(fd, server->own_uid, server->has_group,
						     server->gid, &peer->uid)
			      : know_adopted(connection, peer);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	const struct mt_admin_server *server = context;
	const union MHD_ConnectionInfo *info;
	struct peer *peer;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		free(*socket_context);
		*socket_context = NULL;
		return;
	}
	*socket_context = NULL;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	peer = calloc(1, sizeof(*peer));
	if (info && peer && know_peer(server, connection, info->connect_fd, peer)) {
		*socket_context = peer;
		return;
	}
	free(peer);
	if (info)
		turn_away(info->connect_fd);
}

static const char *find_query(const struct mt_admin_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* Paths and queries stay as they were sent: only the handler knows where a name ends. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

/* No cookie is ever set and no site is ever let in by CORS, so that a page somewhere else can
 * neither make a browser prove who its user is, nor read an answer. */
static bool add_headers(struct MHD_Response *response, const struct mt_admin_answer *answer,
			const struct peer *peer)
{
	const struct {
		const char *name;
		const char *value;
		bool is_sent;
	} headers[] = {
		{"Content-Type", answer->is_page ? "text/html; charset=utf-8" : "application/json",
		 true},
		{"Cache-Control", "no-store", true},
		{"X-Content-Type-Options", "nosniff", true},
		{"Referrer-Policy", "no-referrer", true},
		{"Content-Security-Policy",
		 "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		 true},
		{"Strict-Transport-Security", "max-age=31536000", !peer->is_local},
		{"Connection", "close", answer->is_last},
		{"WWW-Authenticate", "Bearer realm=\"mortise\"", answer->http_status == 401},
	};
	char seconds[16];
	snprintf(seconds, sizeof(seconds), "%u", answer->retry_after_s);
	for (size_t i = 0; i < MT_COUNT_OF(headers); i++)
		if (headers[i].is_sent &&
		    MHD_add_response_header(response, headers[i].name, headers[i].value) != MHD_YES)
			return false;
	return answer->retry_after_s == 0 ||
	       MHD_add_response_header(response, "Retry-After", seconds) == MHD_YES;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct peer *peer,
				   struct mt_admin_answer *answer)
{
	size_t len = answer->body ? strlen(answer->body) : 0;
	struct MHD_Response *response =
		answer->body ? MHD_create_response_from_buffer_with_free_callback(len, answer->body,
										  free_text)
			     : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;
	if (!response) {
		wipe_and_free(answer->body, len);
		return MHD_NO;
	}
	result = add_headers(response, answer, peer)
			 ? MHD_queue_response(connection, (unsigned)answer->http_status, response)
			 : MHD_NO;
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_too_large(struct MHD_Connection *connection, const struct peer *peer)
{
	struct mt_admin_answer answer = {
		.http_status = MHD_HTTP_CONTENT_TOO_LARGE,
		.body = strdup("{\"error\":\"the request is too large: at most "
			       "1048576 bytes; split it\"}")};
	return send_answer(connection, peer, &answer);
}

struct count {
	const char *name;
	const char *value;
	unsigned count;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	struct count *count = context;
	(void)kind;
	if (strcasecmp(name, count->name) != 0)
		return MHD_YES;
	count->count++;
	count->value = value;
	return MHD_YES;
}

/* Two of them may say two things, and whoever stands between us may have looked at the other. */
static const char *find_only(struct MHD_Connection *connection, const char *name)
{
	struct count count = {.name = name};
	MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &count);
	return count.count == 1 ? count.value : NULL;
}

static struct mt_admin_request request_of(struct MHD_Connection *connection,
					  const struct peer *peer, const char *method,
					  const char *path)
{
	return (struct mt_admin_request){
		.method = method,
		.path = path,
		.is_local = peer->is_local,
		.peer_uid = peer->uid,
		.address = peer->address,
		.authorization = find_only(connection, MHD_HTTP_HEADER_AUTHORIZATION),
		.query = find_query,
		.connection = connection,
	};
}

/* The memory of the connection is not wiped by the server. */
static void forget_token(const struct mt_admin_request *request)
{
	char *text = (char *)(uintptr_t)request->authorization;
	if (text)
		mt_bytes_wipe(text, strlen(text));
}

static enum MHD_Result start(const struct mt_admin_server *server,
			     struct MHD_Connection *connection, const struct peer *peer,
			     const struct mt_admin_request *request, void **slot)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	struct mt_admin_answer answer = {0};
	if (!peer->is_local && !server->uses.admit(server->uses.context, request, &answer)) {
		forget_token(request);
		/* Each further try costs it another handshake. */
		answer.is_last = true;
		return send_answer(connection, peer, &answer);
	}
	if (length && strtoull(length, NULL, 10) > MT_ADMIN_BODY_BYTES_MAX)
		return send_too_large(connection, peer);
	*slot = calloc(1, sizeof(struct exchange));
	return *slot ? MHD_YES : MHD_NO;
}

static bool reserve(struct exchange *exchange, size_t bytes)
{
	size_t cap = exchange->cap ? exchange->cap : FIRST_BODY_BYTES;
	uint8_t *grown;
	while (cap < bytes)
		cap *= 2;
	if (cap == exchange->cap)
		return true;
	grown = malloc(cap);
	if (!grown)
		return false;
	if (exchange->len > 0)
		memcpy(grown, exchange->body, exchange->len);
	wipe_and_free(exchange->body, exchange->cap);
	exchange->body = grown;
	exchange->cap = cap;
	return true;
}

/* MHD_NO closes the connection: that ends a chunked body which goes on after the limit. */
static enum MHD_Result collect(struct exchange *exchange, const char *data, size_t *bytes)
{
	size_t len = *bytes;
	if (exchange->is_too_large)
		return MHD_NO;
	*bytes = 0;
	if (len > MT_ADMIN_BODY_BYTES_MAX - exchange->len) {
		exchange->is_too_large = true;
		return MHD_YES;
	}
	if (!reserve(exchange, exchange->len + len))
		return MHD_NO;
	memcpy(exchange->body + exchange->len, data, len);
	exchange->len += len;
	/* Passwords travel here, and the read buffer of the server is not wiped by it. */
	mt_bytes_wipe((void *)(uintptr_t)data, len);
	return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *data, size_t *bytes, void **slot)
{
	const struct mt_admin_server *server = context;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct peer *peer = info ? info->socket_context : NULL;
	struct exchange *exchange = *slot;
	struct mt_admin_answer answer = {0};
	struct mt_admin_request request;
	(void)version;
	if (!peer)
		return MHD_NO;
	if (exchange && *bytes > 0)
		return collect(exchange, data, bytes);
	request = request_of(connection, peer, method, path);
	if (!exchange)
		return start(server, connection, peer, &request, slot);
	if (exchange->is_too_large)
		return send_too_large(connection, peer);
	request.body = mt_bytes_of(exchange->body, exchange->len);
	server->uses.handle(server->uses.context, &request, &answer);
	forget_token(&request);
	MT_CHECK(answer.http_status >= 200 && answer.http_status < 600);
	return send_answer(connection, peer, &answer);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *slot;
	(void)context;
	(void)connection;
	(void)code;
	if (exchange)
		wipe_and_free(exchange->body, exchange->cap);
	free(exchange);
	*slot = NULL;
}

/* A socket that a crash left behind goes; anything else at that name is not ours. */
static enum mt_status clear_place(const char *path)
{
	struct stat facts;
	if (lstat(path, &facts) != 0)
		return errno == ENOENT ? MT_OK : MT_SYSTEM;
	if (!S_ISSOCK(facts.st_mode)) {
		errno = EEXIST;
		return MT_SYSTEM;
	}
	return unlink(path) == 0 ? MT_OK : MT_SYSTEM;
}

/*
 * Nobody can connect before listen(), and by then owner and mode are set. The mode given to the
 * unbound socket is the one the name is made with, so that there is no moment with a wider one
 * either.
 */
static enum mt_status bind_and_listen(const struct mt_admin_server *server, int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, server->path, sizeof(server->path));
	if (fchmod(fd, 0600) != 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return MT_SYSTEM;
	if (chmod(server->path, 0600) != 0)
		return MT_SYSTEM;
	/* A daemon that is not in the group cannot give the socket to it: then its own user and
	 * root remain. */
	if (server->has_group && chown(server->path, (uid_t)-1, server->gid) == 0 &&
	    chmod(server->path, 0660) != 0)
		return MT_SYSTEM;
	return listen(fd, BACKLOG) == 0 ? MT_OK : MT_SYSTEM;
}

static enum mt_status open_socket(const struct mt_admin_server *server, int *out)
{
	enum mt_status status;
	int error;
	int fd;
	MT_TRY(clear_place(server->path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return MT_SYSTEM;
	status = bind_and_listen(server, fd);
	if (status != MT_OK) {
		error = errno;
		close(fd);
		errno = error;
		return status;
	}
	*out = fd;
	return MT_OK;
}

static struct MHD_Daemon *start_daemon(struct mt_admin_server *server, int fd)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL,
		on_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, server, MHD_OPTION_CONNECTION_LIMIT,
		CONNECTIONS_MAX + ADOPTED_MAX, MHD_OPTION_CONNECTION_TIMEOUT, SEND_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

static enum mt_status refuse(char *fault, size_t cap, const char *path, const char *why,
			     enum mt_status status)
{
	snprintf(fault, cap, "admin socket %s: %s", path, why);
	return status;
}

enum mt_status mt_admin_server_open(const char *path, const struct mt_admin_uses *uses,
				    struct mt_admin_server **out, char *fault, size_t cap)
{
	struct mt_admin_server *server;
	int fd = -1;
	if (strlen(path) >= sizeof(server->path))
		return refuse(fault, cap, path,
			      "the path is longer than 107 bytes; choose a shorter --state",
			      MT_INVALID);
	server = calloc(1, sizeof(*server));
	if (!server)
		return refuse(fault, cap, path, "out of memory", MT_MEMORY);
	server->uses = *uses;
	server->own_uid = geteuid();
	server->has_group = mt_peer_group(&server->gid);
	strcpy(server->path, path);
	if (open_socket(server, &fd) != MT_OK) {
		(void)refuse(fault, cap, path, strerror(errno), MT_SYSTEM);
		free(server);
		return MT_SYSTEM;
	}
	server->daemon = start_daemon(server, fd);
	if (!server->daemon) {
		unlink(path);
		free(server);
		return refuse(
			fault, cap, path,
			"the HTTP server did not start; look at the limits of threads and files",
			MT_SYSTEM);
	}
	*out = server;
	return MT_OK;
}

bool mt_admin_server_adopt(struct mt_admin_server *server, int fd,
			   const struct mt_admin_address *address)
{
	struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
	memcpy(&from.sin6_addr, address->byte, sizeof(from.sin6_addr));
	return MHD_add_connection(server->daemon, fd, (const struct sockaddr *)&from,
				  sizeof(from)) == MHD_YES;
}

void mt_admin_server_close(struct mt_admin_server **server)
{
	struct mt_admin_server *old = *server;
	*server = NULL;
	if (!old)
		return;
	/* First the name: nobody new comes while the last requests end. */
	unlink(old->path);
	MHD_stop_daemon(old->daemon); /* closes the socket, joins the thread */
	free(old);
}
