#!/usr/bin/python3
"""Fault of a peer: the messages of one publisher reach one subscriber out of order."""
from attack import Target, expect_equal, finish, for_each_way, publish, subscribe


def order(qos, way):
    reader = TARGET.client(way)
    reader.send(subscribe(["o/#"], options=qos)).expect(0x90)
    writer = TARGET.client(way)
    for start in range(0, 1000, 50):
        writer.send(b"".join(publish("o/x", b"%d" % i, qos, i + 1 if qos else None) for i in range(start, start + 50)))
        numbers = []
        for _ in range(50 if qos else 0):
            numbers.append(writer.expect(0x40 if qos == 1 else 0x50)[:2])
        for number in numbers if qos == 2 else []:
            writer.send(b"\x62\2" + number).expect(0x70)
    found = []
    while len(found) < 1000:
        first, body = reader.packet()
        if first & 0xf0 == 0x30:
            found.append(int(body[8 if qos else 6:]))
            if qos:
                reader.send((b"\x40\2" if qos == 1 else b"\x50\2") + body[5:7])
        elif first == 0x62:
            reader.send(b"\x70\2" + body[:2])
    expect_equal(found, list(range(1000)))


with Target() as TARGET:
    for each in (0, 1, 2):
        for_each_way("QoS %d" % each, order, each)
finish()
