/* One turn of the loop. */
#include "shell/pump.h"

#include "base/msg.h"
#include "io/clock.h"
#include "io/file.h"
#include "shell/broker.h"
#include "shell/relay.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SOCKET_BYTES ((size_t)48 << 10) /* about what a TLS connection takes outside the core */
#define EVENTS_PER_TURN 256
/* In full, 0.3 ms each. Those that go on from a session never wait. */
#define HANDSHAKES_PER_TURN 8u
#define READS_PER_TURN 4u
#define STOP_PATIENCE (2 * MT_SECOND)
#define ACCEPT_REST (100 * MT_MS)
#define TOKEN_HUB 1000u
#define TOKEN_AUTH 1001u
#define TOKEN_SIGNAL 1002u
#define TOKEN_WATCH 1003u

struct mt_socket *mt_pump_socket(const struct mt_pump *pump, mt_conn conn)
{
	uint32_t index = mt_handle_index(conn);
	struct mt_socket *socket = index < pump->socket_cap ? pump->sockets[index] : NULL;
	return socket && socket->conn == conn ? socket : NULL;
}

static enum mt_status push(struct mt_conn_list *list, mt_conn conn)
{
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		mt_conn *items = realloc(list->items, cap * sizeof(*items));
		if (!items)
			return MT_MEMORY;
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = conn;
	return MT_OK;
}

/* A connection that found no room when it began anew is not in the table. */
static void forget_handle(struct mt_pump *pump, struct mt_socket *socket)
{
	if (mt_pump_socket(pump, socket->conn) == socket) {
		pump->sockets[mt_handle_index(socket->conn)] = NULL;
		pump->socket_count--;
	}
	mt_tape_closed(pump->tape, pump->core, pump->now, socket->conn);
}

static void end_socket(struct mt_pump *pump, struct mt_socket *socket)
{
	int fd;
	forget_handle(pump, socket);
	pump->listeners[socket->listener_index].connection_count--;
	mt_pump_dismiss(pump, socket);
	fd = mt_socket_end(&socket, &pump->scratch);
	if (fd < 0)
		return;
	mt_loop_remove(&pump->loop, fd);
	mt_linger_add(&pump->linger, pump->now.mono_ns, fd);
}

/* Puts a connection on a list once; without memory it ends, which needs none. */
static void queue_up(struct mt_pump *pump, struct mt_conn_list *list, bool *is_queued, mt_conn conn)
{
	if (*is_queued)
		return;
	*is_queued = true;
	if (push(list, conn) != MT_OK) {
		mt_log_write(MT_LOG_ERROR, "pump", "out of memory, a connection is dropped", NULL,
			     0);
		end_socket(pump, mt_pump_socket(pump, conn));
	}
}

void mt_pump_give_up(struct mt_pump *pump, struct mt_socket *socket)
{
	queue_up(pump, &pump->closing, &socket->is_queued_closing, socket->conn);
}

static enum mt_status make_room(struct mt_pump *pump, mt_conn conn)
{
	uint32_t index = mt_handle_index(conn);
	size_t cap = ((size_t)index + 1) * 2;
	struct mt_socket **sockets;
	if (index < pump->socket_cap)
		return MT_OK;
	sockets = realloc(pump->sockets, cap * sizeof(struct mt_socket *));
	if (!sockets)
		return MT_MEMORY;
	memset(sockets + pump->socket_cap, 0,
	       (cap - pump->socket_cap) * sizeof(struct mt_socket *));
	pump->sockets = sockets;
	pump->socket_cap = cap;
	return MT_OK;
}

static void put_in_table(struct mt_pump *pump, struct mt_socket *socket)
{
	pump->sockets[mt_handle_index(socket->conn)] = socket;
	pump->socket_count++;
	mt_heap_saw(&pump->heap, pump->socket_count * SOCKET_BYTES);
}

/* It blocked for the first time: that there is room again is to be told. */
static void await_room(struct mt_pump *pump, struct mt_socket *socket)
{
	if (!socket->is_blocked || socket->is_room_awaited)
		return;
	socket->is_room_awaited = true;
	if (mt_loop_await_room(&pump->loop, socket->fd, socket->conn) != MT_OK)
		mt_pump_give_up(pump, socket);
}

enum mt_status mt_pump_adopt(struct mt_pump *pump, struct mt_socket *socket)
{
	MT_TRY(make_room(pump, socket->conn));
	MT_TRY(mt_loop_add(&pump->loop, socket->fd, socket->conn));
	put_in_table(pump, socket);
	return MT_OK;
}

