#!/usr/bin/python3
"""Does MQTT in WebSocket frames work: Paho over ws and wss, packets split and merged over frames and TLS records, and
what a hostile peer does in the handshake and in frames."""
import base64
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from broker import Broker, await_true, check, expect, expect_equal, finish

try:
    import paho.mqtt.client as mqtt
except ImportError:
    print("skip websocket.py: python3-paho-mqtt is not installed")
    sys.exit(0)

CONNECT = bytes.fromhex("10130004") + b"MQTT" + bytes.fromhex("0502003c000006") + b"framed"
CONNACK = 0x20
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


# ---- Paho ----

class Client:
    def __init__(self, port, version, is_tls, is_web=True):
        arguments = {"callback_api_version": mqtt.CallbackAPIVersion.VERSION1} \
            if hasattr(mqtt, "CallbackAPIVersion") else {}
        self.paho = mqtt.Client(protocol=version, transport="websockets" if is_web else "tcp", **arguments)
        self.port = port
        if is_web:
            self.paho.ws_set_options(path="/mqtt")
        if is_tls:
            self.paho.tls_set(BROKER.ca)
        self.messages, self.granted = [], []
        self.connected = threading.Event()
        self.paho.on_connect = lambda _c, _u, _f, reason, *_p: reason == 0 and self.connected.set()
        self.paho.on_message = lambda _c, _u, message: self.messages.append(message)
        self.paho.on_subscribe = lambda *_: self.granted.append(True)

    def __enter__(self):
        self.paho.connect("localhost", self.port, 60)
        self.paho.loop_start()
        expect(self.connected.wait(10), "no CONNACK")
        return self

    def __exit__(self, *_):
        self.paho.disconnect()
        self.paho.loop_stop()


def test_paho(listener, version, is_tls):
    payloads = [b"", b"x", os.urandom(125), os.urandom(126), os.urandom(65535), os.urandom(65536), os.urandom(300000)]
    with Client(BROKER.port(listener), version, is_tls) as subscriber, \
            Client(BROKER.plain, version, False, False) as publisher, \
            Client(BROKER.port(listener), version, is_tls) as other:
        subscriber.paho.subscribe("web/#", 2)
        await_true(lambda: subscriber.granted)
        for qos in 0, 1, 2:
            for sender in publisher, other:
                for payload in payloads:
                    sender.paho.publish("web/%d" % qos, payload, qos).wait_for_publish()
        await_true(lambda: len(subscriber.messages) == 6 * len(payloads), 20)
        for qos in 0, 1, 2:
            got = sorted(m.payload for m in subscriber.messages if m.topic == "web/%d" % qos)
            expect_equal(len(got), 2 * len(payloads))
            expect(got == sorted(payloads * 2), "payloads differ at QoS %d" % qos)


# ---- by hand ----

