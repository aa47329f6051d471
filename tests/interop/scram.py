#!/usr/bin/python3
"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS over AUTH packets, against a client written from the RFCs: over plain MQTT on this
machine, TLS 1.2 and TLS 1.3; and everything that must be refused, the same way whoever asks."""
import base64
import json
import os
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
from broker import BUILD, Broker, check, expect, expect_equal, finish
from packets import packet, publish, varint
from scram_client import METHOD, PLUS, Scram, Tls, auth_packet, connect_packet, method_and_data, receive

TLS12, TLS13 = 0x303, 0x304
NO_EXTENDED_MASTER_SECRET = 1
PASSWORD = "a long, p\u00e4ssword = it is"
NAME = "ann,b=c"
NOT_AUTHORIZED, BAD_METHOD, BAD_LOGIN = 0x87, 0x8c, 0x86
CONNACK, DISCONNECT, AUTH = 2, 14, 15


def plain():
    return socket.create_connection(("127.0.0.1", BROKER.plain), 20)


def tls(version=TLS13, options=0):
    return Tls(BROKER.tls, BROKER.ca, version, options)


def login(stream, user=NAME, password=PASSWORD, method=METHOD, tamper=None, connect_user=None, is_first_late=False, **options):
    client = Scram(stream, user, password, method, **options)
    try:
        return client.login(tamper, connect_user, is_first_late)
    finally:
        stream.close()


def test_who_is_let_in():
    expect_equal(login(plain()), 0)
    expect_equal(login(plain(), header="y,,"), 0)  # nothing can be bound to here
    expect_equal(login(plain(), is_first_late=True), 0)
    expect_equal(login(plain(), connect_user=NAME), 0)
    for version in TLS12, TLS13:
        expect_equal(login(tls(version), method=PLUS), 0)
        expect_equal(login(tls(version)), 0)
    expect_equal(login(tls(TLS12, NO_EXTENDED_MASTER_SECRET)), 0)
    expect_equal(login(tls(TLS12, NO_EXTENDED_MASTER_SECRET), header="y,,"), 0)


def test_who_is_not():
    expect_equal(login(plain(), password="wrong"), BAD_LOGIN)
    expect_equal(login(tls(), password="wrong", method=PLUS), BAD_LOGIN)
    expect_equal(login(plain(), tamper="nonce"), NOT_AUTHORIZED)
    expect_equal(login(plain(), tamper="extension"), NOT_AUTHORIZED)
    expect_equal(login(plain(), connect_user="bob"), NOT_AUTHORIZED)
    expect_equal(login(plain(), header="n,a=bob,"), NOT_AUTHORIZED)


def test_channels():
    """Somebody between two connections, or who takes the binding away."""
    for version in TLS12, TLS13:
        expect_equal(login(tls(version), method=PLUS, binding=bytes(32)), NOT_AUTHORIZED)
        expect_equal(login(tls(version), header="y,,"), NOT_AUTHORIZED)
        expect_equal(login(tls(version), header="p=tls-exporter,,", binding=bytes(32)), NOT_AUTHORIZED)
        expect_equal(login(tls(version), method=PLUS, header="n,,", binding=b""), NOT_AUTHORIZED)
        expect_equal(login(tls(version), method=PLUS, header="p=tls-unique,,"), NOT_AUTHORIZED)
    expect_equal(login(plain(), method=PLUS, binding=bytes(32)), BAD_METHOD)
    expect_equal(login(tls(TLS12, NO_EXTENDED_MASTER_SECRET), method=PLUS), BAD_METHOD)
    expect_equal(login(plain(), method="SCRAM-SHA-1"), BAD_METHOD)


def challenge(user):
    """What the first answer tells of a user: kind, reason code, salt, iterations, length."""
    stream = plain()
    client = Scram(stream, user, "wrong")
    kind, reason, data = client.answer(connect_packet(METHOD, client.first(), ""))
    final = client.final(data)
    end = client.answer(auth_packet(0x18, METHOD, final))
    stream.close()
    return client.salt, (kind, reason, client.iterations, len(client.salt), len(data), end)


def hashes():
    return json.loads(BROKER.mortise("status", "--json"))["logins"]["hashes"]


def users():
    return {user["name"]: user for user in json.loads(BROKER.mortise("user", "list", "--json"))["users"]}


def test_nobody_learns_who_is_known():
    """A user with another password, one without SCRAM, a disabled one, and nobody."""
    for name in "without", "disabled":
        BROKER.mortise("user", "add", name, "--password-stdin", secret=PASSWORD)
    BROKER.mortise("user", "scram", "disabled", "--password-stdin", secret=PASSWORD)
    BROKER.mortise("user", "disable", "disabled")
    before = hashes()
    seen = {name: challenge(name) for name in (NAME, "without", "disabled", "nobody")}
    expect_equal(hashes(), before)  # and no case costs one
    expect_equal(len({form for _, form in seen.values()}), 1)
    expect_equal(len({salt for salt, _ in seen.values()}), 4)
    for name in seen:
        expect_equal(challenge(name)[0], seen[name][0])
    expect_equal(login(plain(), "without"), BAD_LOGIN)
    expect_equal(login(plain(), "disabled"), BAD_LOGIN)
    FEIGNED.update({name: seen[name][0] for name in seen})


def test_again():
    """On an open connection: nothing of it is interrupted, and who fails goes."""
    for stream, method in (plain(), METHOD), (tls(), PLUS):
        client = Scram(stream, NAME, PASSWORD, method)
        expect_equal(client.login(), 0)
        for _ in range(3):
            expect_equal(client.again(), (AUTH, 0))
        stream.sendall(publish("a", b"x", qos=1, identifier=7))
        expect_equal(stream.recv(1), b"\x40")
        stream.close()
    for wrong in {"password": "wrong"}, {"tamper": "nonce"}, {"user": "bob"}, {"user": "nobody"}:
        stream = plain()
        client = Scram(stream, NAME, PASSWORD)
        expect_equal(client.login(), 0)
        expect_equal(client.again(**wrong), (DISCONNECT, NOT_AUTHORIZED))
        expect_equal(stream.recv(1), b"")
        stream.close()


def test_another_identity():
    """Right in all but that the session is another user's."""
    stream = plain()
    client = Scram(stream, NAME, PASSWORD)
    expect_equal(client.login(), 0)
    expect_equal(client.again(user="bob", password=PASSWORD + "!"), (DISCONNECT, NOT_AUTHORIZED))
    stream.close()


