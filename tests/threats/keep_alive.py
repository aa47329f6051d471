#!/usr/bin/python3
"""Attack: a keep alive of 0 or of eighteen hours, to hold connections for nothing. CVE-2020-13849."""
import time

from attack import Target, await_true, connect, expect, expect_equal, finish, for_each_way


def bounded(asked, way):
    """limits.keep_alive holds instead, and the client is told."""
    attacker = TARGET.attacker(way).send(connect(5, keep_alive=asked))
    body = attacker.expect(0x20)
    expect(b"\x13\0\x05" in body, "no server keep alive: %r" % body)
    attacker.close()


def runs_out(way):
    """Silence ends it, and a packet that is never finished is silence, too."""
    quiet = TARGET.client(way, keep_alive=1)
    dripping = TARGET.client(way, keep_alive=1)
    dripping.send(b"\x30\x7f")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        try:
            dripping.socket.sendall(b"\0")
        except OSError:
            break
        time.sleep(0.2)
    for attacker in (quiet, dripping):
        expect_equal([body[0] for first, body in attacker.rest() if first == 0xe0], [0x8d])
    TARGET.serves(way)


def hundreds(way):
    """What kept them is free again."""
    attackers = [TARGET.client(way, keep_alive=1) for _ in range(100)]
    await_true(lambda: TARGET.status()["connections"] == 0, 5)
    for attacker in attackers:
        attacker.close()
    TARGET.serves(way)


with Target("limits.keep_alive=5s") as TARGET:
    for_each_way("0", bounded, 0)
    for_each_way("65,535 s", bounded, 65535)
    for_each_way("silence", runs_out)
    for_each_way("a hundred that are silent", hundreds)
finish()
