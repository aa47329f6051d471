#!/usr/bin/python3
"""Attack: what TLS lets a peer say without end behind its handshake: key updates, renegotiations, warnings, empty records,
messages that never end; and what it must not say there. Each ends the connection with one sentence in the log, or does no
harm, before CONNECT and after it. Then hundreds of hellos from one address, a byte a second."""
import re
import time

from attack import SHADOW, TLS, Target, await_true, connect, expect, expect_equal, finish, threat
from tls import (ALERT, CCS, CERTIFICATE, DATA, EXTENSIONS_12, FATAL, FINISHED, HANDSHAKE, HEARTBEAT, HELLO, HELLO_12,
                 HELLO_13, KEY_UPDATE, RENEGOTIATION, SUITES_12, TICKET, TLS12, Connection12, Connection13, Peer,
                 client_hello, handshake, record, records, replaced, vector)

PING, PONG = b"\xc0\0", b"\xd0\0"
WARNING = b"\1\x5a"
ADDRESSES = 200
ENDED = re.compile(r'msg="connection (?:ended|refused)"')


def sealed(kind, data, count=1):
    return lambda peer: b"".join(peer.seal(kind, data) for _ in range(count))


def clear(kind, data):
    return lambda peer: record(kind, data, TLS12)


def key_updates(wish, count, between=None):
    def bytes_of(peer):
        said = b""
        for _ in range(count):
            said += peer.seal(HANDSHAKE, handshake(KEY_UPDATE, wish))
            peer.writing = peer.writing.updated()
            if between is not None:
                said += peer.seal(DATA, between)
        return said
    return bytes_of


def key_update_in_two(peer):
    message = handshake(KEY_UPDATE, b"\0")
    said = peer.seal(HANDSHAKE, message[:3]) + peer.seal(HANDSHAKE, message[3:])
    peer.writing = peer.writing.updated()
    return said


LIVES = {
    Connection13: {
        "a key update": key_updates(b"\0", 1),
        "a key update, and one asked for": key_updates(b"\1", 1),
        "a key update in two records": key_update_in_two,
        "10 key updates": key_updates(b"\1", 10),
        "10 empty records": sealed(DATA, b"", 10),
        "a warning": sealed(ALERT, WARNING),
    },
    Connection12: {
        "a renegotiation": sealed(HANDSHAKE, HELLO_12),
        "1,000 renegotiations": sealed(HANDSHAKE, HELLO_12, 1000),
        "a renegotiation that says it is one": lambda peer: peer.seal(HANDSHAKE, client_hello(
            replaced(EXTENSIONS_12, RENEGOTIATION, vector(1, peer.finished)), suites=SUITES_12, session_id=b"")),
        "10 empty records": sealed(DATA, b"", 10),
        "a warning": sealed(ALERT, WARNING),
    },
}
ENDS = {
    Connection13: {
        "1,000 key updates": key_updates(b"\0", 1000),
        "1,000 key updates asked for": key_updates(b"\1", 1000),
        "1,000 key updates with empty records between": key_updates(b"\1", 1000, b""),
        "a key update of no bytes": key_updates(b"", 1),
        "a key update of 2 bytes": key_updates(b"\1\1", 1),
        "a key update of 2": key_updates(b"\2", 1),
        "two key updates in a record": sealed(HANDSHAKE, handshake(KEY_UPDATE, b"\1") * 2),
        "data within a key update": lambda peer: peer.seal(HANDSHAKE, b"\x18\0") + peer.seal(DATA, PING),
        "a hello": sealed(HANDSHAKE, HELLO_13),
        "100 hellos": sealed(HANDSHAKE, HELLO_13, 100),
        "a hello in clear": clear(HANDSHAKE, HELLO_13),
        "a ticket": sealed(HANDSHAKE, handshake(TICKET, bytes(50))),
        "a certificate": sealed(HANDSHAKE, handshake(CERTIFICATE, bytes(5))),
        "Finished": sealed(HANDSHAKE, handshake(FINISHED, bytes(32))),
        "EndOfEarlyData": sealed(HANDSHAKE, handshake(5, b"")),
        "an empty message": sealed(HANDSHAKE, b""),
        "padding alone": sealed(0, bytes(100)),
        "a record of another type": sealed(99, b"x"),
        "change_cipher_spec in clear": clear(CCS, b"\1"),
    },
    Connection12: {
        "HelloRequest": sealed(HANDSHAKE, handshake(0, b"")),
        "a hello in clear": clear(HANDSHAKE, HELLO_12),
        "Finished": sealed(HANDSHAKE, handshake(FINISHED, bytes(12))),
        "a key update": sealed(HANDSHAKE, handshake(KEY_UPDATE, b"\1")),
    },
}
BOTH_END = {
    "100 warnings": sealed(ALERT, WARNING, 100),
    "an alert": sealed(ALERT, FATAL),
    "1,000 empty records": sealed(DATA, b"", 1000),
    "a message of 16 MiB": sealed(HANDSHAKE, b"\x18\xff\xff\xff" + bytes(16000), 5),
    "change_cipher_spec": sealed(CCS, b"\1"),
    "a heartbeat that asks for 64 KiB": sealed(HEARTBEAT, b"\1\xff\xff"),
    "data in clear": clear(DATA, PING),
    "a record that is too large": sealed(DATA, bytes(16385)),
    "a record twice": lambda peer: peer.seal(DATA, b"") * 2,
}


