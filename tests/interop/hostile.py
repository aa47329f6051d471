#!/usr/bin/python3
"""What bytes can do to the broker before and after CONNECT: raw sockets, no library. After each attack the broker still
serves a good client, and the log names the attacker's address and the statement that was violated."""
import os
import socket
import ssl
import sys
import time

sys.dont_write_bytecode = True
from broker import Broker, await_true, check, expect, expect_equal, finish
from packets import connect, packet, publish, subscribe, text, varint

# A sanitizer keeps a multiple of each byte beside it.
SHADOW = 8 if any(name in os.environ.get("MT_BUILD", "") for name in ("asan", "tsan")) else 1


class Peer:
    def __init__(self, port=None):
        self.socket = socket.create_connection(("127.0.0.1", port or BROKER.plain))
        self.socket.settimeout(5)
        self.address = "%s:%d" % self.socket.getsockname()
        self.buffer = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # it has closed already: what it said is still to be read
        return self

    def take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def packet(self):
        first = self.take(1)[0]
        length = shift = 0
        while True:
            byte = self.take(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, self.take(length)

    def rest(self):
        """What comes until the broker closes; a broker that does not is a failure."""
        packets = []
        try:
            while True:
                packets.append(self.packet())
        except (EOFError, ConnectionResetError):
            return packets
        except socket.timeout:
            raise AssertionError("the connection stays open; it said %r" % packets) from None

    def connected(self, version=5, **words):
        first, body = self.send(connect(version, **words)).packet()
        expect(first == 0x20 and body[1] == 0, "CONNACK %r" % body)
        return self

    def close(self):
        self.socket.close()


def still_serves():
    peer = Peer().connected()
    peer.send(subscribe(["good/client"]))
    expect_equal(peer.packet()[0], 0x90)
    peer.send(publish("good/client", b"hello", 1, 7))
    got = dict([peer.packet(), peer.packet()])
    expect_equal(got[0x40][:2], b"\0\7")
    expect(got.get(0x32, b"").endswith(b"hello"), "%r" % got)
    peer.send(b"\xe0\0")
    peer.close()


def logged(peer, statement):
    """The line of this address, with a statement (or the word that the shell says of TLS)."""
    def found():
        return [line for line in BROKER.log() if 'address="%s"' % peer.address in line and statement in line]
    try:
        await_true(found, 2)
    except AssertionError:
        raise AssertionError("no %s for %s in the log: %s" % (statement, peer.address, [
            line for line in BROKER.log() if peer.address in line][-2:])) from None


def first_packet(data, statement="statement="):
    """Nothing is answered to who breaks the protocol before CONNECT, or in it a CONNACK with an error."""
    peer = Peer().send(data)
    packets = peer.rest()
    expect(all(first == 0x20 and body[1] >= (0x80 if len(body) > 2 else 1) for first, body in packets), packets)
    logged(peer, statement)
    peer.close()
    still_serves()


def after_connect(data, codes, statement="statement=", version=5):
    """MQTT 5: DISCONNECT with one of the codes; 3.1.1: closed without a word."""
    peer = Peer().connected(version).send(data)
    packets = [p for p in peer.rest() if p[0] == 0xe0]
    if version == 5:
        expect(len(packets) == 1 and packets[0][1] and packets[0][1][0] in codes, "%r" % packets)
    else:
        expect_equal(packets, [])
    logged(peer, statement)
    peer.close()
    still_serves()


def test_memory_before_connect():
    still_serves()
    before = BROKER.resident_kib()
    peers = [Peer().send(b"\x10\xff\xff\xff\x7f" + b"\0\4MQTT\5\2" + b"A" * 15000) for _ in range(200)]
    time.sleep(0.3)
    grown = BROKER.resident_kib() - before
    expect(grown < 8192 * SHADOW, "%d KiB more" % grown)
    for peer in peers[:3]:
        logged(peer, "statement=")
    for peer in peers:
        peer.close()
    still_serves()


def test_unfinished_connects():
    """Lengths that are allowed, bytes that never come: no more than limits.connect_bytes a peer."""
    before = BROKER.resident_kib()
    peers = [Peer().send(b"\x10" + varint(16000) + b"\0\4MQTT\5\2\0\x3c\0" + b"A" * 15000) for _ in range(200)]
    time.sleep(0.3)
    grown = BROKER.resident_kib() - before
    expect(grown < (200 * 40 + 2048) * SHADOW, "%d KiB more" % grown)
    for peer in peers:
        peer.rest()
        peer.close()
    still_serves()


def test_large_after_connect():
    after_connect(b"\x30\xff\xff\xff\x7f" + b"\0\1a\0" + b"A" * 100000, [0x95])


def test_silence(data, port=None):
    peer = Peer(port).send(data)
    begin = time.monotonic()
    peer.rest()
    took = time.monotonic() - begin
    expect(0.5 < took < 3, "closed after %.1f s" % took)
    logged(peer, "address=")
    peer.close()


def test_drip():
    """A byte now and then does not buy more time."""
    peer = Peer()
    begin = time.monotonic()
    for byte in connect(client_id="drip" * 10):
        try:
            peer.socket.sendall(bytes([byte]))
        except OSError:
            break
        time.sleep(0.05)
        if time.monotonic() - begin > 3:
            raise AssertionError("open for three seconds")
    peer.rest()
    peer.close()
    still_serves()


def test_keep_alive():
    peer = Peer().connected(keep_alive=1)
    begin = time.monotonic()
    packets = peer.rest()
    took = time.monotonic() - begin
    expect(1 < took < 3, "closed after %.1f s" % took)
    expect_equal([(first, body[0]) for first, body in packets], [(0xe0, 0x8d)])


def test_slashes():
    peer = Peer().connected()
    peer.send(subscribe(["/" * 60000], 1))
    first, body = peer.packet()
    expect_equal((first, body[:2], body[-1:]), (0x90, b"\0\1", b"\x8f"))
    peer.send(publish("/" * 60000, b"", 1, 2))
    first, body = peer.packet()
    expect(first == 0x40 and body[2] == 0x90, "%r" % body)
    peer.send(subscribe(["/" * 31], 3))
    expect_equal(peer.packet(), (0x90, b"\0\3\0\1"))
    peer.send(publish("/" * 31, b"", 1, 4))
    expect_equal(sorted([peer.packet()[0], peer.packet()[0]]), [0x32, 0x40])
    peer.close()
    still_serves()


def test_unknown_pubrel(version, wanted):
    peer = Peer().connected(version)
    expect_equal(peer.send(b"\x62\2\0\x63").packet(), (0x70, wanted))
    peer.close()
    still_serves()


def test_unknown_acks():
    peer = Peer().connected()
    peer.send(b"\x40\2\0\x63" + b"\x70\2\0\x64")
    peer.send(b"\x50\2\0\x65")
    peer.send(b"\xc0\0")
    answers = []
    try:
        while not answers or answers[-1][0] != 0xd0:
            answers.append(peer.packet())
    except EOFError:
        pass
    expect(answers and answers[-1][0] in (0xd0, 0xe0), "%r" % answers)
    peer.close()
    still_serves()


def test_many_filters():
    """As many as fit are answered one by one; more close."""
    peer = Peer().connected()
    peer.send(subscribe(["many/%d" % i for i in range(256)]))
    first, body = peer.packet()
    expect_equal((first, body[3:]), (0x90, b"\1" * 256))
    peer.close()
    after_connect(subscribe(["many/%d" % i for i in range(5000)]), [0x97], "too many filters")


def test_many_subscriptions():
    """A session has at most limits.filters_per_session."""
    peer = Peer().connected()
    codes = b""
    for i in range(5):
        peer.send(subscribe(["lots/%d/%d" % (i, j) for j in range(250)], i + 1))
        codes += peer.packet()[1][-250:]
    expect_equal(codes, b"\1" * 1000 + b"\x97" * 250)
    peer.close()
    still_serves()


def test_receive_maximum():
    peer = Peer().connected()
    peer.send(b"".join(publish("a", b"x", 2, i + 1) for i in range(101)))
    packets = peer.rest()
    expect_equal([body[0] for first, body in packets if first == 0xe0], [0x93])
    logged(peer, "statement=")
    peer.close()
    still_serves()


def test_qos2_ids():
    """The same id again is the same message; the subscriber gets it once."""
    peer = Peer().connected()
    peer.send(subscribe(["twice"]))
    peer.packet()
    peer.send(publish("twice", b"x", 2, 5) + publish("twice", b"x", 2, 5, flags=8) + b"\x62\2\0\5" + b"\xc0\0")
    packets = []
    while not packets or packets[-1][0] != 0xd0:
        packets.append(peer.packet())
    expect_equal(sum(1 for first, _ in packets if first & 0xf0 == 0x30), 1)
    peer.close()


def tls_garbage(data):
    peer = Peer(BROKER.tls).send(data)
    try:
        while peer.socket.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except socket.timeout:
        raise AssertionError("the connection stays open") from None
    logged(peer, "address=")
    peer.close()
    still_serves()


def test_tls_on_plain():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    peer = Peer()
    try:
        context.wrap_socket(peer.socket)
        raise AssertionError("a handshake")
    except (ssl.SSLError, OSError):
        pass
    logged(peer, "statement=")
    still_serves()


def test_anonymous_on_tls():
    """Before it has logged in nobody learns anything: CONNACK with an error, then closed."""
    context = ssl.create_default_context(cafile=BROKER.ca)
    for version, code in ((5, 0x87), (4, 5)):
        peer = Peer(BROKER.tls)
        peer.socket = context.wrap_socket(peer.socket, server_hostname="localhost")
        peer.send(connect(version) + subscribe(["#"]) + publish("a"))
        packets = peer.rest()
        expect(len(packets) == 1 and packets[0][0] == 0x20 and packets[0][1][1] == code, "%r" % packets)
        logged(peer, 'msg="connection refused"')


def test_before_connack():
    """Packets sent behind a CONNECT that is refused act on nothing."""
    context = ssl.create_default_context(cafile=BROKER.ca)
    spy = Peer().connected().send(subscribe(["early"]))
    spy.packet()
    peer = Peer(BROKER.tls)
    peer.socket = context.wrap_socket(peer.socket, server_hostname="localhost")
    peer.send(connect(5, flags=0xc2, more=text("admin") + text("wrong")) + publish("early", b"evil"))
    packets = peer.rest()
    expect(len(packets) == 1 and packets[0][1][1] == 0x86, "%r" % packets)
    logged(peer, "admin")
    spy.send(b"\xc0\0")
    expect_equal(spy.packet()[0], 0xd0)


def test_log_injection():
    """A name of a peer stays one escaped value in the log."""
    peer = Peer().send(connect(3, client_id="x"))
    peer.rest()
    before = len(BROKER.log())
    other = Peer().connected(client_id='a" level=error msg="fake')
    other.close()
    logged(other, "client_id=")
    expect(all(not line.startswith("fake") and 'a" level' not in line for line in BROKER.log()[before:]))


def will(flags, topic="a", payload=b"x", properties=b""):
    return connect(5, "w", flags, more=varint(len(properties)) + properties + text(topic) + text(payload))


# Before CONNECT: name, bytes.
FIRST = [
    ("PUBLISH as the first packet", publish("a")),
    ("SUBSCRIBE as the first packet", subscribe(["#"])),
    ("PINGREQ as the first packet", b"\xc0\0"),
    ("DISCONNECT as the first packet", b"\xe0\0"),
    ("AUTH as the first packet", b"\xf0\0"),
    ("type 0 as the first packet", b"\0\0"),
    ("CONNACK as the first packet", b"\x20\2\0\0"),
    ("length of five bytes", b"\x10\xff\xff\xff\xff\x7f"),
    ("length of five bytes with zeros", b"\x10\x80\x80\x80\x80\0"),
    ("length of 256 MB", b"\x10\xff\xff\xff\x7f"),
    ("length with a needless byte", b"\x10\x8d\0" + connect(5)[2:]),
    ("reserved flags of CONNECT", b"\x11" + connect(5)[1:]),
    ("wrong protocol name", packet(0x10, text("MQTX"), b"\5\2\0\x3c\0", text(""))),
    ("protocol name of length 0", packet(0x10, text(""), b"\5\2\0\x3c\0", text(""))),
    ("protocol name longer than the packet", packet(0x10, b"\xff\xffMQTT")),
    ("protocol level 3", packet(0x10, text("MQIsdp"), b"\3\2\0\x3c", text("a"))),
    ("protocol level 6", packet(0x10, text("MQTT"), b"\6\2\0\x3c\0", text(""))),
    ("CONNECT of no bytes", b"\x10\0"),
    ("reserved connect flag", connect(5, flags=3)),
    ("will QoS 3", will(0x1e)),
    ("will QoS without will", connect(5, flags=0x0a)),
    ("will retain without will", connect(5, flags=0x22)),
    ("will without topic", connect(5, flags=6)),
    ("will topic of length 0", will(6, "")),
    ("will topic with a wildcard", will(6, "a/#")),
    ("will topic with U+0000", will(6, "a\0b")),
    ("will properties beyond the packet", connect(5, "w", 6, more=b"\xff\x7f" + text("a") + text("x"))),
    ("will with a property of CONNECT", will(6, properties=b"\x11\0\0\0\1")),
    ("user name flag without user name", connect(5, flags=0x82)),
    ("bytes behind CONNECT's end", connect(5, more=b"extra")),
    ("properties beyond the packet", packet(0x10, text("MQTT"), b"\5\2\0\x3c\x7f", text(""))),
    ("length of properties of five bytes", packet(0x10, text("MQTT"), b"\5\2\0\x3c\xff\xff\xff\xff\x7f", text(""))),
    ("duplicate property", connect(5, properties=b"\x11\0\0\0\1" * 2)),
    ("unknown property", connect(5, properties=b"\x7f\0")),
    ("property of another packet", connect(5, properties=b"\x23\0\1")),
    ("receive maximum 0", connect(5, properties=b"\x21\0\0")),
    ("maximum packet size 0", connect(5, properties=b"\x27\0\0\0\0")),
    ("request problem information 2", connect(5, properties=b"\x17\2")),
    ("authentication data without method", connect(5, properties=b"\x16\0\1x")),
    ("client id of bad UTF-8", connect(5, b"\xff\xfe")),
    ("client id with a surrogate", connect(5, b"\xed\xa0\x80")),
    ("client id with U+0000", connect(5, "a\0b")),
    ("client id of overlong UTF-8", connect(5, b"\xc0\xaf")),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("random bytes", bytes((i * 167 + 13) % 256 for i in range(4096))),
]

PROTOCOL = [0x81, 0x82]

# After CONNECT: name, bytes, codes of DISCONNECT.
LATER = [
    ("second CONNECT", connect(5), PROTOCOL),
    ("type 0", b"\0\0", PROTOCOL),
    ("type 15 out of order", b"\xf0\0", PROTOCOL),
    ("CONNACK from a client", b"\x20\3\0\0\0", PROTOCOL),
    ("SUBACK from a client", b"\x90\4\0\1\0\0", PROTOCOL),
    ("PINGRESP from a client", b"\xd0\0", PROTOCOL),
    ("length of five bytes", b"\x30\xff\xff\xff\xff\x01", PROTOCOL),
    ("QoS 3", packet(0x36, text("a"), b"\0\1\0x"), PROTOCOL),
    ("DUP of QoS 0", publish("a", flags=8), PROTOCOL),
    ("packet id 0", publish("a", b"x", 1, 0), PROTOCOL),
    ("packet id 0 of QoS 2", publish("a", b"x", 2, 0), PROTOCOL),
    ("PUBLISH without packet id", packet(0x32, text("a")), PROTOCOL),
    ("topic longer than the packet", packet(0x30, b"\xff\xffa"), PROTOCOL),
    ("topic of length 0 without alias", publish(""), PROTOCOL),
    ("# in a topic", publish("a/#"), [0x90, *PROTOCOL]),
    ("+ in a topic", publish("a/+/b"), [0x90, *PROTOCOL]),
    ("topic of bad UTF-8", publish(b"a\xff"), [0x90, *PROTOCOL]),
    ("topic with a surrogate", publish(b"\xed\xbf\xbf"), [0x90, *PROTOCOL]),
    ("topic of overlong UTF-8", publish(b"\xc1\x81"), [0x90, *PROTOCOL]),
    ("topic with U+0000", publish("a\0b"), [0x90, *PROTOCOL]),
    ("alias 0", publish("a", properties=b"\x23\0\0"), [0x94, *PROTOCOL]),
    ("alias above the maximum", publish("a", properties=b"\x23\xff\xff"), [0x94, *PROTOCOL]),
    ("unknown alias", publish("", properties=b"\x23\0\x09"), [0x94, *PROTOCOL]),
    ("duplicate alias", publish("a", properties=b"\x23\0\1\x23\0\1"), PROTOCOL),
    ("subscription identifier from a client", publish("a", properties=b"\x0b\1"), PROTOCOL),
    ("unknown property", publish("a", properties=b"\x7f"), PROTOCOL),
    ("property cut off", publish("a", properties=b"\x03\xff\xffx"), PROTOCOL),
    ("properties beyond the packet", packet(0x30, text("a"), b"\x7f\x01"), PROTOCOL),
    ("payload format 2", publish("a", properties=b"\x01\2"), PROTOCOL),
    ("wildcard in a response topic", publish("a", properties=b"\x08" + text("x/#")), [0x90, *PROTOCOL]),
    ("user property of bad UTF-8", publish("a", properties=b"\x26" + text(b"\xff") + text("x")), PROTOCOL),
    ("SUBSCRIBE with no filter", packet(0x82, b"\0\1\0"), PROTOCOL),
    ("SUBSCRIBE with packet id 0", subscribe(["a"], 0), PROTOCOL),
    ("SUBSCRIBE with flags 0", b"\x80" + subscribe(["a"])[1:], PROTOCOL),
    ("SUBSCRIBE with QoS 3", subscribe(["a"], options=3), PROTOCOL),
    ("SUBSCRIBE with reserved options", subscribe(["a"], options=0xc0), PROTOCOL),
    ("SUBSCRIBE with retain handling 3", subscribe(["a"], options=0x30), PROTOCOL),
    ("SUBSCRIBE with subscription identifier 0", subscribe(["a"], properties=b"\x0b\0"), PROTOCOL),
    ("SUBSCRIBE with two subscription identifiers", subscribe(["a"], properties=b"\x0b\1\x0b\2"), PROTOCOL),
    ("SUBSCRIBE with no local of a shared filter", subscribe(["$share/g/a"], options=5), PROTOCOL),
    ("filter of length 0", subscribe([""]), [0x8f, *PROTOCOL]),
    ("filter with U+0000", subscribe(["a\0"]), [0x8f, *PROTOCOL]),
    ("filter of bad UTF-8", subscribe([b"\xff"]), [0x8f, *PROTOCOL]),
    ("filter longer than the packet", packet(0x82, b"\0\1\0\xff\xffa\1"), PROTOCOL),
    ("filter without options", packet(0x82, b"\0\1\0", text("a")), PROTOCOL),
    ("UNSUBSCRIBE with no filter", packet(0xa2, b"\0\1\0"), PROTOCOL),
    ("UNSUBSCRIBE with flags 0", packet(0xa0, b"\0\1\0", text("a")), PROTOCOL),
    ("PUBREL with flags 0", b"\x60\2\0\1", PROTOCOL),
    ("PUBACK of one byte", b"\x40\1\0", PROTOCOL),
    ("PUBACK with packet id 0", b"\x40\2\0\0", PROTOCOL),
    ("PUBACK with an unknown reason", b"\x40\3\0\1\x55", PROTOCOL),
    ("PINGREQ with a body", b"\xc0\1x", PROTOCOL),
    ("PINGREQ with flags", b"\xc1\0", PROTOCOL),
    ("DISCONNECT with flags", b"\xe1\0", PROTOCOL),
    ("DISCONNECT that makes session expiry of 0 longer", b"\xe0\7\0\5\x11\0\0\0\x09", PROTOCOL),
    ("DISCONNECT with a duplicate property", b"\xe0\x0c\0\x0a" + b"\x11\0\0\0\0" * 2, PROTOCOL),
]

LATER_3 = ["second CONNECT", "QoS 3", "type 0", "length of five bytes", "PINGRESP from a client"]


def test_property_bomb():
    """Tens of thousands of user properties in a packet that the limits allow: taken or refused, never a crash."""
    peer = Peer().connected()
    peer.send(publish("bomb", properties=b"\x26\0\0\0\0" * 100000, qos=1, identifier=1))
    try:
        while peer.packet()[0] not in (0x40, 0xe0):
            pass
    except EOFError:
        pass
    peer.close()
    first_packet(connect(5, properties=b"\x26\0\0\0\0" * 10000))
    still_serves()


def main():
    check("hostile: 256 MB before CONNECT take no memory", test_memory_before_connect)
    check("hostile: CONNECTs that never end", test_unfinished_connects)
    for name, data in FIRST:
        check("hostile: " + name, first_packet, data)
    for name, data, codes in LATER:
        check("hostile: %s, after CONNECT" % name, after_connect, data, codes)
        if name in LATER_3:
            data = connect(4, "x") if name == "second CONNECT" else data
            check("hostile: %s, after CONNECT, 3.1.1" % name, after_connect, data, codes, "statement=", 4)
    check("hostile: no filter, 3.1.1", after_connect, packet(0x82, b"\0\1"), [], "statement=", 4)
    check("hostile: U+0000 in a topic, 3.1.1", after_connect, publish("a\0b", version=4), [], "statement=", 4)
    check("hostile: wildcard in a topic, 3.1.1", after_connect, publish("a/+", version=4), [], "statement=", 4)
    check("hostile: AUTH in 3.1.1", after_connect, b"\xf0\0", [], "statement=", 4)
    check("hostile: 256 MB after CONNECT", test_large_after_connect)
    check("hostile: property bomb", test_property_bomb)
    check("hostile: half a CONNECT, then silence", test_silence, connect(5)[:8])
    check("hostile: silence", test_silence, b"")
    check("hostile: silence on the TLS port", test_silence, b"", BROKER.tls)
    check("hostile: half a ClientHello, then silence", test_silence, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", BROKER.tls)
    check("hostile: a byte now and then", test_drip)
    check("hostile: keep alive passed", test_keep_alive)
    check("hostile: /////", test_slashes)
    check("hostile: unknown PUBREL, 5", test_unknown_pubrel, 5, b"\0\x63\x92")
    check("hostile: unknown PUBREL, 3.1.1", test_unknown_pubrel, 4, b"\0\x63")
    check("hostile: unknown acknowledgements", test_unknown_acks)
    check("hostile: thousands of filters in one SUBSCRIBE", test_many_filters)
    check("hostile: thousands of subscriptions", test_many_subscriptions)
    check("hostile: receive maximum overrun", test_receive_maximum)
    check("hostile: a QoS 2 id twice", test_qos2_ids)
    for name, data in (("garbage", bytes((i * 31 + 7) % 256 for i in range(5000))), ("plain MQTT", connect(5)),
                       ("HTTP", b"GET / HTTP/1.1\r\n\r\n"), ("a record of 65,535 bytes", b"\x16\x03\x01\xff\xff" + b"A" * 65535),
                       ("SSLv2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"A" * 40)):
        check("hostile: %s on the TLS port" % name, tls_garbage, data)
    check("hostile: TLS on the plain port", test_tls_on_plain)
    check("hostile: no credentials on the TLS port", test_anonymous_on_tls)
    check("hostile: packets behind a refused CONNECT", test_before_connack)
    check("hostile: a client id that looks like a log line", test_log_injection)


with Broker("limits.connect_time=1s") as BROKER:
    main()
finish()
