#!/usr/bin/python3
"""Attack: a shared subscription ended as a normal one and the other way round, in any order, so that a count of members goes
below zero."""
from attack import Target, expect_equal, finish, for_each_way, packet, publish, subscribe, text


def unsubscribe(filters):
    return packet(0xa2, b"\0\2\0", b"".join(map(text, filters)))


def as_normal(way):
    attacker = TARGET.client(way)
    attacker.send(subscribe(["$share/g/s"])).expect(0x90)
    attacker.send(unsubscribe(["s", "$share/h/s", "g/s"]))
    expect_equal(attacker.expect(0xb0)[-3:], b"\x11\x11\x11")
    attacker.send(publish("s", b"still", 0))
    expect_equal([first for first, _ in attacker.until_pong()], [0x30])
    attacker.send(unsubscribe(["$share/g/s"]))
    expect_equal(attacker.expect(0xb0)[-1], 0)
    attacker.send(publish("s", b"gone", 0))
    expect_equal(attacker.until_pong(), [])
    attacker.close()


def normal_as_shared(way):
    attacker = TARGET.client(way)
    attacker.send(subscribe(["s"])).expect(0x90)
    for _ in range(3):
        attacker.send(unsubscribe(["$share/g/s"]))
        expect_equal(attacker.expect(0xb0)[-1], 0x11)
    attacker.send(publish("s", b"still", 0))
    expect_equal([first for first, _ in attacker.until_pong()], [0x30])
    attacker.send(unsubscribe(["s", "s", "s"]))
    expect_equal(attacker.expect(0xb0)[-3:], b"\0\x11\x11")
    attacker.close()


def members_come_and_go(way):
    """Join, leave twice, break off, in turns; then the group works for who is left."""
    for round_ in range(20):
        one, two = TARGET.client(way), TARGET.client(way)
        for member in (one, two):
            member.send(subscribe(["$share/g/s", "$share/g/s", "s"])).expect(0x90)
        one.send(unsubscribe(["$share/g/s", "s", "$share/g/s"] if round_ & 1 else ["s"])).expect(0xb0)
        (one if round_ & 2 else two).close()
        (two if round_ & 2 else one).send(publish("s", b"x", 0)).until_pong()
        (two if round_ & 2 else one).close()
    TARGET.serves(way)


with Target() as TARGET:
    for_each_way("shared as normal", as_normal)
    for_each_way("normal as shared", normal_as_shared)
    for_each_way("members that come and go", members_come_and_go)
finish()
