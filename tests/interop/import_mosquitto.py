#!/usr/bin/python3
"""Mosquitto's files, imported: random set-ups of passwords and ACLs, and 10,000 random (user, client, topic, operation)
cases. What Debian's mosquitto delivers and refuses, Mortise does too, unless the import said that it denies more."""
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from broker import BUILD, Broker, await_true, check, expect, finish
from packets import connect, packet, text

USERS = ["ann", "bob", "cid", "dee"]
LEVELS = ["a", "b", "ann", "bob", "x1"]
ROUNDS, CASES = 5, 2000


def topic(rng):
    return "/".join(rng.choice(LEVELS) for _ in range(rng.randint(1, 3)))


def acl_filter(rng, is_pattern):
    levels = [rng.choice(LEVELS + ["+"] * 3 + (["%u", "%c"] if is_pattern else [])) for _ in range(rng.randint(1, 3))]
    return "/".join(levels + (["#"] if rng.random() < 0.3 else []))


def acl_file(rng):
    lines = []
    for user in USERS[:3]:
        lines.append("user " + user)
        for _ in range(rng.randint(1, 5)):
            lines.append("topic " + rng.choice(["", "read ", "write ", "readwrite ", "deny "]) + acl_filter(rng, False))
    # At least one: without, 2.0.11 closes the connections of users that the file does not name.
    for _ in range(rng.randint(1, 3)):
        lines.append("pattern " + rng.choice(["", "read ", "write "]) + acl_filter(rng, True))
    return "\n".join(lines) + "\n"


class Peer:
    def __init__(self, port, user, client_id):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(20)
        self.unread = b""
        self.socket.sendall(connect(4, client_id, 0xc2, b"", text(user) + text("password of " + user)))
        expect(self.take()[1][1] == 0, "%s is let in" % user)

    def take(self):
        while True:
            at, shift, length = 1, 0, 0
            while at < len(self.unread):
                length |= (self.unread[at] & 127) << shift
                at += 1
                shift += 7
                if not self.unread[at - 1] & 128:
                    if len(self.unread) >= at + length:
                        found = self.unread[0], self.unread[at:at + length]
                        self.unread = self.unread[at + length:]
                        return found
                    break
            got = self.socket.recv(65536)
            expect(got, "the broker closed the connection")
            self.unread += got

    def until(self, kind):
        """Payloads of what came before a packet of that kind."""
        payloads = []
        while True:
            first, body = self.take()
            if first & 0xf0 == 0x30:
                payloads.append(body[2 + int.from_bytes(body[:2], "big"):])
            if first & 0xf0 == kind:
                return payloads


def raw_publish(name, payload):
    return packet(0x30, text(name) + payload)


def outcomes(port, cases):
    """For each user: what its subscription to everything brings, of what each user published."""
    peers = {user: Peer(port, user, "x" + str(1 + index % 2) + ("" if index < 2 else "-" + user)) for index, user in enumerate(USERS)}
    for peer in peers.values():
        peer.socket.sendall(packet(0x82, b"\0\1" + text("#") + b"\0"))
        peer.until(0x90)
    for number, (user, name) in enumerate(cases):
        peers[user].socket.sendall(raw_publish(name, b"%d" % number))
        if number % 50 == 49:
            for peer in peers.values():
                peer.socket.sendall(b"\xc0\0")
            for peer in peers.values():
                peer.seen = getattr(peer, "seen", []) + peer.until(0xd0)
    for _ in range(2):  # what the first ping let through has arrived before the second
        for peer in peers.values():
            peer.socket.sendall(b"\xc0\0")
            peer.seen = getattr(peer, "seen", []) + peer.until(0xd0)
    time.sleep(0.3)
    for peer in peers.values():
        peer.socket.sendall(b"\xc0\0")
        peer.seen += peer.until(0xd0)
    return {user: {int(payload) for payload in peer.seen} for user, peer in peers.items()}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mosquitto_outcomes(folder, acl, cases):
    port = free_port()
    with open(folder + "/mosquitto.conf", "w", encoding="ascii") as conf:
        conf.write("listener %d 127.0.0.1\nallow_anonymous false\npassword_file %s/passwords\nacl_file %s/acl\nuser root\n"
                   "log_type error\n" % (port, folder, folder))
    for name, mode in ("passwords", 0o600), ("acl", 0o600):
        os.chmod(folder + "/" + name, mode)
    with open(folder + "/mosquitto.log", "wb") as log:
        broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", folder + "/mosquitto.conf"], stdout=log, stderr=log)
    try:
        def is_up():
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False
        await_true(is_up, 10)
        return outcomes(port, cases)
    finally:
        broker.terminate()
        broker.wait()


def one_round(seed):
    rng = random.Random(seed)
    with Broker("listeners.plain.anonymous=off", "limits.publish_rate=off") as broker:
        folder = broker.folder
        for user in USERS:
            subprocess.run(["mosquitto_passwd", "-b"] + (["-c"] if user == USERS[0] else []) +
                           [folder + "/passwords", user, "password of " + user], check=True, capture_output=True)
        acl = acl_file(rng)
        with open(folder + "/acl", "w", encoding="ascii") as out:
            out.write(acl)
        told = json.loads(broker.mortise("--json", "policy", "import", "mosquitto", "--passwords", folder + "/passwords",
                                         "--acl", folder + "/acl"))
        expect(told["users"] == len(USERS), str(told))
        for user in USERS:  # what is compared here are the permissions
            broker.mortise("user", "passwd", user, "--password-stdin", secret="password of " + user)
        cases = [(rng.choice(USERS), topic(rng)) for _ in range(CASES // len(USERS))]
        theirs = mosquitto_outcomes(folder, acl, cases)
        ours = outcomes(broker.plain, cases)
        for user in USERS:
            differ = sorted(theirs[user] ^ ours[user])
            expect(not differ, "seed %d, %s: %d differ, such as %s: theirs %s; %s" % (
                seed, user, len(differ), [cases[n] for n in differ[:3]], [n in theirs[user] for n in differ[:3]],
                acl.replace("\n", " | ")))
        return sum(len(seen) for seen in theirs.values()), len(cases) * len(USERS)


def compare():
    delivered = total = 0
    for seed in range(ROUNDS):
        some, of = one_round(seed)
        delivered, total = delivered + some, total + of
    expect(0 < delivered < total, "%d of %d were delivered" % (delivered, total))
    print("# %d of %d cases were delivered, by both" % (delivered, total))


def refused_whole():
    with Broker() as broker:
        bad = os.path.join(broker.folder, "bad")
        with open(bad, "w", encoding="ascii") as out:
            out.write("user ann\ntopic sometimes a/b\nnonsense\ntopic read a/#/b\n")
        before = broker.mortise("policy", "show")
        done = subprocess.run([BUILD + "/mortise", "--state", broker.state, "policy", "import", "mosquitto", "--acl", bad],
                              capture_output=True, text=True, check=False)
        expect(done.returncode == 2, done.stderr)
        for where in "acl:2: ", "acl:3: ", "acl:4: ":
            expect(where in done.stderr, done.stderr)
        expect(broker.mortise("policy", "show") == before, "nothing was applied")


if not shutil.which("mosquitto_passwd") or not os.path.exists("/usr/sbin/mosquitto"):
    print("skip import_mosquitto: mosquitto is not installed")
    sys.exit(0)
check("a file with errors is refused, each with its line", refused_whole)
check("10,000 cases: Mosquitto's outcome is ours", compare)
finish()
