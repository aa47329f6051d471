/* Paho's C client, three times by one handle: paho_again URI CA CERTIFICATE KEY. Exit 0 when it was
 * welcomed each time. */
#include <MQTTClient.h>

#include <stdio.h>

int main(int argc, char **argv)
{
	MQTTClient client;
	if (argc != 5 ||
	    MQTTClient_create(&client, argv[1], "again", MQTTCLIENT_PERSISTENCE_NONE, NULL) != 0)
		return 2;
	for (int i = 0; i < 3; i++) {
		MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
		MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
		int result;
		tls.trustStore = argv[2];
		tls.keyStore = argv[3];
		tls.privateKey = argv[4];
		tls.verify = 1;
		options.ssl = &tls;
		options.cleansession = 1;
		result = MQTTClient_connect(client, &options);
		if (result != MQTTCLIENT_SUCCESS) {
			printf("connection %d: %d\n", i, result);
			return 1;
		}
		MQTTClient_disconnect(client, 1000);
	}
	MQTTClient_destroy(&client);
	return 0;
}
