#!/usr/bin/python3
"""Attack: connections that never get to CONNECT: silence, half a handshake, a byte now and then. CVE-2017-7652."""
import socket
import ssl
import time

from attack import BOTH, PLAIN, TLS, Attacker, Target, await_true, connect, expect, finish, for_each_way, threat


def hello(target):
    """The first flight of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context(cafile=target.ca).wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a peer")


def raw(way):
    attacker = socket.create_connection(("127.0.0.1", getattr(TARGET, way)))
    attacker.settimeout(10)
    return attacker


def ended(attacker):
    try:
        while attacker.recv(65536):
            pass
    except ConnectionError:
        pass
    attacker.close()


def many(bytes_, way):
    """A hundred of them, and meanwhile others are served; at the end they are gone."""
    attackers = [raw(way) for _ in range(100)]
    for attacker in attackers:
        attacker.sendall(bytes_)
    TARGET.serves(way)
    begin = time.monotonic()
    for attacker in attackers:
        ended(attacker)
    expect(time.monotonic() - begin < 8, "not within connect_time")
    await_true(lambda: TARGET.status()["connections"] == 0, 5)


def drip(bytes_, way):
    """A byte now and then buys no time."""
    attacker = raw(way)
    begin = time.monotonic()
    for byte in bytes_ * 4:
        try:
            attacker.sendall(bytes([byte]))
        except OSError:
            break
        time.sleep(0.05)
        expect(time.monotonic() - begin < 8, "still open")
    ended(attacker)


def silence_after_tls():
    """The handshake is whole, CONNECT never comes."""
    attackers = [Attacker(TARGET, TLS) for _ in range(20)]
    TARGET.serves(TLS)
    for attacker in attackers:
        attacker.rest()
        attacker.close()


def memory(way):
    first = connect(5, "x" * 200)[:150] if way == PLAIN else hello(TARGET)[:150]

    def attack():
        attackers = [raw(way) for _ in range(200)]
        for attacker in attackers:
            attacker.sendall(first)
        for attacker in attackers:
            ended(attacker)
    TARGET.bounded(attack, 200 * 128)
    TARGET.serves(way)


with Target("limits.connect_time=1s") as TARGET:
    FIRST = {PLAIN: connect(5, "x" * 200), TLS: hello(TARGET)}
    for each in BOTH:
        threat("silence, " + each, many, b"", each)
        threat("half of the first packet, " + each, many, FIRST[each][:100], each)
        threat("a byte now and then, " + each, drip, FIRST[each], each)
    threat("silence behind the handshake", silence_after_tls)
    for_each_way("memory", memory)
finish()
