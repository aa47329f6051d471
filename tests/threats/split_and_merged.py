#!/usr/bin/python3
"""Attack: packets split or merged over segments and TLS records, so that a decoder takes what one read gave it for one
packet. CVE-2026-25627."""
import random

from attack import Target, connect, expect, expect_equal, finish, for_each_way, publish, subscribe

CONVERSATION = (connect(5, "split") + subscribe(["s/#"]) + publish("s/0", b"none") + publish("s/1", b"one", 1, 11) +
                publish("s/2", b"y" * 70000, 2, 12) + b"\x62\2\0\x0c" + b"\xc0\0")
WANTED = [0x20, 0x30, 0x32, 0x32, 0x40, 0x50, 0x70, 0x90, 0xd0]


def answers(attacker):
    packets = []
    while not packets or packets[-1][0] != 0xd0:
        packets.append(attacker.packet())
    large = [body for first, body in packets if first == 0x32 and body.endswith(b"y" * 70000)]
    expect_equal(len(large), 1)
    return sorted(first for first, _ in packets)


def merged(way):
    attacker = TARGET.attacker(way).send(CONVERSATION)
    expect_equal(answers(attacker), WANTED)
    attacker.close()


def split(way):
    """The head of the conversation byte by byte, each a segment and a record of its own; then pieces of any size."""
    for seed in range(5):
        draw = random.Random(seed)
        attacker = TARGET.attacker(way)
        at = 0
        while at < len(CONVERSATION):
            size = 1 if at < 150 else draw.choice([1, 2, 5, 4096, 16383, 16384, 16385])
            attacker.send(CONVERSATION[at:at + size])
            at += size
        expect_equal(answers(attacker), WANTED)
        attacker.close()


def cut_off(way):
    """The connection ends within a packet: what was not whole did not happen."""
    witness = TARGET.client(way)
    witness.send(subscribe(["s/#"])).expect(0x90)
    whole = publish("s/cut", b"z" * 100)
    for size in range(1, len(whole)):
        TARGET.client(way).send(whole[:size]).close()
    packets = witness.until_pong()
    expect(packets == [], "%r" % packets[:2])


def small_records(way):
    """Thousands of segments of one byte do not stop the others."""
    attacker = TARGET.client(way)
    for byte in publish("s/x", b"z" * 3000):
        attacker.send(bytes([byte]))
    TARGET.serves(way)
    expect_equal(attacker.until_pong(), [])


with Target() as TARGET:
    for_each_way("all in one", merged)
    for_each_way("in pieces", split)
    for_each_way("cut off in a packet", cut_off)
    for_each_way("bytes one at a time", small_records)
finish()
