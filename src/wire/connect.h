/* CONNECT and CONNACK (sections 3.1 and 3.2). */
#pragma once

#include "wire/frame.h"
#include "wire/props.h"

struct mt_connect {
	enum mt_version version;
	bool is_clean; /* clean start (5) or clean session (3.1.1) */
	bool has_will;
	uint8_t will_qos;
	bool is_will_retain;
	bool has_user;
	bool has_password;
	uint16_t keep_alive_s;
	struct mt_props props;
	struct mt_bytes client_id;
	struct mt_props will_props;
	struct mt_bytes will_topic;
	struct mt_bytes will_payload;
	struct mt_bytes user;
	struct mt_bytes password;
};

/*
 * Another protocol name or version is a violation with reason UNSUPPORTED_PROTOCOL_VERSION
 * ([MQTT-3.1.2-2]); *version_out is always set to what the peer asked for (4 or 5; 4 when unknown),
 * so that the answer can be in its format. In 3.1.1 a password without a user name
 * ([MQTT-3.1.2-22]) and an empty id without clean session ([MQTT-3.1.3-7] of 3.1.1; reason
 * CLIENT_IDENTIFIER_NOT_VALID) are violations. Topic names of wills are checked for UTF-8 here, for
 * wildcards too.
 */
MT_MUST_USE enum mt_status mt_connect_decode(const struct mt_frame *frame, struct mt_connect *out,
					     enum mt_version *version_out,
					     struct mt_violation *why);
MT_MUST_USE enum mt_status mt_connect_encode(const struct mt_connect *connect, struct mt_buf *out);

struct mt_connack {
	bool is_session_present;
	uint8_t reason; /* MQTT 5 code; written as its 3.1.1 return code in 3.1.1, read as the raw
			   byte mapped to its 5 code */
	struct mt_props props;
};

MT_MUST_USE enum mt_status mt_connack_decode(const struct mt_frame *frame, enum mt_version version,
					     struct mt_connack *out, struct mt_violation *why);
MT_MUST_USE enum mt_status mt_connack_encode(const struct mt_connack *connack,
					     enum mt_version version, struct mt_buf *out);
/* 3.1.1's return code (0..5) for a reason of 5, e.g. BAD_USER_NAME_OR_PASSWORD -> 4, NOT_AUTHORIZED
 * -> 5; 3 when nothing fits. */
uint8_t mt_connack_code_v3(uint8_t reason);
