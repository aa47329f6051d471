#!/usr/bin/python3
"""Attack: assertions and divisions that a peer can reach: each packet with each byte changed, cut anywhere, and drawn at
random. CVE-2024-42644, CVE-2024-42645, CVE-2026-42209."""
import random

from attack import PLAIN, Target, connect, expect, finish, packet, publish, subscribe, text, threat

PACKETS = [
    publish("m/a", b"x", 2, 3, b"\1\0\2\0\0\0\5\3\0\1t\x08\0\1r\x09\0\1c\x26\0\1k\0\1v", flags=1),
    publish("m/a", b"x", 1, 3, b"\x23\0\1"),
    subscribe(["m/#", "$share/g/m/+"], 5, b"\x0b\x05"),
    packet(0xa2, b"\0\6\0", text("m/#")),
    b"\x40\4\0\1\0\0", b"\x50\4\0\1\0\0", b"\x62\4\0\3\0\0", b"\x70\4\0\1\0\0", b"\xc0\0",
    b"\xe0\7\0\5\x11\0\0\0\1",
]
FIRST = connect(5, "m", 0xee, b"\x11\0\0\0\1\x21\0\5\x27\0\1\0\0\x22\0\5\x19\1\x17\1\x26\0\1k\0\1v",
                b"\x0a\x18\0\0\0\1\2\0\0\0\1" + text("m/w") + text("w") + text("u") + text("p"))


def storm(bytes_, way):
    """Each in a connection of its own; nobody waits for an answer, the process is the same at the end."""
    for data in bytes_:
        attacker = TARGET.attacker(way)
        attacker.send(data)
        attacker.close()
    expect(TARGET.process.poll() is None, "it has ended: %r" % TARGET.log()[-2:])
    TARGET.serves(way)


def changed(data, values):
    for at in range(len(data)):
        for value in values:
            yield data[:at] + bytes([data[at] ^ value]) + data[at + 1:]


def cut(data):
    for size in range(len(data)):
        yield data[:size]


def drawn():
    draw = random.Random(4711)
    for _ in range(300):
        parts = draw.choices(PACKETS, k=8)
        at = draw.randrange(8)
        parts[at] = bytes(byte if draw.random() < 0.9 else draw.randrange(256) for byte in parts[at])
        yield connect(5, "m%d" % draw.randrange(5)) + b"".join(parts)


def later(data, way):
    storm((connect(5) + bad for bad in changed(data, (1, 0x80, 0xff))), way)


with Target("listeners.plain.anonymous_sessions=yes") as TARGET:
    threat("CONNECT, each byte changed", storm, changed(FIRST, (1, 0x80, 0xff)), PLAIN)
    threat("CONNECT, cut anywhere", storm, cut(FIRST), PLAIN)
    for each in PACKETS:
        threat("type %d, each byte changed" % (each[0] >> 4), later, each, PLAIN)
    threat("drawn at random", storm, drawn(), PLAIN)
finish()
