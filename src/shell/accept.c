/* New connections: limits per address first, then TLS, then the core. */
#include "shell/pump.h"

#include "io/local.h"
#include "io/stream.h"

#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define SHORTAGE_INTERVAL (10 * MT_SECOND) /* between two records of it */

static bool is_loopback(const struct mt_peer_address *peer)
{
	static const struct mt_peer_address local;
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t one[16] = {[15] = 1};
	return memcmp(peer->byte, local.byte, sizeof(local.byte)) == 0 ||
	       (memcmp(peer->byte, mapped, sizeof(mapped)) == 0 && peer->byte[12] == 127) ||
	       memcmp(peer->byte, one, sizeof(one)) == 0;
}

static struct mt_conn_facts facts_of(const struct mt_pump *pump, const struct mt_socket *socket,
				     const struct mt_peer_address *peer)
{
	const struct mt_listener *listener = &pump->listeners[socket->listener_index];
	const struct mt_listener_settings *settings = listener->settings;
	struct mt_conn_facts facts = {.port = peer->port,
				      .listener = settings->name,
				      .anonymous_role = settings->anonymous_role,
				      .has_anonymous_sessions = settings->has_anonymous_sessions,
				      .client_id_rule = settings->client_id_rule,
				      .is_id_demanded = !settings->is_id_assigned,
				      .accepted = mt_mechanism_read(settings->require),
				      .offer = listener->offer,
				      .limits = listener->limits};
	memcpy(facts.address.byte, peer->byte, sizeof(facts.address.byte));
	facts.is_secret_safe =
		settings->is_tls || settings->is_insecure_allowed || socket->is_local;
	facts.is_certificate_required =
		settings->client_certificate == MT_CLIENT_CERTIFICATE_REQUIRED;
	return facts;
}

enum mt_status mt_pump_introduce(struct mt_pump *pump, struct mt_socket *socket)
{
	struct mt_conn_facts facts = facts_of(pump, socket, &socket->peer);
	return mt_tape_open(pump->tape, pump->core, pump->now, &facts, &socket->conn);
}

static void turn_away(struct mt_pump *pump, const struct mt_socket *socket,
		      const struct mt_peer_address *peer, enum mt_limit_id limit)
{
	struct mt_conn_facts facts = facts_of(pump, socket, peer);
	mt_tape_turn_away(pump->tape, pump->core, pump->now, &facts, limit);
}

/* Whoever is slow, or only takes up room, makes way for those who come. */
static void end_oldest_handshake(struct mt_pump *pump)
{
	struct mt_list *link = mt_list_first(&pump->handshakes);
	struct mt_socket *oldest = MT_LIST_ITEM(link, struct mt_socket, handshake);
	turn_away(pump, oldest, &oldest->peer, MT_LIMIT_HANDSHAKES);
	mt_pump_met(pump, oldest);
	mt_pump_give_up(pump, oldest);
}

enum mt_status mt_pump_admit(struct mt_pump *pump, struct mt_socket *socket,
			     const struct mt_peer_address *peer)
{
	const struct mt_listener *listener = &pump->listeners[socket->listener_index];
	bool is_shaking = listener->tls != NULL;
	enum mt_limit_id over;
	if (!mt_sources_admit(&pump->sources, pump->now.mono_ns, peer, &listener->settings->limits,
			      is_shaking, &over)) {
		turn_away(pump, socket, peer, over);
		return MT_LIMIT;
	}
	socket->is_counted = true;
	if (!is_shaking)
		return MT_OK;
	mt_list_push_back(&pump->handshakes, &socket->handshake);
	pump->handshake_count++;
	while (pump->settings->limits.handshakes > 0 &&
	       pump->handshake_count > pump->settings->limits.handshakes)
		end_oldest_handshake(pump);
	return MT_OK;
}

void mt_pump_met(struct mt_pump *pump, struct mt_socket *socket)
{
	if (!mt_list_is_linked(&socket->handshake))
		return;
	mt_list_remove(&socket->handshake);
	pump->handshake_count--;
	mt_sources_met(&pump->sources, &socket->peer);
}

