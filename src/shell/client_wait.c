/* The blocking face of libmortise: each call lets the client work until its event has come or its
 * time is over. */
#include "shell/client_parts.h"

#include "io/clock.h"

#include <poll.h>

static mt_time due_in(int timeout_ms)
{
	return timeout_ms < 0 ? MT_TIME_NEVER : mt_clock_now().mono_ns + timeout_ms * MT_MS;
}

static int sooner(int a_ms, int b_ms)
{
	if (a_ms < 0 || b_ms < 0)
		return a_ms < 0 ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

/* Waits for the network or the time, then lets the client work. */
static void turn(struct mortise_client *client, mt_time due)
{
	struct pollfd wait;
	mt_client_link_flush(client);
	wait = (struct pollfd){.fd = client->fd, .events = mortise_client_events(client)};
	(void)poll(&wait, wait.fd >= 0,
		   sooner(mt_client_ms_until(due), mortise_client_deadline_ms(client)));
	mt_client_link_turn(client);
}

static int say_timeout(struct mortise_client *client)
{
	if (client->fault[0])
		return MORTISE_TIMEOUT;
	return mt_client_say(client, MORTISE_TIMEOUT, "timed out");
}

/*
 * MORTISE_OK: *out is an event of the connection. MORTISE_AGAIN: the client has worked, look for
 * what you wait for. MORTISE_TIMEOUT, MORTISE_CLOSED: there is no connection and none is being
 * made.
 */
static int step(struct mortise_client *client, mt_time due, struct mortise_event *out)
{
	if (mt_client_next_event(client, out))
		return MORTISE_OK;
	if (client->state == LINK_IDLE)
		return mt_client_say(client, MORTISE_CLOSED, "there is no connection");
	if (mt_clock_now().mono_ns >= due)
		return say_timeout(client);
	turn(client, due);
	return MORTISE_AGAIN;
}

static int store_letter(struct mortise_client *client, const struct mortise_message *message)
{
	size_t bytes = sizeof(struct client_letter) + message->topic_bytes + 1 +
		       message->payload_bytes + message->raw_bytes;
	struct client_letter *letter = mt_mem_zero(&client->mem, bytes);
	struct mt_buf buf;
	if (!letter)
		return mt_client_say(client, MORTISE_MEMORY,
				     "out of memory for messages not yet received");
	letter->bytes = bytes;
	letter->message = *message;
	buf = mt_buf_of(letter->data, bytes - sizeof(*letter));
	letter->message.topic = (const char *)letter->data;
	mt_buf_put(&buf, mt_bytes_of(message->topic, message->topic_bytes + 1));
	letter->message.payload = letter->data + buf.pos;
	mt_buf_put(&buf, mt_bytes_of(message->payload, message->payload_bytes));
	letter->message.raw = letter->data + buf.pos;
	mt_buf_put(&buf, mt_bytes_of(message->raw, message->raw_bytes));
	mt_list_push_back(&client->inbox, &letter->link);
	client->inbox_count++;
	return MORTISE_OK;
}

/* An event that the caller does not wait for. Anything but MORTISE_OK ends the wait. */
static int absorb(struct mortise_client *client, const struct mortise_event *event)
{
	if (event->type == MORTISE_EVENT_MESSAGE)
		return store_letter(client, &event->message);
	if (event->type == MORTISE_EVENT_PUBLISHED && event->reason >= 0x80) {
		client->has_refused_post = true;
		client->reason = event->reason;
	}
	if (event->type == MORTISE_EVENT_LOST && !event->will_return)
		return (int)event->status;
	return MORTISE_OK;
}

/* As step, while messages find room in the inbox. */
static int step_beside(struct mortise_client *client, mt_time due, struct mortise_event *out)
{
	if (client->inbox_count >= client->options.inbox_max)
		return mt_client_say(client, MORTISE_LIMIT,
				     "received messages wait: take them first");
	return step(client, due, out);
}

int mortise_client_connect(mortise_client *client, int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	struct mortise_event event;
	int status = mortise_client_start(client);
	while (status == MORTISE_OK || status == MORTISE_AGAIN) {
		status = step(client, due, &event);
		if (status != MORTISE_OK)
			continue;
		if (event.type == MORTISE_EVENT_CONNECTED) {
			client->fault[0] = '\0';
			return MORTISE_OK;
		}
		status = absorb(client, &event);
	}
	if (status == MORTISE_TIMEOUT)
		mt_client_link_drop(client);
	return status;
}

static int wait_output(struct mortise_client *client, mt_time due)
{
	struct mortise_event event;
	int status = MORTISE_OK;
	mt_client_link_flush(client);
	while (mt_client_link_has_output(client) &&
	       (status == MORTISE_OK || status == MORTISE_AGAIN)) {
		status = step_beside(client, due, &event);
		if (status == MORTISE_OK)
			status = absorb(client, &event);
	}
	return status == MORTISE_AGAIN ? MORTISE_OK : status;
}

static int say_refused(struct mortise_client *client, uint8_t reason)
{
	client->reason = reason;
	return mt_client_say(client, MORTISE_DENIED, "the server refused it: %s",
			     mt_reason_text(reason));
}

static int wait_published(struct mortise_client *client, uint16_t id, mt_time due)
{
	struct mortise_event event;
	int status = MORTISE_OK;
	while (status == MORTISE_OK || status == MORTISE_AGAIN) {
		status = step_beside(client, due, &event);
		if (status != MORTISE_OK)
			continue;
		if (event.type == MORTISE_EVENT_PUBLISHED && event.id == id)
			return event.reason >= 0x80 ? say_refused(client, event.reason)
						    : MORTISE_OK;
		status = absorb(client, &event);
	}
	return status;
}

int mortise_client_publish(mortise_client *client, const struct mortise_message *message,
			   int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	struct mortise_event event;
	uint16_t id = 0;
	int status;
	mt_client_begin(client);
	status = mt_client_post_message(client, message, &id);
	while (status == MORTISE_AGAIN) {
		status = step_beside(client, due, &event);
		if (status == MORTISE_OK)
			status = absorb(client, &event);
		if (status == MORTISE_OK || status == MORTISE_AGAIN)
			status = mt_client_post_message(client, message, &id);
	}
	if (status != MORTISE_OK)
		return status;
	client->fault[0] = '\0';
	return message->qos == 0 ? wait_output(client, due) : wait_published(client, id, due);
}

int mortise_client_settle(mortise_client *client, size_t pending, int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	struct mortise_event event;
	int status = MORTISE_OK;
	mt_client_begin(client);
	if (!client->core)
		return mt_client_say(client, MORTISE_INVALID, "the client is not started");
	mt_client_link_flush(client);
	while (mt_client_pending(client->core) > pending || mt_client_link_has_output(client)) {
		status = step_beside(client, due, &event);
		if (status == MORTISE_OK)
			status = absorb(client, &event);
		if (status != MORTISE_OK && status != MORTISE_AGAIN)
			return status;
	}
	if (!client->has_refused_post)
		return MORTISE_OK;
	client->has_refused_post = false;
	return say_refused(client, client->reason);
}

/* The answer to our request, or the end of the connection that it was sent on. */
static int wait_answer(struct mortise_client *client, uint16_t id, mt_time due,
		       struct mortise_event *out)
{
	int status = MORTISE_OK;
	while (status == MORTISE_OK || status == MORTISE_AGAIN) {
		status = step_beside(client, due, out);
		if (status != MORTISE_OK)
			continue;
		if ((out->type == MORTISE_EVENT_SUBSCRIBED ||
		     out->type == MORTISE_EVENT_UNSUBSCRIBED) &&
		    out->id == id)
			return MORTISE_OK;
		status = absorb(client, out);
		if (status == MORTISE_OK && out->type == MORTISE_EVENT_LOST)
			return MORTISE_CLOSED;
	}
	return status;
}

/* The end of the authentication, or of the connection that it was begun on. */
static int wait_authenticated(struct mortise_client *client, mt_time due)
{
	struct mortise_event event;
	int status = MORTISE_OK;
	while (status == MORTISE_OK || status == MORTISE_AGAIN) {
		status = step_beside(client, due, &event);
		if (status != MORTISE_OK)
			continue;
		if (event.type == MORTISE_EVENT_AUTHENTICATED)
			return MORTISE_OK;
		status = absorb(client, &event);
		if (status == MORTISE_OK && event.type == MORTISE_EVENT_LOST)
			return (int)event.status;
	}
	return status;
}

int mortise_client_authenticate(mortise_client *client, int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	int status = mortise_client_post_authenticate(client);
	return status == MORTISE_OK ? wait_authenticated(client, due) : status;
}

static int judge(struct mortise_client *client, const struct mortise_event *answer,
		 uint8_t *reasons, size_t count)
{
	uint8_t refused = 0;
	for (size_t i = 0; i < answer->reason_count && i < count; i++) {
		if (reasons)
			reasons[i] = answer->reasons[i];
		if (answer->reasons[i] >= 0x80)
			refused = answer->reasons[i];
	}
	return refused ? say_refused(client, refused) : MORTISE_OK;
}

int mortise_client_subscribe(mortise_client *client, const struct mortise_subscription *list,
			     size_t count, const struct mortise_property *properties,
			     size_t property_count, uint8_t *reasons, int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	struct mortise_event answer = {0};
	uint16_t id = 0;
	int status;
	mt_client_begin(client);
	status = mt_client_post_request(client, true, list, count, properties, property_count, &id);
	if (status == MORTISE_OK)
		status = wait_answer(client, id, due, &answer);
	return status == MORTISE_OK ? judge(client, &answer, reasons, count) : status;
}

int mortise_client_unsubscribe(mortise_client *client, const char *const *filters, size_t count,
			       const struct mortise_property *properties, size_t property_count,
			       int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	struct mortise_event answer = {0};
	uint16_t id = 0;
	int status;
	mt_client_begin(client);
	status = mt_client_post_end(client, filters, count, properties, property_count, &id);
	if (status == MORTISE_OK)
		status = wait_answer(client, id, due, &answer);
	return status == MORTISE_OK ? judge(client, &answer, NULL, count) : status;
}

int mortise_client_receive(mortise_client *client, struct mortise_message *out, int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	struct mortise_event event;
	int status = MORTISE_OK;
	mt_client_begin(client);
	client->open_letter = mt_client_take_letter(client);
	if (client->open_letter) {
		*out = client->open_letter->message;
		return MORTISE_OK;
	}
	while (status == MORTISE_OK || status == MORTISE_AGAIN) {
		status = step(client, due, &event);
		if (status == MORTISE_OK && event.type == MORTISE_EVENT_MESSAGE) {
			*out = event.message;
			return MORTISE_OK;
		}
		if (status == MORTISE_OK)
			status = absorb(client, &event);
	}
	return status;
}

int mortise_client_disconnect(mortise_client *client, uint8_t reason, int timeout_ms)
{
	mt_time due = due_in(timeout_ms);
	struct mortise_event event;
	int status = mortise_client_post_disconnect(client, reason);
	if (status != MORTISE_OK)
		return status;
	while (client->state != LINK_IDLE || client->has_lost) {
		status = step(client, due, &event);
		if (status == MORTISE_TIMEOUT) {
			mt_client_link_drop(client);
			return status;
		}
	}
	return MORTISE_OK;
}