def sentences(peer, since):
    return [line for line in TARGET.log()[since:] if 'address="%s"' % peer.address in line and ENDED.search(line)]


def one_sentence(peer, since):
    await_true(lambda: sentences(peer, since), 5)
    expect_equal(len(sentences(peer, since)), 1)


def opened(version, is_connected):
    peer = version(TARGET.tls)
    if is_connected:
        expect_equal(peer.say(connect(5)).data()[:1], b"\x20")
    return peer


def lives(version, bytes_of):
    for is_connected in (False, True):
        peer = opened(version, is_connected)
        since = len(TARGET.log())
        peer.send(bytes_of(peer))
        if not is_connected:
            expect_equal(peer.say(connect(5)).data()[:1], b"\x20")
        expect_equal(peer.say(PING).data(), PONG)
        expect_equal(sentences(peer, since), [])
        peer.close()
    TARGET.serves(TLS)


def ends(version, bytes_of):
    for is_connected in (False, True):
        since = len(TARGET.log())
        peer = opened(version, is_connected)
        peer.send(bytes_of(peer))
        said = peer.heard()
        expect(all(kind != DATA for kind, _ in said), "%r" % said[:3])
        one_sentence(peer, since)
        peer.close()
    TARGET.serves(TLS)


def unread(is_connected):
    """Answers are asked for and never taken: they are kept up to a bound."""
    since, resident = len(TARGET.log()), TARGET.resident_kib()
    peer = Connection12(TARGET.tls, room=4096)
    if is_connected:
        peer.say(connect(5)).data()
    begin = time.monotonic()
    try:
        while time.monotonic() - begin < 30:
            peer.socket.sendall(b"".join(peer.seal(HANDSHAKE, handshake(HELLO, b"")) for _ in range(200)))
    except ConnectionError:
        pass
    one_sentence(peer, since)
    peer.close()
    grown = TARGET.resident_kib() - resident
    expect(grown < 8192 * SHADOW, "%d KiB more" % grown)
    TARGET.serves(TLS)


def drip():
    """All that one address may have: they end by handshake_time, and meanwhile others are served."""
    since, begin = len(TARGET.log()), time.monotonic()
    flight = records(HELLO_13)
    peers = [Peer(TARGET.tls, "127.0.0.2") for _ in range(ADDRESSES)]
    one_more = Peer(TARGET.tls, "127.0.0.2")
    expect_equal(one_more.send(flight).rest(), [])
    TARGET.logged(one_more, 'limit="connections_per_address"')
    for byte in flight[:4]:
        for peer in peers:
            peer.send(bytes([byte]))
        TARGET.serves(TLS)
        time.sleep(1)
    for peer in peers:
        expect_equal(peer.rest(), [])
    expect(time.monotonic() - begin < 9, "not within handshake_time")
    for peer in peers:
        one_sentence(peer, since)
        peer.close()
    Peer(TARGET.tls, "127.0.0.2").send(flight).server_hello()
    TARGET.serves(TLS)


with Target("listeners.tls.client_certificate=no", "limits.handshake_time=5s",
            "limits.connections_per_address=off") as TARGET:
    for each in (Connection12, Connection13):
        which = "TLS 1.%s, " % each.__name__[-1]
        for name, attack in LIVES[each].items():
            threat(which + name + ", lives", lives, each, attack)
        for name, attack in [*ENDS[each].items(), *BOTH_END.items()]:
            threat(which + name, ends, each, attack)
    threat("answers that nobody takes, before CONNECT", unread, False)
    threat("answers that nobody takes", unread, True)

with Target("listeners.tls.client_certificate=no", "limits.handshake_time=3s",
            "limits.connections_per_address=%d" % ADDRESSES) as TARGET:
    threat("%d hellos from one address, a byte a second" % ADDRESSES, drip)
finish()
