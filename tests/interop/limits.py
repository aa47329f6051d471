#!/usr/bin/python3
"""Clients that do too much of what is allowed: floods, slowness, descriptors that run out. The limit that was met is
counted and named in the log, nothing grows without end, and a good client is served all the while."""
import json
import resource
import socket
import sys
import time

sys.dont_write_bytecode = True
from broker import Broker, await_true, check, expect, expect_equal, finish
from packets import connect, publish, subscribe


class Peer:
    def __init__(self, port=None, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port or BROKER.plain), source_address=(source, 0))
        self.socket.settimeout(10)
        self.address = "%s:%d" % self.socket.getsockname()
        self.buffer = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass
        return self

    def packet(self):
        while True:
            length, at = 0, 1
            while at < len(self.buffer) and at < 5:
                length |= (self.buffer[at] & 127) << 7 * (at - 1)
                at += 1
                if self.buffer[at - 1] < 128:
                    if len(self.buffer) < at + length:
                        break
                    taken = self.buffer[0], self.buffer[at:at + length]
                    self.buffer = self.buffer[at + length:]
                    return taken
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more

    def connected(self, client_id="", **words):
        first, body = self.send(connect(5, client_id, **words)).packet()
        expect(first == 0x20 and body[1] == 0, "CONNACK %r" % body)
        return self

    def is_closed(self):
        try:
            while True:
                self.packet()
        except socket.timeout:
            return False
        except (EOFError, OSError):
            return True

    def close(self):
        self.socket.close()


def met(limit):
    return json.loads(BROKER.mortise("status", "--json"))["limits"].get(limit, 0)


def logged(limit):
    return [line for line in BROKER.log() if "limit reached" in line and 'limit="%s"' % limit in line]


def still_serves(source="127.0.0.9"):
    peer = Peer(source=source).connected()
    peer.send(subscribe(["good"])).packet()
    peer.send(publish("good", b"hello", 1, 7))
    expect(b"hello" in b"".join(body for _, body in (peer.packet(), peer.packet())))
    peer.close()


def test_stalled_handshake():
    peer = Peer(BROKER.tls).send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
    expect(peer.is_closed())
    expect(met("handshake_time") > 0)
    expect(any(peer.address in line for line in logged("handshake_time")), "not in the log")


def test_slow_sender():
    """A byte now and then: the time for CONNECT does not begin anew with each."""
    peer = Peer()
    for byte in connect(5, "x" * 200):
        if met("connect_time"):
            break
        peer.send(bytes([byte]))
        time.sleep(0.1)
    expect(met("connect_time") > 0)
    expect(peer.is_closed())


def test_connection_flood():
    peers = [Peer(source="127.0.0.2") for _ in range(120)]
    still_serves()
    await_true(lambda: met("connect_rate") >= 60)
    expect(len(logged("connect_rate")) <= 6, "the log is flooded")
    for peer in peers:
        peer.close()
    time.sleep(1.1)
    Peer(source="127.0.0.2").connected().close()


def test_ping_flood():
    """Who takes no answers is not read: what it sends stays with it."""
    peer = Peer().connected()
    before = BROKER.resident_kib()
    peer.socket.settimeout(0.5)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += peer.socket.send(b"\xc0\0" * 32768)
    except socket.timeout:
        pass
    expect(sent < 64 << 20, "all pings were taken")
    expect(BROKER.resident_kib() - before < 32768, "%d KiB more" % (BROKER.resident_kib() - before))
    still_serves()
    peer.close()


def test_subscribe_flood():
    peer = Peer().connected()
    for i in range(3000):
        peer.send(subscribe(["flood/%d/+/a/b/c" % i], i % 60000 + 1))
    codes = [peer.packet()[1][-1] for _ in range(3000)]
    expect_equal(codes.count(1), 1000)
    expect_equal(codes.count(0x97), 2000)
    expect_equal(met("filters_per_session"), 2000)
    peer.close()
    still_serves()


def test_qos2_without_release():
    peer = Peer().connected()
    for i in range(101):
        peer.send(publish("q", b"x", 2, i + 1))
    first, body = peer.packet()
    while first == 0x50:
        first, body = peer.packet()
    expect_equal((first, body[0]), (0xe0, 0x93))
    expect(met("inflight") > 0)
    still_serves()


