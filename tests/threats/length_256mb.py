#!/usr/bin/python3
"""Attack: packets that announce 256 MB before anybody has logged in, so that a broker that believes the length reserves
the memory. CVE-2017-7651, CVE-2023-0809, CVE-2021-33175."""
from attack import Target, connect, finish, for_each_way, varint

HUGE = b"\x10\xff\xff\xff\x7f" + b"\0\4MQTT\5\2\0\x3c\0"


def refused_by_the_length(way):
    TARGET.refuses(HUGE, "MQTT-3.2.2-15", way)


def takes_no_memory(way):
    """200 of them, each with 12 KB of what it announced."""
    def attack():
        attackers = [TARGET.attacker(way).send(HUGE + b"A" * 12000) for _ in range(200)]
        for attacker in attackers:
            attacker.rest()
            attacker.close()
    TARGET.bounded(attack, 4096)
    TARGET.serves(way)


def connect_of(size):
    """A CONNECT of so many bytes, filled up by a user property."""
    for fill in range(size):
        data = connect(5, properties=b"\x26\0\1a" + fill.to_bytes(2, "big") + b"v" * fill)
        if len(data) == size:
            return data
    raise AssertionError("no CONNECT of %d bytes" % size)


def one_byte_too_many(way):
    """limits.connect_bytes is the border: on it the CONNECT counts, one byte beyond it does not."""
    TARGET.attacker(way).send(connect_of(LIMIT)).expect(0x20)
    TARGET.refuses(connect_of(LIMIT + 1), "MQTT-3.2.2-15", way)


def after_connect(way):
    TARGET.ends(b"\x30\xff\xff\xff\x7f" + b"\0\1a\0" + b"A" * 100000, [0x95], "MQTT-3.2.2-15", way)


def properties_of_256mb(way):
    """The packet is small; its properties say that they are not."""
    data = b"\x10" + varint(17) + b"\0\4MQTT\5\2\0\x3c\xff\xff\xff\x7f\0\0\0"
    TARGET.refuses(data, "malformed", way, [0x81])


LIMIT = 1024
with Target("limits.connect_bytes=1KiB", "limits.packet_bytes=64KiB") as TARGET:
    for_each_way("a CONNECT of 256 MB is refused by its length", refused_by_the_length)
    for_each_way("200 of them take no memory", takes_no_memory)
    for_each_way("the border of connect_bytes", one_byte_too_many)
    for_each_way("256 MB after CONNECT", after_connect)
    for_each_way("properties of 256 MB", properties_of_256mb)
finish()
