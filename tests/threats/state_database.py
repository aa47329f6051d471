#!/usr/bin/python3
"""A state database that was cut, changed, locked, or left by a crash: the broker refuses to start or keeps what it has;
it never opens anything."""
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
from broker import BUILD, Broker, check, expect, expect_equal, finish


def start_again(broker):
    """The exit status of a broker that does not stay, and what it said; None when it serves."""
    process = subprocess.Popen([BUILD + "/mortised", "--state", broker.state, "--set", "listeners.tls.address=127.0.0.1:0"],
                               stderr=subprocess.PIPE, text=True)
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("ready "):
            process.terminate()
            process.stderr.read()
            process.wait()
            return None, said
    return process.wait(), said


def stop(broker):
    broker.process.terminate()
    broker.process.wait()


def cut_anywhere():
    rng = random.Random(7)
    with Broker() as broker:
        broker.mortise("role", "add", "r")
        stop(broker)
        path = broker.state + "/mortise.db"
        with open(path, "rb") as whole:
            sample = whole.read()
        for _ in range(12):
            at = rng.randrange(len(sample))
            with open(path, "wb") as out:
                out.write(sample[:at])
            status, said = start_again(broker)
            expect(status not in (None, 0) and "mortise.db" in "".join(said), "cut at %d: %s" % (at, said[-2:]))
            expect_equal(os.path.getsize(path), at)
        with open(path, "wb") as out:
            out.write(sample)
        expect(start_again(broker)[0] is None, "the whole one serves")
        broker.__enter__()


def locked_by_another():
    with Broker() as broker:
        before = broker.mortise("policy", "show")
        stop(broker)
        other = sqlite3.connect(broker.state + "/mortise.db", isolation_level=None)
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE meta SET version = version")
        status, said = start_again(broker)
        expect(status not in (None, 0) and "another process" in "".join(said), str(said[-2:]))
        other.execute("ROLLBACK")
        other.close()
        broker.__enter__()
        # While it serves, nobody else gets in, and its changes are made.
        intruder = sqlite3.connect(broker.state + "/mortise.db", timeout=0)
        try:
            intruder.execute("INSERT INTO grants SELECT id, 'admin' FROM users")
            intruder.commit()
            raise AssertionError("another process could write")
        except sqlite3.OperationalError:
            pass
        intruder.close()
        broker.mortise("role", "add", "r")
        expect("r:" in broker.mortise("policy", "show") and "r:" not in before, "changed")


def cut_while_it_serves():
    with Broker() as broker:
        broker.mortise("role", "add", "kept")
        os.truncate(broker.state + "/mortise.db", 5000)
        done = subprocess.run([BUILD + "/mortise", "--state", broker.state, "role", "add", "lost"], capture_output=True,
                              text=True, check=False)
        asked = json.loads(broker.mortise("--json", "status"))
        expect(asked, "it serves")
        # The log may still hold every page: then the change is whole. Else it is refused.
        if done.returncode != 0:
            expect("lost" not in subprocess.run([BUILD + "/mortise", "--state", broker.state, "role", "list"],
                                                capture_output=True, text=True, check=False).stdout, "not half")


def revisions(broker):
    return json.loads(broker.mortise("--json", "policy", "log"))["revisions"][0]["revision"]


def killed_while_it_changes():
    rng = random.Random(3)
    with Broker() as broker:
        for turn in range(4):
            acked = []

            def change(turn=turn, acked=acked):
                for number in range(10000):
                    name = "t%d-%d" % (turn, number)
                    done = subprocess.run([BUILD + "/mortise", "--state", broker.state, "role", "add", name],
                                          capture_output=True, check=False)
                    if done.returncode != 0:
                        return
                    acked.append(name)
            worker = threading.Thread(target=change)
            worker.start()
            time.sleep(0.2 + rng.random() / 2)
            broker.process.send_signal(signal.SIGKILL)
            broker.process.wait()
            worker.join()
            broker.__enter__()
            there = broker.mortise("role", "list").split()
            expect(acked and all(name in there for name in acked), "%d changes that were told done are there" % len(acked))
            extra = [name for name in there if name.startswith("t%d-" % turn) and name not in acked]
            expect(len(extra) <= 1, "at most the one at hand: %s" % extra)
            expect(revisions(broker) >= len(acked), "revisions")


check("cut at any place, it is refused and left alone", cut_anywhere)
check("locked by another process, it is refused; while it serves it is locked", locked_by_another)
check("cut while it serves: whole or refused", cut_while_it_serves)
check("killed in the middle of changes, what was told done is there", killed_while_it_changes)
finish()
