#!/usr/bin/python3
"""Callers of the admin API over HTTPS who have no token: they guess, they stall, they never read, they send what is no TLS.
Whoever has a token is served all the while, from their address too, and so are the clients of the broker."""
import json
import os
import random
import socket
import ssl
import sys

from attack import Target, await_true, check, expect, expect_equal, finish

REQUEST = b"GET /api/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"


def dial(address="127.0.0.1"):
    connection = socket.create_connection(("127.0.0.1", PORT), 20, source_address=(address, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def meet(address="127.0.0.1"):
    return ssl.create_default_context(cafile=TARGET.ca).wrap_socket(dial(address), server_hostname="localhost")


def ask(token, what="roles", address="127.0.0.1"):
    """The status of the answer."""
    with meet(address) as caller:
        caller.sendall(REQUEST % (what.encode(), token.encode()))
        return int(caller.recv(65536).split()[1])


def https():
    return json.loads(TARGET.mortise("status", "--json"))["https"]


def is_served():
    expect_equal(ask(TOKEN), 200)
    TARGET.serves()


def test_guessing():
    """300 guesses: an address hears 429 soon, the log has a line for a few of them, and the right token is heard."""
    random.seed(5)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    heard = [ask("mta1." + "".join(random.choices(letters, k=26))) for _ in range(300)]
    expect_equal(set(heard), {401, 429})
    expect(heard.count(401) <= 12, "%d were looked at" % heard.count(401))
    lines = [line for line in TARGET.log() if "token refused" in line]
    expect(len(lines) <= 12 and all("127.0.0.1:" in line for line in lines), "%d lines" % len(lines))
    is_served()
    # Somebody else's mistakes are his own.
    expect_equal(ask("mta1.wrong", address="127.0.2.1"), 401)


def test_stalled_handshakes():
    silent = []
    for i in range(120):
        connection = dial("127.0.1.%d" % (i % 20 + 1))
        connection.sendall(bytes.fromhex("1603010200"))
        silent.append(connection)
    is_served()
    expect(https()["connections"] <= 64)
    for connection in silent:
        connection.close()


def test_stalled_requests():
    """Half a request each, from many addresses: whoever comes with a whole one takes the place of the oldest."""
    half = []
    for i in range(80):
        caller = meet("127.0.1.%d" % (i % 20 + 1))
        caller.sendall(b"POST /api/roles HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nX: ")
        half.append(caller)
    is_served()
    expect(https()["connections"] <= 64)
    for caller in half:
        caller.close()


def test_what_is_never_read():
    """Many answers are asked for and none is taken: the broker keeps a piece of them, and has its end."""
    resident = TARGET.resident_kib()
    deaf = [meet("127.0.3.%d" % (i + 1)) for i in range(4)]
    for caller in deaf:
        caller.setblocking(False)
        try:
            for _ in range(2000):
                caller.send(REQUEST % (b"routes", TOKEN.encode()))
        except (ssl.SSLWantWriteError, OSError):
            pass
    is_served()
    grown = TARGET.resident_kib() - resident
    expect(grown < 20000, "%d KiB more" % grown)
    await_true(lambda: https()["connections"] == 0, 40)
    for caller in deaf:
        caller.close()


def test_noise():
    random.seed(7)
    for size in (0, 1, 5, 100, 3000, 70000):
        with dial() as noisy:
            try:
                noisy.sendall(random.randbytes(size))
                noisy.shutdown(socket.SHUT_WR)
                while noisy.recv(65536):
                    pass
            except OSError:
                pass
    with meet() as caller:
        inner = caller.detach()
    with socket.socket(fileno=inner) as bare:
        bare.sendall(random.randbytes(3000))
        bare.settimeout(20)
        try:
            while bare.recv(65536):
                pass
        except ConnectionResetError:
            pass
    is_served()


def test_no_token_no_route():
    """Without a token one learns nothing of what there is."""
    found = {ask("mta1.wrong", what, "127.0.4.%d" % (i + 1)) for i, what in
             enumerate(("users", "users/admin", "users/nobody", "nothing", "tokens", "roles/x/rules/1"))}
    expect_equal(found, {401})


def test_memory_comes_back():
    start = TARGET.resident_kib()
    for _ in range(3):
        for i in range(100):
            with meet("127.0.5.%d" % (i % 20 + 1)) as caller:
                caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                while caller.recv(65536):
                    pass
    grown = TARGET.resident_kib() - start
    expect(grown < 20000, "%d KiB more" % grown)


with Target("admin.https.address=127.0.0.1:0") as TARGET:
    PORT = TARGET.port("https")
    TOKEN_PATH = os.path.join(TARGET.folder, "token")
    TARGET.mortise("api-token", "new", "watch", "--role", "viewer", "--out", TOKEN_PATH)
    with open(TOKEN_PATH, encoding="ascii") as file:
        TOKEN = file.read().strip()
    for test_name, test in [(name, value) for name, value in globals().items() if name.startswith("test_")]:
        check("tokens: " + test_name[5:].replace("_", " "), test)
finish()
