#!/usr/bin/python3
"""Attack: TLS that goes wrong in its first flight: ClientHellos cut, changed, in crumbs, too large, full of what no client
may say, or no ClientHello at all. Each ends at once or by handshake_time, with one sentence in the log, and the next client
is served. What is altered is a hello made by hand, which the broker answers when it is whole."""
import collections
import json
import re
import time

from attack import SHADOW, TLS, Target, await_true, expect, expect_equal, finish, threat
from tls import (ALERT, ALPN, CCS, CERTIFICATE, COMMON, DATA, EARLY, EXTENSIONS_12, EXTENSIONS_13, FATAL, FINISHED, GROUPS,
                 HANDSHAKE, HEARTBEAT, HEARTBEATS, HELLO_12, HELLO_13, KEY_UPDATE, MODES, PSK, RENEGOTIATION,
                 SERVER_HELLO, SHARE, SHARES, SIGNATURES, SNI, SUITES_12, SUITES_13, TICKETS, TLS12, TLS13, VERSIONS, X25519,
                 Peer, client_hello, handshake, key_share, pre_shared_key, record, records, replaced, server_name, vector)

AT_ONCE = 500  # connections
ENDED = re.compile(r'msg="(?:connection ended|connection refused)".* address="([^"]*)"')


def with_(kind, *data):
    """TLS 1.3 with other extensions of that type: one for each data."""
    return records(client_hello(replaced(EXTENSIONS_13, kind, *data)))


def and_(*pairs):
    return records(client_hello(EXTENSIONS_13 + list(pairs)))


def psk(identities, binders):
    return and_((PSK, pre_shared_key(identities, binders)))


def old(pairs=EXTENSIONS_12, suites=SUITES_12, **words):
    return records(client_hello(pairs, suites=suites, **words))


def claim(length, more=b""):
    """A hello that says it is so long."""
    return records(HELLO_13[:1] + length.to_bytes(3, "big") + HELLO_13[4:] + more)


def hello_2(version, ciphers):
    """Of SSL 2, with a challenge of 16 bytes."""
    body = b"\1" + version + len(ciphers).to_bytes(2, "big") + b"\0\0\0\x10" + ciphers + bytes(16)
    return bytes([0x80, len(body)]) + body


GREASE = b"\x5a\x5a"
EMPTY = record(HANDSHAKE, b"")
CCS_RECORD = record(CCS, b"\1", TLS12)
WARNING = record(ALERT, b"\1\x5a", TLS12)
FALLBACK = b"\x56\0"
MADE_UP = b"x" * 32
FLIGHT_12, FLIGHT_13 = records(HELLO_12), records(HELLO_13)