def test_out_of_order():
    """Another method, or an exchange within an exchange."""
    stream = plain()
    client = Scram(stream, NAME, PASSWORD)
    client.answer(connect_packet(METHOD, client.first(), ""))
    expect(client.answer(auth_packet(0x19, METHOD, client.first()))[0] in (0, CONNACK, DISCONNECT), "begun anew")
    stream.close()
    stream = plain()
    client = Scram(stream, NAME, PASSWORD)
    expect_equal(client.login(), 0)
    client.method = PLUS
    stream.sendall(auth_packet(0x19, PLUS, b"p=tls-exporter,,n=x,r=y"))
    expect_equal(stream.recv(1), b"\xe0")
    stream.close()


def test_administration():
    expect_equal((users()[NAME]["scram"], users()["without"]["scram"]), (True, False))
    expect("scram" in BROKER.mortise("user", "list"), "not in the list")
    stream = plain()
    client = Scram(stream, NAME, PASSWORD)
    client.answer(connect_packet(METHOD, client.first(), ""))
    before = client.final(b"r=%sx,s=AAAA,i=4096" % client.nonce.encode())
    stream.close()
    expect(before, "a client that waits")
    BROKER.mortise("user", "passwd", NAME, "--password-stdin", secret="a newer password\n")
    expect_equal(login(plain()), BAD_LOGIN)
    expect_equal(login(plain(), password="a newer password"), 0)
    mechanisms = json.loads(BROKER.mortise("status", "--json"))["logins"]["mechanisms"]
    expect(mechanisms["scram"] > 0, mechanisms)
    BROKER.mortise("user", "scram", NAME, "--off")
    expect_equal(users()[NAME]["scram"], False)
    expect_equal(login(plain(), password="a newer password"), BAD_LOGIN)
    failed = subprocess.run([BUILD + "/mortise", "--state", BROKER.state, "user", "scram", NAME, "--off"], capture_output=True,
                            text=True, timeout=30, check=False)
    expect(failed.returncode == 1 and "no SCRAM" in failed.stderr, failed)
    BROKER.mortise("user", "scram", NAME, "--password-stdin", secret=PASSWORD)
    expect_equal(login(plain()), 0)


