/*
 * Logs in without showing its password, and proves it again on the open connection: authenticate
 * HOST PORT CA.pem|- TIMES
 * User and password come from MQTT_USER and MQTT_PASSWORD; - is no TLS.
 */
#include <mortise/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int authenticate(mortise_client *client, const char *ca, int times)
{
	const char *password = getenv("MQTT_PASSWORD");
	int status = MORTISE_OK;

	if (strcmp(ca, "-") != 0)
		status = mortise_client_set_tls(client, ca, NULL, NULL);
	if (status == MORTISE_OK && password)
		status = mortise_client_set_credentials(client, getenv("MQTT_USER"), password,
							strlen(password));
	if (status == MORTISE_OK)
		status = mortise_client_set_auth(client, MORTISE_AUTH_SCRAM);
	if (status == MORTISE_OK)
		status = mortise_client_connect(client, 10000);
	for (int i = 0; i < times && status == MORTISE_OK; i++)
		status = mortise_client_authenticate(client, 10000);
	if (status == MORTISE_OK)
		status = mortise_client_disconnect(client, 0, 1000);
	return status;
}

int main(int argc, char **argv)
{
	mortise_client *client = NULL;
	int status;

	if (argc == 5)
		client = mortise_client_create(argv[1], (uint16_t)atoi(argv[2]));
	if (!client) {
		fprintf(stderr, "usage: authenticate HOST PORT CA.pem|- TIMES\n");
		return 2;
	}
	status = authenticate(client, argv[3], atoi(argv[4]));
	if (status == MORTISE_OK)
		printf("authenticated\n");
	else
		fprintf(stderr, "authenticate: %s\n", mortise_client_fault(client));
	mortise_client_destroy(&client);
	return status == MORTISE_OK ? 0 : 1;
}
