#!/usr/bin/python3
"""Attack: QoS 2 ids without PUBREL, more messages than the receive maximum, ids again and again: memory that never comes
back. CVE-2023-28366."""
from attack import Target, connect, expect, expect_equal, finish, for_each_way, publish, subscribe

MOST = 20
QUEUE = 100


def overrun(version, way):
    def attack():
        attacker = TARGET.client(way, version=version)
        attacker.send(b"".join(publish("f", b"x" * 1000, 2, i + 1, version=version) for i in range(2000)))
        said = attacker.rest()
        if version == 5:
            expect_equal([body[0] for first, body in said if first == 0xe0], [0x93])
        most = MOST if version == 5 else QUEUE  # 3.1.1 is told no number
        expect(sum(1 for first, _ in said if first == 0x50) <= most, "more PUBRECs than there is room for")
        TARGET.logged(attacker, 'statement="MQTT-3.3.4-7"')
        attacker.close()
    TARGET.bounded(attack, 8192)
    TARGET.serves(way)


def at_the_border(way):
    """As many as announced are good; one that is released makes room for one."""
    attacker = TARGET.client(way)
    for i in range(MOST):
        attacker.send(publish("f", b"x", 2, i + 1)).expect(0x50)
    attacker.send(b"\x62\2\0\1").expect(0x70)
    attacker.send(publish("f", b"x", 2, 777)).expect(0x50)
    attacker.send(publish("f", b"x", 2, 778))
    expect_equal([body[0] for first, body in attacker.rest() if first == 0xe0], [0x93])


def same_id(way):
    """One id a thousand times is one message, and one that is held."""
    witness = TARGET.client(way)
    witness.send(subscribe(["f"])).expect(0x90)
    attacker = TARGET.client(way)
    attacker.send(publish("f", b"once", 2, 5) + publish("f", b"once", 2, 5, flags=8) * 1000)
    for _ in range(1001):
        attacker.expect(0x50)
    expect_equal(sum(1 for first, _ in witness.until_pong() if first == 0x32), 1)
    attacker.send(b"\x62\2\0\5" * 1000)
    codes = [attacker.expect(0x70)[2:] for _ in range(1000)]
    expect_equal(codes, [b""] + [b"\x92"] * 999)


def kept_over_connections(way):
    """A session that is resumed goes on counting."""
    attacker = TARGET.attacker(way).send(connect(5, "flood", 0, b"\x11\0\0\0\x3c"))
    attacker.expect(0x20)
    for i in range(MOST):
        attacker.send(publish("f", b"x", 2, i + 1)).expect(0x50)
    attacker.close()
    attacker = TARGET.attacker(way).send(connect(5, "flood", 0, b"\x11\0\0\0\x3c"))
    expect(attacker.expect(0x20)[0] == 1, "the session is gone")
    attacker.send(publish("f", b"x", 2, 900))
    expect_equal([body[0] for first, body in attacker.rest() if first == 0xe0], [0x93])
    TARGET.attacker(way).send(connect(5, "flood")).expect(0x20)


def never_acknowledged(way):
    """A receiver that answers nothing holds its window, and its queue is bounded."""
    deaf = TARGET.attacker(way).send(connect(5, "deaf", 0, b"\x11\0\0\0\x3c"))
    deaf.expect(0x20)
    deaf.send(subscribe(["f"], options=2)).expect(0x90)
    deaf.close()
    resident = TARGET.resident_kib()
    attacker = TARGET.client(way)
    for i in range(2000):
        attacker.send(publish("f", b"y" * 1000, 1, 1)).expect(0x40)
    expect(TARGET.status()["queued_messages"] <= QUEUE, "the queue has no bound")
    expect(TARGET.resident_kib() - resident < 4096 * 8, "memory grew")
    deaf = TARGET.attacker(way).send(connect(5, "deaf", 0, b"\x11\0\0\0\x3c"))
    deaf.expect(0x20)
    expect(len([1 for first, _ in deaf.until_pong() if first & 0xf0 == 0x30]) <= MOST, "more than the window")
    deaf.close()
    TARGET.attacker(way).send(connect(5, "deaf")).expect(0x20)


with Target("limits.inflight=%d" % MOST, "limits.queue_messages=%d" % QUEUE, "listeners.plain.anonymous_sessions=yes",
            "listeners.tls.anonymous_sessions=yes") as TARGET:
    for_each_way("receive maximum", at_the_border)
    for_each_way("2,000 ids at once", overrun, 5)
    for_each_way("2,000 ids at once, 3.1.1", overrun, 4)
    for_each_way("the same id", same_id)
    for_each_way("over connections", kept_over_connections)
    for_each_way("a receiver that acknowledges nothing", never_acknowledged)
finish()
