#!/usr/bin/python3
"""Attack: a remaining length of five bytes, which overflows a decoder that counts on four. CVE-2026-21888."""
from attack import Target, connect, finish, for_each_way

FIVE = (b"\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x00", b"\x80\x80\x80\x80\x01", b"\xff\xff\xff\xff\xff")
NEEDLESS = (b"\x80\x00", b"\x8d\x00", b"\x8d\x80\x00", b"\x8d\x80\x80\x00")


def before_connect(length, way):
    TARGET.refuses(b"\x10" + length + connect(5)[2:], "malformed", way)


def after_connect(length, version, statement, way):
    TARGET.ends(b"\x30" + length + b"\0\1ax", [0x81], statement, way, version)


def byte_by_byte(way):
    """The fifth byte decides, however late it comes."""
    attacker = TARGET.client(way)
    for byte in b"\x30" + FIVE[0]:
        attacker.send(bytes([byte]))
    assert [body[0] for first, body in attacker.rest() if first == 0xe0] == [0x81]
    TARGET.logged(attacker, 'statement="malformed"')


with Target() as TARGET:
    for each in FIVE:
        for_each_way("%s before CONNECT" % each.hex(), before_connect, each)
        for_each_way("%s after CONNECT" % each.hex(), after_connect, each, 5, "malformed")
        for_each_way("%s after CONNECT, 3.1.1" % each.hex(), after_connect, each, 4, "malformed")
    for each in NEEDLESS:
        for_each_way("needless bytes, %s" % each.hex(), after_connect, each, 5, "MQTT-1.5.5-1")
        for_each_way("needless bytes, %s, 3.1.1" % each.hex(), after_connect, each, 4, "section 2.2.3")
    for_each_way("one byte at a time", byte_by_byte)
finish()
