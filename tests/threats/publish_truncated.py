#!/usr/bin/python3
"""Attack: PUBLISH without packet id, with a topic longer than the packet or of length 0, so that a decoder reads behind its
bytes. CVE-2019-17210, CVE-2021-34432."""
from attack import Target, finish, for_each_way, packet, publish, text

# name, packet of 5.0, its statement, packet of 3.1.1, its statement
PUBLISHES = [
    ("QoS 1 that ends behind the topic", packet(0x32, text("a")), "malformed", packet(0x32, text("a")), "malformed"),
    ("QoS 2 with half a packet id", packet(0x34, text("a"), b"\0"), "malformed", packet(0x34, text("a"), b"\0"), "malformed"),
    ("packet id 0", publish("a", b"", 1, 0), "MQTT-2.2.1-3", publish("a", b"", 1, 0, version=4), "MQTT-2.3.1-1"),
    ("QoS 3", packet(0x36, text("a"), b"\0\1\0"), "MQTT-3.3.1-4", packet(0x36, text("a"), b"\0\1"), "MQTT-3.3.1-4"),
    ("DUP of QoS 0", publish("a", flags=8), "MQTT-3.3.1-2", publish("a", flags=8, version=4), "MQTT-3.3.1-2"),
    ("no bytes", b"\x30\0", "MQTT-3.3.2-1", b"\x30\0", "MQTT-3.3.2-1"),
    ("half a length of the topic", b"\x30\1\0", "MQTT-3.3.2-1", b"\x30\1\0", "MQTT-3.3.2-1"),
    ("topic of 65,535 bytes in one of two", packet(0x30, b"\xff\xffab"), "MQTT-3.3.2-1", packet(0x30, b"\xff\xffab"),
     "MQTT-3.3.2-1"),
    ("topic one byte longer than the packet", packet(0x30, b"\0\3ab"), "MQTT-3.3.2-1", packet(0x30, b"\0\3ab"), "MQTT-3.3.2-1"),
    ("topic of length 0", publish(""), "MQTT-4.7.3-1", publish("", version=4), "MQTT-4.7.3-1"),
    ("no properties", packet(0x30, text("a")), "MQTT-2.2.2-1", None, None),
]


def ends(data, statement, version, way):
    TARGET.ends(data, [0x81, 0x82], statement, way, version)


with Target() as TARGET:
    for name, five, statement_5, three, statement_3 in PUBLISHES:
        for_each_way(name, ends, five, statement_5, 5)
        if three:
            for_each_way(name + ", 3.1.1", ends, three, statement_3, 4)
finish()
