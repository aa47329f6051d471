#!/usr/bin/python3
"""More clients at once than handshakes can be made: those that come back with a session go first, those that say nothing
make way, one address does not take the room of all."""
import json
import os
import socket
import ssl
import sys
import threading

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "interop"))
sys.dont_write_bytecode = True
from broker import Broker, await_true, check, expect, expect_equal, finish  # noqa: E402
from pki import Client  # noqa: E402

HELLO = bytes.fromhex("1603010200")  # the head of a record that never comes


def dial(address="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", BROKER.tls), 10, source_address=(address, 0))


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        connection.setblocking(True)


def counted(name):
    return json.loads(BROKER.mortise("status", "--json"))["limits"].get(name, 0)


def test_silent_ones_make_way():
    """handshakes=20: the 30 that say nothing lose their place to those that come, and a client gets in."""
    silent = [dial("127.0.0.%d" % (2 + i % 10)) for i in range(30)]
    for connection in silent:
        connection.sendall(HELLO)
    await_true(lambda: counted("handshakes") == 10)
    await_true(lambda: sum(map(is_open, silent)) == 20)
    expect(not any(map(is_open, silent[:10])), "the oldest ones stayed")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        Client(BROKER.ca, None, version).visit(BROKER.tls)
    expect(counted("handshakes") > 10)
    for connection in silent:
        connection.close()


def test_one_address():
    silent = [dial("127.0.1.1") for _ in range(10)]
    await_true(lambda: counted("handshakes_per_address") == 4)
    expect_equal(sum(map(is_open, silent)), 6)
    Client(BROKER.ca).visit(BROKER.tls)
    for connection in silent:
        connection.close()
    # Who was welcomed does not count any more.
    clients = [Client(BROKER.ca).dial(BROKER.tls) for _ in range(10)]
    for client in clients:
        client.close()


def test_storm():
    """Everybody at once, half of them with a session: all are served, and all sessions are gone on from."""
    known = [Client(BROKER.ca, None, version, tickets=tickets) for _ in range(5)
             for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) for tickets in (False, True)]
    for client in known:
        client.visit(BROKER.port("wide"))
    clients = known + [Client(BROKER.ca) for _ in range(100)]
    failed = []

    def come(client):
        try:
            client.visit(BROKER.port("wide"))
        except Exception as error:  # told by the main thread
            failed.append(error)
    threads = [threading.Thread(target=come, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not failed, failed[:1])
    expect(all(client.resumed for client in known), "a session was not gone on from")
    expect(not any(client.resumed for client in clients[len(known):]))


BROKER = Broker("limits.handshakes=20", "limits.handshakes_per_address=6", "limits.connect_rate=off",
                "listeners.tls.anonymous=open", "listeners.wide.address=127.0.0.1:0", "listeners.wide.anonymous=open",
                "listeners.wide.limits.handshakes_per_address=off")
with BROKER:
    check("handshake_storm: who says nothing makes way", test_silent_ones_make_way)
    check("handshake_storm: one address has a share", test_one_address)
BROKER = Broker("limits.connect_rate=off", "listeners.wide.address=127.0.0.1:0", "listeners.wide.anonymous=open")
with BROKER:
    check("handshake_storm: everybody at once", test_storm)
finish()
