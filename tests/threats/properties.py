#!/usr/bin/python3
"""Attack: properties that reach beyond their packet, stand twice, belong to another packet or have values that there are
not; and tens of thousands of them."""
from attack import Target, connect, expect, expect_equal, finish, for_each_way, packet, publish, subscribe, text

CONNECTS = [
    ("properties longer than the packet", packet(0x10, text("MQTT"), b"\5\2\0\x3c\x7f", text("")), "malformed"),
    ("a length of properties of five bytes", packet(0x10, text("MQTT"), b"\5\2\0\x3c\xff\xff\xff\xff\x7f", text("")), "MQTT-1.5.5-1"),
    ("a property cut off", connect(5, properties=b"\x11\0\0"), "malformed"),
    ("a string of a property that is longer than all of them", connect(5, properties=b"\x26\xff\xffa"), "malformed"),
    ("session expiry twice", connect(5, properties=b"\x11\0\0\0\1" * 2), "section 2.2.2.2"),
    ("topic alias, of PUBLISH", connect(5, properties=b"\x23\0\1"), "malformed"),
    ("a property that nobody knows", connect(5, properties=b"\x7f\0"), "malformed"),
    ("an identifier of two bytes that nobody knows", connect(5, properties=b"\xff\x7f\0"), "malformed"),
]
LATER = [
    ("PUBLISH with properties longer than the packet", packet(0x30, text("a"), b"\x7f\x01"), "malformed"),
    ("PUBLISH with payload format twice", publish("a", properties=b"\1\0\1\0"), "section 2.2.2.2"),
    ("PUBLISH with session expiry", publish("a", properties=b"\x11\0\0\0\1"), "malformed"),
    ("PUBLISH with a subscription identifier", publish("a", properties=b"\x0b\1"), "MQTT-3.3.4-6"),
    ("SUBSCRIBE with a topic alias", subscribe(["a"], properties=b"\x23\0\1"), "malformed"),
    ("SUBSCRIBE with a subscription identifier of five bytes", subscribe(["a"], properties=b"\x0b\xff\xff\xff\xff\x7f"),
     "malformed"),
    ("PUBACK with properties longer than the packet", b"\x40\5\0\1\0\x7f\x1f", "malformed"),
    ("PUBACK with a receive maximum", b"\x40\7\0\1\0\3\x21\0\1", "malformed"),
    ("DISCONNECT with a server reference", b"\xe0\6\0\4\x1c\0\1a", "malformed"),
    ("UNSUBSCRIBE with a subscription identifier", packet(0xa2, b"\0\1\2\x0b\1", text("a")), "malformed"),
]


def before(data, statement, way):
    TARGET.refuses(data, statement, way, [0x81, 0x82])


def after(data, statement, way):
    TARGET.ends(data, [0x81, 0x82], statement, way)


def bomb(way):
    """A packet of nothing but user properties, where the limits on them are lifted: it goes through, to a reader that wants it."""
    def attack():
        attacker = TARGET.client(way)
        attacker.send(subscribe(["bomb"])).expect(0x90)
        attacker.send(publish("bomb", properties=b"\x26\0\0\0\0" * 200000, qos=1, identifier=1))
        got = dict([attacker.packet(), attacker.packet()])
        expect_equal(got[0x40], b"\0\1")
        expect(got[0x32].count(b"\x26\0\0\0\0") >= 199999, "properties are missing")
        attacker.send(b"\xe0\0").rest()
        attacker.close()
    TARGET.bounded(attack, 16384)
    TARGET.serves(way)


with Target("limits.user_properties=1000000", "limits.property_bytes=1MiB") as TARGET:
    for name, data_, statement_ in CONNECTS:
        for_each_way(name, before, data_, statement_)
    for name, data_, statement_ in LATER:
        for_each_way(name, after, data_, statement_)
    for_each_way("200,000 user properties", bomb)
finish()
