"""Imported by scripts: a state directory with many users, roles and rules, written in one transaction while no broker
runs. User number i is `cI`, holds role `rI`, and logs in with the token that token(i) gives."""
import hashlib
import os
import sqlite3
import subprocess

from broker import BUILD, expect

GROUPS = 250
TOPICS = 4


def token(i):
    return "mt1." + hashlib.sha256(b"client %d" % i).hexdigest()[:26]


def group(i):
    return i % GROUPS


def first_start(broker):
    """Makes the state directory of a Broker that has not begun yet."""
    process = subprocess.Popen([BUILD + "/mortised", "--state", broker.state, "--set", "listeners.tls.address=127.0.0.1:0"],
                               stderr=subprocess.PIPE, text=True)
    while True:
        line = process.stderr.readline()
        if line.startswith("ready ") or not line:
            break
    process.terminate()
    process.stderr.read()
    process.stderr.close()
    expect(process.wait(20) == 0 and line, "the first start failed")


def fill(state, users, rules_per_role):
    """Rule 1 of each role lets it publish and subscribe s/GROUP/#; the others speak of other topics."""
    database = sqlite3.connect(os.path.join(state, "mortise.db"))
    with database:
        for i in range(users):
            number = database.execute("INSERT INTO users (name, is_enabled, client_id_rule) VALUES (?, 1, '')",
                                      ("c%d" % i,)).lastrowid
            database.execute("INSERT INTO secrets VALUES (?, '', ?)",
                             (number, hashlib.sha256(token(i).encode()).digest()))
            database.execute("INSERT INTO roles (name) VALUES (?)", ("r%d" % i,))
            database.execute("INSERT INTO grants VALUES (?, ?)", (number, "r%d" % i))
            for k in range(rules_per_role):
                topic = "s/%d/#" % group(i) if k == 0 else "other/%d/+/%d" % (i, k)
                database.execute("INSERT INTO rules (role, is_deny, operation, qos_mask, retain, until_s, filter, share,"
                                 " network) VALUES (?, ?, 3, 7, 0, 0, ?, '', '')", ("r%d" % i, k % 3 == 2, topic))
    database.close()
