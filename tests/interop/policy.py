#!/usr/bin/python3
"""Permissions that act at once and can be explained: what a change takes away and tells, retained messages whose
author lost the right, filtering roles, listeners and times, and the examples of docs/reference/policy.md."""
import json
import os
import re
import shlex
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from broker import BUILD, HERE, Broker, await_true, check, expect, expect_equal, finish
from packets import connect, packet, publish, subscribe, text, varint

PASSWORD = "a long password"


class Client:
    """A client of MQTT 5 over plain TCP, read packet by packet."""

    def __init__(self, user=None, client_id="", port=None, will=None, expiry=0, clean=True):
        self.socket = socket.create_connection(("127.0.0.1", port or BROKER.plain), 10)
        self.unread = b""
        flags, more = 2 if clean else 0, b""
        if will:
            flags |= 4 | 8
            delay, topic = will
            more += varint(5) + b"\x18" + struct.pack(">I", delay) + text(topic) + text("will")
        if user:
            flags |= 0xc0
            more += text(user) + text(PASSWORD)
        properties = b"\x11" + struct.pack(">I", expiry) if expiry else b""
        self.send(connect(5, client_id, flags, properties, more))
        self.connack = self.take(0x20)

    def send(self, data):
        self.socket.sendall(data)
        return self

    def read(self):
        """The next packet: first byte and body; None at the end."""
        while True:
            at, shift, length = 1, 0, 0
            while at < len(self.unread) and at < 5:
                length |= (self.unread[at] & 127) << shift
                at += 1
                if not self.unread[at - 1] & 128:
                    if len(self.unread) >= at + length:
                        found = self.unread[0], self.unread[at:at + length]
                        self.unread = self.unread[at + length:]
                        return found
                    break
                shift += 7
            got = self.socket.recv(65536)
            if not got:
                return None
            self.unread += got

    def take(self, first):
        found = self.read()
        expect(found and found[0] & 0xf0 == first, "found %r, wanted %#x" % (found, first))
        return found[1]

    def subscribe(self, topic, qos=0):
        return self.send(subscribe([topic], 1, options=qos)).take(0x90)[-1]

    def publish(self, topic, payload=b"x", qos=0, retain=False):
        self.send(publish(topic, payload, qos, 7 if qos else None, flags=1 if retain else 0))
        return self.take(0x40) if qos else None

    def until_pong(self):
        """What comes before the answer to a ping: (topic, payload, retain) each."""
        self.send(b"\xc0\0")
        seen = []
        while True:
            found = self.read()
            expect(found, "the connection ended")
            if found[0] == 0xd0:
                return seen
            if found[0] & 0xf0 == 0x30:
                first, body = found
                size = struct.unpack(">H", body[:2])[0]
                rest = body[2 + size:]
                if first & 6:
                    identifier, rest = rest[:2], rest[2:]
                    self.send(packet(0x40, identifier))
                seen.append((body[2:2 + size].decode(), rest[1 + rest[0]:], bool(first & 1)))

    def ends_with(self, reason):
        while True:
            found = self.read()
            expect(found, "no DISCONNECT")
            if found[0] == 0xe0:
                expect_equal(found[1][0] if found[1] else 0, reason)
                return


def mortise(*arguments):
    return BROKER.mortise(*arguments)


def add_user(name, *roles):
    BROKER.mortise("user", "add", name, "--password-stdin", *[part for role in roles for part in ("--role", role)],
                   secret=PASSWORD + "\n")


def add_role(name, *rules):
    mortise("role", "add", name)
    return [json.loads(mortise("role", *rule, "--json"))["rule"] for rule in rules]


def changed(*arguments):
    """A change: what it took away."""
    return json.loads(mortise(*arguments, "--json"))["revoked"]


def a_rule_that_goes_takes_what_hung_on_it():
    news, = add_role("reader", ("allow", "reader", "subscribe", "news/#"))
    add_user("rita", "reader")
    writer = Client()
    reader = Client("rita", "rita-1", expiry=600)
    away = Client("rita", "rita-2", expiry=600)
    expect_equal(reader.subscribe("news/#", 1), 1)
    expect_equal(away.subscribe("news/#", 1), 1)
    away.socket.close()
    await_true(lambda: json.loads(mortise("status", "--json"))["now"]["sessions_connected"] == 2)
    for i in range(5):
        writer.publish("news/a", b"%d" % i, 1)
    expect_equal(len(reader.until_pong()), 5)
    found = changed("role", "drop", "reader", str(news))
    expect_equal([found[key] for key in ("sessions", "subscriptions", "queued", "complete")], [0, 2, 5, True])
    writer.publish("news/a", b"late", 1)
    expect_equal(reader.until_pong(), [])
    again = Client("rita", "rita-2", expiry=600, clean=False)
    expect_equal(again.until_pong(), [])
    # It may connect still, and is told that it may not hear.
    expect_equal(again.subscribe("news/#"), 0x87)
    told = mortise("user", "disable", "rita")
    expect(re.search(r"\n2 sessions, .*ms", told), told)
    reader.ends_with(0x98)


