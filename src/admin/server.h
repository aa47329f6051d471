/*
 * HTTP + JSON (libmicrohttpd): transport of the admin API. What the paths mean is the handler's
 * business.
 *
 *   Unix socket ----> SO_PEERCRED: root, the daemon's user, group `mortise`? --+
 *   decrypted HTTPS, by mt_admin_server_adopt -> headers -> may it go on? -----+-> body -> handler
 *
 * A peer of the Unix socket is known before its first byte is read, and others are not heard. Who
 * comes by adopt is never taken for one of those: its socket bears not the name of ours. One
 * request at a time per connection, body at most MT_ADMIN_BODY_BYTES_MAX, 10 s between its parts.
 * Its own thread calls the handler.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#define MT_ADMIN_BODY_BYTES_MAX 1048576u

struct mt_admin_address {
	uint8_t byte[16]; /* IPv6, or IPv4 mapped */
	uint16_t port;
};

struct mt_admin_request {
	const char *method; /* "GET", "POST", "PUT", "DELETE" */
	const char *path;   /* "/api/users/th-17", still percent-encoded */
	struct mt_bytes body;
	bool is_local;			 /* the kernel vouches for peer_uid */
	uint32_t peer_uid;		 /* with is_local */
	struct mt_admin_address address; /* without */
	const char *authorization;	 /* that header; NULL: none, or more than one */
	/* Value behind "?name=", still percent-encoded; NULL when absent. */
	const char *(*query)(const struct mt_admin_request *request, const char *name);
	void *connection;
};

struct mt_admin_answer {
	int http_status;
	char *body;		/* malloc'ed JSON, taken over and wiped; NULL: none */
	bool is_page;		/* the body is HTML */
	unsigned retry_after_s; /* 0: not said */
	bool is_last;		/* the connection ends with it */
};

typedef void mt_admin_handler(void *context, const struct mt_admin_request *request,
			      struct mt_admin_answer *answer);
/* Behind the headers of a request that is not local. False: *answer is sent, the body is not read,
 * and the connection ends. */
typedef bool mt_admin_gate(void *context, const struct mt_admin_request *request,
			   struct mt_admin_answer *answer);

struct mt_admin_uses {
	mt_admin_handler *handle;
	mt_admin_gate *admit;
	void *context;
};

struct mt_admin_server;

/* Listens on `path` (mode 0660, group mortise when it exists, else 0600; a stale socket is
 * replaced). fault on failure. */
MT_MUST_USE enum mt_status mt_admin_server_open(const char *path, const struct mt_admin_uses *uses,
						struct mt_admin_server **out, char *fault,
						size_t cap);
/* A connected stream socket with the plain bytes of a peer over TLS; taken over. Any thread. False:
 * it was closed, there is no room. */
bool mt_admin_server_adopt(struct mt_admin_server *server, int fd,
			   const struct mt_admin_address *address);
/* Waits for running requests, removes the socket. */
void mt_admin_server_close(struct mt_admin_server **server);
