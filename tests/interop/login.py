#!/usr/bin/python3
"""Passwords: those of mosquitto_passwd log in and are replaced, one that was right costs no second hash, and nothing that
is no hash opens anything."""
import glob
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys

sys.dont_write_bytecode = True
from broker import Broker, await_true, check, expect, expect_equal, finish
from packets import connect, text
from site_of import first_start

PASSWORD = "a long password"


def login(user, password):
    """The reason code of CONNACK."""
    with socket.create_connection(("127.0.0.1", BROKER.plain), 20) as client:
        client.sendall(connect(5, "", 0xc2, b"", text(user) + text(password)))
        answer = client.recv(100)
        expect(answer and answer[0] == 0x20, "%r" % answer)
        return answer[3]


def hashes():
    return json.loads(BROKER.mortise("status", "--json"))["logins"]


def stored(user):
    """As it is kept; read from a copy, for the broker holds the database."""
    copy = os.path.join(BROKER.folder, "copy")
    os.makedirs(copy)
    for path in glob.glob(os.path.join(BROKER.state, "mortise.db*")):
        shutil.copy(path, copy)
    database = sqlite3.connect(os.path.join(copy, "mortise.db"))
    found = database.execute("SELECT password_hash FROM secrets JOIN users ON id = user_id WHERE name = ?", (user,)).fetchone()[0]
    database.close()
    shutil.rmtree(copy)
    return found


def write(user, kept):
    """A user whose hash stands there as it came from elsewhere, or by damage."""
    database = sqlite3.connect(os.path.join(BROKER.state, "mortise.db"))
    with database:
        number = database.execute("INSERT INTO users (name, is_enabled, client_id_rule) VALUES (?, 1, '')", (user,)).lastrowid
        database.execute("INSERT INTO grants VALUES (?, 'open')", (number,))
        if kept is not None:
            database.execute("INSERT INTO secrets VALUES (?, ?, x'')", (number, kept))
    database.close()


def made(*options):
    path = os.path.join(BROKER.folder, "passwords")
    open(path, "w", encoding="ascii").close()
    subprocess.run(["mosquitto_passwd", *options, "-b", path, "x", PASSWORD], check=True, capture_output=True)
    with open(path, encoding="ascii") as file:
        return file.read().strip().split(":", 1)[1]


BAD = {"missing": None, "empty": "", "plain": PASSWORD, "star": "*", "cut": "$7$101$zSBnmiCkfS7T7Eyj$", "dollar": "$6$$",
       "argon": "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA", "weak": "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA"}


def nothing_opens():
    for user, kept in BAD.items():
        for password in "", PASSWORD, kept or "x", "*":
            expect(login(user, password) != 0, "%s with %r" % (user, password))


def imported_hashes_log_in_and_are_replaced():
    for user in "seven", "six":
        expect_equal(login(user, "wrong"), login("nobody", "wrong"))
        expect(stored(user).startswith("$"), stored(user))
        expect(not stored(user).startswith("$argon2id$"), stored(user))
        expect_equal(login(user, PASSWORD), 0)
        await_true(lambda user=user: stored(user).startswith("$argon2id$"))
        expect_equal(login(user, PASSWORD), 0)
        expect(login(user, "wrong") != 0)


def what_was_right_is_remembered():
    before = hashes()
    for _ in range(50):
        expect_equal(login("ann", PASSWORD), 0)
    after = hashes()
    expect(after["hashes"] - before["hashes"] <= 1, "%r %r" % (before, after))
    expect(after["remembered"] - before["remembered"] >= 49, "%r %r" % (before, after))


def a_new_password_is_another_one():
    BROKER.mortise("user", "passwd", "ann", "--password-stdin", secret="a newer password\n")
    expect(login("ann", PASSWORD) != 0, "the former password opens")
    expect_equal(login("ann", "a newer password"), 0)
    BROKER.mortise("user", "disable", "ann")
    expect(login("ann", "a newer password") != 0, "a disabled user is let in")


def unknown_and_wrong_cost_the_same():
    costs = []
    for user in "nobody", "bob", "seven":
        before = hashes()["hashes"]
        expect(login(user, "wrong " + user) != 0)
        costs.append(hashes()["hashes"] - before)
    expect_equal(costs, [1, 1, 1])



if not shutil.which("mosquitto_passwd"):
    print("skip %s: mosquitto is not installed" % os.path.basename(sys.argv[0]))
    sys.exit(0)
BROKER = Broker("limits.connect_rate=off")
first_start(BROKER)
for name, value in BAD.items():
    write(name, value)
write("seven", made())
write("six", made("-H", "sha512"))
with BROKER:
    for name in "ann", "bob":
        BROKER.mortise("user", "add", name, "--password-stdin", "--role", "open", secret=PASSWORD + "\n")
    check("nothing that is no hash opens anything", nothing_opens)
    check("imported hashes log in and are replaced", imported_hashes_log_in_and_are_replaced)
    check("unknown and wrong cost the same", unknown_and_wrong_cost_the_same)
    check("what was right is remembered", what_was_right_is_remembered)
    check("a new password is another one", a_new_password_is_another_one)
finish()