def test_publish_rate():
    """Faster than the listener allows: slower in the end, and nothing lost."""
    peer = Peer(BROKER.port("rated")).connected()
    began = time.monotonic()
    for i in range(60):
        peer.send(publish("r", b"x", 1, i + 1))
    expect_equal([peer.packet()[0] for _ in range(60)], [0x40] * 60)
    expect(time.monotonic() - began > 1, "60 messages at 20 a second came at once")
    expect(met("publish_rate") > 0)
    peer.close()


def test_slow_consumer():
    slow, fast = Peer().connected(), Peer().connected()
    slow.send(subscribe(["bulk"], options=0)).packet()
    before = BROKER.resident_kib()
    for i in range(600):
        fast.send(publish("bulk", b"b" * 100000, 1, i + 1))
        expect_equal(fast.packet()[0], 0x40)
    await_true(lambda: met("output_bytes") > 0)
    expect(BROKER.resident_kib() - before < 32768, "%d KiB more" % (BROKER.resident_kib() - before))
    still_serves()
    slow.close()
    fast.close()


def test_last_words():
    """DISCONNECT arrives though the peer goes on sending behind what was wrong."""
    for _ in range(20):
        peer = Peer(source="127.0.0.4").connected()
        peer.send(b"\x30\xff\xff\xff\x7f" + b"x" * 200000)
        time.sleep(0.02)
        peer.send(b"x" * 1000)
        time.sleep(0.02)
        first, body = peer.packet()
        expect_equal((first, body[0]), (0xe0, 0x95))
        peer.close()


def test_descriptors():
    """None are left: the log says so once, and all goes on when there are some again."""
    pid = BROKER.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    good = Peer().connected()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, before[1]))
    waiting = Peer(source="127.0.0.5").send(connect(5))
    await_true(lambda: any("out of file descriptors" in line for line in BROKER.log()))
    time.sleep(0.5)
    expect_equal(len([line for line in BROKER.log() if "out of file descriptors" in line]), 1)
    good.send(b"\xc0\0")
    expect_equal(good.packet()[0], 0xd0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    expect_equal(waiting.packet()[0], 0x20)
    waiting.close()
    good.close()


def test_ceiling():
    """Refused by PUBACK, or by DISCONNECT when not even the packet found room: 0x97 both times."""
    expect(any("memory ceiling" in line and "sum=" in line for line in BROKER.log()))
    peer = Peer().connected()
    code, count = 0, 0
    while code < 0x80 and count < 400:
        count += 1
        first, body = peer.send(publish("keep/%d" % count, b"r" * 100000, 1, count, flags=1)).packet()
        code = body[0] if first == 0xe0 else body[2] if len(body) > 2 else 0
    expect_equal(code, 0x97)
    expect(met("memory_bytes") > 0)
    peer.close()
    peer = Peer().connected()
    for i in range(1, count + 1):
        peer.send(publish("keep/%d" % i, b"", 0, flags=1))
    peer.send(publish("keep/1", b"r" * 100000, 1, 9, flags=1))
    first, body = peer.packet()
    expect(first == 0x40 and (len(body) == 2 or body[2] < 0x80), "no room came back: %r" % body)
    peer.close()
    still_serves()


with Broker("limits.connect_time=2s", "limits.handshake_time=500ms", "limits.connect_rate=50",
            "limits.memory_bytes=16MiB", "limits.output_bytes=512KiB", "listeners.rated.address=127.0.0.1:0",
            "listeners.rated.tls=no", "listeners.rated.anonymous=open",
            "listeners.rated.limits.publish_rate=20") as BROKER:
    check("limits: a TLS handshake that stalls", test_stalled_handshake)
    check("limits: a CONNECT by the byte", test_slow_sender)
    check("limits: a flood of connections", test_connection_flood)
    check("limits: a flood of pings", test_ping_flood)
    check("limits: a flood of SUBSCRIBEs", test_subscribe_flood)
    check("limits: QoS 2 without PUBREL", test_qos2_without_release)
    check("limits: a publish rate", test_publish_rate)
    check("limits: a slow consumer", test_slow_consumer)
    check("limits: last words", test_last_words)
    check("limits: no descriptors left", test_descriptors)
    check("limits: the memory ceiling", test_ceiling)
finish()
