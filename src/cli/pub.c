/* mortise pub: publishes a text, a file, standard input, or each of its lines. */
#include "cli/connection.h"
#include "cli/verbs.h"
#include "io/file.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD_BYTES_MAX (256u << 20)
#define ANSWER_MS 60000
#define CONNECT_MS 30000
#define QUEUE_MESSAGES 1000u
#define CHUNK_BYTES 65536u
#define DELAY_S_MAX 1000000u

struct publisher {
	struct mt_cli_connection connection;
	struct mortise_message message; /* without payload */
	struct mt_cli_properties properties;
	uint64_t repeat; /* how often one message is published */
	int64_t delay_ms;
	uint8_t *line; /* what of standard input is read and not yet published */
	size_t line_len;
	size_t line_cap;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(const struct publisher *publisher, int status)
{
	char what[300];
	snprintf(what, sizeof(what), "publish to %.256s", publisher->message.topic);
	return mt_cli_connection_fail(&publisher->connection, what, status);
}

/* Lets the client work until fd (-1: none) is readable or `wait_ms` have passed, so that keep alive
 * and answers go on. */
static int work(struct publisher *publisher, int fd, int64_t wait_ms)
{
	mortise_client *client = publisher->connection.client;
	int64_t due = now_ms() + wait_ms, left;
	struct mortise_event event;
	while ((left = due - now_ms()) > 0) {
		int own = mortise_client_deadline_ms(client);
		struct pollfd wait[] = {
			{.fd = fd, .events = POLLIN},
			{.fd = mortise_client_fd(client), .events = mortise_client_events(client)}};
		(void)poll(wait, 2,
			   own >= 0 && own < left ? own
			   : left > INT32_MAX	  ? -1
						  : (int)left);
		mortise_client_process(client);
		while (mortise_client_next(client, &event) == MORTISE_OK) {
			if (event.type == MORTISE_EVENT_LOST)
				return fail(publisher, (int)event.status);
			if (event.type == MORTISE_EVENT_PUBLISHED && event.reason >= 0x80)
				return mt_cli_fail(
					mt_cli_connection_exit(MORTISE_DENIED, event.reason),
					"publish to %s: the server refused it: %s",
					publisher->message.topic,
					mortise_reason_text(event.reason));
		}
		if (wait[0].revents)
			break;
	}
	return 0;
}

/* One message, as often as it is wanted: each when the one before it is delivered. */
static int publish(struct publisher *publisher, const void *payload, size_t bytes)
{
	struct mortise_message message = publisher->message;
	int failed = 0;
	message.payload = payload;
	message.payload_bytes = bytes;
	for (uint64_t n = 0; n < publisher->repeat && !failed; n++) {
		int status =
			mortise_client_publish(publisher->connection.client, &message, ANSWER_MS);
		failed = status == MORTISE_OK ? 0 : fail(publisher, status);
		if (!failed && n + 1 < publisher->repeat)
			failed = work(publisher, -1, publisher->delay_ms);
	}
	return failed;
}

/* Queues a line; when the queue is full, waits until half of it is through: no round trip for each
 * line. */
static int post(struct publisher *publisher, const uint8_t *line, size_t bytes)
{
	mortise_client *client = publisher->connection.client;
	struct mortise_message message = publisher->message;
	int status;
	message.payload = line;
	message.payload_bytes = bytes;
	status = mortise_client_post(client, &message, NULL);
	while (status == MORTISE_AGAIN) {
		status = mortise_client_settle(client, QUEUE_MESSAGES / 2, ANSWER_MS);
		if (status == MORTISE_OK)
			status = mortise_client_post(client, &message, NULL);
	}
	return status == MORTISE_OK ? 0 : fail(publisher, status);
}

/* Publishes the whole lines read so far; at the end also what has no newline. */
static int post_lines(struct publisher *publisher, bool is_end)
{
	size_t from = 0;
	int failed = 0;
	while (!failed && from < publisher->line_len) {
		uint8_t *at = publisher->line + from;
		uint8_t *newline = memchr(at, '\n', publisher->line_len - from);
		if (!newline && !is_end)
			break;
		if (!newline)
			newline = publisher->line + publisher->line_len;
		failed = post(publisher, at, (size_t)(newline - at));
		from += (size_t)(newline - at) + 1;
	}
	from = from < publisher->line_len ? from : publisher->line_len;
	memmove(publisher->line, publisher->line + from, publisher->line_len - from);
	publisher->line_len -= from;
	return failed;
}

/* More of standard input behind what is there: bytes, 0 at the end, -1 on failure. */
static ssize_t read_more(struct publisher *publisher)
{
	ssize_t got;
	uint8_t *grown;
	if (publisher->line_cap - publisher->line_len < CHUNK_BYTES) {
		if (publisher->line_cap >= PAYLOAD_BYTES_MAX) {
			errno = EFBIG;
			return -1;
		}
		grown = realloc(publisher->line, publisher->line_cap * 2 + CHUNK_BYTES);
		if (!grown)
			return -1;
		publisher->line = grown;
		publisher->line_cap = publisher->line_cap * 2 + CHUNK_BYTES;
	}
	do
		got = read(STDIN_FILENO, publisher->line + publisher->line_len, CHUNK_BYTES);
	while (got < 0 && errno == EINTR);
	publisher->line_len += got > 0 ? (size_t)got : 0;
	return got;
}

static int publish_lines(struct publisher *publisher)
{
	ssize_t got = 1;
	int failed = 0;
	int status;
	while (!failed && got > 0) {
		failed = work(publisher, STDIN_FILENO, INT64_MAX / 2);
		if (failed)
			return failed;
		got = read_more(publisher);
		if (got < 0)
			return mt_cli_fail(1, "standard input: %s", strerror(errno));
		failed = post_lines(publisher, got == 0);
	}
	if (failed)
		return failed;
	status = mortise_client_settle(publisher->connection.client, 0, ANSWER_MS);
	return status == MORTISE_OK ? 0 : fail(publisher, status);
}

static int publish_input(struct publisher *publisher)
{
	ssize_t got = 1;
	while (got > 0)
		got = read_more(publisher);
	if (got < 0)
		return mt_cli_fail(2, "standard input: %s", strerror(errno));
	return publish(publisher, publisher->line, publisher->line_len);
}

static int publish_file(struct publisher *publisher, const char *path)
{
	uint8_t *data = NULL;
	size_t bytes = 0;
	enum mt_status status = mt_file_read(path, PAYLOAD_BYTES_MAX, &data, &bytes);
	int failed;
	if (status != MT_OK)
		return mt_cli_fail(2, "-f %s: %s", path, mt_status_text(status));
	failed = publish(publisher, data, bytes);
	free(data);
	return failed;
}

static int publish_payload(struct publisher *publisher, const struct mt_options *options)
{
	const char *text = mt_options_value(options, "message");
	if (text)
		return publish(publisher, text, strlen(text));
	if (mt_options_has(options, "file"))
		return publish_file(publisher, mt_options_value(options, "file"));
	if (mt_options_has(options, "stdin-line"))
		return publish_lines(publisher);
	if (mt_options_has(options, "stdin-file"))
		return publish_input(publisher);
	return publish(publisher, NULL, 0);
}

/* --repeat and --repeat-delay, which may be a part of a second. */
static int take_repetition(const struct mt_options *options, struct publisher *publisher)
{
	const char *delay = mt_options_value(options, "repeat-delay");
	char fault[256], *end = NULL;
	double seconds = delay ? strtod(delay, &end) : 0;
	if (mt_options_number(options, "repeat", 1, UINT32_MAX, 1, &publisher->repeat, fault,
			      sizeof(fault)) != MT_OK)
		return mt_cli_fail(2, "%s", fault);
	if (delay && (end == delay || *end || !(seconds >= 0 && seconds <= DELAY_S_MAX)))
		return mt_cli_fail(2, "--repeat-delay %s: expected seconds from 0 to %u", delay,
				   DELAY_S_MAX);
	if (mt_options_has(options, "stdin-line") && mt_options_has(options, "repeat"))
		return mt_cli_fail(2, "--repeat repeats one message; -l has many");
	publisher->delay_ms = (int64_t)(seconds * 1000);
	return 0;
}

static int check(const struct mt_options *options, struct publisher *publisher)
{
	static const char *const sources[] = {"message", "file", "stdin-line", "null-message",
					      "stdin-file"};
	uint32_t count = 0;
	for (size_t i = 0; i < MT_COUNT_OF(sources); i++)
		count += mt_options_has(options, sources[i]);
	if (!mt_options_has(options, "topic"))
		return mt_cli_fail(2, "pub: no topic; give -t TOPIC");
	if (count != 1)
		return mt_cli_fail(2, "pub: give one of -m TEXT, -f FILE, -l, -n, -s");
	return take_repetition(options, publisher);
}

static int run(struct publisher *publisher, const struct mt_options *options)
{
	mortise_client *client = publisher->connection.client;
	int status = mortise_client_connect(client, CONNECT_MS);
	int failed;
	if (status != MORTISE_OK)
		return mt_cli_connection_fail(&publisher->connection, "connect", status);
	mt_cli_connection_trace(&publisher->connection, "connected as \"%s\" %s",
				mortise_client_id(client), mortise_client_tls(client));
	failed = publish_payload(publisher, options);
	if (failed)
		return failed;
	status = mortise_client_disconnect(client, 0, CONNECT_MS);
	return status == MORTISE_OK
		       ? 0
		       : mt_cli_connection_fail(&publisher->connection, "disconnect", status);
}

int mt_cli_pub(const struct mt_options *options)
{
	struct publisher publisher = {0};
	struct mortise_limits limits;
	int failed = check(options, &publisher);
	mortise_limits_default(&limits);
	limits.memory_bytes = 4 * (size_t)PAYLOAD_BYTES_MAX;
	limits.queue_messages = QUEUE_MESSAGES;
	if (!failed)
		failed = mt_cli_connection_check(options, "connect will publish disconnect");
	if (!failed)
		failed = mt_cli_connection_properties(options, "publish", &publisher.properties);
	if (!failed)
		failed = mt_cli_connection_make(options, &limits, &publisher.connection);
	if (failed)
		return failed;
	publisher.message = (struct mortise_message){
		.topic = mt_options_value(options, "topic"),
		.qos = publisher.connection.qos,
		.is_retain = mt_options_has(options, "retain"),
		.properties = publisher.properties.items,
		.property_count = publisher.properties.count,
	};
	failed = run(&publisher, options);
	mt_cli_connection_finish(&publisher.connection);
	free(publisher.line);
	return failed;
}
