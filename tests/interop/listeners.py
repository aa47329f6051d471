#!/usr/bin/python3
"""Listeners that are no plain ports: Unix sockets with owner and mode, and connections that a trusted proxy speaks for,
with and without TLS and WebSocket behind the header."""
import os
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
from broker import BUILD, Broker, await_true, check, expect, expect_equal, finish

CONNECT = bytes.fromhex("10100004") + b"MQTT" + bytes.fromhex("0402003c0004") + b"abcd"
CONNACK = bytes.fromhex("20020000")
V1 = b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 8883\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + \
    struct.pack(">HH", 4712, 8883)
UPGRADE = (b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Protocol: mqtt\r\n\r\n")


def dial(listener):
    return socket.create_connection(("127.0.0.1", BROKER.port(listener)), 10)


def local():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(PATH)
    return connection


def expect_served(connection):
    connection.sendall(CONNECT)
    expect_equal(connection.recv(100), CONNACK)


def expect_ended(connection):
    try:
        expect_equal(connection.recv(100), b"")
    except ConnectionResetError:
        pass


def is_logged(*parts):
    return any(all(part in line for part in parts) for line in BROKER.log())


def test_unix():
    info = os.lstat(PATH)
    expect(stat.S_ISSOCK(info.st_mode), "no socket")
    expect_equal(stat.S_IMODE(info.st_mode), 0o600)
    expect("local=unix:" + PATH in BROKER.ready, BROKER.ready)
    with local() as connection:
        expect_served(connection)
        await_true(lambda: is_logged("connection by a Unix socket", "pid=%d" % os.getpid(), "uid=%d" % os.getuid()))
        await_true(lambda: is_logged("client connected", 'address="unix"'))
        expect('"unix"' in BROKER.mortise("client", "list", "--json"), "not in the list")


def second_broker(*arguments):
    return subprocess.run([BUILD + "/mortised", "--state", os.path.join(BROKER.folder, "other"), "--set",
                           "listeners.tls=off", "--set", "listeners.l.tls=no", *arguments],
                          capture_output=True, text=True, timeout=20, check=False)


def test_unix_that_is_served_stays():
    done = second_broker("--set", "listeners.l.address=unix:" + PATH)
    expect_equal(done.returncode, 1)
    expect("somebody serves it" in done.stderr, done.stderr)
    with local() as connection:
        expect_served(connection)


def test_unix_is_replaced_and_removed():
    path = os.path.join(BROKER.folder, "stale.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
        stale.listen()
    process = subprocess.Popen([BUILD + "/mortised", "--state", os.path.join(BROKER.folder, "third"), "--set",
                                "listeners.tls=off", "--set", "listeners.l.tls=no", "--set",
                                "listeners.l.address=unix:" + path], stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if line.startswith("ready "):
                break
        expect(line.startswith("ready l=unix:" + path), line)
        process.send_signal(signal.SIGTERM)
        expect_equal(process.wait(10), 0)
    finally:
        process.kill()
        process.stderr.close()
    expect(not os.path.exists(path), "the socket is still there")


def test_proxy(header, address):
    with dial("proxied") as connection:
        connection.sendall(header + CONNECT)
        expect_equal(connection.recv(100), CONNACK)
        await_true(lambda: is_logged("client connected", 'address="%s"' % address, 'listener="proxied"'))


def test_proxy_tls():
    with dial("proxiedtls") as connection:
        connection.sendall(V1)
        context = ssl.create_default_context(cafile=BROKER.ca)
        with context.wrap_socket(connection, server_hostname="localhost") as secure:
            expect_served(secure)
            await_true(lambda: is_logged("client connected", "198.51.100.7:4711", 'listener="proxiedtls"'))


def test_proxy_websocket():
    with dial("proxiedws") as connection:
        connection.sendall(V2 + UPGRADE)
        expect(connection.recv(1000).startswith(b"HTTP/1.1 101 "), "no handshake")
        connection.sendall(b"\x82" + bytes([0x80 | len(CONNECT)]) + bytes(4) + CONNECT)
        expect_equal(connection.recv(100), b"\x82\x04" + CONNACK)
        await_true(lambda: is_logged("client connected", "[2001:db8::7]:4712", 'listener="proxiedws"'))


def test_proxy_by_unix():
    with local_proxied() as connection:
        connection.sendall(V1)
        expect_served(connection)
        await_true(lambda: is_logged("client connected", "198.51.100.7:4711", 'listener="proxiedlocal"'))


def local_proxied():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(PROXIED_PATH)
    return connection


def test_proxy_without_header():
    with dial("proxied") as connection:
        connection.sendall(CONNECT)
        expect_ended(connection)
    await_true(lambda: is_logged("proxy", "sends no PROXY header", "127.0.0.1"))


def test_header_from_elsewhere():
    with dial("distrusting") as connection:
        connection.sendall(V1 * 2)
        expect_ended(connection)
    with dial("distrusting") as connection:
        expect_served(connection)


def test_share_of_an_address():
    """connections_per_address is 4: for the addresses told, not for the proxy."""
    open_connections = []
    for last in range(1, 7):
        connection = dial("proxied")
        connection.sendall(V1.replace(b"100.7", b"100.%d" % last))
        expect_served(connection)
        open_connections.append(connection)
    for _ in range(3):
        connection = dial("proxied")
        connection.sendall(V1.replace(b"100.7", b"100.1"))
        expect_served(connection)
        open_connections.append(connection)
    with dial("proxied") as connection:
        connection.sendall(V1.replace(b"100.7", b"100.1"))
        expect_ended(connection)
    await_true(lambda: is_logged("connections_per_address", "198.51.100.1:4711"))
    for connection in open_connections:
        connection.close()


def test_header_that_never_comes():
    """connect_time is 1 s, and holds before the header, too."""
    with dial("proxied") as connection:
        connection.sendall(V1[:20])
        expect_ended(connection)


def listener(name, *settings):
    return ["listeners.%s.%s" % (name, setting)
            for setting in ("address=127.0.0.1:0", "tls=no", "anonymous=open", *settings)]


FOLDER = os.path.realpath(os.environ.get("TMPDIR", "/tmp"))
PATH = "%s/mortise-%d.sock" % (FOLDER, os.getpid())
PROXIED_PATH = "%s/mortise-%d-proxied.sock" % (FOLDER, os.getpid())
with Broker(*listener("local", "address=unix:" + PATH, "mode=0600"),
            *listener("proxiedlocal", "address=unix:" + PROXIED_PATH, "proxy=::/128"),
            *listener("proxied", "proxy=10.0.0.0/8,127.0.0.0/8"),
            *listener("proxiedtls", "proxy=127.0.0.1", "tls=yes"),
            *listener("proxiedws", "proxy=127.0.0.1", "websocket=yes"),
            *listener("distrusting", "proxy=10.0.0.0/8"),
            "limits.connections_per_address=4", "limits.connect_time=1s") as BROKER:
    check("listeners: a Unix socket", test_unix)
    check("listeners: a Unix socket that is served stays", test_unix_that_is_served_stays)
    check("listeners: a stale Unix socket is replaced, and removed at the end", test_unix_is_replaced_and_removed)
    check("listeners: PROXY version 1", test_proxy, V1, "198.51.100.7:4711")
    check("listeners: PROXY version 2", test_proxy, V2, "[2001:db8::7]:4712")
    check("listeners: TLS behind a PROXY header", test_proxy_tls)
    check("listeners: WebSocket behind a PROXY header", test_proxy_websocket)
    check("listeners: a proxy at a Unix socket", test_proxy_by_unix)
    check("listeners: a trusted proxy without header", test_proxy_without_header)
    check("listeners: a header from elsewhere", test_header_from_elsewhere)
    check("listeners: the share of an address", test_share_of_an_address)
    check("listeners: a header that never comes", test_header_that_never_comes)
check("listeners: the socket is gone with the broker", lambda: expect(not os.path.exists(PATH)))
finish()
