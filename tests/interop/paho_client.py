#!/usr/bin/python3
"""Does Paho's Python client understand us: 3.1.1 and 5.0 over TLS, every QoS, properties in both directions, and
sessions that go on after the socket was torn away in the middle of QoS 1 and 2."""
import os
import socket
import ssl
import sys
import threading

sys.dont_write_bytecode = True
from broker import Broker, await_true, check, expect, expect_equal, finish

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError:
    print("skip paho_client.py: python3-paho-mqtt is not installed")
    sys.exit(0)

USER, PASSWORD = "pia", "a password of pia"
V3, V5 = mqtt.MQTTv311, mqtt.MQTTv5
NAMES = {V3: "3.1.1", V5: "5"}


def properties(packet, **values):
    result = Properties(packet)
    for name, value in values.items():
        setattr(result, name, value)
    return result


class Client:
    """A Paho client on its own thread that remembers what arrived."""

    def __init__(self, version, client_id="", clean=True, expiry=0, password=PASSWORD, port=None):
        self.port = port or BROKER.tls
        self.version, self.clean, self.expiry = version, clean, expiry
        arguments = {} if version == V5 else {"clean_session": clean}
        if hasattr(mqtt, "CallbackAPIVersion"):  # Paho 2
            arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
        self.paho = mqtt.Client(client_id=client_id, protocol=version, **arguments)
        self.paho.username_pw_set(USER, password)
        self.paho.tls_set(BROKER.ca)
        self.messages, self.acked, self.granted, self.answers, self.ends = [], [], [], [], []
        self.connected = threading.Event()
        self.paho.on_connect = self.on_connect
        self.paho.on_message = lambda _c, _u, message: self.messages.append(message)
        self.paho.on_publish = lambda _c, _u, mid: self.acked.append(mid)
        self.paho.on_subscribe = lambda _c, _u, _m, granted, *_p: self.granted.append(granted)
        self.paho.on_disconnect = lambda _c, _u, reason, *_p: self.ends.append(reason)

    def on_connect(self, _client, _user, flags, reason, *rest):
        self.answers.append((int(getattr(reason, "value", reason)), flags["session present"],
                             rest[0] if rest else None))
        self.connected.set()

    def start(self):
        extra = {}
        if self.version == V5:
            extra = {"clean_start": self.clean,
                     "properties": properties(PacketTypes.CONNECT, SessionExpiryInterval=self.expiry)}
        self.paho.connect("localhost", self.port, 60, **extra)
        self.paho.loop_start()
        expect(self.connected.wait(10), "no CONNACK")
        return self

    def __enter__(self):
        self.start()
        expect_equal(self.answers[0][0], 0)
        return self

    def __exit__(self, *_):
        self.paho.disconnect()
        self.paho.loop_stop()

    def subscribe(self, *arguments, **words):
        before = len(self.granted)
        self.paho.subscribe(*arguments, **words)
        await_true(lambda: len(self.granted) > before)
        return [int(getattr(code, "value", code)) for code in self.granted[-1]]

    def publish(self, *arguments, **words):
        info = self.paho.publish(*arguments, **words)
        await_true(info.is_published)
        return info

    def heard(self, count):
        await_true(lambda: len(self.messages) >= count)
        return [(m.topic, m.qos, m.retain, m.payload) for m in self.messages]


def test_qos(version):
    with Client(version) as subscriber, Client(version) as publisher:
        for asked in 0, 1, 2:
            expect_equal(subscriber.subscribe("qos/%d/+" % asked, asked), [asked])
        for sent in 0, 1, 2:
            for asked in 0, 1, 2:
                publisher.publish("qos/%d/%d" % (asked, sent), b"%d" % sent, sent)
        wanted = sorted(("qos/%d/%d" % (asked, sent), min(asked, sent), False, b"%d" % sent)
                        for asked in (0, 1, 2) for sent in (0, 1, 2))
        expect_equal(sorted(subscriber.heard(9)), wanted)


def test_order(version, qos):
    with Client(version) as subscriber, Client(version) as publisher:
        subscriber.paho.max_inflight_messages_set(20)
        publisher.paho.max_inflight_messages_set(20)
        subscriber.subscribe("order", qos)
        infos = [publisher.paho.publish("order", b"%d" % i, qos) for i in range(500)]
        await_true(lambda: all(info.is_published() for info in infos), 20)
        expect_equal([int(m[3]) for m in subscriber.heard(500)], list(range(500)))


