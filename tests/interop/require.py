#!/usr/bin/python3
"""What a listener accepts: `require`, by real clients; the mechanism that decided, wherever it is told."""
import json
import os
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
from broker import BUILD, Broker, check, expect, expect_equal, finish
from packets import connect, text
from scram_client import METHOD, Scram

PASSWORD = "a long password"
LISTENERS = {"all": "any", "words": "password", "tokens": "[token]", "certs": "certificate", "keys": "psk",
             "mixed": "[certificate, token]"}


def status():
    return json.loads(BROKER.mortise("status", "--json"))["logins"]


def pub(listener, *options):
    """The exit code of mosquitto_pub: the return code of CONNACK, or 0."""
    done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(BROKER.port(listener)), "-t", "a", "-m", "b", "-q", "1",
                           "-V", "mqttv5", *options], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode


def tls(*options):
    return ["--cafile", BROKER.ca, *options]


def password(name="ann", secret=PASSWORD):
    return tls("-u", name, "-P", secret)


def certificate():
    return tls("--cert", PAIR[0], "--key", PAIR[1])


def key():
    return ["--psk-identity", "ann", "--psk", KEY]


def refusals(*parts):
    """Entries of the audit log."""
    entries = [json.loads(line) for line in BROKER.mortise("audit", "tail", "-n", "40", "--json").splitlines()]
    return [entry for entry in entries if all(part in json.dumps(entry) for part in parts)]


def test_accepted(listener, ways):
    """Each way works where it is accepted, and nowhere else."""
    for name, options in (("password", password()), ("token", password(secret=TOKEN)), ("certificate", certificate()),
                          ("psk", key())):
        before = status()["mechanisms"]
        code = pub(listener, *options)
        expect_equal((name, code == 0), (name, name in ways))
        after = status()["mechanisms"]
        expect_equal({way: after[way] - before[way] for way in after if after[way] != before[way]},
                     {name: 1} if name in ways else {})


def reason(listener, secret, name="ann"):
    """The reason code of CONNACK, on the plain listener that is told."""
    with socket.create_connection(("127.0.0.1", BROKER.port(listener)), 20) as client:
        client.sendall(connect(5, "", 0xc2, b"", text(name) + text(secret)))
        return client.recv(100)[3]


def test_refused_as_a_wrong_one():
    """Same reason code and, for passwords, one hash: right, wrong, and of nobody."""
    for name, secret in (("ann", PASSWORD), ("ann", "wrong"), ("nobody", "wrong")):
        before = status()
        expect_equal(reason("plain-tokens", secret, name), 0x86)
        after = status()
        expect_equal((after["hashes"] - before["hashes"], after["remembered"] - before["remembered"]), (1, 0))
    expect_equal(reason("plain-words", TOKEN), reason("plain-words", "mt1.aaaaaaaaaaaaaaaaaaaaaaaaaa"))
    expect_equal(reason("plain-words", PASSWORD), 0)
    expect_equal(reason("plain-tokens", TOKEN), 0)


def test_audited_with_the_true_reason():
    reason("plain-tokens", PASSWORD)
    expect(refusals("connect_refused", "the listener does not accept: password", '"mechanism": "password"', "plain-tokens"))
    pub("tokens", *certificate())
    expect(refusals("connect_refused", "the listener does not accept: certificate", '"mechanism": "certificate"'))


def scram(listener):
    """The reason code."""
    with socket.create_connection(("127.0.0.1", BROKER.port(listener)), 20) as stream:
        return Scram(stream, "ann", PASSWORD, METHOD).login()


def test_scram():
    before = status()["mechanisms"]["scram"]
    expect_equal([scram("plain-" + name) for name in ("scram", "words", "tokens")], [0, 0x8c, 0x8c])
    expect_equal(status()["mechanisms"]["scram"] - before, 1)
    expect_equal(reason("plain-scram", PASSWORD), 0x86)
    expect(refusals("connect_refused", "the listener does not accept: scram", '"mechanism": "scram"'))
    expect(refusals("connect_refused", "the listener does not accept: password", "plain-scram"))


