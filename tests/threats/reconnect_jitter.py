#!/usr/bin/python3
"""Attack: one client id that reconnects at every moment while messages flow to and from it. CVE-2026-22040, CVE-2025-59946."""
import random
import threading

from attack import BOTH, Target, await_true, connect, expect, expect_equal, finish, for_each_way, publish, subscribe

SESSION = b"\x11\0\0\0\x3c"


def stampede(way):
    """Eight threads take one session from each other, each cut off at another place; the load goes on around them."""
    stop = threading.Event()
    faults = []

    def load():
        try:
            sender = TARGET.client(way)
            while not stop.is_set():
                sender.send(publish("j/1", b"z" * 500, 1, 1)).expect(0x40)
        except Exception as fault:
            faults.append(fault)

    def jitter(seed):
        draw = random.Random(seed)
        for _ in range(40):
            try:
                script = (connect(5, "jitter", draw.choice([0, 2]), SESSION) + subscribe(["j/#"], options=draw.choice([0, 1, 2])) +
                          publish("j/2", b"y" * 3000, 2, draw.randrange(1, 5)) + b"\x62\2\0\1" + b"\xe0\0")
                attacker = TARGET.attacker(way)
                attacker.send(script[:draw.randrange(len(script) + 1)])
                if draw.random() < 0.5:
                    attacker.socket.settimeout(0.02)
                    try:
                        for _ in range(50):  # the load may never pause, when nobody takes the session over
                            attacker.packet()
                    except (EOFError, OSError):
                        pass
                attacker.close()
            except OSError:
                pass

    threads = [threading.Thread(target=load)] + [threading.Thread(target=jitter, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    stop.set()
    threads[0].join()
    expect(not faults, "%r" % faults)
    await_true(lambda: TARGET.status()["connections"] == 0, 10)
    last = TARGET.client(way, client_id="jitter")  # a clean start: the session is there, and ends here
    last.close()
    await_true(lambda: TARGET.status()["sessions"] == 0, 10)
    TARGET.serves(way)


def only_one_owner(way):
    """Of all that took it over, each but the last was told so."""
    attackers = [TARGET.attacker(way).send(connect(5, "owner", 0, SESSION)) for _ in range(20)]
    for attacker in attackers:
        attacker.expect(0x20)
    for attacker in attackers[:-1]:
        expect_equal([body[0] for first, body in attacker.rest() if first == 0xe0], [0x8e])
    expect_equal(attackers[-1].until_pong(), [])
    attackers[-1].send(connect(5, "owner")).rest()
    TARGET.client(way, client_id="owner").close()


def nothing_is_lost(way):
    """What was acknowledged to the publisher comes to the session, at whichever connection, once at QoS 2."""
    attacker = TARGET.attacker(way).send(connect(5, "keeps", 0, SESSION))
    attacker.expect(0x20)
    attacker.send(subscribe(["k"], options=2)).expect(0x90)
    sender = TARGET.client(way)
    got = []
    for i in range(60):
        sender.send(publish("k", b"%d" % i, 2, i + 1)).expect(0x50)
        sender.send(b"\x62" + b"\2" + (i + 1).to_bytes(2, "big")).expect(0x70)
        if i % 3 == 0:
            attacker = TARGET.attacker(way).send(connect(5, "keeps", 0, SESSION))
            expect_equal(attacker.expect(0x20)[0], 1)
    known = set()
    while len(got) < 60:
        first, body = attacker.packet()
        if first & 0xf0 == 0x30:
            number = body[3:5]
            if number not in known:
                known.add(number)
                got.append(int(body[6:]))
            attacker.send(b"\x50\2" + number)
        elif first == 0x62:
            known.discard(body[:2])
            attacker.send(b"\x70\2" + body[:2])
    expect_equal(got, list(range(60)))
    TARGET.client(way, client_id="keeps").close()


with Target("listeners.plain.anonymous_sessions=yes", "listeners.tls.anonymous_sessions=yes") as TARGET:
    for_each_way("one owner", only_one_owner)
    for_each_way("nothing is lost", nothing_is_lost)
    for_each_way("a stampede under load", stampede)
finish()
