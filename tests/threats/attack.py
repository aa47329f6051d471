"""Imported by the scripts of this folder: a target, which is a broker that lets anybody in with and without TLS; attackers,
which are raw sockets; and what must hold after each attack.

    attacker --bytes--> target: the right answer, the end, and the statement in the log
    witness  <-------> target: still served          status --json, VmRSS: no more than before
"""
import json
import os
import socket
import ssl
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "interop"))

from broker import BUILD, Broker, await_true, check, expect, expect_equal, finish  # noqa: E402
from packets import connect, packet, publish, subscribe, text, varint  # noqa: E402, F401

PLAIN = "plain"
TLS = "tls"
BOTH = (PLAIN, TLS)
# A sanitizer keeps a multiple of each byte beside it, and is slower.
IS_SANITIZED = any(name in os.environ.get("MT_BUILD", "") for name in ("asan", "tsan"))
SHADOW = 8 if IS_SANITIZED else 1


class Target(Broker):
    """A broker whose listeners both let anybody in, as role `open`."""

    def __init__(self, *settings):
        super().__init__("listeners.tls.anonymous=open", "limits.connect_rate=off", *settings)

    def __enter__(self):
        super().__enter__()
        try:
            self.prepare()
            # What grows once, as it is first used, shall not count for an attack.
            for way in BOTH:
                self.serves(way)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def prepare(self):
        """For targets that need more than their settings."""

    def attacker(self, way=PLAIN):
        return Attacker(self, way)

    def client(self, way=PLAIN, **words):
        return Attacker(self, way).connected(**words)

    def status(self):
        return json.loads(self.mortise("status", "--json"))["now"]

    def serves(self, way=PLAIN):
        """A message goes to a good client and back."""
        witness = self.client(way)
        witness.send(subscribe(["good/witness"]))
        expect_equal(witness.packet()[0], 0x90)
        witness.send(publish("good/witness", b"hello", 1, 7))
        got = dict([witness.packet(), witness.packet()])
        expect_equal(got[0x40][:2], b"\0\7")
        expect(got.get(0x32, b"").endswith(b"hello"), "%r" % got)
        witness.send(b"\xe0\0").close()

    def logged(self, attacker, *words):
        """A line with this attacker's address and all the words."""
        def found():
            return [line for line in self.log()
                    if 'address="%s"' % attacker.address in line and all(word in line for word in words)]
        try:
            await_true(found, 2)
        except AssertionError:
            raise AssertionError("no %s for %s in the log: %s" % (words, attacker.address, [
                line for line in self.log() if attacker.address in line][-2:])) from None

    def refuses(self, data, statement, way=PLAIN, codes=None):
        """Before CONNACK said yes: no word, or a CONNACK that says no; then the end."""
        attacker = self.attacker(way).send(data)
        packets = attacker.rest()
        for first, body in packets:
            expect(first == 0x20 and body[1] != 0, "%r" % packets)
            expect(codes is None or body[1] in codes, "CONNACK %#x" % body[1])
        expect(codes is None or packets, "no CONNACK")
        self.logged(attacker, 'statement="%s"' % statement)
        attacker.close()
        self.serves(way)

    def ends(self, data, codes, statement, way=PLAIN, version=5):
        """After CONNACK: MQTT 5 DISCONNECT with one of the codes, 3.1.1 no word; then the end."""
        attacker = self.client(way, version=version).send(data)
        said = [body[0] for first, body in attacker.rest() if first == 0xe0]
        if version == 5:
            expect(len(said) == 1 and said[0] in codes, "DISCONNECT %r" % said)
        else:
            expect_equal(said, [])
        self.logged(attacker, 'statement="%s"' % statement)
        attacker.close()
        self.serves(way)

    def bounded(self, attack, kib, accounted=131072):
        """The attack takes no more than so many KiB; made again, it adds nothing. (A pool keeps what it once was.)"""
        resident = self.resident_kib()
        attack()
        grown = self.resident_kib() - resident
        expect(grown <= kib * SHADOW, "%d KiB more" % grown)
        await_true(lambda: self.status()["connections"] == 0, 5)
        memory = self.status()["memory_bytes"]
        attack()
        await_true(lambda: self.status()["connections"] == 0, 5)
        more = self.status()["memory_bytes"] - memory
        expect(more <= accounted, "%d bytes more at the second time" % more)
        grown = self.resident_kib() - resident
        expect(grown <= kib * SHADOW, "%d KiB more at the second time" % grown)


class Attacker:
    def __init__(self, target, way=PLAIN):
        self.socket = socket.create_connection(("127.0.0.1", getattr(target, way)))
        self.socket.settimeout(10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = "%s:%d" % self.socket.getsockname()
        self.buffer = b""
        if way == TLS:
            context = ssl.create_default_context(cafile=target.ca)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

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

    def expect(self, first, body=None):
        found = self.packet()
        expect(found[0] == first and (body is None or found[1] == body), "packet %#x %r" % found)
        return found[1]

    def until_pong(self):
        """All packets up to the answer of a PINGREQ: the broker had the time to send whatever it would."""
        self.send(b"\xc0\0")
        packets = []
        while not packets or packets[-1][0] != 0xd0:
            packets.append(self.packet())
        return packets[:-1]

    def rest(self):
        """What comes until the broker closes; a broker that does not is a failure."""
        packets = []
        try:
            while True:
                packets.append(self.packet())
        except (EOFError, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return packets
        except socket.timeout:
            raise AssertionError("the connection stays open; it said %r" % packets) from None

    def connected(self, version=5, **words):
        body = self.send(connect(version, **words)).expect(0x20)
        expect(body[1] == 0, "CONNACK %r" % body)
        return self

    def close(self):
        self.socket.close()


def threat(name, test, *arguments):
    """One line of output for one attack; the file's name goes first."""
    check("%s: %s" % (os.path.basename(sys.argv[0]).removesuffix(".py"), name), test, *arguments)


def for_each_way(name, test, *arguments):
    for way in BOTH:
        threat("%s, %s" % (name, way), test, *arguments, way)


def wait(seconds):
    """For what shall NOT happen; never for what shall."""
    time.sleep(seconds)
