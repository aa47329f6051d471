#!/usr/bin/python3
"""Attack: the classes by which other brokers let somebody do what no rule allows: wildcards in names, empty rules taken for none,
what was granted before a revocation, settings of a listener that are lost, prefixes and aliases that get around the check,
credentials that nobody judged."""
import glob
import os
import shutil
import signal
import sqlite3
import struct

from attack import PLAIN, TLS, Target, await_true, connect, expect, expect_equal, finish, publish, subscribe, text, threat

SESSION = b"\x11\0\0\0\x3c"
EXTRA = {"closed": (), "void": ("anonymous=void",), "marked": ("anonymous=open", "client_id=d-*"),
         "small": ("anonymous=open", "limits.connect_bytes=256")}


class Site(Target):
    """Users with a role of their own, for topics below their own name; listeners that differ."""

    def __init__(self):
        super().__init__(*("listeners.%s.%s" % (name, key) for name, keys in EXTRA.items()
                           for key in ("address=127.0.0.1:0", "tls=no", *keys)))

    def prepare(self):
        for name in EXTRA:
            setattr(self, name, self.port(name))

    def add(self, name, *rules, role=None):
        role = role or name
        self.mortise("role", "add", role)
        for rule in rules:
            self.mortise("role", "allow", role, *rule)
        self.mortise("user", "add", name, "--password-stdin", "--role", role, secret="secret of " + name + "\n")

    def login(self, name, client_id="", flags=2, way=TLS, more=b""):
        """CONNECT with the right password: attacker, flags and reason of CONNACK."""
        attacker = self.attacker(way)
        attacker.send(connect(5, client_id, flags | 0xc0, SESSION, more + text(name) + text("secret of " + name)))
        return attacker, attacker.expect(0x20)[:2]

    def user(self, name, client_id="", flags=2, is_present=0, more=b""):
        attacker, answer = self.login(name, client_id, flags, more=more)
        expect_equal(answer, bytes([is_present, 0]))
        return attacker

    def witness(self, *filters):
        attacker = self.client(PLAIN)
        if filters:
            attacker.send(subscribe(list(filters))).expect(0x90)
        return attacker


def puback(attacker, topic, properties=b"", payload=b"x", flags=0):
    """The reason of the PUBACK."""
    body = attacker.send(publish(topic, payload, 1, 9, properties, flags=flags)).expect(0x40)
    return body[2] if len(body) > 2 else 0


def expect_taken(attacker, topic, **words):
    """Success, or success that nobody heard."""
    expect(puback(attacker, topic, **words) in (0, 0x10), topic)


def names_with_wildcards():
    """CVE-2017-7650."""
    TARGET.mortise("role", "add", "by-name")
    TARGET.mortise("role", "allow", "by-name", "both", "own/%u/#")
    for name in ("#", "+", "a/b", "x+", "/", "$SYS", "a/#"):
        TARGET.mortise("user", "add", name, "--password-stdin", "--role", "by-name", secret="secret of " + name + "\n")
        attacker, answer = TARGET.login(name, "c")
        expect_equal(answer, b"\0\x85")
        attacker.close()
    TARGET.mortise("user", "add", "plain", "--password-stdin", "--role", "by-name", secret="secret of plain\n")
    expect_taken(TARGET.user("plain"), "own/plain/x")


def denied_everything(attacker):
    codes = attacker.send(subscribe(["#", "a", "+", "$SYS/#", "$share/g/a"])).expect(0x90)[-5:]
    expect_equal(codes, b"\x87" * 5)
    for topic in ("a", "a/b", "$SYS/x"):
        expect(puback(attacker, topic) >= 0x80, topic)
    attacker.close()


