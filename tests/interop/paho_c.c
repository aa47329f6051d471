/*
 * A peer of the interoperability tests: Paho's C client against a broker.
 *
 *   paho_c URI 4|5 [CAFILE USER PASSWORD]
 *
 * Prints one `ok` or `not ok` line a test; tests/interop/paho_c.sh starts it.
 */
#include <MQTTClient.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000L
#define LARGE_BYTES 70000

struct way {
	const char *uri, *ca, *user, *password;
	int version;
};

static const char *step = "";
static int failures;

#define DEMAND(condition) \
	do { \
		if (!(condition)) { \
			step = #condition; \
			return false; \
		} \
	} while (0)

static MQTTClient create(const struct way *way, const char *id)
{
	MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
	MQTTClient client = NULL;
	options.MQTTVersion = way->version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	if (MQTTClient_createWithOptions(&client, way->uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
					 &options) != MQTTCLIENT_SUCCESS)
		return NULL;
	return client;
}

struct wish {
	bool is_clean;
	const char *will_topic;
};

static bool connect_as(const struct way *way, MQTTClient client, struct wish wish,
		       bool *is_session_present)
{
	MQTTClient_connectOptions three = MQTTClient_connectOptions_initializer;
	MQTTClient_connectOptions five = MQTTClient_connectOptions_initializer5;
	MQTTClient_connectOptions options = way->version == 5 ? five : three;
	MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
	MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
	MQTTProperties properties = MQTTProperties_initializer;
	MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
	int result;
	expiry.value.integer4 = 600;
	options.keepAliveInterval = 20;
	options.MQTTVersion = way->version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	options.username = way->user;
	options.password = way->password;
	tls.trustStore = way->ca;
	tls.verify = 1;
	if (way->ca)
		options.ssl = &tls;
	will.topicName = wish.will_topic;
	will.message = "gone";
	will.qos = 1;
	if (wish.will_topic)
		options.will = &will;
	if (way->version != 5) {
		options.cleansession = wish.is_clean;
		result = MQTTClient_connect(client, &options);
		if (is_session_present)
			*is_session_present = options.returned.sessionPresent;
		return result == MQTTCLIENT_SUCCESS;
	}
	options.cleanstart = wish.is_clean;
	if (!wish.is_clean)
		MQTTProperties_add(&properties, &expiry);
	MQTTResponse response = MQTTClient_connect5(client, &options, &properties, NULL);
	result = response.reasonCode;
	if (is_session_present)
		*is_session_present = options.returned.sessionPresent;
	MQTTResponse_free(response);
	MQTTProperties_free(&properties);
	return result == MQTTREASONCODE_SUCCESS;
}

static bool subscribe_to(const struct way *way, MQTTClient client, const char *filter, int qos)
{
	MQTTResponse response;
	int result;
	if (way->version != 5)
		return MQTTClient_subscribe(client, filter, qos) == MQTTCLIENT_SUCCESS;
	response = MQTTClient_subscribe5(client, filter, qos, NULL, NULL);
	result = response.reasonCode;
	MQTTResponse_free(response);
	return result == qos;
}

/* The reason code of 5.0; 0 or -1 in 3.1.1. */
static int publish_to(const struct way *way, MQTTClient client, const char *topic,
		      MQTTClient_message *message)
{
	MQTTClient_deliveryToken token;
	MQTTResponse response;
	int result;
	if (way->version != 5) {
		result = MQTTClient_publishMessage(client, topic, message, &token);
		return result == MQTTCLIENT_SUCCESS
			       ? MQTTClient_waitForCompletion(client, token, WAIT_MS)
			       : -1;
	}
	response = MQTTClient_publishMessage5(client, topic, message, &token);
	result = response.reasonCode;
	MQTTResponse_free(response);
	return result;
}

static void leave(const struct way *way, MQTTClient *client)
{
	if (way->version == 5)
		MQTTClient_disconnect5(*client, 1000, MQTTREASONCODE_SUCCESS, NULL);
	else
		MQTTClient_disconnect(*client, 1000);
	MQTTClient_destroy(client);
}

struct seen {
	char topic[128];
	int qos, retained, bytes;
	char payload[LARGE_BYTES + 1];
	char user_value[32], correlation[32];
};

static void take_properties(const MQTTProperties *properties, struct seen *seen)
{
	for (int i = 0; i < properties->count; i++) {
		const MQTTProperty *property = &properties->array[i];
		if (property->identifier == MQTTPROPERTY_CODE_USER_PROPERTY)
			snprintf(seen->user_value, sizeof(seen->user_value), "%.*s",
				 property->value.value.len, property->value.value.data);
		if (property->identifier == MQTTPROPERTY_CODE_CORRELATION_DATA)
			snprintf(seen->correlation, sizeof(seen->correlation), "%.*s",
				 property->value.data.len, property->value.data.data);
	}
}

