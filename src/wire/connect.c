/* CONNECT and CONNACK. Pure. */
#include "wire/connect.h"

#include "wire/field.h"

enum flag {
	FLAG_RESERVED = 0x01,
	FLAG_CLEAN = 0x02,
	FLAG_WILL = 0x04,
	FLAG_WILL_QOS_SHIFT = 3,
	FLAG_WILL_RETAIN = 0x20,
	FLAG_PASSWORD = 0x40,
	FLAG_USER = 0x80,
};

static const char protocol_name[] = "MQTT";

/* Protocol name and level; *version_out in any case, for the form of the answer. */
static enum mt_status take_version(struct mt_reader *in, enum mt_version *version_out,
				   struct mt_violation *why)
{
	struct mt_bytes name;
	uint8_t level;
	*version_out = MT_VERSION_3_1_1;
	if (!mt_field_take(in, &name))
		return mt_violate(why, "MQTT-3.1.4-1", MT_REASON_MALFORMED_PACKET, in->pos);
	if (!mt_bytes_equal(name, mt_bytes_str(protocol_name)))
		return mt_violate(why, "MQTT-3.1.2-1", MT_REASON_UNSUPPORTED_PROTOCOL_VERSION, 2);
	level = mt_reader_u8(in);
	if (in->is_short)
		return mt_violate(why, "MQTT-3.1.4-1", MT_REASON_MALFORMED_PACKET, in->pos);
	if (level != MT_VERSION_3_1_1 && level != MT_VERSION_5)
		return mt_violate(why, "MQTT-3.1.2-2", MT_REASON_UNSUPPORTED_PROTOCOL_VERSION,
				  in->pos - 1);
	*version_out = (enum mt_version)level;
	return MT_OK;
}

static enum mt_status check_flags(uint8_t flags, enum mt_version version, size_t offset,
				  struct mt_violation *why)
{
	unsigned will_qos = flags >> FLAG_WILL_QOS_SHIFT & 3;
	const char *statement = NULL;
	if (flags & FLAG_RESERVED)
		statement = "MQTT-3.1.2-3";
	else if (!(flags & FLAG_WILL) && will_qos != 0)
		statement = mt_field_id(version, "MQTT-3.1.2-13", "MQTT-3.1.2-11");
	else if (!(flags & FLAG_WILL) && (flags & FLAG_WILL_RETAIN))
		statement = mt_field_id(version, "MQTT-3.1.2-15", "MQTT-3.1.2-13");
	else if (will_qos == 3)
		statement = mt_field_id(version, "MQTT-3.1.2-14", "MQTT-3.1.2-12");
	else if (version == MT_VERSION_3_1_1 && (flags & FLAG_PASSWORD) && !(flags & FLAG_USER))
		statement = "MQTT-3.1.2-22";
	return statement ? mt_violate(why, statement, MT_REASON_MALFORMED_PACKET, offset) : MT_OK;
}

static enum mt_status take_header(struct mt_reader *in, struct mt_connect *connect,
				  struct mt_violation *why)
{
	uint8_t flags = mt_reader_u8(in);
	connect->keep_alive_s = mt_reader_u16(in);
	if (in->is_short)
		return mt_violate(why, "MQTT-3.1.4-1", MT_REASON_MALFORMED_PACKET, in->pos);
	MT_TRY(check_flags(flags, connect->version, in->pos - 3, why));
	connect->is_clean = (flags & FLAG_CLEAN) != 0;
	connect->has_will = (flags & FLAG_WILL) != 0;
	connect->will_qos = flags >> FLAG_WILL_QOS_SHIFT & 3;
	connect->is_will_retain = (flags & FLAG_WILL_RETAIN) != 0;
	connect->has_user = (flags & FLAG_USER) != 0;
	connect->has_password = (flags & FLAG_PASSWORD) != 0;
	if (connect->version == MT_VERSION_5)
		MT_TRY(mt_props_decode(in, MT_PACKET_CONNECT, MT_SIDE_CLIENT, &connect->props,
				       why));
	return MT_OK;
}

static enum mt_status take_client_id(struct mt_reader *in, struct mt_connect *connect,
				     struct mt_violation *why)
{
	if (!mt_field_take(in, &connect->client_id))
		return mt_violate(why, "MQTT-3.1.3-3", MT_REASON_MALFORMED_PACKET, in->pos);
	MT_TRY(mt_field_check_text(connect->client_id, connect->version,
				   in->pos - connect->client_id.len, why));
	if (connect->version == MT_VERSION_3_1_1 && connect->client_id.len == 0 &&
	    !connect->is_clean)
		return mt_violate(why, "MQTT-3.1.3-7", MT_REASON_CLIENT_IDENTIFIER_NOT_VALID,
				  in->pos);
	return MT_OK;
}

