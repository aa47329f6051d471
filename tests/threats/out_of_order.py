#!/usr/bin/python3
"""Attack: packets at a moment they are not for: a second CONNECT, AUTH nobody asked for, PUBREL and acknowledgements of what
there is not."""
from attack import Target, connect, expect, expect_equal, finish, for_each_way, publish, subscribe


def second_connect(version, way):
    """It is the end, not a new beginning, and not a way into another session."""
    TARGET.ends(connect(version, "other", flags=2), [0x82], "MQTT-3.1.0-2", way, version)


def auth(version, way):
    statement = "MQTT-4.12.0-7" if version == 5 else "section 2.2.1"
    for data in (b"\xf0\0", b"\xf0\2\x18\0", b"\xf0\2\x19\0"):
        attacker = TARGET.client(way, version=version).send(data)
        said = [body[0] for first, body in attacker.rest() if first == 0xe0]
        expect(said in ([0x81], [0x82]) if version == 5 else said == [], "%r" % said)
        TARGET.logged(attacker, "statement=")
    TARGET.ends(b"\xf0\2\x18\0", [0x82], statement, way, version)


def unknown_pubrel(version, way):
    """Answered, so that both can forget it; again and again."""
    attacker = TARGET.client(way, version=version)
    for number in (1, 99, 65535, 99):
        answer = number.to_bytes(2, "big")
        attacker.send(b"\x62\2" + answer).expect(0x70, answer + (b"\x92" if version == 5 else b""))
    expect_equal(attacker.until_pong(), [])
    attacker.close()


def unknown_acknowledgements(version, way):
    """They free nothing that is not theirs: what is in flight is acknowledged in its own order only."""
    attacker = TARGET.client(way, version=version)
    options = b"\x82\6\0\1\0\1o\2" if version == 4 else subscribe(["o"], options=2)
    attacker.send(options).expect(0x90)
    attacker.send(publish("o", b"x", 2, 9, version=version))
    number = dict([attacker.packet(), attacker.packet()])[0x34][3:5]
    for data in (b"\x40\2" + number, b"\x70\2" + number, b"\x40\2\xff\xfe", b"\x70\2\xff\xfe"):
        attacker.send(data)
    expect_equal(attacker.until_pong(), [])
    attacker.send(b"\x50\2" + number).expect(0x62, number)
    attacker.send(b"\x70\2" + number)
    expect_equal(attacker.until_pong(), [])
    attacker.close()


with Target() as TARGET:
    for each in (5, 4):
        for_each_way("second CONNECT, %d" % each, second_connect, each)
        for_each_way("AUTH, %d" % each, auth, each)
        for_each_way("unknown PUBREL, %d" % each, unknown_pubrel, each)
        for_each_way("unknown acknowledgements, %d" % each, unknown_acknowledgements, each)
finish()
