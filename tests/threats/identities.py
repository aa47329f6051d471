#!/usr/bin/python3
"""Attack: what peers let happen between users: a session taken over by its client id, SUBSCRIBE to what is forbidden answered
with success, messages queued before a revocation delivered after it."""
from attack import TLS, Target, connect, expect, expect_equal, finish, publish, subscribe, text, threat

SESSION = b"\x11\0\0\0\x3c"


class Site(Target):
    """Two users, each with a role of its own."""

    def prepare(self):
        for user, topics in (("ann", "a/#"), ("bob", "b/#")):
            self.mortise("role", "add", user)
            self.mortise("role", "allow", user, "both", topics)
            self.mortise("user", "add", user, "--password-stdin", "--role", user, secret="secret-of-%s-4711\n" % user)

    def user(self, name, client_id="", flags=2, is_present=0):
        credentials = text(name) + text("secret-of-%s-4711" % name)
        attacker = self.attacker(TLS).send(connect(5, client_id, flags | 0xc0, SESSION, credentials))
        body = attacker.expect(0x20)
        expect_equal(body[:2], bytes([is_present, 0]))
        return attacker


def takeover_by_client_id():
    """The same client id of another user is another session: the first stays connected, and keeps its queue."""
    ann = TARGET.user("ann", "meter", 0)
    ann.send(subscribe(["a/x"])).expect(0x90)
    bob = TARGET.user("bob", "meter", 0)
    expect_equal(ann.until_pong(), [])
    ann.close()
    other = TARGET.user("ann")
    other.send(publish("a/x", b"queued", 1, 1)).expect(0x40)
    TARGET.user("bob", "meter", 2).close()
    expect_equal(bob.rest()[-1][1][0], 0x8e)
    ann = TARGET.user("ann", "meter", 0, 1)
    expect(ann.expect(0x32).endswith(b"queued"), "the queue is gone")
    ann.close()


def forbidden_subscribe():
    bob = TARGET.user("bob")
    body = bob.send(subscribe(["a/x", "a/#", "#", "+/x", "b/x", "$share/g/a/x"])).expect(0x90)
    codes = body[-6:]
    expect(codes[0] == codes[1] == codes[5] == 0x87 and codes[4] == 1, "%r" % codes)
    ann = TARGET.user("ann")
    ann.send(publish("a/x", b"secret", 1, 1)).expect(0x40)
    expect_equal(bob.until_pong(), [])


def revoked_queue():
    ann = TARGET.user("ann", "away", 0)
    ann.send(subscribe(["a/q"])).expect(0x90)
    ann.close()
    sender = TARGET.user("ann")
    for i in range(10):
        sender.send(publish("a/q", b"queued", 1, i + 1)).expect(0x40)
    TARGET.mortise("role", "deny", "ann", "subscribe", "a/q")
    ann = TARGET.user("ann", "away", 0, 1)
    expect_equal(ann.until_pong(), [])
    sender.send(publish("a/q", b"live", 1, 11)).expect(0x40)
    expect_equal(ann.until_pong(), [])


with Site() as TARGET:
    threat("another user with the same client id", takeover_by_client_id)
    threat("SUBSCRIBE to what is forbidden", forbidden_subscribe)
    threat("a queue from before the revocation", revoked_queue)
finish()
