"""Imported by scripts: a state directory with many users, roles and rules, written in one transaction while no broker
runs, and who uses it. User number i is `cI`, holds role `rI`, and logs in with the token that token(i) gives."""
import hashlib
import json
import os
import socket
import sqlite3
import subprocess

from broker import BUILD, expect
from packets import connect, text

GROUPS = 250
TOPICS = 4


def token(i):
    return "mt1." + hashlib.sha256(b"client %d" % i).hexdigest()[:26]


def group(i):
    return i % GROUPS


def first_start(broker):
    """Makes the state directory of a Broker that has not begun yet."""
    process = subprocess.Popen([BUILD + "/mortised", "--state", broker.state, "--set", "listeners.tls.address=127.0.0.1:0"],
                               stderr=subprocess.PIPE, text=True)
    while True:
        line = process.stderr.readline()
        if line.startswith("ready ") or not line:
            break
    process.terminate()
    process.stderr.read()
    process.stderr.close()
    expect(process.wait(20) == 0 and line, "the first start failed")


def fill(state, users, rules_per_role):
    """Rule 1 of each role lets it publish and subscribe s/GROUP/#; the others speak of other topics."""
    database = sqlite3.connect(os.path.join(state, "mortise.db"))
    with database:
        for i in range(users):
            number = database.execute("INSERT INTO users (name, is_enabled, client_id_rule) VALUES (?, 1, '')",
                                      ("c%d" % i,)).lastrowid
            database.execute("INSERT INTO secrets VALUES (?, '', ?)",
                             (number, hashlib.sha256(token(i).encode()).digest()))
            database.execute("INSERT INTO roles (name) VALUES (?)", ("r%d" % i,))
            database.execute("INSERT INTO grants VALUES (?, ?)", (number, "r%d" % i))
            for k in range(rules_per_role):
                topic = "s/%d/#" % group(i) if k == 0 else "other/%d/+/%d" % (i, k)
                database.execute("INSERT INTO rules (role, is_deny, operation, qos_mask, retain, until_s, filter, share,"
                                 " network) VALUES (?, ?, 3, 7, 0, 0, ?, '', '')", ("r%d" % i, k % 3 == 2, topic))
    database.close()


class Admin:
    """The admin socket, kept open; a change is sent, and answered later."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unread = b""
        self.pending = None

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        head = "%s /api/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            method, path, len(data))
        self.socket.sendall(head.encode() + data)

    def answer(self):
        """The answer once it is whole, else None."""
        got = self.socket.recv(65536)
        expect(got, "the admin socket was closed")
        self.unread += got
        head, mark, rest = self.unread.partition(b"\r\n\r\n")
        if not mark:
            return None
        length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")][0]
        if len(rest) < length:
            return None
        self.unread = rest[length:]
        expect(head.split()[1] == b"200", rest[:300])
        return json.loads(rest[:length])

    def whole(self, method, path, body=None):
        self.ask(method, path, body)
        answer = None
        while answer is None:
            answer = self.answer()
        return answer


class Client:
    def __init__(self, port, user=None):
        self.user = user
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        more = text("c%d" % user) + text(token(user)) if user is not None else b""
        self.socket.sendall(connect(5, "", 0xc2 if more else 2, b"", more))

    def read(self):
        got = self.socket.recv(262144)
        expect(got, "client %r was closed" % self.user)
        self.unread += got
        out, at, data = [], 0, self.unread
        while True:
            length, shift, pos = 0, 0, at + 1
            while pos < len(data):
                length |= (data[pos] & 127) << shift
                shift += 7
                pos += 1
                if not data[pos - 1] & 128:
                    break
            else:
                break
            if pos + length > len(data):
                break
            out.append((data[at], data[pos:pos + length]))
            at = pos + length
        self.unread = data[at:]
        return out
