#!/usr/bin/python3
"""Attack: tickets and ids of TLS sessions that are changed, cut, made up or of another version, binders that do not fit, and
data before the handshake. Nothing but the true one resumes, and nothing that came early is heard."""
import json
import random

from attack import TLS, Target, connect, expect, expect_equal, finish, threat
from tls import (CCS, EARLY, ENCRYPTED_EXTENSIONS, EXTENSIONS_12, EXTENSIONS_13, PSK, SERVER_DONE, SUITES_12, TICKETS,
                 Connection12, Connection13, Peer, bound_hello, client_hello, each_extension, messages, pre_shared_key,
                 records, replaced)

DRAW = random.Random(4711)


def resumes_13(port, hello):
    peer = Peer(port).send(records(hello))
    answer = peer.server_hello()
    peer.close()
    return PSK in answer.extensions


def resumes_12(port, hello):
    """In full the server says ServerHelloDone; going on from a session, it changes to its keys."""
    peer = Peer(port).send(records(hello))
    said = []
    while not said or said[-1][0] != CCS and SERVER_DONE not in dict(messages(said)):
        said.append(peer.record())
    peer.close()
    return said[-1][0] == CCS


def with_ticket(ticket):
    return client_hello(replaced(EXTENSIONS_12, TICKETS, ticket), suites=SUITES_12[:2], session_id=b"")


def with_id(session_id):
    return client_hello(replaced(EXTENSIONS_12, TICKETS), suites=SUITES_12[:2], session_id=session_id)


def with_psk(*identities, early=False):
    pairs = EXTENSIONS_13 + ([(EARLY, b"")] if early else [])
    return client_hello(pairs + [(PSK, pre_shared_key(identities, [bytes(32)] * len(identities)))])


def changed(data):
    for at in range(len(data)):
        for value in (1, 0x80):
            yield data[:at] + bytes([data[at] ^ value]) + data[at + 1:]


def altered(data, most=65535):
    """Each byte changed, each truncation, and more than there was."""
    yield from changed(data)
    for size in range(1, len(data)):
        yield data[:size]
    for more in (b"\0", data):
        if len(data + more) <= most:
            yield data + more


def only_the_true_one(resumes, port, hello_of, true, most=65535):
    expect(resumes(port, hello_of(true)), "the true one does not")
    for false in altered(true, most):
        expect(not resumes(port, hello_of(false)), "%r resumes" % false)
    expect(resumes(port, hello_of(true)), "the true one does not any more")
    TARGET.serves(TLS)


def full_after_all(session):
    """With its binder right and its ticket wrong: the handshake goes on in full, to its end."""
    psk, ticket = session
    for at in range(0, len(ticket), 16):
        client = Connection13(TARGET.tls, (psk, ticket[:at] + bytes([ticket[at] ^ 1]) + ticket[at + 1:]))
        expect(not client.is_resumed, "resumed")
        expect_equal(client.say(connect(5)).data()[0], 0x20)
        client.close()


def binders(port, session):
    """Who has seen a ticket on its way cannot use it."""
    message = bound_hello(session)
    for binder in [*changed(message[-32:]), bytes(32)]:
        peer = Peer(port).send(records(bound_hello(session, binder=binder)))
        peer.rest()
        TARGET.logged(peer, 'msg="connection ended"')
        peer.close()
    expect(resumes_13(port, message), "the true one does not")
    TARGET.serves(TLS)


def made_up(resumes, port, hello_of, sizes):
    before = tls_status()["sessions"]
    for size in sizes:
        expect(not resumes(port, hello_of(DRAW.randbytes(size))), "of %d bytes" % size)
    expect_equal(tls_status()["sessions"], before)
    TARGET.serves(TLS)


def of_the_other_version(port, old, new, hello_of):
    """By its owner, who knows its secret."""
    expect(not resumes_12(port, hello_of(new[1])), "one of TLS 1.3 in TLS 1.2")
    expect(not resumes_13(port, bound_hello(old)), "one of TLS 1.2 in TLS 1.3")
    TARGET.serves(TLS)