/* What the lists hold of the old handle means nobody any more. */
enum mt_status mt_pump_reopen(struct mt_pump *pump, struct mt_socket *socket)
{
	forget_handle(pump, socket);
	socket->is_queued_dirty = socket->is_queued_closing = socket->is_queued_pending = false;
	socket->is_queued_waiting = false;
	socket->is_room_awaited = false;
	MT_TRY(mt_pump_introduce(pump, socket));
	MT_TRY(make_room(pump, socket->conn));
	MT_TRY(mt_loop_change(&pump->loop, socket->fd, socket->conn));
	put_in_table(pump, socket);
	return MT_OK;
}

/* ---- requests of the core ---- */

static void answer_stored(struct mt_pump *pump)
{
	uint64_t ticket;
	enum mt_status status;
	while (mt_store_answer(pump->store, &ticket, &status))
		mt_tape_stored(pump->tape, pump->core, pump->now, ticket, status);
}

/* A refusal is an answer too, and answers keep their order: those before it go first. */
static void store(struct mt_pump *pump, const struct mt_request *request)
{
	enum mt_status status =
		mt_store_append(pump->store, request->ticket, mt_msg_topic(request->msg),
				mt_msg_payload(request->msg));
	if (status == MT_OK)
		return;
	answer_stored(pump);
	mt_tape_stored(pump->tape, pump->core, pump->now, request->ticket, status);
}

static void serve_socket(struct mt_pump *pump, const struct mt_request *request)
{
	struct mt_socket *socket = mt_pump_socket(pump, request->conn);
	if (!socket)
		return;
	if (request->type == MT_REQUEST_SEND) {
		queue_up(pump, &pump->dirty, &socket->is_queued_dirty, socket->conn);
	} else if (request->type == MT_REQUEST_CLOSE) {
		queue_up(pump, &pump->closing, &socket->is_queued_closing, socket->conn);
	} else {
		socket->is_paused = request->type == MT_REQUEST_PAUSE;
		if (!socket->is_paused)
			mt_tape_input(pump->tape, pump->core, pump->now, socket->conn,
				      mt_bytes_of(NULL, 0));
		if (!socket->is_paused && socket->is_read_pending)
			queue_up(pump, &pump->pending, &socket->is_queued_pending, socket->conn);
	}
}

static void serve_requests(struct mt_pump *pump)
{
	struct mt_request request;
	while (mt_tape_request(pump->tape, pump->core, &request)) {
		switch (request.type) {
		case MT_REQUEST_SEND:
		case MT_REQUEST_CLOSE:
		case MT_REQUEST_PAUSE:
		case MT_REQUEST_RESUME:
			serve_socket(pump, &request);
			break;
		case MT_REQUEST_AUTHENTICATE:
			mt_pump_authenticate(pump, &request);
			break;
		case MT_REQUEST_STORE:
			store(pump, &request);
			break;
		case MT_REQUEST_FORWARD:
		case MT_REQUEST_MOVE:
			MT_CHECK(false); /* its core is alone */
			break;
		case MT_REQUEST_AUDIT:
			mt_pump_audit(pump, request.audit);
			break;
		}
	}
}

/* ---- events ---- */

/* False: the PROXY header is not whole yet, or the connection is gone. */
static bool is_introduced(struct mt_pump *pump, struct mt_socket *socket)
{
	if (socket->is_queued_closing)
		return false;
	if (mt_pump_meet_proxy(pump, socket) == MT_SOCKET_LIVES)
		return !socket->is_proxy_awaited;
	end_socket(pump, socket);
	return false;
}

static void note_progress(struct mt_pump *pump, struct mt_socket *socket)
{
	await_room(pump, socket);
	if (socket->is_met)
		mt_pump_met(pump, socket);
	mt_pump_note_proof(pump, socket);
}

static void conclude_receive(struct mt_pump *pump, struct mt_socket *socket, enum mt_socket_end end)
{
	if (end == MT_SOCKET_ENDS)
		queue_up(pump, &pump->closing, &socket->is_queued_closing, socket->conn);
	else if (socket->is_waiting)
		queue_up(pump, &pump->waiting, &socket->is_queued_waiting, socket->conn);
	else if (socket->is_read_pending && !socket->is_paused)
		queue_up(pump, &pump->pending, &socket->is_queued_pending, socket->conn);
}

