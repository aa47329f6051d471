/* The public functions of libmortise: a blocking face on top of an event-driven one. */
#include "shell/client_parts.h"

#include "io/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define REASON_TEXT_BYTES 160u

int mt_client_say(struct mortise_client *client, enum mortise_status status, const char *format,
		  ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(client->fault, sizeof(client->fault), format, args);
	va_end(args);
	return (int)status;
}

enum mortise_status mt_client_status(enum mt_status status)
{
	switch (status) {
	case MT_OK:
		return MORTISE_OK;
	case MT_AGAIN:
		return MORTISE_AGAIN;
	case MT_MEMORY:
		return MORTISE_MEMORY;
	case MT_LIMIT:
		return MORTISE_LIMIT;
	case MT_VIOLATION:
		return MORTISE_VIOLATION;
	case MT_NOT_FOUND:
		return MORTISE_NOT_FOUND;
	case MT_DENIED:
		return MORTISE_DENIED;
	case MT_CLOSED:
		return MORTISE_CLOSED;
	case MT_TIMEOUT:
		return MORTISE_TIMEOUT;
	case MT_TLS:
		return MORTISE_TLS;
	case MT_UNREACHABLE:
		return MORTISE_UNREACHABLE;
	case MT_INVALID:
	case MT_EXISTS:
	case MT_CORRUPT:
		return MORTISE_INVALID;
	case MT_SYSTEM:
		return MORTISE_SYSTEM;
	}
	return MORTISE_SYSTEM;
}

void mt_client_escape(struct mt_bytes text, char *out, size_t cap)
{
	size_t len = text.len < cap - 1 ? text.len : cap - 1;
	for (size_t i = 0; i < len; i++)
		out[i] = text.data[i] >= 0x20 && text.data[i] < 0x7f ? (char)text.data[i] : '?';
	out[len] = '\0';
}

mortise_client *mortise_client_create(const char *host, uint16_t port)
{
	size_t host_bytes = host ? strlen(host) : 0;
	struct mortise_client *client;
	if (host_bytes == 0 || host_bytes > HOST_BYTES_MAX)
		return NULL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->options.core = mt_client_defaults();
	client->options.inbox_max = 1000;
	client->options.port = port;
	memcpy(client->options.host, host, host_bytes + 1);
	mt_mem_init(&client->mem, client->options.core.limits.memory_bytes);
	mt_arena_init(&client->arena, &client->mem);
	mt_list_init(&client->inbox);
	mt_list_init(&client->subs);
	client->fd = -1;
	client->by_ns = MT_TIME_NEVER;
	return client;
}

static void drop_letter(struct mortise_client *client, struct client_letter *letter)
{
	if (letter)
		mt_mem_give(&client->mem, letter, letter->bytes);
}

struct client_letter *mt_client_take_letter(struct mortise_client *client)
{
	struct mt_list *first = mt_list_first(&client->inbox);
	if (!first)
		return NULL;
	mt_list_remove(first);
	client->inbox_count--;
	return MT_LIST_ITEM(first, struct client_letter, link);
}

void mortise_client_destroy(mortise_client **client_at)
{
	struct mortise_client *client = *client_at;
	struct client_letter *letter;
	if (!client)
		return;
	mt_client_link_drop(client);
	while ((letter = mt_client_take_letter(client)))
		drop_letter(client, letter);
	drop_letter(client, client->open_letter);
	mt_client_subs_finish(client);
	mt_client_destroy(&client->core);
	mt_client_auth_finish(client);
	mt_tls_context_destroy(&client->tls);
	mt_client_options_finish(&client->options);
	mt_arena_finish(&client->arena);
	free(client->plain);
	free(client->cipher_in);
	free(client->cipher_out);
	free(client->topic);
	free(client->client_id);
	free(client);
	*client_at = NULL;
}

const char *mortise_client_fault(const mortise_client *client)
{
	return client->fault;
}

uint8_t mortise_client_reason(const mortise_client *client)
{
	return client->reason;
}

const char *mortise_reason_text(uint8_t reason)
{
	return mt_reason_text(reason);
}

bool mortise_client_is_connected(const mortise_client *client)
{
	return client->core && mt_client_is_open(client->core);
}

bool mortise_client_is_session_present(const mortise_client *client)
{
	return client->is_session_present;
}

const char *mortise_client_tls(const mortise_client *client)
{
	return client->session ? mt_tls_session_summary(client->session) : "";
}

const char *mortise_client_id(const mortise_client *client)
{
	return client->client_id ? client->client_id : "";
}

int mortise_client_fd(const mortise_client *client)
{
	return client->fd;
}

