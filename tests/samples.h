/* Packets written by hand from the tables of the standards: each type, both versions, both
 * directions. */
#pragma once

#include "wire/packet.h"

struct mt_sample {
	const char *name;
	enum mt_version version;
	enum mt_side side;
	const char *data;
	size_t len;
};

#define V3 MT_VERSION_3_1_1
#define V5 MT_VERSION_5
#define CLIENT MT_SIDE_CLIENT
#define SERVER MT_SIDE_SERVER
#define SAMPLE(name, version, side, bytes) \
	{ \
		name, version, side, bytes, sizeof(bytes) - 1 \
	}

static const struct mt_sample mt_samples[] = {
	SAMPLE("connect 3, clean", V3, CLIENT, "\x10\x0e\0\4MQTT\4\2\0\x3c\0\2c1"),
	SAMPLE("connect 3, empty id", V3, CLIENT, "\x10\x0c\0\4MQTT\4\2\0\0\0\0"),
	SAMPLE("connect 3, will and credentials", V3, CLIENT,
	       "\x10\x20\0\4MQTT\4\xf6\0\x0a\0\2c1\0\3w/t\0\2by\0\1u\0\4pass"),
	SAMPLE("connect 5, plain", V5, CLIENT, "\x10\x0f\0\4MQTT\5\0\0\x3c\0\0\2c1"),
	SAMPLE("connect 5, password alone", V5, CLIENT, "\x10\x10\0\4MQTT\5\x42\0\0\0\0\0\0\1\0"),
	SAMPLE("connect 5, properties", V5, CLIENT,
	       "\x10\x35\0\4MQTT\5\2\0\x3c\x26"
	       "\x11\0\0\0\x0a\x21\0\x14\x27\0\0\4\0\x22\0\5\x19\1\x17\0"
	       "\x26\0\1k\0\1v\x15\0\3abc\x16\0\2\xff\0"
	       "\0\2c1"),
	SAMPLE("connect 5, will", V5, CLIENT,
	       "\x10\x3b\0\4MQTT\5\xee\0\x3c\0\0\2c1"
	       "\x1e\x18\0\0\0\5\1\1\2\0\0\0\x3c\3\0\1t\x08\0\1r\x09\0\1\xfe\x26\0\1a\0\0"
	       "\0\1w\0\2by\0\1u\0\1p"),
	SAMPLE("connack 3, accepted", V3, SERVER, "\x20\2\1\0"),
	SAMPLE("connack 3, not authorized", V3, SERVER, "\x20\2\0\5"),
	SAMPLE("connack 5, accepted", V5, SERVER, "\x20\3\0\0\0"),
	SAMPLE("connack 5, session present", V5, SERVER, "\x20\3\1\0\0"),
	SAMPLE("connack 5, refused", V5, SERVER, "\x20\x0f\0\x9c\x0c\x1c\0\2s2\x1f\0\4gone"),
	SAMPLE("connack 5, every property", V5, SERVER,
	       "\x20\x44\0\0\x41"
	       "\x11\0\0\0\x0a\x21\0\x14\x24\1\x25\0\x27\0\0\4\0\x12\0\3id7\x22\0\x0a"
	       "\x1f\0\2ok\x26\0\1k\0\1v\x28\1\x29\0\x2a\1\x13\0\x1e\x1a\0\2r/"
	       "\x1c\0\2s2\x15\0\1m\x16\0\1d"),
	SAMPLE("publish 3, QoS 0", V3, CLIENT, "\x30\x0a\0\3a/bhello"),
	SAMPLE("publish 3, retain, empty", V3, CLIENT, "\x31\5\0\3a/b"),
	SAMPLE("publish 3, QoS 1", V3, SERVER, "\x32\x0a\0\3a/b\0\1abc"),
	SAMPLE("publish 3, QoS 2, dup", V3, CLIENT, "\x3c\x0a\0\3a/b\xff\xffxyz"),
	SAMPLE("publish 5, QoS 0", V5, CLIENT, "\x30\x0b\0\3a/b\0hello"),
	SAMPLE("publish 5, long name", V5, CLIENT, "\x30\x1f\0\x19sites/north/pump-7/status\0{} "),
	SAMPLE("publish 5, name beyond ASCII", V5, CLIENT,
	       "\x30\x0d\0\x09\xc3\xa9t\xc3\xa9/\xe2\x82\xac\0x"),
	SAMPLE("publish 5, alias alone", V5, CLIENT, "\x30\7\0\0\3\x23\0\1z"),
	SAMPLE("publish 5, properties", V5, CLIENT,
	       "\x3b\x34\0\3a/b\0\7\x27"
	       "\1\1\2\0\0\0\x3c\x23\0\2\x08\0\3r/"
	       "t\x09\0\2\0\xff\x26\0\1k\0\1v\x26\0\1k\0\1w\3\0\1j"
	       "hello"),
	SAMPLE("publish 5, subscription ids", V5, SERVER,
	       "\x34\x14\0\3a/b\0\1\x0c\x0b\1\x0b\x80\1\x26\0\1k\0\1v"),
	SAMPLE("puback 3", V3, CLIENT, "\x40\2\0\1"),
	SAMPLE("pubrec 3", V3, SERVER, "\x50\2\0\1"),
	SAMPLE("pubrel 3", V3, CLIENT, "\x62\2\xff\xff"),
	SAMPLE("pubcomp 3", V3, SERVER, "\x70\2\0\1"),
	SAMPLE("puback 5, short", V5, CLIENT, "\x40\2\0\1"),
	SAMPLE("puback 5, reason", V5, SERVER, "\x40\3\0\1\x10"),
	SAMPLE("puback 5, properties", V5, SERVER,
	       "\x40\x12\0\1\x87\x0e\x1f\0\4nope\x26\0\1k\0\1v"),
	SAMPLE("pubrec 5, no properties", V5, SERVER, "\x50\4\0\1\x97\0"),
	SAMPLE("pubrel 5, reason", V5, CLIENT, "\x62\3\0\1\x92"),
	SAMPLE("pubcomp 5, success and string", V5, SERVER, "\x70\x09\0\1\0\5\x1f\0\2ok"),
	SAMPLE("subscribe 3", V3, CLIENT, "\x82\x0e\0\1\0\3a/b\1\0\3c/#\2"),
	SAMPLE("subscribe 5", V5, CLIENT, "\x82\x0f\0\1\0\0\3a/b\x2d\0\3+/#\2"),
	SAMPLE("subscribe 5, shared, properties", V5, CLIENT,
	       "\x82\x1e\0\1\x0a\x0b\xac\2\x26\0\1k\0\1v\0\x0e$share/g/+/a/#\1"),
	SAMPLE("suback 3", V3, SERVER, "\x90\6\0\1\0\1\2\x80"),
	SAMPLE("suback 5", V5, SERVER, "\x90\x0b\0\1\5\x1f\0\2ok\0\2\x9e"),
	SAMPLE("unsubscribe 3", V3, CLIENT, "\xa2\x0c\0\1\0\3a/b\0\3c/#"),
	SAMPLE("unsubscribe 5", V5, CLIENT, "\xa2\x0f\0\1\7\x26\0\1k\0\1v\0\3a/b"),
	SAMPLE("unsuback 3", V3, SERVER, "\xb0\2\0\1"),
	SAMPLE("unsuback 5", V5, SERVER, "\xb0\6\0\1\0\0\x11\x87"),
	SAMPLE("pingreq 3", V3, CLIENT, "\xc0\0"),
	SAMPLE("pingresp 5", V5, SERVER, "\xd0\0"),
	SAMPLE("disconnect 3", V3, CLIENT, "\xe0\0"),
	SAMPLE("disconnect 5, short", V5, CLIENT, "\xe0\0"),
	SAMPLE("disconnect 5, with will", V5, CLIENT, "\xe0\1\4"),
	SAMPLE("disconnect 5, client's properties", V5, CLIENT, "\xe0\7\0\5\x11\0\0\0\x3c"),
	SAMPLE("disconnect 5, moved", V5, SERVER, "\xe0\x0e\x9d\x0c\x1c\0\2s2\x26\0\1k\0\1v"),
	SAMPLE("auth 5, empty", V5, SERVER, "\xf0\0"),
	SAMPLE("auth 5, continue", V5, CLIENT, "\xf0\x0b\x18\x09\x15\0\1m\x16\0\2\xff\1"),
	SAMPLE("auth 5, again", V5, CLIENT, "\xf0\6\x19\4\x15\0\1m"),
};

#undef SAMPLE
#undef V3
#undef V5
#undef CLIENT
#undef SERVER