/* The requests are served after each read: a pause must hold before the next one. */
static void receive(struct mt_pump *pump, struct mt_socket *socket)
{
	enum mt_socket_end end = MT_SOCKET_LIVES;
	mt_conn conn;
	if (MT_UNLIKELY(socket->is_proxy_awaited) && !is_introduced(pump, socket))
		return;
	conn = socket->conn;
	for (unsigned i = 0; i < READS_PER_TURN && end == MT_SOCKET_LIVES; i++) {
		end = mt_socket_receive(socket, pump->core, pump->now, &pump->scratch, 1);
		serve_requests(pump);
		/* Serving may have ended it. */
		if (mt_pump_socket(pump, conn) != socket)
			return;
		note_progress(pump, socket);
		if (socket->is_queued_closing || socket->is_paused || !socket->is_read_pending)
			break;
	}
	conclude_receive(pump, socket, end);
}

/* Those whose handshake was put off, the longest waiting first. */
static void serve_waiting(struct mt_pump *pump)
{
	size_t count = 0;
	pump->scratch.handshakes_left = HANDSHAKES_PER_TURN;
	while (count < pump->waiting.count && pump->scratch.handshakes_left > 0) {
		mt_conn conn = pump->waiting.items[count++];
		struct mt_socket *socket = mt_pump_socket(pump, conn);
		enum mt_socket_end end;
		if (!socket || !socket->is_queued_waiting)
			continue;
		socket->is_queued_waiting = false;
		end = mt_socket_go_on(socket, pump->core, pump->now, &pump->scratch);
		serve_requests(pump);
		if (mt_pump_socket(pump, conn) != socket)
			continue;
		note_progress(pump, socket);
		conclude_receive(pump, socket, end);
	}
	pump->waiting.count -= count;
	if (count > 0)
		memmove(pump->waiting.items, pump->waiting.items + count,
			pump->waiting.count * sizeof(mt_conn));
}

static void serve_socket_event(struct mt_pump *pump, const struct mt_event *event)
{
	struct mt_socket *socket = mt_pump_socket(pump, event->token);
	if (!socket)
		return;
	if (event->flags & MT_EVENT_HANGUP)
		socket->is_hung_up = true;
	if (event->flags & MT_EVENT_WRITE && socket->is_blocked) {
		socket->is_blocked = false;
		queue_up(pump, &pump->dirty, &socket->is_queued_dirty, socket->conn);
		if (mt_pump_socket(pump, event->token) != socket)
			return; /* there was no memory for the list */
	}
	if (event->flags & (MT_EVENT_READ | MT_EVENT_HANGUP)) {
		socket->is_read_pending = true;
		if (!socket->is_paused)
			receive(pump, socket);
	}
}

static void remove_listeners(struct mt_pump *pump)
{
	for (uint32_t i = 0; i < pump->listener_count; i++)
		mt_loop_remove(&pump->loop, pump->listeners[i].fd);
}

static enum mt_status add_listeners(struct mt_pump *pump)
{
	for (uint32_t i = 0; i < pump->listener_count; i++)
		MT_TRY(mt_loop_add_level(&pump->loop, pump->listeners[i].fd, i));
	return MT_OK;
}

void mt_pump_rest_listeners(struct mt_pump *pump)
{
	if (pump->accept_due_ns != MT_TIME_NEVER)
		return;
	remove_listeners(pump);
	pump->accept_due_ns = pump->now.mono_ns + ACCEPT_REST;
}

static void wake_listeners(struct mt_pump *pump)
{
	if (pump->is_stopping || pump->now.mono_ns < pump->accept_due_ns)
		return;
	pump->accept_due_ns = MT_TIME_NEVER;
	if (add_listeners(pump) != MT_OK)
		mt_pump_rest_listeners(pump);
}

static void stop(struct mt_pump *pump)
{
	if (pump->is_stopping)
		return;
	pump->is_stopping = true;
	pump->stop_due_ns = pump->now.mono_ns + STOP_PATIENCE;
	mt_service_notify("STOPPING=1");
	mt_log(MT_LOG_NOTICE, "broker", "stopping", MT_U64("connections", pump->socket_count));
	if (pump->accept_due_ns == MT_TIME_NEVER)
		remove_listeners(pump);
	mt_tape_shut_down(pump->tape, pump->core, pump->now);
}

