#!/usr/bin/python3
"""Attack: connections until no descriptor is left, and then a change of the permissions: what is configured must hold all the
same. CVE-2017-7652."""
import resource
import socket
import time

from attack import PLAIN, Target, await_true, expect, expect_equal, finish, publish, subscribe, threat

DESCRIPTORS = 80


def crowd():
    peers = []
    for _ in range(2 * DESCRIPTORS):
        peer = socket.create_connection(("127.0.0.1", TARGET.plain))
        peer.settimeout(10)
        peers.append(peer)
    return peers


def cpu_s():
    with open("/proc/%d/stat" % TARGET.process.pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def exhausted():
    """Who is in is served on, the loop does not spin, and what is opened later waits for its turn."""
    resource.prlimit(TARGET.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    witness = TARGET.client(PLAIN)
    witness.send(subscribe(["d"])).expect(0x90)
    peers = crowd()
    time.sleep(0.5)
    before = cpu_s()
    time.sleep(1)
    expect(cpu_s() - before < 0.3, "the loop spins")
    witness.send(publish("d", b"x", 1, 1))
    expect_equal(sorted([witness.packet()[0], witness.packet()[0]]), [0x32, 0x40])
    for peer in peers:
        peer.close()
    await_true(lambda: TARGET.status()["connections"] <= 1, 10)
    TARGET.serves(PLAIN)
    witness.close()


def change_while_exhausted():
    """A rule that is taken away while no descriptor is left is away: at once or when the change could be made, never half."""
    witness = TARGET.client(PLAIN)
    expect_equal(witness.send(subscribe(["secret/1"])).expect(0x90)[-1], 1)
    peers = crowd()
    time.sleep(0.3)
    try:
        TARGET.mortise("role", "deny", "guests", "both", "secret/#")
        was_changed = True
    except AssertionError:
        was_changed = False
    for peer in peers:
        peer.close()
    await_true(lambda: TARGET.status()["connections"] <= 1, 10)
    if not was_changed:
        TARGET.mortise("role", "deny", "guests", "both", "secret/#")
    expect_equal(witness.send(subscribe(["secret/2"])).expect(0x90)[-1], 0x87)
    expect_equal(witness.send(publish("secret/1", b"x", 1, 3)).expect(0x40)[2], 0x87)
    expect_equal(witness.until_pong(), [])
    witness.close()
    TARGET.serves(PLAIN)


class Guarded(Target):
    """Its plain listener lets in a role that can be changed."""

    def prepare(self):
        self.mortise("role", "add", "guests")
        self.mortise("role", "allow", "guests", "both", "#")


with Guarded("limits.connect_time=5s", "listeners.plain.anonymous=guests") as TARGET:
    threat("connections until none is left", exhausted)
    threat("a change of permissions meanwhile", change_while_exhausted)
finish()