# What a server may answer: it is odd, and not wrong.
ANSWERED = {
    "TLS 1.3": FLIGHT_13,
    "TLS 1.2": FLIGHT_12,
    "TLS 1.3 in records of 1 byte": records(HELLO_13, 1),
    "TLS 1.2 in records of 1 byte": records(HELLO_12, 1),
    "empty records between": records(HELLO_13, 1, EMPTY),
    "extensions of 15,000 bytes": and_((21, bytes(15000))),
    "extensions of 16,384 bytes": and_((21, bytes(16384))),
    "extensions of 32,768 bytes": and_((21, bytes(32768))),
    "20,000 suites": records(client_hello(EXTENSIONS_13, suites=SUITES_13 * 20000)),
    "3,000 extensions": and_(*((0x7000 + i, b"") for i in range(3000))),
    "9,000 extensions": and_(*((0x1000 + i, b"") for i in range(9000))),
    "SNI of no bytes": with_(SNI, server_name(b"")),
    "SNI of 255 bytes": with_(SNI, server_name(b"a" * 255)),
    "SNI that is an address": with_(SNI, server_name(b"127.0.0.1")),
    "SNI that is an address of IPv6": with_(SNI, server_name(b"::1")),
    "SNI that would be a line of the log": with_(SNI, server_name(b'x"\nlevel=error subject="tls" msg="connection ended"')),
    "no key share": with_(SHARES, b"\0\0"),
    "400 key shares": with_(SHARES, key_share(*[(X25519, SHARE)] * 400)),
    "5,000 protocols": with_(ALPN, vector(2, b"\1x" * 5000)),
    "PSK, made up, of 32 bytes": psk([MADE_UP], [bytes(32)]),
    "PSK, made up, of 40,000 bytes": psk([b"x" * 40000], [bytes(32)]),
    "PSK, 500 made up": psk([b"%032d" % i for i in range(500)], [bytes(32)] * 500),
    "PSK, a binder of 31 bytes": psk([MADE_UP], [bytes(31)]),
    "PSK, a binder of 255 bytes": psk([MADE_UP], [bytes(255)]),
    "PSK, two binders for one": psk([MADE_UP], [bytes(32)] * 2),
    "0-RTT without a PSK": and_((EARLY, b"")),
    "0-RTT with a PSK, made up": and_((EARLY, b""), (PSK, pre_shared_key([MADE_UP], [bytes(32)]))) +
                                 record(DATA, bytes(100), TLS12) * 10,
    "ticket of random bytes": old(replaced(EXTENSIONS_12, TICKETS, bytes(range(200)))),
    "ticket of 40,000 bytes": old(replaced(EXTENSIONS_12, TICKETS, bytes(40000))),
    "heartbeats allowed": and_((HEARTBEATS, b"\1")),
    "versions of the future in the old places": records(client_hello(EXTENSIONS_13, version=b"\xff\xff")),
    "30 change_cipher_specs": FLIGHT_13 + CCS_RECORD * 30,
    "3 warnings": FLIGHT_12 + WARNING * 3,
}