static void serve_signal(struct mt_pump *pump)
{
	struct signalfd_siginfo info;
	while (read(pump->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGHUP) {
			pump->transport.due_ns = pump->now.mono_ns;
			mt_relay_look(pump->broker ? mt_broker_relay(pump->broker) : NULL);
		} else {
			stop(pump);
		}
}

static void serve_event(struct mt_pump *pump, const struct mt_event *event)
{
	if (event->token < pump->listener_count) {
		/* The signal to stop may stand before it in the same list. */
		if (!pump->is_stopping)
			mt_pump_accept(pump, (uint32_t)event->token);
	} else if (event->token == TOKEN_HUB)
		mt_hub_serve(pump->hub, pump->broker);
	else if (event->token == TOKEN_AUTH)
		mt_pump_serve_logins(pump);
	else if (event->token == TOKEN_SIGNAL)
		serve_signal(pump);
	else if (event->token == TOKEN_WATCH)
		mt_transport_wake(&pump->transport, pump->now);
	else
		serve_socket_event(pump, event);
}

/* ---- the end of a turn ---- */

static void serve_store(struct mt_pump *pump)
{
	answer_stored(pump);
	serve_requests(pump);
}

/* Connections that had more to read than one turn takes. */
static void serve_pending(struct mt_pump *pump)
{
	size_t count = pump->pending.count;
	for (size_t i = 0; i < count; i++) {
		struct mt_socket *socket = mt_pump_socket(pump, pump->pending.items[i]);
		if (!socket)
			continue;
		socket->is_queued_pending = false;
		if (!socket->is_paused)
			receive(pump, socket);
	}
	pump->pending.count -= count;
	if (count > 0)
		memmove(pump->pending.items, pump->pending.items + count,
			pump->pending.count * sizeof(mt_conn));
}

static void flush_dirty(struct mt_pump *pump)
{
	for (size_t i = 0; i < pump->dirty.count; i++) {
		struct mt_socket *socket = mt_pump_socket(pump, pump->dirty.items[i]);
		if (!socket)
			continue;
		socket->is_queued_dirty = false;
		if (mt_socket_flush(socket, pump->core, pump->now, &pump->scratch) ==
		    MT_SOCKET_ENDS)
			queue_up(pump, &pump->closing, &socket->is_queued_closing, socket->conn);
		else
			await_room(pump, socket);
	}
	pump->dirty.count = 0;
	serve_requests(pump);
}

static void close_closing(struct mt_pump *pump)
{
	for (size_t i = 0; i < pump->closing.count; i++) {
		struct mt_socket *socket = mt_pump_socket(pump, pump->closing.items[i]);
		if (socket)
			end_socket(pump, socket);
	}
	pump->closing.count = 0;
	serve_requests(pump);
}

static void look_at_heap(struct mt_pump *pump)
{
	if (!mt_heap_is_due(&pump->heap, pump->now.mono_ns))
		return;
	mt_heap_look(&pump->heap, pump->now.mono_ns,
		     pump->socket_count * SOCKET_BYTES +
			     (size_t)mt_core_counts(pump->core).memory_bytes);
}

static void publish_figure(void *context, const char *name, uint64_t value)
{
	struct mt_pump *pump = context;
	mt_tape_publish_figure(pump->tape, pump->core, pump->now, mt_bytes_str(name), value);
}

/* Beside the figures of the core, and as often. */
static void publish_figures(struct mt_pump *pump)
{
	if (pump->now.mono_ns < pump->figures_due_ns || !pump->transport.settings)
		return;
	pump->figures_due_ns = pump->settings->sys_interval_ns > 0
				       ? pump->now.mono_ns + pump->settings->sys_interval_ns
				       : MT_TIME_NEVER;
	mt_transport_tell(&pump->transport, publish_figure, pump);
}

static void look_at_certificates(struct mt_pump *pump)
{
	uint32_t changed = mt_transport_tick(&pump->transport, pump->now, pump->listeners,
					     pump->listener_count);
	if (changed != 0)
		mt_pump_review(pump, changed);
	mt_pump_review_slice(pump);
	publish_figures(pump);
	serve_requests(pump);
}

static void finish_turn(struct mt_pump *pump)
{
	serve_requests(pump);
	serve_store(pump);
	mt_tape_tick(pump->tape, pump->core, pump->now);
	serve_requests(pump);
	/* Flushing frees room, and room lets the core send more: as long as it does, this is still
	 * the same turn. */
	for (int i = 0; i < 4 && (pump->dirty.count > 0 || pump->closing.count > 0); i++) {
		flush_dirty(pump);
		serve_store(pump);
		close_closing(pump);
	}
	look_at_heap(pump);
	mt_resumption_tick(&pump->resumption, pump->now);
	look_at_certificates(pump);
}

/* When tickets, certificates and what clients proved are looked at next. */
static mt_time tls_due(const struct mt_pump *pump)
{
	mt_time due = pump->review.is_running ? pump->now.mono_ns : pump->review.due_ns;
	if (pump->resumption.tickets && pump->resumption.due_ns < due)
		due = pump->resumption.due_ns;
	if (pump->transport.settings && pump->transport.due_ns < due)
		due = pump->transport.due_ns;
	if (pump->transport.settings && pump->figures_due_ns < due)
		due = pump->figures_due_ns;
	return due;
}

static int timeout_ms(const struct mt_pump *pump)
{
	mt_time due = mt_core_deadline(pump->core);
	mt_time now = pump->now.mono_ns;
	if (pump->is_stopping && pump->stop_due_ns < due)
		due = pump->stop_due_ns;
	if (!pump->is_stopping && pump->accept_due_ns < due)
		due = pump->accept_due_ns;
	if (tls_due(pump) < due)
		due = tls_due(pump);
	if (pump->linger.next_ns < due)
		due = pump->linger.next_ns;
	if (pump->pending.count > 0 || pump->dirty.count > 0 || pump->closing.count > 0 ||
	    pump->waiting.count > 0 || due <= now)
		return 0;
	if (due - now > 3600 * MT_SECOND)
		return 3600 * 1000;
	return (int)((due - now + MT_MS - 1) / MT_MS);
}

enum mt_status mt_pump_turn(struct mt_pump *pump, bool *is_over)
{
	struct mt_event events[EVENTS_PER_TURN];
	int count = 0;
	MT_TRY(mt_loop_wait(&pump->loop, timeout_ms(pump), events, EVENTS_PER_TURN, &count));
	pump->now = mt_clock_now();
	serve_waiting(pump);
	serve_pending(pump);
	for (int i = 0; i < count; i++)
		serve_event(pump, &events[i]);
	finish_turn(pump);
	wake_listeners(pump);
	mt_linger_serve(&pump->linger, pump->now.mono_ns, &pump->scratch);
	*is_over = pump->is_stopping && ((pump->socket_count == 0 && pump->linger.count == 0) ||
					 pump->now.mono_ns >= pump->stop_due_ns);
	return MT_OK;
}

/* ---- life ---- */

int mt_pump_open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static enum mt_status watch_all(struct mt_pump *pump)
{
	if (pump->signal_fd < 0)
		return MT_SYSTEM;
	MT_TRY(mt_loop_add_level(&pump->loop, pump->signal_fd, TOKEN_SIGNAL));
	MT_TRY(mt_loop_add_level(&pump->loop, pump->hub->box.event_fd, TOKEN_HUB));
	MT_TRY(mt_loop_add_level(&pump->loop, mt_auth_fd(pump->auth), TOKEN_AUTH));
	if (pump->transport.settings && pump->transport.watch.fd >= 0)
		MT_TRY(mt_loop_add_level(&pump->loop, pump->transport.watch.fd, TOKEN_WATCH));
	return add_listeners(pump);
}

enum mt_status mt_pump_open(struct mt_pump *pump)
{
	enum mt_status status;
	pump->now = mt_clock_now();
	pump->accept_due_ns = MT_TIME_NEVER;
	pump->scratch.handshakes_left = HANDSHAKES_PER_TURN;
	mt_list_init(&pump->handshakes);
	pump->review = (struct mt_review){.due_ns = MT_TIME_NEVER, .not_after_s = INT64_MAX};
	MT_TRY(mt_loop_open(&pump->loop));
	mt_sources_init(&pump->sources, mt_random_seed());
	mt_linger_init(&pump->linger);
	status = watch_all(pump);
	if (status != MT_OK)
		mt_pump_close(pump);
	return status;
}

void mt_pump_close(struct mt_pump *pump)
{
	for (size_t i = 0; i < pump->socket_cap; i++)
		if (pump->sockets[i])
			end_socket(pump, pump->sockets[i]);
	if (pump->core)
		serve_requests(pump);
	free(pump->sockets);
	free(pump->dirty.items);
	free(pump->closing.items);
	free(pump->pending.items);
	free(pump->waiting.items);
	mt_sources_finish(&pump->sources);
	mt_linger_finish(&pump->linger);
	mt_loop_close(&pump->loop);
}
