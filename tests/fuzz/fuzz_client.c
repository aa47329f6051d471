/*
 * A hostile server against the client machine. The input chooses version and acts of the client,
 * and is the server's stream: byte 0: settings; then records of [op][len][bytes...] until the end.
 */
#include "base/buf.h"
#include "client/client.h"

#include <stdlib.h>

#define HELD_BYTES_MAX (1u << 20)

/* What the client sends is legal MQTT: whole packets that our own decoders take. */
static void check_sent(struct mt_bytes sent, enum mt_version version)
{
	struct mt_frame frame;
	struct mt_violation why;
	size_t pos = 0;
	while (pos < sent.len) {
		struct mt_bytes left = mt_bytes_from(sent, pos);
		struct mt_publish publish;
		struct mt_control control;
		MT_CHECK(mt_frame_next(left, HELD_BYTES_MAX, &frame, &why) == MT_OK);
		if (frame.type == MT_PACKET_PUBLISH)
			MT_CHECK(mt_publish_decode(&frame, version, MT_SIDE_CLIENT, &publish,
						   &why) == MT_OK);
		if (frame.type == MT_PACKET_AUTH)
			MT_CHECK(mt_control_decode(&frame, version, MT_SIDE_CLIENT, &control,
						   &why) == MT_OK);
		pos += frame.bytes;
	}
}

static enum mt_status begin(struct mt_client *client, struct mt_now now, bool has_method)
{
	return has_method ? mt_client_connect_by(client, now, mt_bytes_str("a"))
			  : mt_client_connect(client, now);
}

static void drain(struct mt_client *client, struct mt_now now, enum mt_version version)
{
	struct mt_client_event event;
	struct mt_bytes view;
	while (mt_client_event(client, &event)) {
		if (event.type == MT_CLIENT_MESSAGE)
			MT_CHECK(event.message.topic.len > 0);
		/* It is our turn, unless our word is longer than the server takes. */
		if (event.type == MT_CLIENT_CHALLENGE)
			MT_CHECK(mt_client_authenticate(client, now, event.data) != MT_INVALID);
	}
	while (mt_client_output(client, &view, 1) > 0) {
		check_sent(view, version);
		mt_client_sent(client, now, view.len);
	}
	MT_CHECK(mt_client_used_bytes(client) < HELD_BYTES_MAX);
}

static void act(struct mt_client *client, uint8_t op, struct mt_now *now, bool has_method)
{
	struct mt_publish publish = {
		.qos = op % 3, .topic = mt_bytes_str("t"), .payload = mt_bytes_str("p")};
	struct mt_client_filter filter = {.filter = mt_bytes_str("a/#")};
	struct mt_control control = {0};
	struct mt_violation why;
	uint16_t id;
	switch (op & 7) {
	case 0:
	case 1:
	case 2:
		(void)!mt_client_publish(client, &publish, &id, &why);
		return;
	case 3:
		(void)!mt_client_subscribe(client, &filter, 1, NULL, &id, &why);
		return;
	case 4:
		if (op & 8)
			(void)!mt_client_authenticate(client, *now, mt_bytes_str("a"));
		(void)!mt_client_unsubscribe(client, &filter, 1, NULL, &id, &why);
		return;
	case 5:
		now->mono_ns += 20 * MT_SECOND;
		mt_client_tick(client, *now);
		return;
	case 6:
		mt_client_closed(client);
		(void)!begin(client, *now, has_method);
		return;
	default:
		(void)!mt_client_disconnect(client, &control, &why);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_client_settings settings = mt_client_defaults();
	struct mt_reader in = mt_reader_of(mt_bytes_of(data, size));
	struct mt_now now = {MT_SECOND, 0};
	struct mt_client *client = NULL;
	struct mt_violation why;
	uint8_t choice = mt_reader_u8(&in);
	bool has_method;
	settings.connect.version = choice & 1 ? MT_VERSION_5 : MT_VERSION_3_1_1;
	settings.connect.is_clean = choice & 2;
	settings.connect.client_id = mt_bytes_str("c");
	has_method = choice % 8 == 5 || choice % 8 == 7;
	if (has_method) {
		settings.connect.props.present = MT_PROP_BIT(AUTHENTICATION_METHOD);
		settings.connect.props.auth_method = mt_bytes_str("M");
	}
	settings.limits = (struct mt_client_limits){
		.packet_bytes = 65536,
		.memory_bytes = HELD_BYTES_MAX / 2,
		.output_bytes = 512,
		.queue_messages = 4,
		.requests = 2,
		.window = 2,
		.receive_max = 3,
		.topic_alias_max = 2,
	};
	if (mt_client_create(&settings, &client, &why) != MT_OK)
		return 0;
	MT_CHECK(begin(client, now, has_method) == MT_OK);
	drain(client, now, settings.connect.version);
	while (mt_reader_left(&in) > 0) {
		uint8_t op = mt_reader_u8(&in);
		size_t len = mt_reader_u8(&in);
		struct mt_bytes bytes;
		if (op < 0x80)
			act(client, op, &now, has_method);
		if (len > mt_reader_left(&in))
			len = mt_reader_left(&in);
		bytes = mt_reader_take(&in, len);
		mt_client_input(client, now, bytes);
		drain(client, now, settings.connect.version);
	}
	mt_client_destroy(&client);
	return 0;
}
