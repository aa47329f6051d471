#!/usr/bin/python3
"""Attack: what peers let happen between users: a session taken over by its client id, SUBSCRIBE to what is forbidden answered
with success, messages queued before a revocation delivered after it. And client ids that are not what a rule asks for, made
to slip through it or to keep it busy."""
import subprocess

from attack import BUILD, TLS, Target, connect, expect, expect_equal, finish, publish, subscribe, text, threat

UUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
MAC = "00:1b:63:84:45:e6"
FORMATS = "formats"  # a listener that demands them
# For each star of it a backtracking matcher tries every place of the id, and again for the next.
GREEDY = "*a" * 60 + "*%{mac}*%{uuid}*" + "a*" * 60 + "b"
SESSION = b"\x11\0\0\0\x3c"


class Site(Target):
    """Users, each with a role of its own."""

    def __init__(self):
        super().__init__(*("listeners.formats." + key for key in (
            "address=127.0.0.1:0", "tls=no", "anonymous=open", "client_id=d-%{uuid}", "assigned_client_id=no",
            "limits.connect_bytes=128KiB")), "listeners.tls.limits.connect_bytes=128KiB")

    def prepare(self):
        self.formats = self.port(FORMATS)
        self.mortise("role", "add", "own")
        self.mortise("role", "allow", "own", "both", "own/%c/#")
        for user, rule in (("mac", "*-%u-%{mac}"), ("greedy", GREEDY), ("own", "*")):
            self.mortise("user", "add", user, "--password-stdin", "--role", "own", "--client-id", rule,
                         secret="secret-of-%s-4711\n" % user)
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


def refused(client_id, what, way=FORMATS, user=None, version=5):
    flags, more = (0xc2, text(user) + text("secret-of-%s-4711" % user)) if user else (2, b"")
    attacker = TARGET.attacker(way).send(connect(version, client_id, flags, more=more))
    packets = attacker.rest()
    expect(len(packets) == 1 and packets[0][0] == 0x20, "%r: %r" % (client_id[:80], packets))
    expect_equal(packets[0][1][:2], bytes([0, 0x85 if version == 5 else 2]))
    TARGET.logged(attacker, "connection refused", what)
    attacker.close()


def taken(client_id, way=FORMATS, user=None, version=5):
    flags, more = (0xc2, text(user) + text("secret-of-%s-4711" % user)) if user else (2, b"")
    attacker = TARGET.attacker(way).send(connect(version, client_id, flags, more=more))
    expect_equal(attacker.expect(0x20)[1], 0)
    attacker.close()


def format_of_a_listener():
    for version in (4, 5):
        taken("d-" + UUID, version=version)
        taken("d-" + UUID.upper(), version=version)
        for wrong in (UUID, "d-", "d-" + UUID[:-1], "d-" + UUID + "0", "d-%{uuid}", "d-*", "e-" + UUID, "d-" + UUID.replace("-", ""),
                      "d-00000000-0000-0000-0000-000000000000", "d-" + UUID + "/#", "+", "#", "d-+", "/d-" + UUID,
                      "d-" + UUID.replace("f", "\uff46"), "x" * 65535):
            refused(wrong, "client id breaks the listener's rule", version=version)
        refused("", "client id is empty, and the listener assigns none", version=version)


def format_of_a_user():
    for good in ("line-mac-" + MAC, "-mac-001b638445e6", "-mac--mac-" + MAC.replace(":", "-")):
        taken(good, TLS, "mac")
    for wrong in ("", "mac", MAC, "line-mac-ff:ff:ff:ff:ff:ff", "line-mac-" + MAC + "x", "line-ann-" + MAC, "line-mac-%{mac}",
                  "-mac-" * 13000, "-mac-001b638445e6" * 3800 + "-"):
        refused(wrong, "client id breaks the user's rule", TLS, "mac")


def busy_matcher():
    """Sixty stars and more against the longest ids: each is answered, and others are served meanwhile."""
    for wrong in ("a" * 65535, "a" * 65534 + "b", ("a" * 50 + MAC) * 900, "aaaaaaaaaaaa" * 5461, ("a" + UUID) * 1771):
        refused(wrong, "client id breaks the user's rule", TLS, "greedy")
        TARGET.serves(TLS)
    taken("a" * 60 + MAC + UUID + "a" * 60 + "b", TLS, "greedy")


def topics_by_client_id():
    """CVE-2017-7650: an id that would be a wildcard or another level where rules put it."""
    for wrong in ("#", "+", "a/b", "/", "a/../b", "+/x", "own/#", "$SYS", "x" * 2000 + "/"):
        refused(wrong, "client id or name cannot stand in the user's rules", TLS, "own")
    own = TARGET.user("own", "one")
    body = own.send(subscribe(["own/one/x", "own/two/x", "own/+/x", "own/#", "#"])).expect(0x90)
    expect_equal(body[-5:], bytes([1, 0x87, 0x87, 0x87, 0x87]))


def ids_that_are_no_text():
    for wrong in (b"a\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"a\0b", b"d-" + UUID.encode()[:-1] + b"\x80"):
        for way in (FORMATS, TLS):
            attacker = TARGET.attacker(way).send(connect(5, wrong))
            packets = attacker.rest()
            expect(not packets or (packets[0][0] == 0x20 and packets[0][1][1] >= 0x80), "%r: %r" % (wrong, packets))
            attacker.close()
    TARGET.serves(TLS)


def rules_that_cannot_be_read():
    for wrong, part in (("%{uid}", "expected uuid, mac"), ("%{uuid", "without its }"), ("%x", "a % begins"), ("%{serial:}", "empty"),
                        ("100%", "write %%"), ("%{serial:%d*}", "pattern"), ("a" * 1025, "1,024")):
        done = subprocess.run([BUILD + "/mortise", "--state", TARGET.state, "user", "add", "wrong", "--generate", "--client-id", wrong],
                              capture_output=True, text=True, timeout=30, check=False)
        expect(done.returncode == 2 and "client_id: " in done.stderr and part in done.stderr, "%d %s" % (done.returncode, done.stderr))
    expect("wrong" not in TARGET.mortise("user", "list"))


with Site() as TARGET:
    threat("the format that a listener demands", format_of_a_listener)
    threat("the format that a user's rule demands", format_of_a_user)
    threat("a rule that would keep a matcher busy", busy_matcher)
    threat("wildcards and levels in client ids", topics_by_client_id)
    threat("client ids that are no text", ids_that_are_no_text)
    threat("rules that cannot be read", rules_that_cannot_be_read)
    threat("another user with the same client id", takeover_by_client_id)
    threat("SUBSCRIBE to what is forbidden", forbidden_subscribe)
    threat("a queue from before the revocation", revoked_queue)
finish()
