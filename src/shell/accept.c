/* New connections: limits per address first, then TLS, then the core. */
#include "shell/pump.h"

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

/* False when the address has as many connections as it may have. */
static bool admit_source(struct mt_pump *pump, const struct mt_peer_address *peer)
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
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t one[16] = {[15] = 1};
	return (memcmp(peer->byte, mapped, sizeof(mapped)) == 0 && peer->byte[12] == 127) ||
	       memcmp(peer->byte, one, sizeof(one)) == 0;
}

static enum mt_status open_in_core(struct mt_pump *pump, const struct mt_listener *listener,
				   struct mt_socket *socket)
{
	const struct mt_listener_settings *settings = listener->settings;
	struct mt_conn_facts facts = {.port = socket->peer.port,
				      .listener = settings->name,
				      .anonymous_role = settings->anonymous_role,
				      .has_anonymous_sessions = settings->has_anonymous_sessions,
				      .offer = listener->offer};
	memcpy(facts.address.byte, socket->peer.byte, sizeof(facts.address.byte));
	facts.is_secret_safe =
		settings->is_tls || settings->is_insecure_allowed || is_loopback(&socket->peer);
	return mt_core_open(pump->core, pump->now, &facts, &socket->conn);
}

static void report(const struct mt_listener *listener, const struct mt_peer_address *peer,
		   const char *why)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	mt_peer_address_text(peer, address);
	mt_log(MT_LOG_NOTICE, "accept", "connection turned away", MT_STR("why", why),
	       MT_STR("address", address), MT_STR("listener", listener->settings->name));
}

/* From descriptor to a connection that the core knows; on failure everything but the descriptor is
 * undone. */
static enum mt_status begin(struct mt_pump *pump, const struct mt_listener *listener,
			    struct mt_socket *socket)
{
	enum mt_status status;
	if (listener->tls) {
		socket->tls = mt_tls_session_create_server(listener->tls);
		if (!socket->tls)
			return MT_MEMORY;
	}
	status = open_in_core(pump, listener, socket);
	if (status == MT_OK) {
		status = mt_pump_adopt(pump, socket);
		if (status != MT_OK)
			mt_core_closed(pump->core, pump->now, socket->conn);
	}
	if (status != MT_OK)
		mt_tls_session_destroy(&socket->tls);
	return status;
}

static void take(struct mt_pump *pump, const struct mt_listener *listener, int fd,
		 const struct mt_peer_address *peer)
{
	struct mt_socket *socket;
	if (!admit_source(pump, peer)) {
		report(listener, peer, "too many connections from this address");
		close(fd);
		return;
	}
	socket = calloc(1, sizeof(*socket));
	if (socket) {
		socket->fd = fd;
		socket->peer = *peer;
		socket->listener = listener->settings->name;
	}
	if (!socket || begin(pump, listener, socket) != MT_OK) {
		report(listener, peer, "no room for another connection");
		mt_pump_forget_source(pump, peer);
		free(socket);
		close(fd);
	}
}

void mt_pump_accept(struct mt_pump *pump, uint32_t listener_index)
{
	const struct mt_listener *listener = &pump->listeners[listener_index];
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct mt_peer_address peer;
		int fd;
		enum mt_status status = mt_listen_accept(listener->fd, &fd, &peer);
		if (status == MT_OK) {
			take(pump, listener, fd, &peer);
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