def empty_rules():
    """CVE-2018-12550: no rule allows nothing, by whatever way there came to be none."""
    attacker = TARGET.attacker("void").send(connect())
    expect_equal(attacker.expect(0x20)[1], 0x87)  # the role is not there
    TARGET.mortise("role", "add", "void")
    denied_everything(TARGET.client("void"))
    TARGET.mortise("user", "add", "bare", "--password-stdin", secret="secret of bare\n")
    denied_everything(TARGET.user("bare"))
    TARGET.add("idle")
    denied_everything(TARGET.user("idle"))
    TARGET.add("lost", ("both", "#"))
    expect_taken(TARGET.user("lost"), "a")
    path = os.path.join(TARGET.folder, "none.yaml")
    with open(path, "w", encoding="ascii") as out:
        out.write("roles:\n  void: {}\n  idle: {permissions: []}\n  lost: {permissions: []}\n  by-name: {}\n")
    TARGET.mortise("policy", "apply", path)
    denied_everything(TARGET.user("lost"))


def revoked_in_flight():
    TARGET.add("rae", ("subscribe", "rae/#"))
    rae = TARGET.user("rae", "r", 0)
    rae.send(subscribe(["rae/q"])).expect(0x90)
    TARGET.witness().send(publish("rae/q", b"sent", 1, 1)).expect(0x40)
    expect(rae.expect(0x32).endswith(b"sent"), "not delivered")
    rae.close()
    rae = TARGET.user("rae", "r", 0, 1)
    expect(rae.expect(0x3a).endswith(b"sent"), "not sent again while it is permitted")
    rae.close()
    TARGET.mortise("role", "deny", "rae", "subscribe", "rae/q")
    expect_equal(TARGET.user("rae", "r", 0, 1).until_pong(), [])


def revoked_retained():
    """CVE-2018-12546."""
    TARGET.add("ray", ("publish", "ray/#"))
    expect_taken(TARGET.user("ray"), "ray/r", payload=b"kept", flags=1)

    def seen():
        return [body for first, body in TARGET.witness("ray/#").until_pong()]
    expect_equal(len(seen()), 1)
    TARGET.mortise("role", "deny", "ray", "publish", "ray/r")
    expect_equal(seen(), [])


def revoked_will():
    TARGET.add("will", ("publish", "will/#"))
    witness = TARGET.witness("will/#")
    for payload, is_revoked in (b"first", False), (b"second", True):
        dying = TARGET.user("will", "w", 6, more=b"\0" + text("will/w") + text(payload))
        if is_revoked:
            TARGET.mortise("role", "deny", "will", "publish", "will/w")
        dying.close()
        await_true(lambda: TARGET.status()["connections"] == 1, 5)
        expect_equal([body[-len(payload):] for _, body in witness.until_pong()], [] if is_revoked else [payload])


def as_set(moment):
    """Each listener as it was told, whatever has happened since."""
    def connack(way, client_id):
        """Its reason; None: no answer but the end."""
        attacker = TARGET.attacker(way).send(connect(5, client_id))
        try:
            return attacker.expect(0x20)[1]
        except (EOFError, ConnectionError):
            return None
        finally:
            attacker.close()
    expect_equal((moment, connack(PLAIN, "x")), (moment, 0))
    expect_equal((moment, connack("closed", "x")), (moment, 0x87))
    expect_equal((moment, connack("marked", "d-1")), (moment, 0))
    expect_equal((moment, connack("marked", "x")), (moment, 0x85))
    expect_equal((moment, connack("small", "x")), (moment, 0))
    expect(connack("small", "x" * 300) != 0, "the limit of a listener is lost " + moment)
    expect_equal((moment, connack(PLAIN, "x" * 300)), (moment, 0))


def listeners_keep_their_settings():
    """CVE-2018-20145."""
    as_set("at first")
    TARGET.mortise("user", "add", "later", "--generate")
    as_set("after a change")
    TARGET.process.send_signal(signal.SIGHUP)
    TARGET.status()
    as_set("after SIGHUP")
    TARGET.mortise("cert", "renew")
    as_set("after a new certificate")