def frame(opcode, payload, first=0x80, key=b"\x37\xfa\x21\x3d"):
    head = bytes([first | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += b"\xfe" + struct.pack(">H", len(payload))
    else:
        head += b"\xff" + struct.pack(">Q", len(payload))
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def request(path="/mqtt", key="dGhlIHNhbXBsZSBub25jZQ==", version="13", protocol="mqtt", more=""):
    return ("GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
            "Sec-WebSocket-Version: %s\r\nSec-WebSocket-Protocol: %s\r\n%s\r\n"
            % (path, key, version, protocol, more)).encode()


class Raw:
    def __init__(self, is_tls=False, is_shaken=True, listener=None):
        self.socket = socket.create_connection(("127.0.0.1", BROKER.port(listener or ("wss" if is_tls else "ws"))), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_tls:
            context = ssl.create_default_context(cafile=BROKER.ca)
            context.set_alpn_protocols(["http/1.1"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            expect_equal(self.socket.selected_alpn_protocol(), "http/1.1")
        self.data = b""
        if is_shaken:
            self.socket.sendall(request())
            self.answer = self.head()
            expect(self.answer.startswith("HTTP/1.1 101 "), self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def more(self):
        try:
            part = self.socket.recv(65536)
        except ConnectionResetError:
            part = b""
        self.data += part
        return bool(part)

    def head(self):
        while b"\r\n\r\n" not in self.data:
            expect(self.more(), "the connection ended: %r" % self.data)
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        return head.decode()

    def frame(self):
        """Opcode and payload of the next frame; None at the end."""
        while True:
            if len(self.data) >= 2:
                at, size = 2, self.data[1]
                if size == 126:
                    at, size = 4, int.from_bytes(self.data[2:4], "big")
                elif size == 127:
                    at, size = 10, int.from_bytes(self.data[2:10], "big")
                if len(self.data) >= at + size:
                    opcode, payload = self.data[0] & 15, self.data[at:at + size]
                    expect(self.data[0] & 0xf0 == 0x80, "not one whole frame")
                    self.data = self.data[at + size:]
                    return opcode, payload
            if not self.more():
                return None

    def send(self, data):
        self.socket.sendall(data)

    def connect(self):
        self.send(frame(BINARY, CONNECT))
        opcode, payload = self.frame()
        expect_equal((opcode, payload[0]), (BINARY, CONNACK))
        return self

    def expect_end(self, code):
        found = None
        while True:
            got = self.frame()
            if got is None:
                break
            expect(found is None, "something follows the close")
            if got[0] == CLOSE:
                found = int.from_bytes(got[1], "big") if got[1] else 0
        expect_equal(found, code)


def test_accept_key():
    with Raw(is_shaken=False) as raw:
        key = base64.b64encode(os.urandom(16)).decode()
        raw.send(request(key=key))
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        answer = raw.head()
        expect("\r\nSec-WebSocket-Accept: " + base64.b64encode(digest).decode() in answer, answer)
        expect("\r\nSec-WebSocket-Protocol: mqtt" in answer, answer)


def test_split_and_merged(is_tls):
    """Every packet cut over frames and every frame over records or segments; then all in one."""
    with Raw(is_tls) as raw:
        for i, byte in enumerate(CONNECT):
            opcode = BINARY if i == 0 else 0
            for piece in frame(opcode, bytes([byte]), 0x80 if i + 1 == len(CONNECT) else 0):
                raw.send(bytes([piece]))
        expect_equal(raw.frame()[1][0], CONNACK)
        raw.send(frame(BINARY, PINGREQ * 3) + frame(BINARY, b"") + frame(BINARY, PINGREQ[:1], 0) +
                 frame(PING, b"between") + frame(0, PINGREQ[1:]))
        got, pongs = b"", 0
        while len(got) < 8 or not pongs:
            opcode, payload = raw.frame()
            if opcode == PONG:
                expect_equal(payload, b"between")
                pongs += 1
            else:
                got += payload
        expect_equal((got, pongs), (PINGRESP * 4, 1))


def test_one_frame_for_many_packets():
    with Raw() as raw:
        raw.connect().send(frame(BINARY, PINGREQ * 50))
        for _ in range(50):
            expect_equal(raw.frame(), (BINARY, PINGRESP))


def test_frame_shorter_than_the_packet():
    """The packet is longer than its frame says: what is missing comes in the next, or never."""
    publish = b"\x30\x0b\x00\x05short\x00abc"
    with Raw() as raw:
        raw.connect().send(frame(BINARY, publish[:6]))
        raw.send(frame(PING, b"alive"))
        expect_equal(raw.frame(), (PONG, b"alive"))
        raw.send(frame(BINARY, publish[6:] + PINGREQ))
        expect_equal(raw.frame(), (BINARY, PINGRESP))
        raw.send(frame(BINARY, b"\x30\xff\xff\xff\x7f"))
        got = raw.frame()
        expect_equal((got[0], got[1][:1]), (BINARY, b"\xe0"))
        raw.expect_end(1000)


def test_a_frame_for_each_packet(is_tls):
    """Clients there are that look at the first packet of a frame only."""
    retained = b"".join(b"\x31\x08\x00\x03f/%c\x00kk" % n for n in b"abc")
    wanted = b"\x82\x09\x00\x07\x00\x00\x03f/+\x00"
    with Raw(is_tls) as raw:
        raw.connect().send(frame(BINARY, retained + wanted + PINGREQ + PINGREQ))
        kinds = []
        while len(kinds) < 6:
            opcode, payload = raw.frame()
            expect_equal(opcode, BINARY)
            expect_equal(len(payload), 2 + payload[1])
            kinds.append(payload[0] >> 4)
        expect_equal(sorted(kinds), [3, 3, 3, 9, 13, 13])
        large = b"\x30" + b"\xf7\xa2\x04" + b"\x00\x03f/z\x00" + b"z" * (70007 - 6)
        raw.send(frame(BINARY, large))
        got = b""
        while len(got) < len(large):
            opcode, payload = raw.frame()
            got += payload
        expect_equal(len(got), len(large))
        raw.send(frame(BINARY, PINGREQ))
        expect_equal(raw.frame(), (BINARY, PINGRESP))


def test_close():
    with Raw() as raw:
        raw.connect().send(frame(CLOSE, struct.pack(">H", 1001) + b"bye"))
        raw.expect_end(1001)
    with Raw() as raw:
        raw.connect().send(frame(CLOSE, b""))
        raw.expect_end(0)
    with Raw() as raw:
        raw.connect().send(frame(BINARY, b"\xe0\x00"))
        raw.expect_end(1000)


def test_bad_frames():
    for bad, code in ((frame(TEXT, b"x"), 1003), (b"\x82\x02\xc0\x00", 1002), (frame(BINARY, b"", 0xc0), 1002),
                      (frame(3, b""), 1002), (frame(0, b""), 1002), (frame(PING, b"x" * 126), 1002),
                      (frame(PING, b"", 0), 1002), (b"\x82\xfe\x00\x02aaaa", 1002),
                      (b"\x82\xff\x80\0\0\0\0\0\0\0aaaa", 1002), (b"\x82\xff\0\0\0\1\0\0\0\0aaaa", 1009)):
        with Raw() as raw:
            raw.connect().send(bad)
            raw.expect_end(code)


def refusal(data):
    with Raw(is_shaken=False) as raw:
        raw.send(data)
        answer = raw.head()
        expect(raw.frame() is None, "the connection goes on")
        return int(answer.split()[1]), answer


def test_refusals():
    for data, status in ((request(path="/"), 404), (request(version="8"), 426), (request(protocol="chat"), 400),
                         (b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n", 426), (CONNECT, 400),
                         (request().replace(b"GET", b"PUT"), 405), (request(more="X: " + "x" * 9000 + "\r\n"), 431),
                         (request(more="Origin: https://evil.example\r\n"), 403),
                         (request(more="Origin: null\r\n"), 403)):
        found, answer = refusal(data)
        expect_equal(found, status)
        expect(status != 426 or "\r\nSec-WebSocket-Version: 13" in answer, answer)
    await_true(lambda: any("websocket" in line and "pages of this origin" in line and "127.0.0.1" in line
                           for line in BROKER.log()))


def test_origins():
    for origin in "http://localhost", "http://localhost:8080", "https://site.example":
        with Raw(is_shaken=False) as raw:
            raw.send(request(more="Origin: %s\r\n" % origin))
            expect(raw.head().startswith("HTTP/1.1 101 "), origin)


def test_slow_handshake(listener):
    """Whoever sends a byte now and then is gone when connect_time is over: the handshake is within it."""
    with Raw(is_shaken=False, listener=listener) as raw:
        raw.socket.settimeout(0.05)
        begun = time.monotonic()
        for byte in request() * 20:
            try:
                raw.send(bytes([byte]))
                if not raw.socket.recv(100):
                    break
            except socket.timeout:
                pass
            except (BrokenPipeError, ConnectionResetError):
                break
            expect(time.monotonic() - begun < 60, "it is never over")


def test_flood_of_pings():
    """Pings without end from a peer who reads nothing: the broker holds no more for it, and serves the others."""
    before = BROKER.resident_kib()
    with Raw() as raw, Raw() as other:
        raw.connect()
        other.connect()
        flood = frame(PING, b"p" * 125) * 500
        raw.socket.settimeout(0.5)
        try:
            for _ in range(400):
                raw.send(flood)
        except (socket.timeout, ConnectionResetError, BrokenPipeError):
            pass
        other.send(frame(BINARY, PINGREQ))
        expect_equal(other.frame(), (BINARY, PINGRESP))
    expect(BROKER.resident_kib() - before < 4096, "%d KiB more" % (BROKER.resident_kib() - before))


def test_plain_mqtt_is_refused_and_the_other_way():
    expect_equal(refusal(CONNECT)[0], 400)
    with socket.create_connection(("127.0.0.1", BROKER.plain), 10) as plain:
        plain.sendall(request())
        expect_equal(plain.recv(100), b"")


with Broker("listeners.ws.address=127.0.0.1:0", "listeners.ws.tls=no", "listeners.ws.websocket=yes",
            "listeners.ws.anonymous=open", "listeners.ws.origins=same,https://site.example",
            "listeners.wss.address=127.0.0.1:0", "listeners.wss.websocket=yes", "listeners.wss.anonymous=open",
            "limits.connect_time=2s") as BROKER:
    for name, tls in ("ws", False), ("wss", True):
        for protocol, text in (mqtt.MQTTv311, "3.1.1"), (mqtt.MQTTv5, "5"):
            check("websocket: paho %s over %s" % (text, name), test_paho, name, protocol, tls)
        check("websocket: split and merged over %s" % name, test_split_and_merged, tls)
        check("websocket: a frame for each packet over %s" % name, test_a_frame_for_each_packet, tls)
    check("websocket: the accept key", test_accept_key)
    check("websocket: one frame for many packets", test_one_frame_for_many_packets)
    check("websocket: a frame shorter than the packet", test_frame_shorter_than_the_packet)
    check("websocket: close", test_close)
    check("websocket: bad frames", test_bad_frames)
    check("websocket: refused handshakes", test_refusals)
    check("websocket: origins", test_origins)
    check("websocket: slow handshake", test_slow_handshake, "ws")
    check("websocket: flood of pings", test_flood_of_pings)
    check("websocket: the wrong protocol", test_plain_mqtt_is_refused_and_the_other_way)
finish()