def test_payloads(version):
    payloads = [b"", b"\0", bytes(range(256)), os.urandom(127), os.urandom(128), os.urandom(16383), os.urandom(16384),
                os.urandom(300000)]
    with Client(version) as subscriber, Client(version) as publisher:
        subscriber.subscribe("payload", 1)
        for payload in payloads:
            publisher.publish("payload", payload, 1)
        expect_equal([m[3] for m in subscriber.heard(len(payloads))], payloads)


def test_retained(version):
    with Client(version) as publisher, Client(version) as subscriber:
        publisher.publish("kept/a", b"old", 1, retain=True)
        publisher.publish("kept/a", b"new", 2, retain=True)
        subscriber.subscribe("kept/#", 2)
        expect_equal(subscriber.heard(1), [("kept/a", 2, True, b"new")])
        publisher.publish("kept/a", b"", 1, retain=True)
        expect_equal(subscriber.heard(2)[1], ("kept/a", 1, False, b""))
        subscriber.subscribe("kept/#", 2)
        publisher.publish("kept/b", b"mark", 1)
        expect_equal(subscriber.heard(3)[2], ("kept/b", 1, False, b"mark"))


def test_properties():
    with Client(V5) as subscriber, Client(V5) as publisher:
        subscriber.subscribe("props", 1)
        pairs = [("b", "2"), ("a", "1"), ("a", "again"), ("empty", ""), ("ü", "\u00fc\U0001f511")]
        publisher.publish("props", b"x", 1, properties=properties(
            PacketTypes.PUBLISH, UserProperty=pairs, ContentType="text/plain", ResponseTopic="answer/here",
            CorrelationData=b"\0\xff id", PayloadFormatIndicator=1, MessageExpiryInterval=100))
        subscriber.heard(1)
        got = subscriber.messages[0].properties
        expect_equal(got.UserProperty, pairs)
        expect_equal((got.ContentType, got.ResponseTopic, got.CorrelationData, got.PayloadFormatIndicator),
                     ("text/plain", "answer/here", b"\0\xff id", 1))
        expect(90 <= got.MessageExpiryInterval <= 100, got.MessageExpiryInterval)


def test_subscription_ids():
    with Client(V5) as subscriber, Client(V5) as publisher:
        for filter_, identifier in (("id/a", 7), ("id/#", 268435455)):
            subscriber.subscribe(filter_, options=SubscribeOptions(qos=1), properties=properties(
                PacketTypes.SUBSCRIBE, SubscriptionIdentifier=identifier))
        publisher.publish("id/a", b"x", 1)
        await_true(lambda: sum(len(m.properties.SubscriptionIdentifier) for m in subscriber.messages) == 2)
        found = sorted(i for m in subscriber.messages for i in m.properties.SubscriptionIdentifier)
        expect_equal(found, [7, 268435455])


def test_options():
    with Client(V5) as client, Client(V5) as other:
        client.subscribe("opt/local", options=SubscribeOptions(qos=1, noLocal=True))
        client.subscribe("opt/rap", options=SubscribeOptions(qos=1, retainAsPublished=True))
        client.publish("opt/local", b"own", 1)
        other.publish("opt/local", b"other", 1)
        other.publish("opt/rap", b"kept", 1, retain=True)
        expect_equal(client.heard(2), [("opt/local", 1, False, b"other"), ("opt/rap", 1, True, b"kept")])
        client.subscribe("opt/rap", options=SubscribeOptions(qos=1, retainHandling=1))
        client.subscribe("opt/rap", options=SubscribeOptions(qos=1, retainHandling=2))
        client.subscribe("opt/rap", options=SubscribeOptions(qos=1, retainHandling=0))
        expect_equal(client.heard(3)[2:], [("opt/rap", 1, True, b"kept")])
        other.publish("opt/rap", b"", 1, retain=True)


def test_expiry():
    client = Client(V5, "expirer", False, 600)
    with client:
        client.subscribe("expire/#", 1)
    with Client(V5) as publisher:
        publisher.publish("expire/soon", b"x", 1, properties=properties(PacketTypes.PUBLISH, MessageExpiryInterval=1))
        publisher.publish("expire/late", b"x", 1, properties=properties(PacketTypes.PUBLISH, MessageExpiryInterval=50))
        threading.Event().wait(1.2)
    again = Client(V5, "expirer", False, 0)
    with again:
        expect_equal(again.answers[0][1], 1)
        expect_equal(again.heard(1)[0][0], "expire/late")
        expect(45 <= again.messages[0].properties.MessageExpiryInterval <= 49,
               again.messages[0].properties.MessageExpiryInterval)