def early(session, is_resumed):
    """The CONNECT before the handshake is thrown away; the one behind it is the first."""
    client = Connection13(TARGET.tls, session, early=connect(5, "early"))
    expect_equal(client.is_resumed, is_resumed)
    extensions = dict(each_extension(dict(client.encrypted)[ENCRYPTED_EXTENSIONS]))
    expect(EARLY not in extensions, "0-RTT is accepted")
    expect_equal(client.say(connect(5, "late")).data()[0], 0x20)
    expect_equal(client.say(b"\xc0\0").data(), b"\xd0\0")
    client.close()
    expect(not any('client_id="early"' in line for line in TARGET.log()), "it was heard")
    TARGET.serves(TLS)


def early_again(session):
    """The same bytes, recorded and sent twice: each is nothing but a handshake that nobody ends."""
    for _ in range(2):
        early(session, True)


def many(port):
    """Identities by the hundred, and connections by the thousand, cost no memory."""
    hello = with_psk(*(DRAW.randbytes(32) for _ in range(500)))

    def attack():
        for _ in range(300):
            expect(not resumes_13(port, hello), "resumed")
    TARGET.bounded(attack, 8192)
    TARGET.serves(TLS)


def tls_status():
    return json.loads(TARGET.mortise("status", "--json"))["tls"]


with Target("limits.handshake_time=5s", "limits.connections_per_address=off", "listeners.ids.address=127.0.0.1:0",
            "listeners.ids.resumption=ids", "listeners.ids.anonymous=open",
            "listeners.ids.client_certificate=no", "listeners.tls.client_certificate=no") as TARGET:
    IDS = TARGET.port("ids")
    TICKET_13, ID_13 = (Connection13(port).session() for port in (TARGET.tls, IDS))
    TICKET_12, ID_12 = (Connection12(port).session() for port in (TARGET.tls, IDS))
    expect_equal((len(ID_13[1]), len(ID_12[1]), len(TICKET_12[1]) > 100), (32, 32, True))
    threat("tickets, TLS 1.3", only_the_true_one, resumes_13, TARGET.tls,
           lambda identity: bound_hello(TICKET_13, identity=identity), TICKET_13[1])
    threat("ids, TLS 1.3", only_the_true_one, resumes_13, IDS,
           lambda identity: bound_hello(ID_13, identity=identity), ID_13[1])
    threat("tickets, TLS 1.2", only_the_true_one, resumes_12, TARGET.tls, with_ticket, TICKET_12[1])
    threat("ids, TLS 1.2", only_the_true_one, resumes_12, IDS, with_id, ID_12[1], 32)
    threat("changed tickets, to the end", full_after_all, TICKET_13)
    threat("binders of others, ticket", binders, TARGET.tls, TICKET_13)
    threat("binders of others, id", binders, IDS, ID_13)
    for where, its_port in (("both", TARGET.tls), ("ids", IDS)):
        threat("made up, TLS 1.3, " + where, made_up, resumes_13, its_port, with_psk,
               [32] * 50 + [1, 31, 33, 240, 1000, 30000])
        threat("made up ids, TLS 1.2, " + where, made_up, resumes_12, its_port, with_id, [32] * 50 + [1, 31])
        threat("made up tickets, TLS 1.2, " + where, made_up, resumes_12, its_port, with_ticket, [1, 15, 16, 32, 200, 30000])
    threat("tickets of the other version", of_the_other_version, TARGET.tls, TICKET_12, TICKET_13, with_ticket)
    threat("ids of the other version", of_the_other_version, IDS, ID_12, ID_13, with_id)
    threat("0-RTT with a true ticket", early, TICKET_13, True)
    threat("0-RTT with a ticket, again", early_again, TICKET_13)
    threat("0-RTT with a PSK, made up", early, (bytes(32), DRAW.randbytes(32)), False)
    threat("500 identities, 300 times", many, TARGET.tls)
finish()