static enum mt_status take_will(struct mt_reader *in, struct mt_connect *connect,
				struct mt_violation *why)
{
	if (connect->version == MT_VERSION_5)
		MT_TRY(mt_props_decode(in, MT_PACKET_WILL, MT_SIDE_CLIENT, &connect->will_props,
				       why));
	if (!mt_field_take(in, &connect->will_topic))
		return mt_violate(why, "MQTT-3.1.2-9", MT_REASON_MALFORMED_PACKET, in->pos);
	MT_TRY(mt_field_check_name(connect->will_topic, connect->version,
				   in->pos - connect->will_topic.len,
				   mt_field_id(connect->version, "MQTT-4.7.1-1", "MQTT-4.7.0-1"),
				   MT_REASON_MALFORMED_PACKET, why));
	if (!mt_field_take(in, &connect->will_payload))
		return mt_violate(why, "MQTT-3.1.2-9", MT_REASON_MALFORMED_PACKET, in->pos);
	return MT_OK;
}

static enum mt_status take_credentials(struct mt_reader *in, struct mt_connect *connect,
				       struct mt_violation *why)
{
	enum mt_version version = connect->version;
	if (connect->has_user) {
		if (!mt_field_take(in, &connect->user))
			return mt_violate(why,
					  mt_field_id(version, "MQTT-3.1.2-19", "MQTT-3.1.2-17"),
					  MT_REASON_MALFORMED_PACKET, in->pos);
		MT_TRY(mt_field_check_text(connect->user, version, in->pos - connect->user.len,
					   why));
	}
	if (connect->has_password && !mt_field_take(in, &connect->password))
		return mt_violate(why, mt_field_id(version, "MQTT-3.1.2-21", "MQTT-3.1.2-19"),
				  MT_REASON_MALFORMED_PACKET, in->pos);
	return MT_OK;
}

/* What stands behind the last field that the flags announce: the first missing flag names the rule.
 */
static enum mt_status check_end(const struct mt_reader *in, const struct mt_connect *connect,
				struct mt_violation *why)
{
	const char *statement = "MQTT-3.1.4-1";
	if (mt_reader_left(in) == 0)
		return MT_OK;
	if (!connect->has_user)
		statement = mt_field_id(connect->version, "MQTT-3.1.2-18", "MQTT-3.1.2-16");
	else if (!connect->has_password)
		statement = mt_field_id(connect->version, "MQTT-3.1.2-20", "MQTT-3.1.2-18");
	return mt_violate(why, statement, MT_REASON_MALFORMED_PACKET, in->pos);
}

enum mt_status mt_connect_decode(const struct mt_frame *frame, struct mt_connect *out,
				 enum mt_version *version_out, struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(frame->body);
	struct mt_connect connect = {0};
	MT_CHECK(frame->type == MT_PACKET_CONNECT);
	MT_TRY(take_version(&in, version_out, why));
	connect.version = *version_out;
	MT_TRY(take_header(&in, &connect, why));
	MT_TRY(take_client_id(&in, &connect, why));
	if (connect.has_will)
		MT_TRY(take_will(&in, &connect, why));
	MT_TRY(take_credentials(&in, &connect, why));
	MT_TRY(check_end(&in, &connect, why));
	*out = connect;
	return MT_OK;
}

static uint8_t flags_of(const struct mt_connect *connect)
{
	unsigned flags = 0;
	flags |= connect->is_clean ? FLAG_CLEAN : 0;
	flags |= connect->has_will ? FLAG_WILL : 0;
	flags |= (unsigned)connect->will_qos << FLAG_WILL_QOS_SHIFT;
	flags |= connect->is_will_retain ? FLAG_WILL_RETAIN : 0;
	flags |= connect->has_password ? FLAG_PASSWORD : 0;
	flags |= connect->has_user ? FLAG_USER : 0;
	return (uint8_t)flags;
}

static size_t body_bytes(const struct mt_connect *connect)
{
	bool has_props = connect->version == MT_VERSION_5;
	size_t sum = 2 + sizeof(protocol_name) - 1 + 4 + mt_field_bytes(connect->client_id);
	sum += has_props ? mt_props_bytes(&connect->props) : 0;
	if (connect->has_will) {
		sum += has_props ? mt_props_bytes(&connect->will_props) : 0;
		sum += mt_field_bytes(connect->will_topic) + mt_field_bytes(connect->will_payload);
	}
	sum += connect->has_user ? mt_field_bytes(connect->user) : 0;
	return sum + (connect->has_password ? mt_field_bytes(connect->password) : 0);
}

static void put_payload(const struct mt_connect *connect, struct mt_buf *out)
{
	mt_field_put(out, connect->client_id);
	if (connect->has_will) {
		if (connect->version == MT_VERSION_5)
			mt_props_encode(&connect->will_props, out);
		mt_field_put(out, connect->will_topic);
		mt_field_put(out, connect->will_payload);
	}
	if (connect->has_user)
		mt_field_put(out, connect->user);
	if (connect->has_password)
		mt_field_put(out, connect->password);
}

