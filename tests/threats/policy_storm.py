#!/usr/bin/python3
"""Rights come and go 200 times a second below traffic: 1,000 clients, 10,000 rules. What was sent after a revoking
command had answered reaches nobody that it forbids, nor comes from anybody that it forbids. POLICY_SECONDS (10)."""
import collections
import json
import os
import random
import selectors
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
from broker import Broker, check, expect, expect_equal, finish
from packets import publish, subscribe
from site_of import GROUPS, TOPICS, Admin, Client, fill, first_start, group

USERS, RULES = 1000, 10
SECONDS = float(os.environ.get("POLICY_SECONDS", "10"))
CHANGES_A_SECOND = 200
PUBLISHES_A_SECOND = 1000


class Rights:
    """Of one client: spans of message numbers in which a topic is forbidden; the last may be open (None)."""

    def __init__(self):
        self.spans = collections.defaultdict(list)

    def close(self, key, number):
        if self.spans[key] and self.spans[key][-1][1] is None:
            self.spans[key][-1][1] = number

    def open(self, key, number):
        if not self.spans[key] or self.spans[key][-1][1] is not None:
            self.spans[key].append([number, None])

    def forbids(self, key, number):
        return any(first < number and (last is None or number <= last) for first, last in self.spans[key])


class Storm:
    def __init__(self, broker):
        self.random = random.Random(int(os.environ.get("POLICY_SEED", "5")))
        self.selector = selectors.DefaultSelector()
        self.admin = Admin(os.path.join(broker.state, "admin.sock"))
        self.selector.register(self.admin.socket, selectors.EVENT_READ, None)
        self.clients = [Client(broker.plain, i) for i in range(USERS)]
        self.sender, self.witness = Client(broker.plain), Client(broker.plain)
        for client in self.clients + [self.sender, self.witness]:
            self.selector.register(client.socket, selectors.EVENT_READ, client)
        self.hear = [Rights() for _ in range(USERS)]   # what may not come to a client
        self.say = [Rights() for _ in range(USERS)]    # what may not come from it
        self.denies = {}                               # (client, topic, operation) -> rule
        self.without_role = set()
        self.number = 0
        self.delivered = self.changes = 0
        self.revoked = collections.Counter()
        self.waits = []
        self.began = self.next = None
        self.barrier, self.barrier_number = set(), 0

    # ---- traffic ----

    def publish(self):
        """By an unbounded sender, or by a client that may have lost the right; each message has a number."""
        self.number += 1
        if self.random.random() < 0.7:
            author, topic = None, "s/%d/%d" % (self.random.randrange(GROUPS), self.random.randrange(TOPICS))
        else:
            author = self.random.randrange(USERS)
            topic = "s/%d/%d" % (group(author), self.random.randrange(TOPICS))
        client = self.sender if author is None else self.clients[author]
        payload = struct.pack(">Qi", self.number, -1 if author is None else author)
        client.socket.sendall(publish(topic, payload))

    def take(self, client):
        for first, body in client.read():
            if first == 0xd0:
                self.ponged(client)
                continue
            if first & 0xf0 != 0x30:
                expect(first in (0x20, 0x90), "a packet %#x" % first)
                continue
            size = struct.unpack(">H", body[:2])[0]
            topic = body[2:2 + size].decode()
            number, author = struct.unpack(">Qi", body[-12:])
            self.delivered += 1
            key = topic.split("/")[2]
            # Of others' messages nobody knows when the broker had them.
            if client.user is not None and author < 0:
                expect(not self.hear[client.user].forbids(key, number), "c%d got %s, message %d, which was revoked: %r" % (
                    client.user, topic, number, self.hear[client.user].spans[key]))
            if author >= 0:
                expect(not self.say[author].forbids(key, number), "c%d could say %s, message %d: %r" % (
                    author, topic, number, self.say[author].spans[key]))

    # ---- changes: method, path, body, what is done before it is asked and when it has answered, whose rights ----

    def choose(self):
        user = self.random.randrange(USERS)
        if user in self.without_role:
            return self.grant(user)
        if self.random.random() < 0.15:
            return self.take_role(user)
        key = str(self.random.randrange(TOPICS))
        operation = self.random.choice(["publish", "subscribe", "both"])
        rule = self.denies.get((user, key, operation))
        return self.allow(user, key, operation, rule) if rule else self.deny(user, key, operation)

    def parts(self, user, operation):
        return ([self.hear[user]] if operation != "publish" else []) + ([self.say[user]] if operation != "subscribe" else [])

    def deny(self, user, key, operation):
        def done(answer):
            self.denies[user, key, operation] = answer["rule"]
            for rights in self.parts(user, operation):
                rights.open(key, self.number)
        return "POST", "roles/r%d/rules" % user, {"deny": operation, "topic": "s/+/" + key}, None, done, user

    def allow(self, user, key, operation, rule):
        def before():
            del self.denies[user, key, operation]
            self.reopen(user)
        return "DELETE", "roles/r%d/rules/%d" % (user, rule), None, before, None, user

    def take_role(self, user):
        def done(_answer):
            self.without_role.add(user)
            for key in range(TOPICS):
                for rights in self.parts(user, "both"):
                    rights.open(str(key), self.number)
        return "DELETE", "users/c%d/roles/r%d" % (user, user), None, None, done, user

    def grant(self, user):
        def before():
            self.without_role.discard(user)
            self.reopen(user)

        def done(_answer):
            self.clients[user].socket.sendall(subscribe(["s/%d/#" % group(user)], 1, options=0))
        return "PUT", "users/c%d/roles/r%d" % (user, user), None, before, done, user

    def reopen(self, user):
        """From now on all is permitted that no deny still forbids."""
        for key in map(str, range(TOPICS)):
            for operation, rights in ("subscribe", self.hear[user]), ("publish", self.say[user]):
                if (user, key, operation) not in self.denies and (user, key, "both") not in self.denies:
                    rights.close(key, self.barrier_number)

    def change(self):
        self.next = self.choose()
        self.began = time.monotonic()
        if self.next[3]:
            self.begin_barrier()
        else:
            self.ask()

    def begin_barrier(self):
        """What is given back may reach what the broker has not read yet: first it has read all that was sent."""
        self.barrier = {self.sender, self.clients[self.next[5]]}
        self.barrier_number = self.number
        for client in self.barrier:
            client.socket.sendall(b"\xc0\0")

    def ponged(self, client):
        self.barrier.discard(client)
        if not self.barrier:
            self.ask()

    def ask(self):
        method, path, body, before, done, _ = self.next
        if before:
            before()
        self.began = time.monotonic()
        self.admin.pending = done
        self.admin.ask(method, path, body)

    def changed(self):
        answer = self.admin.answer()
        if answer is None:
            return
        self.waits.append(time.monotonic() - self.began)
        self.began = None
        self.changes += 1
        for key in "sessions", "subscriptions", "queued", "retained":
            self.revoked[key] += answer["revoked"][key]
        expect(answer["revoked"]["complete"], "%r" % answer)
        if self.admin.pending:
            self.admin.pending(answer)

    # ---- the run ----

    def serve(self, seconds):
        events = self.selector.select(seconds)
        for key, _ in events:
            if key.data is None:
                self.changed()
            else:
                self.take(key.data)
        return bool(events)

    def prepare(self):
        for client in self.clients:
            client.socket.sendall(subscribe(["s/%d/#" % group(client.user)], 1, options=0))
        self.witness.socket.sendall(subscribe(["s/#"], 1, options=0))
        while self.serve(0.5):
            pass

    def run(self):
        self.prepare()
        begin = now = time.monotonic()
        published = 0
        while now < begin + SECONDS:
            self.serve(0.001)
            now = time.monotonic()
            while published < (now - begin) * PUBLISHES_A_SECOND:
                self.publish()
                published += 1
            if self.began is None and self.changes < (now - begin) * CHANGES_A_SECOND:
                self.change()
        while self.began is not None or self.serve(0.5):
            self.serve(0.1)
        self.waits.sort()
        middle, last = self.waits[len(self.waits) // 2], self.waits[len(self.waits) * 99 // 100]
        print("# %.0f s: %d messages, %d deliveries, %.0f changes a second; half of them answered within %.1f ms, 99 %% within "
              "%.1f ms; took away %s" % (SECONDS, published, self.delivered, self.changes / SECONDS, middle * 1e3, last * 1e3,
                                        dict(self.revoked)), flush=True)
        expect(self.changes > SECONDS * 10, "%d changes" % self.changes)
        expect(self.delivered > published, "%d delivered" % self.delivered)
        expect(self.revoked["subscriptions"] > 0, "no subscription was ever taken away")


def storm():
    Storm(BROKER).run()


def consistent():
    status = json.loads(BROKER.mortise("status", "--json"))
    expect_equal(status["policy_revision"], status["revision"])


BROKER = Broker("limits.connections_per_address=off", "limits.connect_rate=off")
first_start(BROKER)
fill(BROKER.state, USERS, RULES)
with BROKER:
    check("rights come and go below traffic", storm)
    check("the broker decides by the last revision", consistent)
finish()