# What ends the connection at once.
REFUSED = {
    "40 empty records": EMPTY * 40 + FLIGHT_13,
    "5,000 empty records": EMPTY * 5000 + FLIGHT_13,
    "extensions of 65,000 bytes": and_((21, bytes(65000))),
    "a hello of 128 KiB": claim(131072, bytes(131072)),
    "a hello that says 16 MiB": claim(0xffffff),
    "a hello that says 16 MiB, and begins them": claim(0xffffff, bytes(200000)),
    "a record of 16,385 bytes": record(HANDSHAKE, bytes(16385)),
    "a record of 65,535 bytes": record(HANDSHAKE, bytes(65535)),
    "session id of 33 bytes": records(client_hello(EXTENSIONS_13, session_id=bytes(33))),
    "session id of 33 bytes, TLS 1.2": old(session_id=bytes(33)),
    "session id of 255 bytes": records(client_hello(EXTENSIONS_13, session_id=bytes(255))),
    "suites beyond the hello": records(HELLO_13[:71] + b"\xff\xfe" + HELLO_13[73:]),
    "32,767 suites": records(client_hello(EXTENSIONS_13, suites=SUITES_13 * 32767)),
    "200 KB of suites": records(handshake(1, TLS12 + bytes(33) + b"\xff\xff" + SUITES_13 * 100000)),
    "half a suite": records(client_hello(EXTENSIONS_13, suites=SUITES_13 + b"\x13")),
    "no suite": records(client_hello(EXTENSIONS_13, suites=b"")),
    "unknown suites": records(client_hello(EXTENSIONS_13, suites=GREASE)),
    "a fallback": old(suites=SUITES_12 + FALLBACK),
    "no compression method": records(client_hello(EXTENSIONS_13, methods=b"")),
    "compression": records(client_hello(EXTENSIONS_13, methods=b"\1\0")),
    "no extensions": records(handshake(1, TLS12 + bytes(33) + vector(2, SUITES_12) + b"\1\0")),
    "extensions that end too early": records(handshake(1, HELLO_13[4:] + b"tail")),
    "two SNI": with_(SNI, server_name(b"a"), server_name(b"b")),
    "SNI of two names": with_(SNI, server_name(b"a", b"b")),
    "SNI of no name": with_(SNI, b"\0\0"),
    "SNI without a list": with_(SNI, b""),
    "SNI beyond its extension": with_(SNI, b"\0\x20\0\0\x09local"),
    "SNI with U+0000": with_(SNI, server_name(b"local\0host")),
    "SNI of 256 bytes": with_(SNI, server_name(b"a" * 256)),
    "SNI of 10,000 bytes": with_(SNI, server_name(b"a" * 10000)),
    "SNI of another type": with_(SNI, vector(2, b"\7" + vector(2, b"localhost"))),
    "no extension of key shares": with_(SHARES),
    "key shares without a list": with_(SHARES, b""),
    "key shares twice": with_(SHARES, *[key_share((X25519, SHARE))] * 2),
    "500 key shares of unknown groups": with_(SHARES, key_share(*[(GREASE, SHARE)] * 500)),
    "a key share of an unknown group": with_(SHARES, key_share((GREASE, SHARE))),
    "a key share of a group that is not offered": with_(SHARES, key_share((b"\0\x1e", bytes(56)))),
    "a key share of 0 bytes": with_(SHARES, key_share((X25519, b""))),
    "a key share of 31 bytes": with_(SHARES, key_share((X25519, SHARE[1:]))),
    "a key share of 33 bytes": with_(SHARES, key_share((X25519, SHARE + b"x"))),
    "a key share that is zero": with_(SHARES, key_share((X25519, bytes(32)))),
    "a key share that is no point": with_(SHARES, key_share((b"\0\x17", b"\4" + bytes(64)))),
    "no groups": with_(GROUPS),
    "groups without a list": with_(GROUPS, b"\0\0"),
    "half a group": with_(GROUPS, vector(2, X25519 + b"\0")),
    "unknown groups": records(client_hello(COMMON[:1] + [(GROUPS, vector(2, GREASE)), (SHARES, key_share((GREASE, SHARE)))] +
                                           replaced(EXTENSIONS_13, SHARES)[2:])),
    "no signature algorithms": with_(SIGNATURES),
    "signatures with SHA-1": with_(SIGNATURES, vector(2, b"\2\3\2\1")),
    "protocols without a list": with_(ALPN, b"\0\0"),
    "a protocol of no bytes": with_(ALPN, b"\0\1\0"),
    "a protocol beyond its list": with_(ALPN, b"\0\2\xffx"),
    "SSL 3 alone": with_(VERSIONS, vector(1, b"\3\0")),
    "TLS 1.0 alone": with_(VERSIONS, vector(1, b"\3\1")),
    "TLS 1.0 alone, by the old field": old(version=b"\3\1"),
    "SSL 3 alone, by the old field": old(version=b"\3\0"),
    "a draft alone": with_(VERSIONS, vector(1, b"\x7f\x1c")),
    "unknown versions": with_(VERSIONS, vector(1, GREASE * 127)),
    "no version": with_(VERSIONS, b"\0"),
    "versions without a list": with_(VERSIONS, b""),
    "half a version": with_(VERSIONS, vector(1, TLS13 + b"\3")),
    "the old field says 0": records(client_hello(EXTENSIONS_13, version=b"\0\0")),
    "PSK that is not the last": records(client_hello([(PSK, pre_shared_key([MADE_UP], [bytes(32)]))] + EXTENSIONS_13)),
    "PSK twice": and_(*[(PSK, pre_shared_key([MADE_UP], [bytes(32)]))] * 2),
    "PSK of 0 bytes": psk([b""], [bytes(32)]),
    "PSK of 65,000 bytes": psk([b"x" * 65000], [bytes(32)]),
    "PSK without a list": and_((PSK, b"")),
    "PSK without modes": records(client_hello(replaced(EXTENSIONS_13, MODES) +
                                              [(PSK, pre_shared_key([MADE_UP], [bytes(32)]))])),
    "modes without a list": with_(MODES, b"\0"),
    "0-RTT with a body": and_((EARLY, b"abc")),
    "0-RTT without end": and_((EARLY, b""), (PSK, pre_shared_key([MADE_UP], [bytes(32)]))) +
                         record(DATA, bytes(1000), TLS12) * 30,
    "renegotiation of nothing": old(replaced(EXTENSIONS_12, RENEGOTIATION, vector(1, bytes(12)))),
    "a second hello": FLIGHT_13 * 2,
    "a second hello, TLS 1.2": FLIGHT_12 + record(HANDSHAKE, HELLO_12, TLS12),
    "TLS 1.3 behind TLS 1.2": FLIGHT_12 + record(HANDSHAKE, HELLO_13, TLS12),
    "two hellos in a record": record(HANDSHAKE, HELLO_13 * 2),
    "a hello and a byte": record(HANDSHAKE, HELLO_13 + b"\1"),
    "a hello in an alert": record(ALERT, HELLO_13),
    "a hello in application data": record(DATA, HELLO_13),
    "a hello in change_cipher_spec": record(CCS, HELLO_13),
    "a hello in a heartbeat": record(HEARTBEAT, HELLO_13),
    "a hello in a record of type 0": record(0, HELLO_13),
    "a record of version 0": record(HANDSHAKE, HELLO_13, b"\0\0"),
    "a record of version 4": record(HANDSHAKE, HELLO_13, b"\4\0"),
    "change_cipher_spec first": CCS_RECORD + FLIGHT_13,
    "1,000 change_cipher_specs first": CCS_RECORD * 1000 + FLIGHT_13,
    "1,000 change_cipher_specs": FLIGHT_13 + CCS_RECORD * 1000,
    "change_cipher_spec of 2": FLIGHT_13 + record(CCS, b"\2", TLS12),
    "change_cipher_spec before the keys, TLS 1.2": FLIGHT_12 + CCS_RECORD,
    "a warning first": WARNING + FLIGHT_13,
    "1,000 warnings": FLIGHT_13 + WARNING * 1000,
    "1,000 warnings, TLS 1.2": FLIGHT_12 + WARNING * 1000,
    "an alert of 1 byte": record(ALERT, b"\2"),
    "an alert of 3 bytes": FLIGHT_13 + record(ALERT, b"\1\x5a\1", TLS12),
    "an empty alert": record(ALERT, b""),
    "an alert that says farewell first": record(ALERT, b"\1\0"),
    "data in clear": FLIGHT_13 + record(DATA, bytes(100), TLS12),
    "data in clear, TLS 1.2": FLIGHT_12 + record(DATA, bytes(100), TLS12),
    "empty data in clear": FLIGHT_13 + record(DATA, b"", TLS12),
    "a heartbeat that asks for 64 KiB": FLIGHT_13 + record(HEARTBEAT, b"\1\xff\xff", TLS12),
    "a heartbeat that asks for 64 KiB, TLS 1.2": FLIGHT_12 + record(HEARTBEAT, b"\1\xff\xff", TLS12),
    "Finished first": record(HANDSHAKE, handshake(FINISHED, bytes(32))),
    "KeyUpdate first": record(HANDSHAKE, handshake(KEY_UPDATE, b"\1")),
    "Certificate first": record(HANDSHAKE, handshake(CERTIFICATE, bytes(100))),
    "HelloRequest": record(HANDSHAKE, handshake(0, b"")),
    "ServerHello": record(HANDSHAKE, handshake(SERVER_HELLO, HELLO_13[4:])),
    "a hello of nothing": record(HANDSHAKE, handshake(1, b"")),
    "SSL 2 that knows TLS 1.2": hello_2(TLS12, b"\0" + SUITES_12[:2] + b"\0" + SUITES_12[2:]),
    "SSL 2": hello_2(b"\0\2", b"\1\0\x80\7\0\xc0\6\0\x40"),
    "SSL 2 of 32 KiB": b"\xff\xff\1\0\2" + bytes(32765),
    "DTLS": b"\x16\xfe\xfd" + bytes(9) + HELLO_13,
    "zeros": bytes(5000),
    "ones": b"\xff" * 5000,
}