enum mt_status mt_connect_encode(const struct mt_connect *connect, struct mt_buf *out)
{
	struct mt_violation ignored;
	MT_CHECK(connect->version == MT_VERSION_3_1_1 || connect->version == MT_VERSION_5);
	if (connect->will_qos > 2 ||
	    check_flags(flags_of(connect), connect->version, 0, &ignored) != MT_OK)
		return MT_INVALID;
	MT_TRY(mt_field_begin(out, MT_PACKET_CONNECT, 0, body_bytes(connect)));
	mt_field_put(out, mt_bytes_str(protocol_name));
	mt_buf_put_u8(out, (uint8_t)connect->version);
	mt_buf_put_u8(out, flags_of(connect));
	mt_buf_put_u16(out, connect->keep_alive_s);
	if (connect->version == MT_VERSION_5)
		mt_props_encode(&connect->props, out);
	put_payload(connect, out);
	return MT_OK;
}

/* Section 3.2.2.3 of 3.1.1: the reason of 5 for each return code. */
static const uint8_t reason_of_code[] = {
	MT_REASON_SUCCESS,
	MT_REASON_UNSUPPORTED_PROTOCOL_VERSION,
	MT_REASON_CLIENT_IDENTIFIER_NOT_VALID,
	MT_REASON_SERVER_UNAVAILABLE,
	MT_REASON_BAD_USER_NAME_OR_PASSWORD,
	MT_REASON_NOT_AUTHORIZED,
};

static enum mt_status take_reason(struct mt_reader *in, enum mt_version version, uint8_t *out,
				  struct mt_violation *why)
{
	uint8_t raw = mt_reader_u8(in);
	if (in->is_short)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, in->pos);
	if (version == MT_VERSION_3_1_1) {
		if (raw >= MT_COUNT_OF(reason_of_code))
			return mt_violate(why, "MQTT-3.2.2-6", MT_REASON_PROTOCOL_ERROR,
					  in->pos - 1);
		raw = reason_of_code[raw];
	} else if (!mt_reason_is_legal(raw, MT_PACKET_CONNACK, MT_SIDE_SERVER)) {
		return mt_violate(why, "MQTT-3.2.2-8", MT_REASON_PROTOCOL_ERROR, in->pos - 1);
	}
	*out = raw;
	return MT_OK;
}

enum mt_status mt_connack_decode(const struct mt_frame *frame, enum mt_version version,
				 struct mt_connack *out, struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(frame->body);
	struct mt_connack connack = {0};
	uint8_t flags = mt_reader_u8(&in);
	MT_CHECK(frame->type == MT_PACKET_CONNACK);
	if (flags > 1)
		return mt_violate(why, mt_field_id(version, "MQTT-2.2.2-1", "MQTT-3.2.2-1"),
				  MT_REASON_MALFORMED_PACKET, 0);
	connack.is_session_present = flags == 1;
	MT_TRY(take_reason(&in, version, &connack.reason, why));
	if (connack.is_session_present && connack.reason != MT_REASON_SUCCESS)
		return mt_violate(why, mt_field_id(version, "MQTT-3.2.2-4", "MQTT-3.2.2-6"),
				  MT_REASON_PROTOCOL_ERROR, 0);
	if (version == MT_VERSION_5)
		MT_TRY(mt_props_decode(&in, MT_PACKET_CONNACK, MT_SIDE_SERVER, &connack.props,
				       why));
	MT_TRY(mt_field_end(&in, why));
	*out = connack;
	return MT_OK;
}

uint8_t mt_connack_code_v3(uint8_t reason)
{
	for (uint8_t code = 0; code < MT_COUNT_OF(reason_of_code); code++)
		if (reason_of_code[code] == reason)
			return code;
	return reason == MT_REASON_BANNED || reason == MT_REASON_BAD_AUTHENTICATION_METHOD ? 5 : 3;
}

enum mt_status mt_connack_encode(const struct mt_connack *connack, enum mt_version version,
				 struct mt_buf *out)
{
	bool is_old = version == MT_VERSION_3_1_1;
	MT_CHECK(mt_reason_is_legal(connack->reason, MT_PACKET_CONNACK, MT_SIDE_SERVER));
	MT_CHECK(!connack->is_session_present || connack->reason == MT_REASON_SUCCESS);
	MT_TRY(mt_field_begin(out, MT_PACKET_CONNACK, 0,
			      2 + (is_old ? 0 : mt_props_bytes(&connack->props))));
	mt_buf_put_u8(out, connack->is_session_present);
	mt_buf_put_u8(out, is_old ? mt_connack_code_v3(connack->reason) : connack->reason);
	if (!is_old)
		mt_props_encode(&connack->props, out);
	return MT_OK;
}