def test_alias():
    with Client(V5) as subscriber, Client(V5) as publisher:
        subscriber.subscribe("alias/#", 1)
        publisher.publish("alias/a", b"1", 1, properties=properties(PacketTypes.PUBLISH, TopicAlias=1))
        publisher.publish("", b"2", 1, properties=properties(PacketTypes.PUBLISH, TopicAlias=1))
        expect_equal([(m[0], m[3]) for m in subscriber.heard(2)], [("alias/a", b"1"), ("alias/a", b"2")])


def test_shared(version):
    with Client(version) as one, Client(version) as two, Client(version) as publisher:
        for client in one, two:
            expect_equal(client.subscribe("$share/group/shared/#", 1), [1])
        for i in range(40):
            publisher.publish("shared/%d" % i, b"x", 1)
        await_true(lambda: len(one.messages) + len(two.messages) >= 40)
        expect_equal(sorted(m.topic for m in one.messages + two.messages), sorted("shared/%d" % i for i in range(40)))
        expect(one.messages and two.messages, "one member got all")


def test_unsubscribe(version):
    with Client(version) as client:
        client.subscribe("un/#", 1)
        client.subscribe("still/#", 1)
        done = threading.Event()
        client.paho.on_unsubscribe = lambda *_: done.set()
        client.paho.unsubscribe("un/#")
        expect(done.wait(5), "no UNSUBACK")
        client.publish("un/a", b"x", 1)
        client.publish("still/a", b"x", 1)
        expect_equal([m[0] for m in client.heard(1)], ["still/a"])


def abort(sock):
    """Paho's thread reads the end of the stream and closes: no DISCONNECT, no close_notify of TLS."""
    socket.socket.shutdown(sock, socket.SHUT_RD)


def test_resume_subscriber(version, qos):
    """Messages in flight to a subscriber whose socket dies come again, in order, each QoS 2 one once."""
    identity = "resume-%s-%d" % (NAMES[version], qos)
    first = Client(version, identity, False, 600)
    received = []

    def die_at_third(_client, _user, message):
        received.append(int(message.payload))
        if len(received) == 3:
            abort(first.paho.socket())

    first.paho.on_message = die_at_third
    first.paho.reconnect_delay_set(60, 60)
    with Client(version) as publisher:
        with first:
            first.subscribe(identity, qos)
            for i in range(20):
                publisher.publish(identity, b"%d" % i, qos)
            await_true(lambda: first.ends)
            first.paho.on_message = lambda *_: None
        again = Client(version, identity, False, 600)
        # What Paho has acknowledged of QoS 2 stands in the old object: a client that lost nothing but its socket.
        again.paho._in_messages = first.paho._in_messages
        with again:
            expect_equal(again.answers[0][1], 1)
            await_true(lambda: again.messages and int(again.messages[-1].payload) == 19)
            rest = [int(m.payload) for m in again.messages]
            if qos == 2:
                expect_equal(received + rest, list(range(20)))
            else:
                expect_equal(sorted(set(received + rest)), list(range(20)))
                expect_equal(rest, list(range(rest[0], 20)))
            publisher.publish(identity, b"20", qos)
            await_true(lambda: again.messages and int(again.messages[-1].payload) == 20)