short mortise_client_events(const mortise_client *client)
{
	short events = 0;
	if (client->state == LINK_DIALLING)
		return POLLOUT;
	if (client->fd < 0)
		return 0;
	if (!client->has_input && !client->has_cipher)
		events |= POLLIN;
	if (mt_client_link_has_output(client))
		events |= POLLOUT;
	return events;
}

int mt_client_ms_until(mt_time due)
{
	mt_time left;
	if (due == MT_TIME_NEVER)
		return -1;
	left = due - mt_clock_now().mono_ns;
	if (left <= 0)
		return 0;
	left = (left + MT_MS - 1) / MT_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int mortise_client_deadline_ms(const mortise_client *client)
{
	if (client->has_lost || client->has_input)
		return 0;
	return client->core ? mt_client_ms_until(mt_client_link_deadline(client)) : -1;
}

/* What the user held of the last call is gone now; but why a connection was lost stays until that
 * is told. */
void mt_client_begin(struct mortise_client *client)
{
	if (!client->has_lost)
		client->fault[0] = '\0';
	drop_letter(client, client->open_letter);
	client->open_letter = NULL;
}

int mortise_client_start(mortise_client *client)
{
	int status = MORTISE_OK;
	mt_client_begin(client);
	if (client->state != LINK_IDLE)
		return mt_client_say(client, MORTISE_INVALID, "the client is started already");
	if (!client->core) {
		status = mt_client_options_apply(client);
		mt_rng_init(&client->rng, client->options.retry_seed ? client->options.retry_seed
								     : mt_random_seed().word[0]);
	}
	client->has_lost = false;
	client->reason = 0;
	return status == MORTISE_OK ? mt_client_link_start(client) : status;
}

int mortise_client_process(mortise_client *client)
{
	if (!client->core)
		return mt_client_say(client, MORTISE_INVALID, "the client is not started");
	mt_client_link_turn(client);
	return MORTISE_OK;
}

/* ---- from the core's events to the user's ---- */

static void remember_id(struct mortise_client *client)
{
	struct mt_bytes id = mt_client_id(client->core);
	char *copy = malloc(id.len + 1);
	if (!copy)
		return;
	if (id.len > 0)
		memcpy(copy, id.data, id.len);
	copy[id.len] = '\0';
	free(client->client_id);
	client->client_id = copy;
}

static void on_connected(struct mortise_client *client, const struct mt_client_event *event,
			 struct mortise_event *out)
{
	remember_id(client);
	client->is_session_present = event->is_session_present;
	client->retry_ms = client->options.retry_min_ms;
	if (!event->is_session_present)
		mt_client_subs_renew(client);
	mt_client_subs_send(client);
	*out = (struct mortise_event){.type = MORTISE_EVENT_CONNECTED,
				      .is_session_present = event->is_session_present};
}

static void say_end(struct mortise_client *client, const struct mt_client_event *event)
{
	char text[REASON_TEXT_BYTES] = "";
	const char *what = event->status == MT_DENIED	   ? "the server refused the connection"
			   : event->status == MT_CLOSED	   ? "the server ended the connection"
			   : event->status == MT_VIOLATION ? "the server broke the protocol"
			   : event->status == MT_TIMEOUT   ? "the server does not answer"
							   : mt_status_text(event->status);
	mt_client_escape(event->props->reason_string, text, sizeof(text));
	if (event->status == MT_VIOLATION)
		(void)mt_client_say(client, MORTISE_VIOLATION, "%s (%s)", what,
				    event->violation.statement);
	else if (event->status == MT_DENIED || event->status == MT_CLOSED)
		(void)mt_client_say(client, MORTISE_DENIED, "%s: %s%s%s", what,
				    mt_reason_text(event->reason), text[0] ? ": " : "", text);
	else
		(void)mt_client_say(client, mt_client_status(event->status), "%s", what);
}

/* What we still say to a server that misbehaved goes as far as the socket takes it at once. */
static void on_ended(struct mortise_client *client, const struct mt_client_event *event)
{
	uint8_t reason =
		event->status == MT_DENIED || event->status == MT_CLOSED ? event->reason : 0;
	say_end(client, event);
	mt_client_link_flush(client);
	mt_client_link_lose(client, mt_client_status(event->status), reason);
}

static bool copy_topic(struct mortise_client *client, struct mt_bytes topic)
{
	uint8_t *grown;
	if (client->topic_cap <= topic.len) {
		grown = realloc(client->topic, topic.len + 64);
		if (!grown)
			return false;
		client->topic = grown;
		client->topic_cap = topic.len + 64;
	}
	memcpy(client->topic, topic.data, topic.len);
	client->topic[topic.len] = '\0';
	return true;
}

static bool on_message(struct mortise_client *client, const struct mt_publish *publish,
		       struct mortise_event *out)
{
	if (!copy_topic(client, publish->topic)) {
		(void)mt_client_say(client, MORTISE_MEMORY, "out of memory");
		mt_client_link_lose(client, MORTISE_MEMORY, 0);
		return false;
	}
	*out = (struct mortise_event){.type = MORTISE_EVENT_MESSAGE,
				      .message = {
					      .topic = (const char *)client->topic,
					      .topic_bytes = publish->topic.len,
					      .payload = publish->payload.data,
					      .payload_bytes = publish->payload.len,
					      .qos = publish->qos,
					      .is_retain = publish->is_retain,
					      .is_dup = publish->is_dup,
					      .packet_id = publish->packet_id,
					      .raw = publish->props.raw.data,
					      .raw_bytes = publish->props.raw.len,
				      }};
	return true;
}

/* False: the user need not know. */
static bool translate(struct mortise_client *client, const struct mt_client_event *event,
		      struct mortise_event *out)
{
	switch (event->type) {
	case MT_CLIENT_CONNECTED:
		if (!mt_client_auth_verified(client, event->data))
			return false;
		on_connected(client, event, out);
		return true;
	case MT_CLIENT_CHALLENGE:
		mt_client_auth_challenged(client, event->data);
		return false;
	case MT_CLIENT_AUTHENTICATED:
		*out = (struct mortise_event){.type = MORTISE_EVENT_AUTHENTICATED};
		return mt_client_auth_verified(client, event->data);
	case MT_CLIENT_MESSAGE:
		return on_message(client, &event->message, out);
	case MT_CLIENT_PUBLISHED:
		*out = (struct mortise_event){
			.type = MORTISE_EVENT_PUBLISHED, .id = event->id, .reason = event->reason};
		return true;
	case MT_CLIENT_SUBSCRIBED:
	case MT_CLIENT_UNSUBSCRIBED:
		*out = (struct mortise_event){.type = event->type == MT_CLIENT_SUBSCRIBED
							      ? MORTISE_EVENT_SUBSCRIBED
							      : MORTISE_EVENT_UNSUBSCRIBED,
					      .id = event->id,
					      .reasons = event->reasons.data,
					      .reason_count = event->reasons.len};
		return !mt_client_subs_answered(client, event->id, event->reasons);
	case MT_CLIENT_ENDED:
		on_ended(client, event);
		return false;
	}
	return false;
}

static bool next_of_core(struct mortise_client *client, struct mortise_event *out)
{
	struct mt_client_event event;
	while (client->state == LINK_UP) {
		if (mt_client_event(client->core, &event)) {
			if (translate(client, &event, out))
				return true;
		} else if (!mt_client_link_feed(client)) {
			break;
		}
	}
	return false;
}

bool mt_client_next_event(struct mortise_client *client, struct mortise_event *out)
{
	if (next_of_core(client, out))
		return true;
	if (!client->has_lost)
		return false;
	*out = client->lost;
	client->has_lost = false;
	return true;
}

int mortise_client_next(mortise_client *client, struct mortise_event *out)
{
	mt_client_begin(client);
	client->open_letter = mt_client_take_letter(client);
	if (client->open_letter) {
		*out = (struct mortise_event){.type = MORTISE_EVENT_MESSAGE,
					      .message = client->open_letter->message};
		return MORTISE_OK;
	}
	return client->core && mt_client_next_event(client, out) ? MORTISE_OK : MORTISE_AGAIN;
}

/* ---- what the user sends ---- */

static int say_refusal(struct mortise_client *client, enum mt_status status,
		       const struct mt_violation *why)
{
	switch (status) {
	case MT_OK:
		return MORTISE_OK;
	case MT_AGAIN:
		return mt_client_say(client, MORTISE_AGAIN, "the queue is full");
	case MT_CLOSED:
		return mt_client_say(client, MORTISE_CLOSED, "there is no connection");
	case MT_INVALID:
		return mt_client_say(client, MORTISE_INVALID, "not legal: %s (%s)",
				     mt_reason_text(why->reason), why->statement);
	case MT_LIMIT:
		client->reason = why->reason;
		return mt_client_say(client, MORTISE_LIMIT, "the server does not take it: %s",
				     mt_reason_text(why->reason));
	default:
		return mt_client_say(client, mt_client_status(status), "%s",
				     mt_status_text(status));
	}
}

int mt_client_post_message(struct mortise_client *client, const struct mortise_message *message,
			   uint16_t *id)
{
	struct mt_publish publish = {.qos = message->qos, .is_retain = message->is_retain};
	struct mt_violation why = {.statement = "malformed"};
	uint8_t *user = NULL;
	enum mt_status posted;
	int status;
	if (!client->core)
		return mt_client_say(client, MORTISE_INVALID, "the client is not started");
	status = mt_client_props_build(client, message->properties, message->property_count,
				       &publish.props, &user);
	if (status != MORTISE_OK)
		return status;
	publish.topic = message->topic_bytes ? mt_bytes_of(message->topic, message->topic_bytes)
					     : mt_bytes_str(message->topic);
	publish.payload = mt_bytes_of(message->payload, message->payload_bytes);
	posted = mt_client_publish(client->core, &publish, id, &why);
	free(user);
	return say_refusal(client, posted, &why);
}

int mortise_client_post(mortise_client *client, const struct mortise_message *message, uint16_t *id)
{
	uint16_t unused;
	mt_client_begin(client);
	return mt_client_post_message(client, message, id ? id : &unused);
}

static struct mt_client_filter *copy_filters(const struct mortise_subscription *list, size_t count)
{
	struct mt_client_filter *filters = calloc(count + 1, sizeof(*filters));
	for (size_t i = 0; filters && i < count; i++)
		filters[i] = (struct mt_client_filter){
			.filter = mt_bytes_str(list[i].filter),
			.options = {.qos = list[i].qos,
				    .is_no_local = list[i].is_no_local,
				    .is_retain_as_published = list[i].is_retain_as_published,
				    .retain_handling = list[i].retain_handling}};
	return filters;
}

static int post_request(struct mortise_client *client, bool is_subscribe,
			const struct mortise_subscription *list, size_t count,
			const struct mt_props *props, uint16_t *id)
{
	struct mt_client_filter *filters = copy_filters(list, count);
	struct mt_violation why = {.statement = "malformed"};
	enum mt_status posted;
	int status;
	if (!filters)
		return mt_client_say(client, MORTISE_MEMORY, "out of memory");
	posted = is_subscribe
			 ? mt_client_subscribe(client->core, filters, count, props, id, &why)
			 : mt_client_unsubscribe(client->core, filters, count, props, id, &why);
	status = say_refusal(client, posted, &why);
	if (status == MORTISE_OK && is_subscribe)
		status = mt_client_subs_add(client, list, count, props->subscription_id, *id);
	for (size_t i = 0; status == MORTISE_OK && !is_subscribe && i < count; i++)
		mt_client_subs_remove(client, filters[i].filter);
	free(filters);
	return status;
}

int mt_client_post_request(struct mortise_client *client, bool is_subscribe,
			   const struct mortise_subscription *list, size_t count,
			   const struct mortise_property *properties, size_t property_count,
			   uint16_t *id)
{
	struct mt_props props;
	uint8_t *user = NULL;
	int status;
	if (!client->core)
		return mt_client_say(client, MORTISE_INVALID, "the client is not started");
	status = mt_client_props_build(client, properties, property_count, &props, &user);
	if (status == MORTISE_OK)
		status = post_request(client, is_subscribe, list, count, &props, id);
	free(user);
	return status;
}

int mortise_client_post_subscribe(mortise_client *client, const struct mortise_subscription *list,
				  size_t count, const struct mortise_property *properties,
				  size_t property_count, uint16_t *id)
{
	uint16_t unused;
	mt_client_begin(client);
	return mt_client_post_request(client, true, list, count, properties, property_count,
				      id ? id : &unused);
}

int mt_client_post_end(struct mortise_client *client, const char *const *filters, size_t count,
		       const struct mortise_property *properties, size_t property_count,
		       uint16_t *id)
{
	struct mortise_subscription *list = calloc(count + 1, sizeof(*list));
	int status;
	if (!list)
		return mt_client_say(client, MORTISE_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		list[i].filter = filters[i];
	status = mt_client_post_request(client, false, list, count, properties, property_count, id);
	free(list);
	return status;
}

int mortise_client_post_unsubscribe(mortise_client *client, const char *const *filters,
				    size_t count, const struct mortise_property *properties,
				    size_t property_count, uint16_t *id)
{
	uint16_t unused;
	mt_client_begin(client);
	return mt_client_post_end(client, filters, count, properties, property_count,
				  id ? id : &unused);
}

int mortise_client_post_authenticate(mortise_client *client)
{
	int status;
	mt_client_begin(client);
	status = mt_client_auth_again(client);
	mt_client_link_flush(client);
	return status;
}

int mortise_client_post_disconnect(mortise_client *client, uint8_t reason)
{
	struct mt_control control = {.reason = reason, .props = client->options.disconnect};
	struct mt_violation why = {.statement = "malformed"};
	int status;
	mt_client_begin(client);
	if (!client->core)
		return mt_client_say(client, MORTISE_CLOSED, "there is no connection");
	status = say_refusal(client, mt_client_disconnect(client->core, &control, &why), &why);
	if (status == MORTISE_CLOSED) /* nobody to say it to: the attempts end */
		mt_client_link_drop(client);
	client->has_input = false;
	mt_client_link_flush(client);
	return status;
}
