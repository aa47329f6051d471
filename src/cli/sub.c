/* mortise sub: subscribes and prints what arrives, until count, time, a signal or a refusal ends
 * it. */
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/verbs.h"
#include "topic/name.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 30000
#define FAREWELL_MS 2000
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 30000
#define EXIT_TIMEOUT 27
#define GOES_ON (-1)

struct subscriber {
	struct mt_cli_connection connection;
	struct mortise_subscription filters[MT_OPTIONS_MAX];
	size_t filter_count;
	struct mt_cli_properties properties;
	const char *format;
	uint64_t left;			      /* messages to print; 0: without end */
	struct timespec due;		      /* of -W; tv_sec 0: none */
	const char *left_out[MT_OPTIONS_MAX]; /* filters of -T */
	size_t left_out_count;
	const char *ended[MT_OPTIONS_MAX]; /* of -U */
	size_t ended_count;
	uint64_t percent; /* to be printed */
	bool is_no_eol;
	bool is_removing_retained;
	bool ends_subscribed;
	bool is_no_retained;
	bool is_retained_only;
	bool is_retain_as_published;
	bool is_tty;
	bool is_subscribed;
};

static volatile sig_atomic_t has_signal;

static void on_signal(int number)
{
	(void)number;
	has_signal = 1;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

static int take_filters(const struct mt_options *options, struct subscriber *subscriber)
{
	const struct mt_option_use *use;
	uint32_t pos = 0;
	while ((use = mt_options_next(options, "topic", &pos)))
		subscriber->filters[subscriber->filter_count++] = (struct mortise_subscription){
			.filter = use->arguments[0],
			.qos = subscriber->connection.qos,
			.is_retain_as_published =
				subscriber->is_retain_as_published && subscriber->connection.is_v5,
			.retain_handling =
				subscriber->is_no_retained && subscriber->connection.is_v5 ? 2 : 0,
		};
	return 0;
}

static size_t take_list(const struct mt_options *options, const char *name, const char **list)
{
	const struct mt_option_use *use;
	uint32_t pos = 0;
	size_t count = 0;
	while ((use = mt_options_next(options, name, &pos)))
		list[count++] = use->arguments[0];
	return count;
}

static int take_format(const struct mt_options *options, struct subscriber *subscriber)
{
	const char *format = mt_options_value(options, "format");
	const char *wrong = format ? mt_format_check(format) : NULL;
	if (wrong)
		return mt_cli_fail(2, "-F: \"%.2s\" is no format character; see man mortise",
				   wrong);
	subscriber->format = format ? format : mt_options_has(options, "verbose") ? "%t %p" : "%p";
	if (!format && mt_options_has(options, "json"))
		subscriber->format = "%j";
	return 0;
}

static int check_filters(const struct subscriber *subscriber)
{
	for (size_t i = 0; i < subscriber->left_out_count; i++)
		if (!mt_topic_filter_is_valid(mt_bytes_str(subscriber->left_out[i])))
			return mt_cli_fail(2, "-T %s: no topic filter", subscriber->left_out[i]);
	return 0;
}

static int take_options(const struct mt_options *options, struct subscriber *subscriber)
{
	char fault[256];
	uint64_t seconds = 0;
	if (!mt_options_has(options, "topic") && !mt_options_has(options, "unsubscribe"))
		return mt_cli_fail(2, "sub: no topic filter; give -t FILTER");
	if (mt_options_number(options, "count", 1, UINT32_MAX, 0, &subscriber->left, fault,
			      sizeof(fault)) != MT_OK ||
	    mt_options_number(options, "timeout", 1, 1u << 30, 0, &seconds, fault, sizeof(fault)) !=
		    MT_OK ||
	    mt_options_number(options, "random-filter", 1, 100, 100, &subscriber->percent, fault,
			      sizeof(fault)) != MT_OK)
		return mt_cli_fail(2, "%s", fault);
	if (seconds > 0) {
		clock_gettime(CLOCK_MONOTONIC, &subscriber->due);
		subscriber->due.tv_sec += (time_t)seconds;
	}
	subscriber->is_no_retained = mt_options_has(options, "no-retained");
	subscriber->is_retained_only = mt_options_has(options, "retained-only");
	subscriber->is_no_eol = mt_options_has(options, "no-eol");
	subscriber->is_removing_retained = mt_options_has(options, "remove-retained");
	subscriber->ends_subscribed = mt_options_has(options, "exit-subscribed");
	subscriber->left_out_count = take_list(options, "filter-out", subscriber->left_out);
	subscriber->ended_count = take_list(options, "unsubscribe", subscriber->ended);
	subscriber->is_retain_as_published = mt_options_has(options, "retain-as-published");
	if (subscriber->is_no_retained && subscriber->is_retained_only)
		return mt_cli_fail(2, "-R and --retained-only leave nothing");
	return check_filters(subscriber) ? 2 : take_format(options, subscriber);
}

static int ms_left(const struct subscriber *subscriber)
{
	struct timespec now;
	int64_t left;
	if (subscriber->due.tv_sec == 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (subscriber->due.tv_sec - now.tv_sec) * 1000 +
	       (subscriber->due.tv_nsec - now.tv_nsec) / 1000000;
	if (left <= 0)
		return 0;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

static bool is_left_out(const struct subscriber *subscriber, const struct mortise_message *message)
{
	for (size_t i = 0; i < subscriber->left_out_count; i++)
		if (mt_topic_matches(
			    mt_bytes_str(subscriber->left_out[i]),
			    mt_bytes_of((const uint8_t *)message->topic, message->topic_bytes)))
			return true;
	return false;
}

/* What cannot be removed is told; it is printed all the same. */
static void remove_retained(struct subscriber *subscriber, const struct mortise_message *message)
{
	struct mortise_message empty = {.topic = message->topic,
					.topic_bytes = message->topic_bytes,
					.qos = 1,
					.is_retain = true};
	int status;
	status = mortise_client_post(subscriber->connection.client, &empty, NULL);
	if (status != MORTISE_OK)
		mt_cli_connection_warn(&subscriber->connection,
				       "%.*s stays retained: too many came at once",
				       (int)message->topic_bytes, message->topic);
}

/* With retain-as-published the flag says nothing of whether the message was waiting. */
static bool is_wanted(const struct subscriber *subscriber, const struct mortise_message *message)
{
	return !(subscriber->is_no_retained && message->is_retain &&
		 !subscriber->is_retain_as_published);
}

static int on_message(struct subscriber *subscriber, const struct mortise_message *message)
{
	struct timespec now;
	if (subscriber->is_retained_only && !message->is_retain)
		return 0;
	if (is_left_out(subscriber, message))
		return GOES_ON;
	if (subscriber->is_removing_retained && message->is_retain && message->payload_bytes > 0)
		remove_retained(subscriber, message);
	if (!is_wanted(subscriber, message) || (uint64_t)(drand48() * 100) >= subscriber->percent)
		return GOES_ON;
	clock_gettime(CLOCK_REALTIME, &now);
	mt_format_print(stdout, subscriber->format, message, &now, subscriber->is_tty);
	if (!subscriber->is_no_eol)
		fputc('\n', stdout);
	if (fflush(stdout) != 0)
		return errno == EPIPE ? 0 : mt_cli_fail(1, "standard output: %s", strerror(errno));
	return subscriber->left > 0 && --subscriber->left == 0 ? 0 : GOES_ON;
}

static int on_connected(struct subscriber *subscriber, const struct mortise_event *event)
{
	mortise_client *client = subscriber->connection.client;
	int status;
	mt_cli_connection_trace(&subscriber->connection, "connected as \"%s\" %s%s",
				mortise_client_id(client), mortise_client_tls(client),
				event->is_session_present ? "; session resumed" : "");
	if (subscriber->is_subscribed)
		return GOES_ON;
	subscriber->is_subscribed = true;
	status = MORTISE_OK;
	if (subscriber->ended_count > 0)
		status = mortise_client_post_unsubscribe(client, subscriber->ended,
							 subscriber->ended_count, NULL, 0, NULL);
	if (status == MORTISE_OK && subscriber->filter_count > 0)
		status = mortise_client_post_subscribe(
			client, subscriber->filters, subscriber->filter_count,
			subscriber->properties.items, subscriber->properties.count, NULL);
	return status == MORTISE_OK
		       ? GOES_ON
		       : mt_cli_connection_fail(&subscriber->connection, "subscribe", status);
}

/* Some filters may be refused; when all are, there is nothing to wait for. */
static int on_subscribed(struct subscriber *subscriber, const struct mortise_event *event)
{
	size_t refused = 0;
	int code = 0;
	for (size_t i = 0; i < event->reason_count && i < subscriber->filter_count; i++) {
		if (event->reasons[i] < 0x80)
			continue;
		refused++;
		code = mt_cli_connection_exit(MORTISE_DENIED, event->reasons[i]);
		if (code == 1 && !subscriber->connection.is_v5) /* 3.1.1 knows one reason only */
			code = 4;
		mt_cli_connection_warn(
			&subscriber->connection, "subscribe to %s: the server refused it: %s",
			subscriber->filters[i].filter, mortise_reason_text(event->reasons[i]));
	}
	mt_cli_connection_trace(&subscriber->connection, "subscribed, %zu refused", refused);
	if (refused > 0 && refused == event->reason_count)
		return code;
	return subscriber->ends_subscribed ? 0 : GOES_ON;
}

/* Before the first success nothing is tried again: the person at the keyboard wants to know. A
 * server that broke the protocol would do so again. */
static int on_lost(struct subscriber *subscriber, const struct mortise_event *event)
{
	const char *what = subscriber->is_subscribed ? "connection" : "connect";
	if (!subscriber->is_subscribed || !event->will_return || event->status == MORTISE_VIOLATION)
		return mt_cli_connection_fail(&subscriber->connection, what, (int)event->status);
	mt_cli_connection_warn(&subscriber->connection, "%s; trying again",
			       mortise_client_fault(subscriber->connection.client));
	return GOES_ON;
}

static int on_event(struct subscriber *subscriber, const struct mortise_event *event)
{
	switch (event->type) {
	case MORTISE_EVENT_CONNECTED:
		return on_connected(subscriber, event);
	case MORTISE_EVENT_SUBSCRIBED:
		return on_subscribed(subscriber, event);
	case MORTISE_EVENT_MESSAGE:
		return on_message(subscriber, &event->message);
	case MORTISE_EVENT_LOST:
		return on_lost(subscriber, event);
	case MORTISE_EVENT_UNSUBSCRIBED:
		return subscriber->filter_count == 0 && subscriber->ends_subscribed ? 0 : GOES_ON;
	case MORTISE_EVENT_PUBLISHED:
		if (event->reason >= 0x80)
			mt_cli_connection_warn(&subscriber->connection,
					       "a message stays retained: the server says: %s",
					       mortise_reason_text(event->reason));
		return GOES_ON;
	case MORTISE_EVENT_CLOSED:
	case MORTISE_EVENT_AUTHENTICATED:
		return GOES_ON;
	}
	return GOES_ON;
}

static int handle_all(struct subscriber *subscriber)
{
	struct mortise_event event;
	int code = GOES_ON;
	while (code == GOES_ON &&
	       mortise_client_next(subscriber->connection.client, &event) == MORTISE_OK)
		code = on_event(subscriber, &event);
	return code;
}

static int sooner(int a_ms, int b_ms)
{
	if (a_ms < 0 || b_ms < 0)
		return a_ms < 0 ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

static int loop(struct subscriber *subscriber)
{
	mortise_client *client = subscriber->connection.client;
	int code = GOES_ON;
	while (code == GOES_ON) {
		struct pollfd wait = {.fd = mortise_client_fd(client),
				      .events = mortise_client_events(client)};
		(void)poll(&wait, 1,
			   sooner(ms_left(subscriber), mortise_client_deadline_ms(client)));
		mortise_client_process(client);
		code = handle_all(subscriber);
		if (code == GOES_ON && has_signal)
			code = 0;
		if (code == GOES_ON && ms_left(subscriber) == 0)
			code = EXIT_TIMEOUT;
	}
	return code;
}

static int run(struct subscriber *subscriber)
{
	mortise_client *client = subscriber->connection.client;
	int status = mortise_client_set_reconnect(client, RETRY_MIN_MS, RETRY_MAX_MS, 0);
	int code;
	if (status == MORTISE_OK)
		status = mortise_client_start(client);
	if (status != MORTISE_OK)
		return mt_cli_connection_fail(&subscriber->connection, "connect", status);
	catch_signals();
	code = loop(subscriber);
	if (mortise_client_is_connected(client))
		(void)mortise_client_disconnect(client, 0, FAREWELL_MS);
	return code;
}

int mt_cli_sub(const struct mt_options *options)
{
	struct subscriber *subscriber = calloc(1, sizeof(*subscriber));
	struct mortise_limits limits;
	int code;
	if (!subscriber)
		return mt_cli_fail(1, "out of memory");
	mortise_limits_default(&limits);
	limits.packet_bytes = 256u << 20;
	limits.memory_bytes = 1u << 30;
	limits.receive_max = 1000;
	subscriber->is_tty = isatty(STDOUT_FILENO);
	srand48((long)getpid());
	code = take_options(options, subscriber);
	if (!code)
		code = mt_cli_connection_check(options, "connect will subscribe disconnect");
	if (!code)
		code = mt_cli_connection_properties(options, "subscribe", &subscriber->properties);
	if (!code)
		code = mt_cli_connection_make(options, &limits, &subscriber->connection);
	if (!code)
		code = take_filters(options, subscriber);
	if (!code)
		code = run(subscriber);
	mt_cli_connection_finish(&subscriber->connection);
	free(subscriber);
	return code;
}
