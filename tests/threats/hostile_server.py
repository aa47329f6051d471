#!/usr/bin/python3
"""Attack: a server that answers our clients with what no server may send: `mortise sub`, `mortise pub` and libmortise end
with an error, in bounded memory, and never crash. CVE-2021-28166."""
import os
import signal
import socket
import subprocess
import threading
import time

from attack import IS_SANITIZED, expect, finish, packet, publish, text, threat
from broker import BUILD

CONNACK = b"\x20\3\0\0\0"
SUBACK = b"\x90\4\0\1\0\0"
CUT_OFF = b"\x90\4\0"
# name, answers: to CONNECT, and to what comes then
ANSWERS = [
    ("no CONNACK but a PUBLISH", publish("a", b"x"), b""),
    ("CONNACK of 256 MB", b"\x20\xff\xff\xff\x7f\0\0\0", b"A" * 100000),
    ("a length of five bytes", b"\x20\xff\xff\xff\xff\x01", b""),
    ("CONNACK of one byte", b"\x20\1\0", b""),
    ("CONNACK with unknown flags", b"\x20\3\xfe\0\0", b""),
    ("CONNACK with a session that there is not", b"\x20\3\1\0\0", b""),
    ("CONNACK with a reason that there is not", b"\x20\3\0\x55\0", b""),
    ("CONNACK with receive maximum 0", b"\x20\6\0\0\3\x21\0\0", b""),
    ("CONNACK with properties beyond the packet", b"\x20\3\0\0\x7f", b""),
    ("CONNACK with a property twice", packet(0x20, b"\0\0\x06\x21\0\1\x21\0\1"), b""),
    ("CONNACK twice", CONNACK + CONNACK, b""),
    ("type 0", b"\0\0", b""),
    ("CONNECT from the server", CONNACK + b"\x10\0", b""),
    ("SUBSCRIBE from the server", CONNACK + packet(0x82, b"\0\1\0", text("a"), b"\0"), b""),
    ("PINGREQ from the server", CONNACK + b"\xc0\0", b""),
    ("AUTH out of order", CONNACK + b"\xf0\2\x18\0", b""),
    ("SUBACK of nothing", CONNACK, b"\x90\3\0\1\0"),
    ("SUBACK of two", CONNACK, b"\x90\5\0\1\0\0\0"),
    ("SUBACK with a reason that there is not", CONNACK, b"\x90\4\0\1\0\x55"),
    ("SUBACK with packet id 0", CONNACK, b"\x90\4\0\0\0\0"),
    ("PUBLISH of QoS 3", CONNACK, SUBACK + b"\x36\6\0\1a\0\1\0"),
    ("PUBLISH with packet id 0", CONNACK, SUBACK + publish("a", b"x", 1, 0)),
    ("PUBLISH with a topic longer than the packet", CONNACK, SUBACK + packet(0x30, b"\xff\xffa")),
    ("PUBLISH without a topic or an alias", CONNACK, SUBACK + publish("")),
    ("PUBLISH with an alias that was not allowed", CONNACK, SUBACK + publish("a", properties=b"\x23\xff\xff")),
    ("PUBLISH with a wildcard", CONNACK, SUBACK + publish("a/#")),
    ("PUBLISH of bad UTF-8", CONNACK, SUBACK + publish(b"a\xff")),
    ("PUBLISH of U+0000", CONNACK, SUBACK + publish("a\0")),
    ("PUBLISH with subscription identifier 0", CONNACK, SUBACK + publish("a", properties=b"\x0b\0")),
    ("PUBACK of one byte", CONNACK, SUBACK + b"\x40\1\0"),
    ("PUBREL with packet id 0", CONNACK, SUBACK + b"\x62\2\0\0"),
    ("PUBREL with flags 0", CONNACK, SUBACK + b"\x60\2\0\1"),
    ("DISCONNECT with a reason that there is not", CONNACK, b"\xe0\1\x55"),
    ("an end in the midst of a packet", CONNACK, CUT_OFF),
    ("random bytes", bytes((i * 167 + 13) % 256 for i in range(4096)), b""),
]
# More QoS 2 ids than announced; the client leaves.
FLOOD = b"".join(publish("a", b"x", 2, i + 1) for i in range(65535))


class Server:
    """Answers each connection in the same way, and waits for its end."""

    def __init__(self, first, later):
        self.first, self.later = first, later
        self.has_left = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
                threading.Thread(target=self.answer, args=(peer,), daemon=True).start()
            except OSError:
                return

    def answer(self, peer):
        peer.settimeout(20)
        try:
            for data in (self.first, self.later):
                if not peer.recv(65536):
                    break
                peer.sendall(data)
            if self.later == CUT_OFF:
                peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass
        except ConnectionError:
            pass
        except OSError:
            return
        self.has_left.set()
        peer.close()


def ends_by_itself(pid):
    """Looks, and leaves it for wait4."""
    for _ in range(100):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.05)
    return False


def client(first, later, command):
    """It leaves, and the command ends with an error unless the network did it; it neither crashes nor grows."""
    server = Server(first, later)
    process = subprocess.Popen([word.replace("PORT", str(server.port)) for word in command], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    has_left = server.has_left.wait(10)
    if command[0] == MORTISE and later != CUT_OFF:
        expect(ends_by_itself(process.pid), "it tries again")
    server.listener.close()
    os.kill(process.pid, signal.SIGTERM)  # one that ended by itself waits to be looked at
    output = process.stdout.read(100000)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    expect(has_left, "it stays")
    expect(0 <= code < 126 or code == -signal.SIGTERM, "exit %d: %r" % (code, output[-300:]))
    expect(b"ERROR: " not in output and b"runtime error" not in output, output[-300:])
    expect(IS_SANITIZED or used.ru_maxrss < 32768, "%d KiB" % used.ru_maxrss)


MORTISE = BUILD + "/mortise"
SUB = [MORTISE, "sub", "-h", "127.0.0.1", "-p", "PORT", "-t", "a", "-q", "2", "-W", "15"]
PUB = [MORTISE, "pub", "-h", "127.0.0.1", "-p", "PORT", "-t", "a", "-m", "x", "-q", "2"]
LIBRARY = [BUILD + "/examples/subscribe", "127.0.0.1", "PORT", "-", "a"]

for name, at_first, then in ANSWERS:
    threat(name + ", sub", client, at_first, then, SUB)
    if not then.startswith(SUBACK):
        threat(name + ", pub", client, at_first, then, PUB)
threat("65,535 ids of QoS 2, sub", client, CONNACK, SUBACK + FLOOD, SUB)
for name, at_first, then in ANSWERS[:8]:
    threat(name + ", libmortise", client, at_first, then, LIBRARY)
finish()
