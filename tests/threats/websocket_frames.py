#!/usr/bin/python3
"""Attack: WebSocket frames shorter than the packet in them, longer than what follows, and packets split or merged over
frames, segments and TLS records, so that a decoder believes the frame where it should count bytes. CVE-2026-25627."""
import random
import struct

from attack import PLAIN, TLS, Attacker, Target, check, connect, expect, expect_equal, finish, publish, subscribe

UPGRADE = (b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Protocol: mqtt\r\n\r\n")
CONVERSATION = (connect(5, "framed") + subscribe(["f/#"]) + publish("f/1", b"one", 1, 11) +
                publish("f/2", b"y" * 70000, 2, 12) + b"\x62\2\0\x0c" + b"\xc0\0")
WANTED = [0x20, 0x32, 0x32, 0x40, 0x50, 0x70, 0x90, 0xd0]


def head(size, first=0x82, claimed=None):
    size = size if claimed is None else claimed
    if size < 126:
        return bytes([first, 0x80 | size])
    if size < 65536:
        return bytes([first, 0xfe]) + struct.pack(">H", size)
    return bytes([first, 0xff]) + struct.pack(">Q", size)


def frame(payload, first=0x82):
    key = b"\x9d\x01\x7f\xe2"
    return head(len(payload), first) + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


class Door:
    """A WebSocket listener in the place of the two that an Attacker knows."""

    def __init__(self):
        self.ca = TARGET.ca
        self.plain, self.tls = TARGET.port("ws"), TARGET.port("wss")


class Web(Attacker):
    def __init__(self, way):
        super().__init__(Door(), way)
        self.payload = b""
        self.send(UPGRADE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += super().take(1)
        expect(answer.startswith(b"HTTP/1.1 101 "), answer)

    def take(self, count):
        while len(self.payload) < count:
            first, size = super().take(2)
            if size >= 126:
                size = int.from_bytes(super().take(2 if size == 126 else 8), "big")
            payload = super().take(size)
            self.payload += payload if first == 0x82 else b""
        data, self.payload = self.payload[:count], self.payload[count:]
        return data


def in_frames(draw, data):
    """The same bytes in frames of any size, fragmented or not, with pings between them."""
    frames, is_open = b"", False
    while data:
        size = draw.choice([0, 1, 2, 3, 125, 126, 4096, 65535, 65536])
        part, data = data[:size], data[size:]
        is_last = not data or draw.random() < 0.5
        frames += frame(part, (0x80 if is_last else 0) | (0 if is_open else 2))
        is_open = not is_last
        if draw.random() < 0.2:
            frames += frame(b"p" * draw.randrange(126), 0x89)
    return frames


def answers(attacker):
    packets = []
    while not packets or packets[-1][0] != 0xd0:
        packets.append(attacker.packet())
    large = [body for first, body in packets if first == 0x32 and body.endswith(b"y" * 70000)]
    expect_equal(len(large), 1)
    return sorted(first for first, _ in packets)


def in_any_pieces(way):
    for seed in range(8):
        draw = random.Random(seed)
        attacker = Web(way)
        frames = in_frames(draw, CONVERSATION)
        at = 0
        while at < len(frames):
            size = 1 if at < 100 else draw.choice([1, 3, 1000, 16384, 65536])
            attacker.send(frames[at:at + size])
            at += size
        expect_equal(answers(attacker), WANTED)
        attacker.close()


def shorter_than_the_packet(way):
    """A frame ends within the packet: what was not sent does not exist, whatever lies behind it in memory."""
    witness = TARGET.client(way)
    witness.send(subscribe(["f/#"])).expect(0x90)
    whole = publish("f/cut", b"z" * 100)
    for size in range(1, len(whole), 7):
        attacker = Web(way).send(frame(connect(5, "short")))
        attacker.expect(0x20)
        attacker.send(frame(whole[:size])).send(frame(b"p", 0x89))
        attacker.close()
    expect_equal(witness.until_pong(), [])
    attacker = Web(way).send(frame(connect(5, "short")))
    attacker.expect(0x20)
    attacker.send(frame(whole[:9])).send(frame(whole[9:]))
    attacker.send(frame(b"\xc0\0")).expect(0xd0)
    expect_equal([body[-100:] for _, body in witness.until_pong()], [b"z" * 100])
    attacker.close()


def longer_than_what_follows(way):
    """A frame that announces gigabytes, and one of 256 MB before CONNECT: nothing is set aside for it."""
    def attack():
        for claimed in 1 << 20, (1 << 28) + 4, 1 << 31, 1 << 62:
            attackers = [Web(way) for _ in range(20)]
            for attacker in attackers:
                attacker.send(head(0, claimed=claimed) + b"key!")
                attacker.send(b"x" * 100)
            for attacker in attackers:
                attacker.close()
    TARGET.bounded(attack, 8192)
    TARGET.serves(way)


with Target("listeners.ws.address=127.0.0.1:0", "listeners.ws.tls=no", "listeners.ws.websocket=yes",
            "listeners.ws.anonymous=open", "listeners.wss.address=127.0.0.1:0", "listeners.wss.websocket=yes",
            "listeners.wss.anonymous=open") as TARGET:
    for scheme, way_ in ("ws", PLAIN), ("wss", TLS):
        check("attack: websocket_frames: packets in any pieces, %s" % scheme, in_any_pieces, way_)
        check("attack: websocket_frames: shorter than the packet, %s" % scheme, shorter_than_the_packet, way_)
        check("attack: websocket_frames: longer than what follows, %s" % scheme, longer_than_what_follows, way_)
finish()