def test_taken_away_on_the_way():
    """Between the two messages of an exchange."""
    for change in ("scram", NAME, "--off"), ("disable", NAME), ("passwd", NAME, "--password-stdin"):
        stream = plain()
        client = Scram(stream, NAME, PASSWORD)
        _, _, data = client.answer(connect_packet(METHOD, client.first(), ""))
        BROKER.mortise("user", *change, secret=PASSWORD)
        expect_equal(client.answer(auth_packet(0x18, METHOD, client.final(data)))[:2], (CONNACK, BAD_LOGIN))
        stream.close()
        BROKER.mortise("user", "enable", NAME)
        BROKER.mortise("user", "scram", NAME, "--password-stdin", secret=PASSWORD)


def pub(port, method, password=PASSWORD, *options, user=NAME):
    """What mortise pub ends with: exit code, standard error."""
    path = os.path.join(BROKER.folder, "password")
    with open(path, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    done = subprocess.run([BUILD + "/mortise", "pub", "-h", "localhost", "-p", str(port), "-u", user, "--password-file", path,
                           "--auth", method, "-t", "a", "-m", "b", "-q", "1", *options], capture_output=True, text=True,
                          timeout=30, check=False)
    return done.returncode, done.stderr


def test_our_own_client():
    trust = ["--cafile", BROKER.ca]
    for method in "scram", "scram-sha-256", "scram-sha-256-plus":
        expect_equal(pub(BROKER.tls, method, PASSWORD, *trust)[0], 0)
        expect_equal(pub(BROKER.tls, method, "wrong", *trust)[0], 4)
        expect_equal(pub(BROKER.tls, method, PASSWORD, *trust, user="nobody")[0], 4)
    for method, code in ("scram", 0), ("scram-sha-256", 0), ("scram-sha-256-plus", 2), ("sha-256", 2):
        expect_equal((method, pub(BROKER.plain, method)[0]), (method, code))
    expect_equal(pub(BROKER.plain, "scram", PASSWORD, "-V", "3.1.1")[0], 2)


def authenticate(port, ca, times, password=PASSWORD):
    return subprocess.run([BUILD + "/examples/authenticate", "localhost", str(port), ca, str(times)], capture_output=True,
                          text=True, timeout=60, check=False,
                          env={**os.environ, "MQTT_USER": NAME, "MQTT_PASSWORD": password})


def test_our_own_client_again():
    for port, ca in (BROKER.plain, "-"), (BROKER.tls, BROKER.ca):
        done = authenticate(port, ca, 5)
        expect(done.returncode == 0 and done.stdout == "authenticated\n", done)
        done = authenticate(port, ca, 5, "wrong")
        expect(done.returncode == 1 and "bad user name or password" in done.stderr, done)


def serve_as(listener, method, challenge_of, last, seen):
    """A server that knows nothing: its challenge, and what it says at the end; what came is in seen."""
    stream, _ = listener.accept()
    stream.settimeout(20)
    with stream:
        first = receive(stream)
        seen.append(first[1])
        nonce = first[1].split(b",r=")[1]
        nonce = nonce[:32]
        stream.sendall(auth_packet(0x18, method, challenge_of(nonce)))
        got = receive(stream)
        seen.append(got)
        if got is None or got[0] != 0xf0:
            return
        properties = method_and_data(method, last)
        stream.sendall(packet(0x20, bytes([0, 0]), varint(len(properties)), properties))
        seen.append(receive(stream))


def good(nonce):
    return b"r=%sx,s=%s,i=4096" % (nonce, base64.b64encode(b"0123456789abcdef"))


def test_servers_that_prove_nothing():
    """Before anything is published."""
    cases = [(good, b"v=" + base64.b64encode(bytes(32))), (good, b""), (good, None), (good, b"e=other-error"),
             (lambda nonce: good(b"x" + nonce), b""),
             (lambda nonce: good(nonce)[:-4] + b"4095", b""),
             (lambda nonce: good(nonce)[:-4] + b"4294967296", b""),
             (lambda nonce: b"m=1," + good(nonce), b""), (lambda nonce: b"", b"")]
    for challenge_of, last in cases:
        seen = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(20)
            thread = threading.Thread(target=serve_as, args=(listener, METHOD, challenge_of, last, seen))
            thread.start()
            code, why = pub(listener.getsockname()[1], "scram")
            thread.join(30)
        expect(code == 5 and "server" in why, (code, why))
        expect(not any(got and got[0] >> 4 == 3 for got in seen[1:]), "it published")
        expect(all(PASSWORD.encode() not in str(got).encode() for got in seen), "it showed the password")


def test_what_listeners_accept():
    """Where SCRAM alone counts, the right password opens nothing; where it does not count, no exchange begins."""
    for listener, codes in ("only", (0, 4)), ("words", (4, 0)):
        port = BROKER.port(listener)
        expect_equal((listener, tuple(pub(port, method)[0] for method in ("scram", "password"))), (listener, codes))
        stream = socket.create_connection(("127.0.0.1", port), 20)
        expect_equal((listener, login(stream)), (listener, BAD_METHOD if listener == "words" else 0))


def test_the_log_tells():
    entries = [json.loads(line) for line in BROKER.mortise("audit", "tail", "-n", "500", "--json").splitlines()]
    refused = [entry for entry in entries if "SCRAM" in entry.get("what", "") and entry["event"] == "connect_refused"]
    expect(refused and all("address" in entry and entry["mechanism"] == "scram" for entry in refused), refused[:2])
    for what, user in ("another channel", None), ("another password", NAME), ("not of this exchange", NAME):
        expect(any(what in entry["what"] and entry.get("user") == user for entry in refused), (what, refused))
    whole = json.dumps(entries) + "\n".join(BROKER.log())
    expect(PASSWORD not in whole and "a newer password" not in whole, "a password in the log")


def test_the_recording():
    """It plays the same, and holds nothing that was said."""
    path = BROKER.record
    with open(path, "rb") as file:
        content = file.read()
    expect(b",i=600000" not in content and b"tls-exporter" not in content and PASSWORD.encode() not in content, "it holds what was said")
    done = subprocess.run([BUILD + "/mortise", "replay", path], capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 0, done.stdout + done.stderr)


def test_after_a_restart():
    for name in "without", "nobody":
        expect_equal(challenge(name)[0], FEIGNED[name])
    expect_equal(login(plain()), 0)
    mode = os.stat(os.path.join(BROKER.state, "scram.key")).st_mode & 0o777
    expect_equal(mode, 0o600)


FEIGNED = {}
BROKER = Broker("limits.connect_rate=off", "listeners.only.address=127.0.0.1:0", "listeners.only.tls=no", "listeners.only.require=scram",
                "listeners.words.address=127.0.0.1:0", "listeners.words.tls=no", "listeners.words.require=password")
STATE = BROKER.state
with BROKER:
    for who, word in (NAME, PASSWORD), ("bob", PASSWORD + "!"):
        BROKER.mortise("user", "add", who, "--password-stdin", "--role", "open", secret=word)
        BROKER.mortise("user", "scram", who, "--password-stdin", secret=word)
    check("who knows the password is let in", test_who_is_let_in)
    check("who does not, or says it wrong, is not", test_who_is_not)
    check("another channel, or one that was made to look unbound, is refused", test_channels)
    check("nobody learns who is known", test_nobody_learns_who_is_known)
    check("an open connection authenticates again", test_again)
    check("a session stays its user's", test_another_identity)
    check("packets out of order end it", test_out_of_order)
    check("verifiers come with passwords, and go", test_administration)
    check("what is taken away between two messages is gone", test_taken_away_on_the_way)
    check("pub logs in without showing its password", test_our_own_client)
    check("a program of libmortise authenticates again", test_our_own_client_again)
    check("a server that proves nothing gets nothing", test_servers_that_prove_nothing)
    check("a listener accepts what it says", test_what_listeners_accept)
    check("audit and log tell", test_the_log_tells)
    BROKER.process.terminate()
    BROKER.process.wait(20)
    BROKER.record = os.path.join(BROKER.folder, "recording")
    BROKER.__enter__()
    check("salts of nobody are the same after a restart", test_after_a_restart)
    check("an open connection authenticates again, recorded", test_again)
    BROKER.process.terminate()
    BROKER.process.wait(20)
    check("the recording plays the same and holds no secret", test_the_recording)
finish()
