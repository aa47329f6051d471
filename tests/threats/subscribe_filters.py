#!/usr/bin/python3
"""Attack: SUBSCRIBE without a filter, or with thousands of them, packet after packet. CVE-2021-41036."""
from attack import Target, expect, expect_equal, finish, for_each_way, packet, subscribe, text

ALLOWED = 16
SESSION = 40


def none(version, way):
    more = b"\0" if version == 5 else b""
    TARGET.ends(packet(0x82, b"\0\1" + more), [0x82], "MQTT-3.8.3-3" if version == 4 else "MQTT-3.8.3-2", way, version)
    TARGET.ends(packet(0xa2, b"\0\1" + more), [0x82], "MQTT-3.10.3-2", way, version)


def as_many_as_allowed(way):
    client = TARGET.client(way)
    body = client.send(subscribe(["f/%d" % i for i in range(ALLOWED)])).expect(0x90)
    expect_equal(body[3:], b"\1" * ALLOWED)


def too_many(count, way):
    def attack():
        attacker = TARGET.client(way).send(subscribe(["f/%d" % i for i in range(count)]))
        expect_equal([body[0] for first, body in attacker.rest() if first == 0xe0], [0x97])
        TARGET.logged(attacker, "too many filters")
        attacker.close()
    TARGET.bounded(attack, 8192)
    TARGET.serves(way)


def packet_after_packet(way):
    """A session holds no more than it may; the rest is refused, one by one."""
    def attack():
        attacker = TARGET.client(way)
        codes = b""
        for at in range(100):
            attacker.send(subscribe(["s/%d/%d" % (at, i) for i in range(ALLOWED)], at + 1))
            codes += attacker.expect(0x90)[-ALLOWED:]
        expect_equal(codes, b"\1" * SESSION + b"\x97" * (100 * ALLOWED - SESSION))
        attacker.send(b"\xe0\0").rest()
        attacker.close()
    TARGET.bounded(attack, 4096)


def same_again(way):
    """The same filter thousands of times is one subscription."""
    attacker = TARGET.client(way)
    for at in range(2000):
        attacker.send(subscribe(["same"], at % 65535 + 1))
    for _ in range(2000):
        expect_equal(attacker.expect(0x90)[-1], 1)
    expect(TARGET.status()["subscriptions"] <= 2, "more than one subscription")
    attacker.close()


def cut_off(way):
    for data in (b"\0\1\0\xff\xffa\1", b"\0\1\0" + text("a"), b"\0\1\0" + text("a") + b"\1\0", b"\0\1\0\0\2a\1"):
        attacker = TARGET.client(way).send(packet(0x82, data))
        said = [body[0] for first, body in attacker.rest() if first == 0xe0]
        expect(said in ([0x81], [0x82]), "DISCONNECT %r" % said)
        TARGET.logged(attacker, "statement=")
        attacker.close()
    TARGET.serves(way)


with Target("limits.filters_per_subscribe=%d" % ALLOWED, "limits.filters_per_session=%d" % SESSION) as TARGET:
    for_each_way("no filter", none, 5)
    for_each_way("no filter, 3.1.1", none, 4)
    for_each_way("as many as allowed", as_many_as_allowed)
    for_each_way("one more", too_many, ALLOWED + 1)
    for_each_way("a hundred thousand", too_many, 100000)
    for_each_way("packet after packet", packet_after_packet)
    for_each_way("the same filter", same_again)
    for_each_way("filters cut off", cut_off)
finish()