def prefixes():
    TARGET.add("eve", ("both", "eve/#"))
    eve = TARGET.user("eve")
    filters = ["$share/g/a/x", "$share/g/#", "$share/eve/a/x", "$SHARE/g/a/x", "$share/g/$share/g/a/x", "$queue/a/x", "$exclusive/a/x",
               "$local/a/x", "$delayed/0/a/x", "$share/g/$queue/a/x", "/a/x", "$SYS/#", "$share/g/$SYS/#"]
    expect_equal(eve.send(subscribe(filters)).expect(0x90)[-len(filters):], b"\x87" * len(filters))
    witness = TARGET.witness("a/#", "/a/#")
    for topic in ("a/x", "$share/g/a/x", "$SHARE/g/a/x", "$queue/a/x", "$exclusive/a/x", "$delayed/0/a/x", "/a/x", "$SYS/broker/x"):
        expect(puback(eve, topic) >= 0x80, topic)
    # Dots mean nothing: that is a topic of its own.
    expect_taken(eve, "eve/../a/x")
    expect_equal(witness.until_pong(), [])
    witness.send(publish("a/x", b"secret", 1, 1))
    expect_equal(len([first for first, _ in witness.until_pong() if first == 0x32]), 1)
    expect_equal(eve.until_pong(), [])


def aliases():
    """A topic that is not in the packet is judged as one that is, each time."""
    TARGET.add("ali", ("publish", "ali/#"))
    ali = TARGET.user("ali")
    alias = b"\x23" + struct.pack(">H", 1)
    witness = TARGET.witness("ali/t", "other/t")
    expect_equal(puback(ali, "ali/t", alias), 0)
    expect_equal(puback(ali, "", alias), 0)
    expect_equal(len(witness.until_pong()), 2)
    TARGET.mortise("role", "deny", "ali", "publish", "ali/t")
    expect_equal(puback(ali, "", alias), 0x87)
    # What was refused may name an alias all the same: it is no way to the topic.
    expect_equal(puback(ali, "other/t", b"\x23\0\2"), 0x87)
    expect_equal(puback(ali, "", b"\x23\0\2"), 0x87)
    expect_equal(witness.until_pong(), [])


def nobody_judged():
    """Where anonymous clients are welcome, too: who claims to be somebody is refused unless a mechanism says yes."""
    TARGET.mortise("user", "add", "quiet", "--generate")
    method = b"\x15" + text("X-NONE")
    for way in (PLAIN, TLS):
        for data in (connect(5, "q", 0x82, more=text("quiet")), connect(5, "q", 0xc2, more=text("quiet") + text("")),
                     connect(5, "q", 0x82, more=text("nobody")), connect(5, "q", 0xc2, more=text("") + text("")),
                     connect(5, "q", 0x42, more=text("x")), connect(4, "q", 0x82, more=text("quiet")),
                     connect(5, "q", 2, method), connect(5, "q", 2, method + b"\x16" + text("data")),
                     connect(5, "q", 0x82, method, text("quiet")), connect(5, "q", 0xc2, method, text("quiet") + text("x"))):
            packets = TARGET.attacker(way).send(data).rest()
            expect(not packets or (packets[0][0] == 0x20 and packets[0][1][1] != 0), "%r: %r" % (data, packets))


def passwords_are_kept_slowly():
    """As the state database has it: Argon2id of 19 MiB, two passes."""
    copy = os.path.join(TARGET.folder, "copy")
    os.makedirs(copy)
    TARGET.mortise("user", "add", "kept", "--password-stdin", secret="a password\n")
    for path in glob.glob(os.path.join(TARGET.state, "mortise.db*")):
        shutil.copy(path, copy)
    database = sqlite3.connect(os.path.join(copy, "mortise.db"))
    found = [row[0] for row in database.execute("SELECT password_hash FROM secrets WHERE password_hash != ''")]
    database.close()
    expect(found and all(kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for kept in found), repr(found))


with Site() as TARGET:
    threat("wildcards in user names", names_with_wildcards)
    threat("no rule at all", empty_rules)
    threat("what is in flight from before the revocation", revoked_in_flight)
    threat("what is retained from before the revocation", revoked_retained)
    threat("a will from before the revocation", revoked_will)
    threat("settings of listeners that are lost", listeners_keep_their_settings)
    threat("prefixes around the check", prefixes)
    threat("topics behind an alias", aliases)
    threat("credentials that nobody judged", nobody_judged)
    threat("passwords that are quick to guess", passwords_are_kept_slowly)
finish()