static bool receive(MQTTClient client, struct seen *seen)
{
	MQTTClient_message *message = NULL;
	char *topic = NULL;
	int length;
	memset(seen, 0, sizeof(*seen));
	MQTTClient_receive(client, &topic, &length, &message, WAIT_MS);
	if (!message)
		return false;
	snprintf(seen->topic, sizeof(seen->topic), "%s", topic);
	seen->qos = message->qos;
	seen->retained = message->retained;
	seen->bytes = message->payloadlen;
	if (message->payloadlen > 0 && message->payloadlen <= LARGE_BYTES)
		memcpy(seen->payload, message->payload, (size_t)message->payloadlen);
	take_properties(&message->properties, seen);
	MQTTClient_freeMessage(&message);
	MQTTClient_free(topic);
	return true;
}

/* ---- the tests ---- */

static bool every_qos_and_size(const struct way *way)
{
	static const int sizes[] = {0, 10, LARGE_BYTES};
	static char payload[LARGE_BYTES];
	static struct seen seen;
	MQTTClient sub = create(way, "paho-sub"), pub = create(way, "paho-pub");
	memset(payload, 'p', sizeof(payload));
	DEMAND(sub && pub);
	DEMAND(connect_as(way, sub, (struct wish){.is_clean = true}, NULL));
	DEMAND(connect_as(way, pub, (struct wish){.is_clean = true}, NULL));
	DEMAND(subscribe_to(way, sub, "paho/+/x", 2));
	for (int qos = 0; qos < 3; qos++)
		for (int i = 0; i < 3; i++) {
			MQTTClient_message message = MQTTClient_message_initializer;
			message.payload = payload;
			message.payloadlen = sizes[i];
			message.qos = qos;
			DEMAND(publish_to(way, pub, "paho/a/x", &message) == 0);
			DEMAND(receive(sub, &seen));
			DEMAND(strcmp(seen.topic, "paho/a/x") == 0);
			DEMAND(seen.qos == qos && seen.bytes == sizes[i]);
			DEMAND(memcmp(seen.payload, payload, (size_t)sizes[i]) == 0);
		}
	leave(way, &sub);
	leave(way, &pub);
	return true;
}

static bool what_is_retained(const struct way *way)
{
	static struct seen seen;
	MQTTClient pub = create(way, "paho-pub"), sub = create(way, "paho-sub");
	MQTTClient_message message = MQTTClient_message_initializer;
	DEMAND(connect_as(way, pub, (struct wish){.is_clean = true}, NULL));
	DEMAND(connect_as(way, sub, (struct wish){.is_clean = true}, NULL));
	message.payload = "kept";
	message.payloadlen = 4;
	message.qos = 1;
	message.retained = 1;
	DEMAND(publish_to(way, pub, "paho/kept", &message) == 0 || way->version == 5);
	DEMAND(subscribe_to(way, sub, "paho/kept", 1));
	DEMAND(receive(sub, &seen));
	DEMAND(seen.retained == 1 && strcmp(seen.payload, "kept") == 0);
	message.payloadlen = 0;
	publish_to(way, pub, "paho/kept", &message);
	leave(way, &sub);
	leave(way, &pub);
	return true;
}

static bool a_session_that_stays(const struct way *way)
{
	static struct seen seen;
	MQTTClient sub = create(way, "paho-stays"), pub = create(way, "paho-pub");
	MQTTClient_message message = MQTTClient_message_initializer;
	bool is_present = true;
	message.payload = "later";
	message.payloadlen = 5;
	message.qos = 2;
	DEMAND(connect_as(way, sub, (struct wish){.is_clean = false}, &is_present));
	DEMAND(subscribe_to(way, sub, "paho/stays", 2));
	leave(way, &sub);
	DEMAND(connect_as(way, pub, (struct wish){.is_clean = true}, NULL));
	DEMAND(publish_to(way, pub, "paho/stays", &message) == 0);
	sub = create(way, "paho-stays");
	DEMAND(connect_as(way, sub, (struct wish){.is_clean = false}, &is_present));
	DEMAND(is_present || way->version == 5);
	DEMAND(receive(sub, &seen));
	DEMAND(seen.qos == 2 && strcmp(seen.payload, "later") == 0);
	leave(way, &sub);
	leave(way, &pub);
	sub = create(way, "paho-stays");
	DEMAND(connect_as(way, sub, (struct wish){.is_clean = true}, &is_present));
	DEMAND(!is_present || way->version == 5); /* it does not say so in 5.0 */
	leave(way, &sub);
	return true;
}

