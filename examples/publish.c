/*
 * Publishes one message over verified TLS: publish HOST CA.pem TOPIC TEXT
 * User and password come from MQTT_USER and MQTT_PASSWORD.
 */
#include <mortise/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int publish(mortise_client *client, const char *ca, const char *topic, const char *text)
{
	const char *password = getenv("MQTT_PASSWORD");
	struct mortise_message message = {
		.topic = topic, .payload = text, .payload_bytes = strlen(text), .qos = 1};
	int status = mortise_client_set_tls(client, ca, NULL, NULL);

	if (status == MORTISE_OK && password)
		status = mortise_client_set_credentials(client, getenv("MQTT_USER"), password,
							strlen(password));
	if (status == MORTISE_OK)
		status = mortise_client_connect(client, 10000);
	if (status == MORTISE_OK)
		status = mortise_client_publish(client, &message, 10000);
	if (status == MORTISE_OK)
		status = mortise_client_disconnect(client, 0, 1000);
	return status;
}

int main(int argc, char **argv)
{
	mortise_client *client = argc == 5 ? mortise_client_create(argv[1], 0) : NULL;
	int status;

	if (!client) {
		fprintf(stderr, "usage: publish HOST CA.pem TOPIC TEXT\n");
		return 2;
	}
	status = publish(client, argv[2], argv[3], argv[4]);
	if (status != MORTISE_OK)
		fprintf(stderr, "publish: %s\n", mortise_client_fault(client));
	mortise_client_destroy(&client);
	return status == MORTISE_OK ? 0 : 1;
}