class Relay:
    """Stands between a client and the broker: may hold back the answers, and cuts the line."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.pairs, self.is_holding, self.held = [], False, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _ = self.listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", BROKER.tls))
            self.pairs += [near, far]
            threading.Thread(target=self.carry, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, True), daemon=True).start()

    def carry(self, source, target, is_answer):
        try:
            while data := source.recv(65536):
                if is_answer and self.is_holding:
                    self.held += len(data)
                else:
                    target.sendall(data)
        except OSError:
            pass
        self.cut()

    def cut(self):
        for end in self.pairs:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has gone by itself
        self.pairs = []

    def close(self):
        self.listening.close()


def test_resume_publisher(version, qos):
    """The broker has the messages, its answers are lost with the line: all are sent again, and of QoS 2 none is doubled."""
    identity = "sender-%s-%d" % (NAMES[version], qos)
    relay = Relay()
    with Client(version) as subscriber:
        subscriber.subscribe(identity, qos)
        publisher = Client(version, identity, False, 600, port=relay.port)
        publisher.paho.reconnect_delay_set(1, 1)
        with publisher:
            relay.is_holding = True
            for i in range(15):
                publisher.paho.publish(identity, b"%d" % i, qos)
            # Paho's thread would die of an error of TLS in the middle of a write.
            await_true(lambda: relay.held > 0 and not publisher.paho._out_packet)
            relay.cut()
            await_true(lambda: publisher.ends)
            expect_equal(publisher.acked, [])
            relay.is_holding = False
            for i in range(15, 20):
                publisher.paho.publish(identity, b"%d" % i, qos)
            await_true(lambda: len(publisher.acked) == 20, 10)
            expect_equal([answer[:2] for answer in publisher.answers], [(0, 0), (0, 1)])
        await_true(lambda: len({m.payload for m in subscriber.messages}) == 20)
        got = [int(m.payload) for m in subscriber.messages]
        expect_equal(sorted(got) if qos == 2 else sorted(set(got)), list(range(20)))
    relay.close()


def test_will(version):
    topic = "will/%s" % NAMES[version]
    with Client(version) as heir:
        heir.subscribe(topic, 1)
        dying = Client(version)
        extra = {"properties": properties(PacketTypes.WILLMESSAGE, UserProperty=[("why", "death")],
                                          ContentType="text/plain")} if version == V5 else {}
        dying.paho.will_set(topic, b"gone", 1, **extra)
        dying.paho.reconnect_delay_set(60, 60)
        with dying:
            abort(dying.paho.socket())
            expect_equal(heir.heard(1), [(topic, 1, False, b"gone")])
            if version == V5:
                expect_equal(heir.messages[0].properties.UserProperty, [("why", "death")])
                expect_equal(heir.messages[0].properties.ContentType, "text/plain")


def test_takeover(version):
    identity = "twin-%s" % NAMES[version]
    with Client(version, identity) as first:
        first.paho.reconnect_delay_set(60, 60)
        with Client(version, identity):
            await_true(lambda: first.ends)


def test_refused(version, password, code):
    client = Client(version, password=password)
    client.paho.reconnect_delay_set(60, 60)
    client.start()
    client.paho.disconnect()
    client.paho.loop_stop()
    expect_equal(client.answers[0][0], code)


def test_connack():
    with Client(V5) as client:
        given = client.answers[0][2]
        expect(given.AssignedClientIdentifier, "no assigned client id")
        expect_equal((given.MaximumPacketSize, given.ReceiveMaximum, given.TopicAliasMaximum), (1048576, 100, 64))


def test_two_versions():
    with Client(V3) as three, Client(V5) as five:
        three.subscribe("mixed/5to3", 2)
        five.subscribe("mixed/3to5", 2)
        five.publish("mixed/5to3", b"x", 2, properties=properties(
            PacketTypes.PUBLISH, UserProperty=[("a", "b")], MessageExpiryInterval=100))
        three.publish("mixed/3to5", b"y", 2)
        expect_equal(three.heard(1), [("mixed/5to3", 2, False, b"x")])
        expect_equal(five.heard(1), [("mixed/3to5", 2, False, b"y")])


def test_unknown_ca():
    context = ssl.create_default_context()
    client = mqtt.Client(protocol=V5)
    client.tls_set_context(context)
    try:
        client.connect("localhost", BROKER.tls)
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("it trusted a CA it does not know")


def main():
    BROKER.mortise("role", "add", "all")
    BROKER.mortise("role", "allow", "all", "both", "#", "--share", "any")
    BROKER.mortise("role", "allow", "all", "both", "#")
    BROKER.mortise("user", "add", USER, "--password-stdin", "--role", "all", secret=PASSWORD + "\n")
    for version in V3, V5:
        name = NAMES[version]
        check("paho: QoS both ways, " + name, test_qos, version)
        check("paho: payloads, " + name, test_payloads, version)
        check("paho: retained, " + name, test_retained, version)
        check("paho: shared subscription, " + name, test_shared, version)
        check("paho: unsubscribe, " + name, test_unsubscribe, version)
        check("paho: will, " + name, test_will, version)
        check("paho: takeover, " + name, test_takeover, version)
        check("paho: wrong password, " + name, test_refused, version, "wrong", 134 if version == V5 else 4)
        for qos in 1, 2:
            check("paho: 500 in order, QoS %d, %s" % (qos, name), test_order, version, qos)
            check("paho: subscriber's socket dies, QoS %d, %s" % (qos, name), test_resume_subscriber, version, qos)
            check("paho: publisher's socket dies, QoS %d, %s" % (qos, name), test_resume_publisher, version, qos)
    check("paho: properties arrive as sent", test_properties)
    check("paho: subscription identifiers", test_subscription_ids)
    check("paho: subscription options", test_options)
    check("paho: message expiry", test_expiry)
    check("paho: topic alias", test_alias)
    check("paho: limits in CONNACK", test_connack)
    check("paho: 3.1.1 and 5 talk to each other", test_two_versions)
    check("paho: unknown CA", test_unknown_ca)


with Broker() as BROKER:
    main()
finish()
