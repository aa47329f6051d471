/*
 * Prints what is published under a filter, from an event loop of its own, and comes back after
 * every loss: subscribe HOST PORT CA.pem FILTER ("-" as CA.pem: without TLS)
 */
#include <mortise/client.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_event(mortise_client *client, const struct mortise_event *event, const char *filter)
{
	struct mortise_subscription wanted = {.filter = filter, .qos = 1};
	static bool is_subscribed;

	if (event->type == MORTISE_EVENT_CONNECTED && !is_subscribed)
		is_subscribed = mortise_client_post_subscribe(client, &wanted, 1, NULL, 0, NULL) ==
				MORTISE_OK;
	if (event->type == MORTISE_EVENT_LOST)
		fprintf(stderr, "lost: %s\n", mortise_client_fault(client));
	if (event->type == MORTISE_EVENT_MESSAGE) {
		printf("%s: %.*s\n", event->message.topic, (int)event->message.payload_bytes,
		       (const char *)event->message.payload);
		fflush(stdout);
	}
}

static int run(mortise_client *client, const char *filter)
{
	struct mortise_event event = {.will_return = true};

	while (event.type != MORTISE_EVENT_LOST || event.will_return) {
		struct pollfd wait = {.fd = mortise_client_fd(client),
				      .events = mortise_client_events(client)};

		poll(&wait, 1, mortise_client_deadline_ms(client));
		mortise_client_process(client);
		while (mortise_client_next(client, &event) == MORTISE_OK)
			on_event(client, &event, filter);
	}
	return 1;
}

int main(int argc, char **argv)
{
	mortise_client *client =
		argc == 5 ? mortise_client_create(argv[1], (uint16_t)atoi(argv[2])) : NULL;
	int status;

	if (!client) {
		fprintf(stderr, "usage: subscribe HOST PORT CA.pem FILTER\n");
		return 2;
	}
	status = mortise_client_set_reconnect(client, 500, 60000, 0);
	if (status == MORTISE_OK && strcmp(argv[3], "-") != 0)
		status = mortise_client_set_tls(client, argv[3], NULL, NULL);
	if (status == MORTISE_OK)
		status = mortise_client_start(client);
	if (status == MORTISE_OK)
		status = run(client, argv[4]);
	else
		fprintf(stderr, "subscribe: %s\n", mortise_client_fault(client));
	mortise_client_destroy(&client);
	return status == MORTISE_OK ? 0 : 1;
}