def test_certificate_and_password():
    """What CONNECT brings decides; the certificate must agree."""
    expect_equal(pub("all", *certificate(), "-u", "ann", "-P", PASSWORD), 0)
    expect_equal(pub("certs", *certificate(), "-u", "ann"), 0)
    expect(pub("certs", *certificate(), "-u", "ann", "-P", PASSWORD) != 0, "a password where none is accepted")
    expect_equal(pub("words", *certificate(), "-u", "ann", "-P", PASSWORD), 0)
    expect(pub("words", *certificate(), "-u", "bob", "-P", PASSWORD) != 0, "two users")
    expect_equal(pub("mixed", *certificate(), "-u", "ann", "-P", TOKEN), 0)
    expect(pub("all") != 0 and pub("all", *tls()) != 0, "nobody")


def test_it_is_shown():
    watch = subprocess.Popen(["mosquitto_sub", "-h", "localhost", "-p", str(BROKER.port("all")), "-i", "watcher", "-t", "$SYS/#", "-W", "20",
                              *certificate(), "-v"], stdout=subprocess.PIPE, text=True)
    try:
        for line in watch.stdout:
            if line.startswith("$SYS/broker/mortise/logins/certificate ") and not line.endswith(" 0\n"):
                break
        else:
            raise AssertionError("no figure")
        shown = json.loads(BROKER.mortise("client", "show", "watcher", "--json"))["clients"]
        expect_equal([client["mechanism"] for client in shown], ["certificate"])
        listed = json.loads(BROKER.mortise("client", "list", "--json"))["clients"]
        expect("certificate" in [client["mechanism"] for client in listed], listed)
    finally:
        watch.terminate()
        watch.wait(10)
        watch.stdout.close()


def test_configuration():
    """What can never be is refused with line and remedy."""
    path = os.path.join(BROKER.folder, "bad.yaml")
    for lines, fault in (("    require: psk\n", "expected `psk: yes` too"),
                         ("    require: [token]\n    anonymous: open\n", "expected `anonymous: off`"),
                         ("    require: certificate\n    client_certificate: no\n", "expected `tls: yes` and"),
                         ("    require: []\n", "nobody could connect")):
        with open(path, "w", encoding="ascii") as out:
            out.write("listeners:\n  door:\n    address: 127.0.0.1:0\n" + lines)
        done = subprocess.run([BUILD + "/mortised", "--check", "--config", path], capture_output=True, text=True, timeout=20,
                              check=False)
        expect(done.returncode != 0 and fault in done.stderr and path + ":2" in done.stderr, done.stderr)


settings = ["limits.connect_rate=off", "sys_interval=1s"]
for listener, require in LISTENERS.items():
    settings += ["listeners.%s.address=127.0.0.1:0" % listener, "listeners.%s.require=%s" % (listener, require.strip("[]").replace(", ", ","))]
    if require in ("psk", "any"):
        settings.append("listeners.%s.psk=yes" % listener)
for listener, require in (("plain-tokens", "token"), ("plain-words", "password"), ("plain-scram", "scram")):
    settings += ["listeners.%s.%s" % (listener, rest) for rest in ("address=127.0.0.1:0", "tls=no", "require=" + require)]
BROKER = Broker(*settings)
with BROKER:
    for user in "ann", "bob":
        BROKER.mortise("user", "add", user, "--password-stdin", "--role", "admin", secret=PASSWORD + "\n")
    TOKEN = json.loads(BROKER.mortise("user", "token", "ann", "--json"))["token"]
    KEY = json.loads(BROKER.mortise("user", "psk", "ann", "--json"))["key"]
    folder = os.path.join(BROKER.folder, "of-ann")
    BROKER.mortise("cert", "issue", "ann", "--format", "pem", "--out", folder)
    PAIR = os.path.join(folder, "ann.crt"), os.path.join(folder, "ann.key")
    check("all is accepted where nothing is required", test_accepted, "all", ("password", "token", "certificate", "psk"))
    for listener, ways in (("words", ("password",)), ("tokens", ("token",)), ("certs", ("certificate",)), ("keys", ("psk",)),
                           ("mixed", ("certificate", "token"))):
        check("listener %s accepts %s" % (listener, " and ".join(ways)), test_accepted, listener, ways)
    check("what is not accepted is refused as a wrong one", test_refused_as_a_wrong_one)
    BROKER.mortise("user", "scram", "ann", "--password-stdin", secret=PASSWORD + "\n")
    check("SCRAM, where it is accepted", test_scram)
    check("the audit log tells the true reason", test_audited_with_the_true_reason)
    check("a certificate and a password", test_certificate_and_password)
    check("the mechanism is shown", test_it_is_shown)
    check("a configuration that cannot be is refused", test_configuration)
finish()
