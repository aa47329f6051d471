/* New connections: limits per address first, then TLS, then the core. */
#include "shell/pump.h"

#include "io/local.h"
#include "io/stream.h"

#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64

/* Connections of one address. */
struct source {
	struct mt_address address;
	uint32_t count;
};

static struct mt_bytes address_of(const struct mt_peer_address *peer)
{
	return mt_bytes_of(peer->byte, sizeof(peer->byte));
}

bool mt_pump_admit_source(struct mt_pump *pump, const struct mt_peer_address *peer)
{
	uint32_t most = pump->settings->limits.connections_per_address;
	struct source *source = mt_map_find(&pump->sources, address_of(peer));
	if (!source) {
		source = mt_mem_zero(&pump->mem, sizeof(*source));
		if (!source)
			return false;
		memcpy(source->address.byte, peer->byte, sizeof(peer->byte));
		if (mt_map_put(&pump->sources, source) != MT_OK) {
			mt_mem_give(&pump->mem, source, sizeof(*source));
			return false;
		}
	}
	if (most > 0 && source->count >= most)
		return false;
	source->count++;
	return true;
}

void mt_pump_forget_source(struct mt_pump *pump, const struct mt_peer_address *peer)
{
	struct source *source = mt_map_find(&pump->sources, address_of(peer));
	MT_CHECK(source != NULL && source->count > 0);
	if (--source->count > 0)
		return;
	mt_map_remove(&pump->sources, address_of(peer));
	mt_mem_give(&pump->mem, source, sizeof(*source));
}

static bool is_loopback(const struct mt_peer_address *peer)
{
	static const struct mt_peer_address local;
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t one[16] = {[15] = 1};
	return memcmp(peer->byte, local.byte, sizeof(local.byte)) == 0 ||
	       (memcmp(peer->byte, mapped, sizeof(mapped)) == 0 && peer->byte[12] == 127) ||
	       memcmp(peer->byte, one, sizeof(one)) == 0;
}

enum mt_status mt_pump_introduce(struct mt_pump *pump, struct mt_socket *socket)
{
	const struct mt_listener *listener = &pump->listeners[socket->listener_index];
	const struct mt_listener_settings *settings = listener->settings;
	struct mt_conn_facts facts = {.port = socket->peer.port,
				      .listener = settings->name,
				      .anonymous_role = settings->anonymous_role,
				      .has_anonymous_sessions = settings->has_anonymous_sessions,
				      .offer = listener->offer,
				      .limits = listener->limits};
	memcpy(facts.address.byte, socket->peer.byte, sizeof(facts.address.byte));
	facts.is_secret_safe =
		settings->is_tls || settings->is_insecure_allowed || socket->is_local;
	return mt_core_open(pump->core, pump->now, &facts, &socket->conn);
}

void mt_pump_turn_away(const struct mt_socket *socket, const struct mt_peer_address *peer,
		       const char *why)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	mt_peer_address_text(peer, address);
	mt_log(MT_LOG_NOTICE, "accept", "connection turned away", MT_STR("why", why),
	       MT_STR("address", address), MT_STR("listener", socket->listener));
}

static enum mt_status make_stages(const struct mt_listener *listener, struct mt_socket *socket)
{
	if (listener->tls) {
		socket->tls = mt_tls_session_create_server(listener->tls);
		if (!socket->tls)
			return MT_MEMORY;
	}
	if (listener->settings->is_websocket) {
		socket->web = mt_web_create(&listener->web);
		if (!socket->web)
			return MT_MEMORY;
	}
	return MT_OK;
}

/* From descriptor to a connection that the core knows; on failure everything but the descriptor is
 * undone. */
static enum mt_status begin(struct mt_pump *pump, const struct mt_listener *listener,
			    struct mt_socket *socket)
{
	enum mt_status status = make_stages(listener, socket);
	if (status == MT_OK)
		status = mt_pump_introduce(pump, socket);
	if (status == MT_OK) {
		status = mt_pump_adopt(pump, socket);
		if (status != MT_OK)
			mt_core_closed(pump->core, pump->now, socket->conn);
	}
	if (status != MT_OK) {
		mt_tls_session_destroy(&socket->tls);
		mt_web_destroy(&socket->web);
	}
	return status;
}

/* Of a Unix socket: there is no address to tell who it is. */
static void report_local(const struct mt_socket *socket)
{
	uint32_t pid, uid;
	if (mt_local_peer(socket->fd, &pid, &uid))
		mt_log(MT_LOG_INFO, "accept", "connection by a Unix socket", MT_U64("pid", pid),
		       MT_U64("uid", uid), MT_STR("listener", socket->listener));
}

/* *socket goes to the pump, or stays the caller's. */
static enum mt_status take(struct mt_pump *pump, const struct mt_listener *listener,
			   struct mt_socket *socket)
{
	enum mt_status status;
	socket->is_proxy_awaited =
		listener->settings->proxies[0] != '\0' && mt_pump_is_proxy(listener, &socket->peer);
	socket->is_counted = !socket->is_proxy_awaited;
	if (socket->is_counted && !mt_pump_admit_source(pump, &socket->peer)) {
		mt_pump_turn_away(socket, &socket->peer, "too many connections from this address");
		return MT_LIMIT;
	}
	status = begin(pump, listener, socket);
	if (status == MT_OK)
		return MT_OK;
	mt_pump_turn_away(socket, &socket->peer, "no room for another connection");
	if (socket->is_counted)
		mt_pump_forget_source(pump, &socket->peer);
	return status;
}

static void receive_newcomer(struct mt_pump *pump, uint32_t listener_index, int fd,
			     const struct mt_peer_address *peer)
{
	const struct mt_listener *listener = &pump->listeners[listener_index];
	struct mt_socket *socket = calloc(1, sizeof(*socket));
	if (socket) {
		socket->fd = fd;
		socket->peer = *peer;
		socket->listener = listener->settings->name;
		socket->listener_index = listener_index;
		socket->is_local = is_loopback(peer);
		if (listener->is_unix)
			report_local(socket);
		if (take(pump, listener, socket) == MT_OK)
			return;
	}
	free(socket);
	close(fd);
}

void mt_pump_accept(struct mt_pump *pump, uint32_t listener_index)
{
	const struct mt_listener *listener = &pump->listeners[listener_index];
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct mt_peer_address peer;
		int fd;
		enum mt_status status = mt_listen_accept(listener->fd, &fd, &peer);
		if (status == MT_OK) {
			receive_newcomer(pump, listener_index, fd, &peer);
			continue;
		}
		if (status == MT_LIMIT) {
			mt_log(MT_LOG_ERROR, "accept",
			       "out of file descriptors; raise LimitNOFILE or lower "
			       "limits.connections",
			       MT_STR("listener", listener->settings->name));
			mt_pump_rest_listeners(pump);
		}
		return;
	}
}
