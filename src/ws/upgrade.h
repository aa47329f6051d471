/*
 * The opening handshake of a WebSocket, as the server sees it (RFC 6455, section 4.2; MQTT 5.0,
 * section 6).
 *
 *   GET /mqtt HTTP/1.1            HTTP/1.1 101 Switching Protocols
 *   Host: broker.example:8084     Upgrade: websocket
 *   Upgrade: websocket            Connection: Upgrade
 *   Connection: Upgrade           Sec-WebSocket-Accept: ...
 *   Sec-WebSocket-Key: ...        Sec-WebSocket-Protocol: mqtt
 *   Sec-WebSocket-Version: 13
 *   Sec-WebSocket-Protocol: mqtt
 *   Origin: https://site.example  (browsers alone)
 *
 * Pure. No memory.
 */
#pragma once

#include "base/buf.h"
#include "base/status.h"

/* The whole request: more than this is refused. */
#define MT_UPGRADE_BYTES_MAX 8192u
/* Room for an answer of any kind. */
#define MT_UPGRADE_ANSWER_BYTES 512u
#define MT_UPGRADE_ACCEPT_BYTES 29u

struct mt_upgrade_rules {
	const char *path; /* "/mqtt"; a query behind it is ignored */
	/*
	 * Which sites' pages may connect, separated by commas: "https://site.example:8443", `any`,
	 * or `same`: pages of the host that the request names. A request without Origin comes from
	 * no browser and is let in.
	 */
	const char *origins;
	/* What the request calls us is our name: a certificate said so. Else `same` believes
	 * addresses and localhost alone, for a page can give its own name our address. */
	bool is_host_proven;
};

struct mt_upgrade {
	uint16_t status; /* of HTTP: 101, or the refusal */
	const char *why; /* of a refusal; static text */
	char accept[MT_UPGRADE_ACCEPT_BYTES];
};

/*
 * A request at the start of `in`. MT_AGAIN: it is not whole. MT_OK: out->status is 101, *used bytes
 * were the request. MT_VIOLATION: out->status and out->why; nothing of what follows means anything.
 */
MT_MUST_USE enum mt_status mt_upgrade_read(struct mt_bytes in, const struct mt_upgrade_rules *rules,
					   size_t *used, struct mt_upgrade *out);
/* The answer, for MT_OK and MT_VIOLATION alike: at most MT_UPGRADE_ANSWER_BYTES. */
void mt_upgrade_answer(const struct mt_upgrade *upgrade, struct mt_buf *out);

/* A path as the configuration may have it: it begins with a slash and holds no query. */
bool mt_upgrade_is_path(struct mt_bytes text);
/* One item of a list of origins. */
bool mt_upgrade_is_origin(struct mt_bytes text);