/* The second connection of the same client id ends the first, whose will is published. */
static bool a_will_after_a_takeover(const struct way *way)
{
	static struct seen seen;
	MQTTClient sub = create(way, "paho-sub");
	MQTTClient first = create(way, "paho-dies"), second = create(way, "paho-dies");
	DEMAND(connect_as(way, sub, (struct wish){.is_clean = true}, NULL));
	DEMAND(subscribe_to(way, sub, "paho/will", 1));
	DEMAND(connect_as(way, first, (struct wish){true, "paho/will"}, NULL));
	DEMAND(connect_as(way, second, (struct wish){.is_clean = true}, NULL));
	DEMAND(receive(sub, &seen));
	DEMAND(strcmp(seen.payload, "gone") == 0);
	MQTTClient_destroy(&first);
	leave(way, &second);
	leave(way, &sub);
	return true;
}

static bool properties_go_through(const struct way *way)
{
	static struct seen seen;
	MQTTClient sub = create(way, "paho-sub"), pub = create(way, "paho-pub");
	MQTTClient_message message = MQTTClient_message_initializer;
	MQTTProperty user = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
	MQTTProperty correlation = {.identifier = MQTTPROPERTY_CODE_CORRELATION_DATA};
	user.value.data = (MQTTLenString){4, "name"};
	user.value.value = (MQTTLenString){5, "value"};
	correlation.value.data = (MQTTLenString){2, "42"};
	message.payload = "p";
	message.payloadlen = 1;
	message.qos = 1;
	MQTTProperties_add(&message.properties, &user);
	MQTTProperties_add(&message.properties, &correlation);
	DEMAND(connect_as(way, sub, (struct wish){.is_clean = true}, NULL));
	DEMAND(connect_as(way, pub, (struct wish){.is_clean = true}, NULL));
	DEMAND(subscribe_to(way, sub, "paho/props", 1));
	DEMAND(publish_to(way, pub, "paho/props", &message) == 0);
	DEMAND(receive(sub, &seen));
	DEMAND(strcmp(seen.user_value, "value") == 0 && strcmp(seen.correlation, "42") == 0);
	message.properties.count = 0;
	leave(way, &sub);
	leave(way, &pub);
	return true;
}

static volatile int published_reason;

static void published(void *context, int token, int type, MQTTProperties *properties,
		      enum MQTTReasonCodes reason)
{
	(void)context;
	(void)token;
	(void)type;
	(void)properties;
	published_reason = (int)reason;
}

static int arrived(void *context, char *topic, int length, MQTTClient_message *message)
{
	(void)context;
	(void)length;
	MQTTClient_freeMessage(&message);
	MQTTClient_free(topic);
	return 1;
}

static int reason_of(const struct way *way, MQTTClient client, const char *topic)
{
	MQTTClient_message message = MQTTClient_message_initializer;
	message.payload = "p";
	message.payloadlen = 1;
	message.qos = 1;
	published_reason = -1;
	publish_to(way, client, topic, &message);
	for (int i = 0; i < 1000 && published_reason == -1; i++)
		usleep(10000);
	return published_reason;
}

/* No matching subscribers, and what no rule permits. */
static bool reasons_are_told(const struct way *way)
{
	MQTTClient pub = create(way, "paho-pub");
	DEMAND(MQTTClient_setCallbacks(pub, NULL, NULL, arrived, NULL) == MQTTCLIENT_SUCCESS);
	DEMAND(MQTTClient_setPublished(pub, NULL, published) == MQTTCLIENT_SUCCESS);
	DEMAND(connect_as(way, pub, (struct wish){.is_clean = true}, NULL));
	DEMAND(reason_of(way, pub, "paho/nobody") == MQTTREASONCODE_NO_MATCHING_SUBSCRIBERS);
	if (way->user)
		DEMAND(reason_of(way, pub, "elsewhere") == MQTTREASONCODE_NOT_AUTHORIZED);
	leave(way, &pub);
	return true;
}

static void test(const struct way *way, const char *name, bool (*run)(const struct way *))
{
	if (run(way)) {
		printf("ok paho c, %s, %d: %s\n", way->uri, way->version, name);
	} else {
		printf("not ok paho c, %s, %d: %s: %s\n", way->uri, way->version, name, step);
		failures++;
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct way way = {0};
	if (argc != 3 && argc != 6) {
		fprintf(stderr, "usage: paho_c URI 4|5 [CAFILE USER PASSWORD]\n");
		return 2;
	}
	way.uri = argv[1];
	way.version = atoi(argv[2]);
	if (argc == 6) {
		way.ca = argv[3];
		way.user = argv[4];
		way.password = argv[5];
	}
	test(&way, "every QoS and size", every_qos_and_size);
	test(&way, "retained", what_is_retained);
	test(&way, "a session that stays", a_session_that_stays);
	test(&way, "a will after a takeover", a_will_after_a_takeover);
	if (way.version == 5) {
		test(&way, "properties", properties_go_through);
		test(&way, "reason codes", reasons_are_told);
	}
	return failures > 0;
}
