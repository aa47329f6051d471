#!/usr/bin/python3
"""Attack: will flags, properties and topics that contradict each other, and thousands of wills.
CVE-2023-3592, CVE-2019-11778, CVE-2021-34431."""
import struct

from attack import Target, await_true, connect, expect, expect_equal, finish, for_each_way, subscribe, text, varint


def will(flags=6, topic="w/a", payload=b"x", properties=b"", client_id="will", more=b"", expiry=b""):
    return connect(5, client_id, flags, expiry, varint(len(properties)) + properties + text(topic) + text(payload) + more)


REFUSED = [
    ("QoS 3", will(0x1e), "MQTT-3.1.2-12"),
    ("QoS without will", connect(5, flags=0x0a), "MQTT-3.1.2-11"),
    ("retain without will", connect(5, flags=0x22), "MQTT-3.1.2-13"),
    ("flag without a will", connect(5, flags=6), "MQTT-2.2.2-1"),
    ("no payload", connect(5, "w", 6, more=b"\0" + text("w/a")), "MQTT-3.1.2-9"),
    ("payload longer than the packet", connect(5, "w", 6, more=b"\0" + text("w/a") + b"\xff\xffx"), "MQTT-3.1.2-9"),
    ("topic longer than the packet", connect(5, "w", 6, more=b"\0\xff\xffa"), "MQTT-3.1.2-9"),
    ("topic of length 0", will(topic=""), "MQTT-4.7.3-1"),
    ("topic with a wildcard", will(topic="w/#"), "MQTT-4.7.0-1"),
    ("properties longer than the packet", connect(5, "w", 6, more=b"\xff\x7f" + text("a") + text("x")), "malformed"),
    ("property of CONNECT", will(properties=b"\x11\0\0\0\1"), "malformed"),
    ("delay twice", will(properties=b"\x18\0\0\0\1" * 2), "section 2.2.2.2"),
    ("delay among the properties of CONNECT", connect(5, properties=b"\x18\0\0\0\1"), "malformed"),
    ("payload format 2", will(properties=b"\1\2"), None),
    ("topic alias", will(properties=b"\x23\0\1"), "malformed"),
    ("bytes behind the will", will(more=b"z"), "MQTT-3.1.2-16"),
]


def refused(data, statement, way):
    if statement:
        TARGET.refuses(data, statement, way)
        return
    attacker = TARGET.attacker(way).send(data)
    packets = attacker.rest()
    expect(packets and packets[0][1][1] in (0x81, 0x82, 0x99), "%r" % packets)
    TARGET.logged(attacker, "statement=")


def refused_wills_never_fire(way):
    witness = TARGET.client(way)
    witness.send(subscribe(["w/#"])).expect(0x90)
    for _, data, _ in REFUSED:
        TARGET.attacker(way).send(data).rest()
    expect_equal(witness.until_pong(), [])


def to_the_broker_itself(way):
    """A will goes no further than a publication of its author."""
    attacker = TARGET.attacker(way).send(will(topic="$SYS/broker/uptime"))
    packets = attacker.rest()
    expect_equal([(first, body[1]) for first, body in packets], [(0x20, 0x87)])
    TARGET.serves(way)


def fires_once(way):
    """Reset, will delay, clean takeover and expiry together: one will."""
    witness = TARGET.client(way)
    witness.send(subscribe(["w/#"])).expect(0x90)
    properties = b"\x18" + struct.pack(">I", 3600)
    for _ in range(5):
        TARGET.attacker(way).send(will(properties=properties, client_id="once")).expect(0x20)
    attacker = TARGET.attacker(way).send(will(topic="w/last", client_id="once"))
    attacker.expect(0x20)
    witness.until_pong()
    attacker.send(b"\xff\xff").rest()
    expect_equal(witness.expect(0x30)[:8], text("w/last"))
    expect_equal(witness.until_pong(), [])


def a_thousand(way):
    """Wills that wait are part of their sessions, and of their limit."""
    properties = b"\x18" + struct.pack(">I", 1)
    expiry = b"\x11" + struct.pack(">I", 1)

    def attack():
        for at in range(300):
            attacker = TARGET.attacker(way).send(will(properties=properties, payload=b"z" * 4096, expiry=expiry,
                                                      client_id="w%d" % at))
            attacker.expect(0x20)
            attacker.close()
        await_true(lambda: TARGET.status()["sessions"] == 0, 8)
    TARGET.bounded(attack, 16384, 65536)
    TARGET.serves(way)


with Target("listeners.plain.anonymous_sessions=yes", "listeners.tls.anonymous_sessions=yes") as TARGET:
    for name, data_, statement_ in REFUSED:
        for_each_way(name, refused, data_, statement_)
    for_each_way("refused wills never fire", refused_wills_never_fire)
    for_each_way("a will to $SYS", to_the_broker_itself)
    for_each_way("one will", fires_once)
    for_each_way("hundreds that wait", a_thousand)
finish()