def a_document_can_be_rehearsed():
    """What --dry-run tells is what apply then does."""
    add_role("dry", ("allow", "dry", "subscribe", "dry/#"))
    add_user("dora", "dry")
    reader = Client("dora", "dora-1", expiry=600)
    reader.subscribe("dry/#", 1)
    document = os.path.join(BROKER.folder, "dry.yaml")
    shown = mortise("policy", "show")
    wanted = shown.replace("dry/#", "dry/other")
    expect(wanted != shown, shown)
    with open(document, "w", encoding="utf-8") as file:
        file.write(wanted)
    told = json.loads(mortise("policy", "apply", document, "--dry-run", "--json"))
    expect_equal([told["revoked"][key] for key in ("sessions", "subscriptions")], [0, 1])
    expect("1 subscriptions" in mortise("policy", "apply", document, "--dry-run"), "not told")
    reader.until_pong()
    expect_equal(changed("policy", "apply", document)["subscriptions"], 1)


def what_is_retained_is_withheld_and_comes_back():
    add_role("meter", ("allow", "meter", "publish", "meter/%c"))
    add_user("mia", "meter")
    meter = Client("mia", "m-1")
    meter.publish("meter/m-1", b"42", 1, True)
    witness = Client()
    witness.subscribe("meter/#")
    expect_equal(witness.until_pong(), [("meter/m-1", b"42", True)])
    found = changed("user", "revoke", "mia", "meter")
    expect_equal(found["retained"], 1)
    witness.subscribe("meter/#")
    expect_equal(witness.until_pong(), [])
    changed("user", "grant", "mia", "meter")
    witness.subscribe("meter/#")
    expect_equal(witness.until_pong(), [("meter/m-1", b"42", True)])
    expect_equal(changed("user", "disable", "mia")["retained"], 1)
    witness.subscribe("meter/#")
    expect_equal(witness.until_pong(), [])


def a_will_that_waits_is_taken_away():
    add_role("mourner", ("allow", "mourner", "publish", "will/%c"))
    add_user("will", "mourner")
    witness = Client()
    witness.subscribe("will/#")
    for client, revoked in ("w-1", False), ("w-2", True):
        Client("will", client, will=(1, "will/" + client), expiry=600).socket.close()
        await_true(lambda: json.loads(mortise("status", "--json"))["now"]["sessions_connected"] == 1)
        if revoked:
            expect_equal(changed("user", "revoke", "will", "mourner")["wills"], 1)
            changed("user", "grant", "will", "mourner")
            time.sleep(1.5)
            expect_equal(witness.until_pong(), [])
        else:
            await_true(lambda: witness.until_pong() == [("will/w-1", b"will", False)])


def who_is_disabled_is_told():
    mortise("role", "add", "nothing")
    add_user("ida", "nothing")
    client = Client("ida", "some-id")
    expect_equal(client.connack[1], 0)
    BROKER.mortise("user", "disable", "ida")
    client.ends_with(0x98)


def a_filtering_role_grants_and_filters():
    add_role("quiet", ("allow", "quiet", "subscribe", "quiet/a"))
    mortise("role", "subscribe", "quiet", "filter")
    add_user("quinn", "quiet")
    client, writer = Client("quinn", "q"), Client()
    expect_equal(client.subscribe("quiet/#", 1), 1)
    expect_equal(client.subscribe("$SYS/#"), 0)
    for topic in "quiet/a", "quiet/b", "other":
        writer.publish(topic)
    writer.until_pong()
    expect_equal(client.until_pong(), [("quiet/a", b"x", False)])
    expect_equal(changed("role", "subscribe", "quiet", "refuse")["subscriptions"], 2)
    expect_equal(client.subscribe("quiet/#"), 0x87)


