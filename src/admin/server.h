/*
 * HTTP + JSON on a Unix socket (libmicrohttpd): transport of the admin API. What the paths mean is
 * the handler's business.
 *
 * The peer is known by SO_PEERCRED before its first byte is read: only root, the daemon's user and
 * members of group `mortise` are heard. One request at a time per connection, body at most
 * MT_ADMIN_BODY_BYTES_MAX, 10 s to send it. Its own thread calls the handler.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#define MT_ADMIN_BODY_BYTES_MAX 1048576u

struct mt_admin_request {
	const char *method; /* "GET", "POST", "PUT", "DELETE" */
	const char *path;   /* "/api/users/th-17", still percent-encoded */
	struct mt_bytes body;
	bool is_local;	   /* the kernel vouches for peer_uid */
	uint32_t peer_uid; /* with is_local */
	/* Value behind "?name=", still percent-encoded; NULL when absent. */
	const char *(*query)(const struct mt_admin_request *request, const char *name);
	void *connection;
};

struct mt_admin_answer {
	int http_status;
	char *body; /* malloc'ed JSON, taken over and wiped; NULL: none */
};

typedef void mt_admin_handler(void *context, const struct mt_admin_request *request,
			      struct mt_admin_answer *answer);

struct mt_admin_server;

/* Listens on `path` (mode 0660, group mortise when it exists, else 0600; a stale socket is
 * replaced). fault on failure. */
MT_MUST_USE enum mt_status mt_admin_server_open(const char *path, mt_admin_handler *handler,
						void *context, struct mt_admin_server **out,
						char *fault, size_t cap);
/* Waits for running requests, removes the socket. */
void mt_admin_server_close(struct mt_admin_server **server);