def ended(since):
    """How many sentences there are for each address, behind so many lines of the log."""
    return collections.Counter(found[1] for found in map(ENDED.search, TARGET.log()[since:]) if found)


def one_sentence(peer, since):
    await_true(lambda: ended(since)[peer.address] > 0, 5)
    expect_equal(ended(since)[peer.address], 1)


def answered(flight):
    since = len(TARGET.log())
    peer = Peer(TARGET.tls).send(flight)
    peer.server_hello()
    peer.send(record(ALERT, FATAL, TLS12)).rest()
    one_sentence(peer, since)
    peer.close()
    TARGET.serves(TLS)


def refused(flight):
    since = len(TARGET.log())
    peer = Peer(TARGET.tls).send(flight)
    peer.rest()
    one_sentence(peer, since)
    expect(not any(peer.address in line and "no CONNECT" in line for line in TARGET.log()[since:]), "it was waited for")
    peer.close()
    TARGET.serves(TLS)


def storm(flights):
    """Many at once: each is over before connect_time could end it, with one sentence."""
    flights = list(flights)
    for at in range(0, len(flights), AT_ONCE):
        since, begin = len(TARGET.log()), time.monotonic()
        peers = [Peer(TARGET.tls).send(flight) for flight in flights[at:at + AT_ONCE]]
        TARGET.serves(TLS)
        for peer in peers:
            peer.rest()
        expect(time.monotonic() - begin < 8, "not within handshake_time")
        expect_equal(ended(since), {peer.address: 1 for peer in peers})
        for peer in peers:
            peer.close()
        TARGET.serves(TLS)