def a_rule_for_a_listener_holds_there():
    add_role("here", ("allow", "here", "publish", "here", "--listener", "plain"))
    add_user("hera", "here")
    witness = Client()
    witness.subscribe("here")
    expect_equal(Client("hera", "a").publish("here", b"1", 1)[2:3], b"")
    expect_equal(Client("hera", "b", PLAIN2).publish("here", b"2", 1)[2], 0x87)
    expect_equal([payload for _, payload, _ in witness.until_pong()], [b"1"])


def a_rule_begins_by_itself():
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    add_role("early", ("allow", "early", "publish", "early", "--since", soon))
    add_user("eva", "early")
    client = Client("eva", "e")
    expect_equal(client.publish("early", b"1", 1)[2], 0x87)
    await_true(lambda: client.publish("early", b"2", 1)[2:3] in (b"", b"\x10"), 10)


def examples_of_the_reference():
    """Each command of the page runs, and each explanation says what the page says."""
    with open(os.path.join(HERE, "docs/reference/policy.md"), encoding="utf-8") as page:
        blocks = re.findall(r"```(sh|console)\n(.*?)```", page.read(), re.S)
    commands = [line for kind, block in blocks if kind == "sh" for line in block.splitlines()]
    for line in commands:
        words = shlex.split(line)
        expect_equal(words[0], "mortise")
        done = subprocess.run([BUILD + "/mortise", "--state", BROKER.state, *words[1:]], input=PASSWORD + "\n", text=True,
                              capture_output=True, timeout=30, check=False)
        expect(done.returncode == 0, "%s: %s" % (line, done.stderr))
    explained = 0
    for kind, block in blocks:
        if kind != "console":
            continue
        for part in block.split("$ ")[1:]:
            line, _, wanted = part.partition("\n")
            found = mortise(*shlex.split(line)[1:])
            # The numbers of rules depend on what else there is.
            expect_equal(re.sub(r"\d+", "N", " ".join(found.split())), re.sub(r"\d+", "N", " ".join(wanted.split())))
            explained += 1
    expect(explained >= 4, "%d explanations" % explained)


def explain_takes_the_facts_of_the_session():
    add_role("near", ("allow", "near", "publish", "near", "--from", "127.0.0.0/8", "--listener", "plain"))
    add_user("nora", "near")
    asked = ["policy", "explain", "--user", "nora", "--client-id", "n", "publish", "near"]
    expect(mortise(*asked).startswith("denied"), mortise(*asked))
    client = Client("nora", "n")
    expect(mortise(*asked).startswith("allowed"), mortise(*asked))
    del client


def explain_warns_of_ids_that_are_not_the_users():
    """Whatever the roles say, nobody comes in with such an id."""
    BROKER.mortise("user", "add", "idris", "--password-stdin", "--client-id", "%u-%{mac}", secret=PASSWORD + "\n")
    for client_id, is_warned in ("idris-001b638445e6", False), ("idris-1", True), (None, False):
        asked = ["policy", "explain", "--user", "idris", *(("--client-id", client_id) if client_id else ()), "publish", "a", "--json"]
        expect_equal("client id breaks" in json.loads(mortise(*asked)).get("warning", ""), is_warned)


def loses_the_connection_where_asked():
    news, = add_role("listener", ("allow", "listener", "subscribe", "l/#"))
    add_user("lea", "listener")
    client = Client("lea", "l")
    client.subscribe("l/#")
    expect_equal(changed("role", "drop", "listener", str(news))["subscriptions"], 1)
    client.ends_with(0x87)


with Broker("listeners.other.address=127.0.0.1:0", "listeners.other.tls=no") as BROKER:
    PLAIN2 = BROKER.port("other")
    check("a rule that goes takes with it what hung on it", a_rule_that_goes_takes_what_hung_on_it)
    check("a document can be rehearsed", a_document_can_be_rehearsed)
    check("what is retained is withheld, and comes back", what_is_retained_is_withheld_and_comes_back)
    check("a will that waits is taken away", a_will_that_waits_is_taken_away)
    check("who may not connect any more is told so", who_is_disabled_is_told)
    check("a filtering role grants and filters", a_filtering_role_grants_and_filters)
    check("a rule for a listener holds there alone", a_rule_for_a_listener_holds_there)
    check("a rule begins by itself", a_rule_begins_by_itself)
    check("explain takes the facts of the session", explain_takes_the_facts_of_the_session)
    check("explain warns of ids that are not the user's", explain_warns_of_ids_that_are_not_the_users)
    check("the examples of the reference", examples_of_the_reference)
with Broker("on_revoke=disconnect") as BROKER:
    check("who loses a subscription loses the connection where asked", loses_the_connection_where_asked)
finish()
