#!/usr/bin/python3
"""The audit log of a running broker: what happens stands in it, each change of it is found, and fail2ban reads it."""
import glob
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
from broker import BUILD, HERE, Broker, await_true, check, expect, expect_equal, finish
from packets import connect, publish, subscribe, text

PASSWORD = "a long password"


def lines():
    found = []
    for path in sorted(glob.glob(os.path.join(BROKER.state, "audit", "*.jsonl"))):
        with open(path, encoding="ascii") as part:
            found += part.read().splitlines()
    return found


def entries(event):
    return [entry for entry in map(json.loads, lines()) if entry["event"] == event]


def mqtt(user=None, password=PASSWORD, client_id="c"):
    client = socket.create_connection(("127.0.0.1", BROKER.plain), 10)
    more = text(user) + text(password) if user is not None else b""
    client.sendall(connect(5, client_id, 0xc2 if user is not None else 2, b"", more))
    return client, client.recv(4096)


def audit(*arguments, folder=None):
    state = folder or BROKER.state
    return subprocess.run([BUILD + "/mortise", "--state", state, "audit", *arguments], capture_output=True, text=True,
                          timeout=30, check=False)


def what_happens_stands_there():
    BROKER.mortise("role", "add", "writer")
    BROKER.mortise("role", "allow", "writer", "publish", "w/#")
    BROKER.mortise("user", "add", "wanda", "--password-stdin", "--role", "writer", secret=PASSWORD + "\n")
    client, connack = mqtt("wanda")
    expect_equal(connack[3], 0)
    client.sendall(publish("other", b"x", 1, 7) + subscribe(["x/#"], 2))
    client.recv(100)
    _, connack = mqtt("wanda", "another word")
    expect(connack[3] != 0, "%r" % connack)
    BROKER.mortise("user", "disable", "wanda")
    client.close()
    await_true(lambda: entries("disconnect"))
    changes = [entry["what"] for entry in entries("change")]
    expect_equal(changes[:2], ["role add writer", "role allow writer publish w/#"])
    expect(all(entry["author"].startswith("uid ") for entry in entries("change")), changes)
    expect_equal([entry["revision"] for entry in entries("change")], list(range(2, 2 + len(changes))))
    connected = entries("connect")[0]
    expect_equal([connected[key] for key in ("address", "listener", "user", "client_id")],
                 ["127.0.0.1", "plain", "wanda", "c"])
    expect(connected["user_id"] > 1, "%r" % connected)
    expect_equal(entries("deny_publish")[0]["topic"], "other")
    expect_equal(entries("deny_subscribe")[0]["topic"], "x/#")
    expect(entries("connect_refused")[0]["reason"] in (0x86, 0x87), "%r" % entries("connect_refused"))
    expect("1 sessions" in entries("revoked")[0]["what"], "%r" % entries("revoked"))


def no_secret_stands_there():
    for secret in PASSWORD, "another word":
        expect(not any(secret in line for line in lines()), secret)


def it_verifies():
    done = audit("verify")
    expect(done.returncode == 0 and done.stdout.startswith("good: "), done.stdout + done.stderr)
    told = audit("tail", "-n", "2").stdout.splitlines()
    expect_equal(told, lines()[-2:])


def what_is_changed_is_found():
    copy = os.path.join(BROKER.folder, "copy")
    shutil.copytree(os.path.join(BROKER.state, "audit"), copy + "/audit")
    path = sorted(glob.glob(copy + "/audit/*.jsonl"))[0]
    with open(path, encoding="ascii") as log:
        good = log.read()
    bad = good.replace('"other"', '"othex"')
    expect(bad != good, "the denied topic is not there")
    for text_, why in (bad, r"jsonl:\d+: .*was changed"), ("\n".join(good.split("\n")[:3] + good.split("\n")[4:]), "is gone"):
        with open(path, "w", encoding="ascii") as log:
            log.write(text_)
        done = audit("verify", folder=copy)
        expect(done.returncode == 5 and re.search(why, done.stderr), "%d %s" % (done.returncode, done.stderr))
    shutil.rmtree(copy)


def a_cut_end_is_found():
    out = os.path.join(BROKER.folder, "out")
    done = audit("export", "--out", out)
    expect(done.returncode == 0, done.stderr)
    with open(os.path.join(out, "head.json"), encoding="ascii") as head:
        signed = json.load(head)
    message = "mortise audit head 1\n%d\n%s\n%s\n" % (signed["seq"], signed["digest"], signed["time"])
    with open(os.path.join(out, "message"), "w", encoding="ascii") as file:
        file.write(message)
    with open(os.path.join(out, "signature"), "wb") as file:
        file.write(bytes.fromhex(signed["signature"]))
    done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", out + "/public.pem", "-rawin", "-in",
                           out + "/message", "-sigfile", out + "/signature"], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, done.stdout + done.stderr)
    copy = os.path.join(BROKER.folder, "cut")
    shutil.copytree(os.path.join(BROKER.state, "audit"), copy + "/audit")
    path = sorted(glob.glob(copy + "/audit/*.jsonl"))[-1]
    with open(path, encoding="ascii") as log:
        kept = log.read().split("\n")[:signed["seq"] - 2]
    with open(path, "w", encoding="ascii") as log:
        log.write("\n".join(kept) + "\n")
    done = audit("verify", "--head", out + "/head.json", folder=copy)
    expect(done.returncode == 5 and "cut off" in done.stderr, "%d %s" % (done.returncode, done.stderr))


def fail2ban_finds_the_address_and_no_other():
    if not shutil.which("fail2ban-regex"):
        print("skip %s: fail2ban is not installed" % os.path.basename(sys.argv[0]))
        return
    forged = '","address":"203.0.113.9","x":"'
    mqtt("nobody " + forged, "wrong", client_id=forged)
    mqtt('{"seq":1,"time":"2026-01-01T00:00:00.000000Z","id":102,"event":"connect_refused","address":"203.0.113.9",', "wrong")
    await_true(lambda: len(entries("connect_refused")) >= 3)
    path = sorted(glob.glob(os.path.join(BROKER.state, "audit", "*.jsonl")))[-1]
    done = subprocess.run(["fail2ban-regex", "--out", "ip", path, HERE + "/packaging/fail2ban/filter.d/mortise.conf"],
                          capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 0, done.stdout + done.stderr)
    expect_equal(set(done.stdout.split()), {"127.0.0.1"})
    expect_equal(len(done.stdout.split()), len(entries("connect_refused")) + len(entries("violation")))


BROKER = Broker()
with BROKER:
    check("what happens stands in the log", what_happens_stands_there)
    check("no secret does", no_secret_stands_there)
    check("it verifies", it_verifies)
    check("what is changed is found", what_is_changed_is_found)
    check("fail2ban finds the address, and no other", fail2ban_finds_the_address_and_no_other)
    BROKER.process.terminate()
    BROKER.process.wait(20)
    check("a cut end is found", a_cut_end_is_found)
finish()