def cut(flight):
    for size in range(1, len(flight)):
        yield flight[:size]


def changed(flight):
    for at in range(len(flight)):
        for value in (1, 0x80, 0xff):
            yield flight[:at] + bytes([flight[at] ^ value]) + flight[at + 1:]


def cut_off(flight):
    """Who leaves by himself leaves nothing."""
    for part in cut(flight):
        Peer(TARGET.tls).send(part).close()
    await_true(lambda: TARGET.status()["connections"] == 0, 5)
    TARGET.serves(TLS)


def segments(flight):
    since = len(TARGET.log())
    peer = Peer(TARGET.tls)
    for byte in flight:
        peer.send(bytes([byte]))
        time.sleep(0.001)
    peer.server_hello()
    peer.send(record(ALERT, FATAL, TLS12)).rest()
    one_sentence(peer, since)
    peer.close()
    TARGET.serves(TLS)


def asked_again(second):
    """The broker asks for a key share; what comes then is no better."""
    since = len(TARGET.log())
    peer = Peer(TARGET.tls).send(with_(SHARES, b"\0\0"))
    expect(peer.server_hello().is_retry, "no HelloRetryRequest")
    peer.send(second).rest()
    one_sentence(peer, since)
    peer.close()
    TARGET.serves(TLS)


def the_same_process():
    now = json.loads(TARGET.mortise("status", "--json"))
    expect_equal(now["pid"], TARGET.process.pid)
    expect_equal(TARGET.status()["connections"], 0)
    expect(now["limits"]["handshake_time"] > 0, "%r" % now["limits"])
    # A storm of handshakes at once takes what it takes, and the allocator keeps a part.
    grown = TARGET.resident_kib() - RESIDENT
    expect(grown < AT_ONCE * 64 * SHADOW, "%d KiB more" % grown)


with Target("limits.handshake_time=2s", "limits.connections_per_address=off", "limits.handshakes_per_address=off",
            "limits.handshakes=100000") as TARGET:
    RESIDENT = TARGET.resident_kib()
    for name, data in ANSWERED.items():
        threat(name + ", answered", answered, data)
    for name, data in REFUSED.items():
        threat(name, refused, data)
    threat("no key share, asked again, none again", asked_again, with_(SHARES, b"\0\0"))
    threat("no key share, asked again, another hello", asked_again, with_(SHARES, key_share((b"\0\x17", b"\4" + bytes(64)))))
    for version, data in (("TLS 1.2", FLIGHT_12), ("TLS 1.3", FLIGHT_13)):
        threat(version + " in segments of 1 byte", segments, data)
        threat(version + ", cut anywhere and closed", cut_off, data)
        threat(version + ", cut anywhere and left open", storm, cut(data))
        threat(version + ", each byte changed", storm, changed(data))
    threat("hellos that never end, at once", storm, [claim(40000), hello_2(TLS12, SUITES_12)[:-1], HELLO_13[:1]] * 20)
    threat("the process and its memory", the_same_process)
finish()
