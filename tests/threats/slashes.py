#!/usr/bin/python3
"""Attack: topics and filters of nothing but slashes, which exhaust the stack of a matcher that calls itself.
CVE-2019-11779."""
from attack import Target, connect, expect, expect_equal, finish, for_each_way, publish, subscribe, text, varint


def deep(way):
    attacker = TARGET.client(way)
    for filter_, code in (("/" * 65535, 0x8f), ("+/" * 32767 + "+", 0x8f), ("/" * 65533 + "/#", 0x8f), ("/" * 31, 1)):
        body = attacker.send(subscribe([filter_])).expect(0x90)
        expect_equal((filter_[:4], body[-1]), (filter_[:4], code))
    for topic, code in (("/" * 65535, 0x90), ("/" * 32, 0x90)):
        body = attacker.send(publish(topic, b"", 1, 2)).expect(0x40)
        expect_equal(body[2], code)
    attacker.send(publish("/" * 31, b"", 1, 3))
    expect_equal(sorted([attacker.packet()[0], attacker.packet()[0]]), [0x32, 0x40])
    attacker.close()
    TARGET.serves(way)


def deep_3_1_1(way):
    attacker = TARGET.client(way, version=4)
    body = attacker.send(b"\x82" + varint(5 + 65535) + b"\0\1" + text("/" * 65535) + b"\1").expect(0x90)
    expect_equal(body[2:], b"\x80")
    attacker.send(publish("/" * 65535, b"", 0, None, version=4)).until_pong()
    attacker.close()
    TARGET.serves(way)


def retained(way):
    """Neither as retained message nor as will."""
    body = TARGET.client(way).send(publish("/" * 1000, b"x", 1, 2, flags=1)).expect(0x40)
    expect_equal(body[2], 0x90)
    attacker = TARGET.attacker(way).send(connect(5, "w", 6, more=b"\0" + text("/" * 1000) + text("x")))
    expect_equal([(first, answer[1]) for first, answer in attacker.rest()], [(0x20, 0x90)])


def wide(way):
    """Every way to match one name at once: 2^10 filters, each of which matches."""
    def attack():
        attacker = TARGET.client(way)
        filters = ["/".join("+" if bits >> i & 1 else "x" for i in range(10)) for bits in range(1 << 10)]
        for at in range(0, len(filters), 256):
            expect_equal(attacker.send(subscribe(filters[at:at + 256])).expect(0x90)[3:], b"\1" * 256)
        attacker.send(publish("/".join("x" * 10), b"", 0))
        expect_equal(attacker.until_pong(), [(0x30, text("/".join("x" * 10)) + b"\0")])
        attacker.send(b"\xe0\0").rest()
        attacker.close()
    TARGET.bounded(attack, 8192, 65536)
    TARGET.serves(way)


with Target("limits.filters_per_session=2000") as TARGET:
    for_each_way("65,535 levels", deep)
    for_each_way("65,535 levels, 3.1.1", deep_3_1_1)
    for_each_way("retained, and as a will", retained)
    for_each_way("1,024 filters that match one name make one copy", wide)
finish()