void mt_pump_dismiss(struct mt_pump *pump, struct mt_socket *socket)
{
	mt_pump_met(pump, socket);
	if (socket->is_counted)
		mt_sources_leave(&pump->sources, pump->now.mono_ns, &socket->peer);
	socket->is_counted = false;
}

/* What the listener itself may take. */
static bool admits_more(struct mt_pump *pump, struct mt_listener *listener,
			const struct mt_socket *socket)
{
	const struct mt_limits *limits = &listener->settings->limits;
	if (limits->connections > 0 && listener->connection_count >= limits->connections) {
		turn_away(pump, socket, &socket->peer, MT_LIMIT_CONNECTIONS);
		return false;
	}
	if (limits->listener_connect_rate > 0 &&
	    !mt_bucket_take(&listener->bucket, pump->now.mono_ns,
			    MT_SECOND / limits->listener_connect_rate, MT_SECOND)) {
		turn_away(pump, socket, &socket->peer, MT_LIMIT_LISTENER_CONNECT_RATE);
		return false;
	}
	return true;
}

static enum mt_status make_stages(struct mt_pump *pump, const struct mt_listener *listener,
				  struct mt_socket *socket)
{
	if (listener->tls) {
		socket->tls = mt_tls_session_create_server(listener->tls);
		if (!socket->tls)
			return MT_MEMORY;
		mt_tls_session_share(socket->tls, &pump->scratch.handshakes_left);
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
	enum mt_status status = make_stages(pump, listener, socket);
	if (status == MT_OK)
		status = mt_pump_introduce(pump, socket);
	if (status == MT_OK) {
		status = mt_pump_adopt(pump, socket);
		if (status != MT_OK)
			mt_tape_closed(pump->tape, pump->core, pump->now, socket->conn);
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
static enum mt_status take(struct mt_pump *pump, struct mt_listener *listener,
			   struct mt_socket *socket)
{
	enum mt_status status;
	socket->is_proxy_awaited =
		listener->settings->proxies[0] != '\0' && mt_pump_is_proxy(listener, &socket->peer);
	if (!admits_more(pump, listener, socket))
		return MT_LIMIT;
	if (!socket->is_proxy_awaited)
		MT_TRY(mt_pump_admit(pump, socket, &socket->peer));
	status = begin(pump, listener, socket);
	if (status == MT_OK) {
		listener->connection_count++;
		return MT_OK;
	}
	turn_away(pump, socket, &socket->peer,
		  status == MT_LIMIT ? MT_LIMIT_CONNECTIONS : MT_LIMIT_MEMORY_BYTES);
	mt_pump_dismiss(pump, socket);
	return status;
}

static void receive_newcomer(struct mt_pump *pump, uint32_t listener_index, int fd,
			     const struct mt_peer_address *peer)
{
	struct mt_listener *listener = &pump->listeners[listener_index];
	struct mt_socket *socket = calloc(1, sizeof(*socket));
	if (socket) {
		socket->fd = fd;
		socket->peer = *peer;
		socket->listener = listener->settings->name;
		socket->listener_index = listener_index;
		socket->tape = pump->tape;
		socket->is_local = is_loopback(peer);
		if (listener->is_unix)
			report_local(socket);
		if (take(pump, listener, socket) == MT_OK)
			return;
	}
	free(socket);
	close(fd);
}

static void report_shortage(struct mt_pump *pump, const struct mt_listener *listener)
{
	if (mt_bucket_take(&pump->shortage_bucket, pump->now.mono_ns, SHORTAGE_INTERVAL,
			   SHORTAGE_INTERVAL))
		mt_log(MT_LOG_ERROR, "accept",
		       "out of file descriptors; raise LimitNOFILE or lower limits.connections",
		       MT_STR("listener", listener->settings->name));
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
			report_shortage(pump, listener);
			mt_linger_finish(&pump->linger);
			mt_pump_rest_listeners(pump);
		}
		return;
	}
}
