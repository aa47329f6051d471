/*
 * Connections of trusted proxies: the PROXY header is read before anything else, and the connection
 * begins anew as one of the address that it names.
 *
 *   accept -> provisional in the core -> peek until the header is whole -> take it from the socket
 *          -> counted and opened in the core under the address told -> TLS, WebSocket, MQTT
 *
 * Until then the core knows the proxy's address, so that its time limit holds, and the bytes wait
 * in the kernel: nothing is kept here.
 */
#include "shell/pump.h"

#include "io/stream.h"
#include "wire/proxy.h"

static bool is_trusted_by(struct mt_bytes list, const struct mt_address *address)
{
	while (list.len > 0) {
		const uint8_t *comma = memchr(list.data, ',', list.len);
		size_t len = comma ? (size_t)(comma - list.data) : list.len;
		struct mt_network network;
		if (mt_network_parse(mt_bytes_of(list.data, len), &network) &&
		    mt_network_holds(&network, address))
			return true;
		list = mt_bytes_from(list, comma ? len + 1 : len);
	}
	return false;
}

bool mt_pump_is_proxy(const struct mt_listener *listener, const struct mt_peer_address *peer)
{
	struct mt_address address;
	memcpy(address.byte, peer->byte, sizeof(address.byte));
	return is_trusted_by(mt_bytes_str(listener->settings->proxies), &address);
}

static void report(const struct mt_socket *socket, const char *why)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	mt_peer_address_text(&socket->peer, address);
	mt_log(MT_LOG_NOTICE, "proxy", "connection ended", MT_STR("why", why),
	       MT_STR("address", address), MT_STR("listener", socket->listener));
}

/* MT_OK: the header was taken from the socket. MT_AGAIN: it is not whole. Else the connection is
 * over. */
static enum mt_status take_header(struct mt_pump *pump, struct mt_socket *socket,
				  struct mt_proxy *proxy)
{
	uint8_t *at = pump->scratch.received;
	const char *why = "the connection ended before the PROXY header";
	size_t len = 0;
	bool is_drained;
	enum mt_status status = mt_stream_peek(socket->fd, at, MT_PROXY_BYTES_MAX, &len);
	if (status == MT_OK)
		status = mt_proxy_read(mt_bytes_of(at, len), proxy, &why);
	/* A proxy that only looks whether somebody listens says nothing, and is not worth a line.
	 */
	if (status == MT_VIOLATION || (status == MT_AGAIN && socket->is_hung_up && len > 0))
		report(socket, why);
	if (status == MT_AGAIN && socket->is_hung_up)
		return MT_CLOSED;
	if (status != MT_OK)
		return status;
	return mt_stream_read(socket->fd, at, proxy->bytes, &len, &is_drained);
}

static enum mt_status begin_anew(struct mt_pump *pump, struct mt_socket *socket,
				 const struct mt_proxy *proxy)
{
	struct mt_peer_address peer = socket->peer;
	if (proxy->has_source) {
		memcpy(peer.byte, proxy->address, sizeof(peer.byte));
		peer.port = proxy->port;
	}
	MT_TRY(mt_pump_admit(pump, socket, &peer));
	socket->is_proxy_awaited = false;
	socket->peer = peer;
	return proxy->has_source ? mt_pump_reopen(pump, socket) : MT_OK;
}

enum mt_socket_end mt_pump_meet_proxy(struct mt_pump *pump, struct mt_socket *socket)
{
	struct mt_proxy proxy;
	enum mt_status status = take_header(pump, socket, &proxy);
	if (status == MT_AGAIN) {
		socket->is_read_pending = false;
		return MT_SOCKET_LIVES;
	}
	if (status == MT_OK)
		status = begin_anew(pump, socket, &proxy);
	return status == MT_OK ? MT_SOCKET_LIVES : MT_SOCKET_ENDS;
}
