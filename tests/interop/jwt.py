#!/usr/bin/python3
"""JSON Web Tokens as credentials: made by PyJWT and by hand, brought by real clients; every way to forge one; what ends the
connections that they opened."""
import base64
import json
import os
import select
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path = [path for path in sys.path if os.path.realpath(path or ".") != os.path.dirname(os.path.realpath(__file__))]
try:
    import jwt
    from cryptography.hazmat.primitives import hashes, hmac, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
except ImportError as error:
    print("skip %s: %s" % (os.path.basename(sys.argv[0]), error))
    sys.exit(1 if os.environ.get("CI") == "true" else 0)
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from broker import BUILD, Broker, await_true, check, expect, expect_equal, finish
from packets import connect, text
from pki import Client

ISS = "https://issuer.example"
RSA, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
EC = {name: ec.generate_private_key(curve) for name, curve in CURVES.items()}
SECRET = os.urandom(64)


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def write(name, data):
    path = os.path.join(BROKER.folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(data)
    return path


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def by_hand(header, payload, key=RSA, algorithm="RS256"):
    """Header and payload as they are: objects, or bytes that are none."""
    parts = [b64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, payload)]
    signed = b".".join(parts)
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
    if algorithm.startswith("HS"):
        mac = hmac.HMAC(key, digest)
        mac.update(signed)
        signature = mac.finalize()
    else:
        signature = key.sign(signed, padding.PKCS1v15(), digest)
    return (signed + b"." + b64(signature)).decode()


def claims(**more):
    now = int(time.time())
    made = {"iss": ISS, "sub": "ann", "aud": "mortise", "iat": now, "exp": now + 600, **more}
    return {name: value for name, value in made.items() if value is not None}


def token(key=RSA, algorithm="RS256", **more):
    return jwt.encode(claims(**more), private(key) if not isinstance(key, bytes) else key, algorithm=algorithm)


def dial(secret, user=None, client_id="", port=None):
    """(socket, reason code)."""
    client = socket.create_connection(("127.0.0.1", port or BROKER.plain), 20)
    more = (text(user) if user is not None else b"") + text(secret)
    client.sendall(connect(5, client_id, (0xc2 if user is not None else 0x42), b"", more))
    answer = client.recv(100)
    expect(answer and answer[0] == 0x20, "%r" % answer)
    return client, answer[3]


def login(secret, user=None):
    client, reason = dial(secret, user)
    client.close()
    return reason


def refused(secret, what, user=None):
    """As a wrong password is; the log alone tells why."""
    begin = len(BROKER.log())
    expect_equal((what, login(secret, user)), (what, 0x86))
    lines = []

    def is_told():
        lines[:] = [line for line in BROKER.log()[begin:] if "connection refused" in line]
        return lines
    await_true(is_told)
    expect(any(what in line and 'mechanism="jwt"' in line for line in lines), "%s: %s" % (what, lines))
    expect(not any(secret[-20:] in line for line in lines), "the token is in the log")


def ends(client, reason=0x98):
    """The broker says why, and closes."""
    client.settimeout(20)
    got = b""
    while True:
        part = client.recv(1000)
        got += part
        if not part:
            break
    expect(got[:1] == b"\xe0" and got[2] == reason, "%r" % got)


def add_issuer(name, iss, algorithms, key, *more):
    BROKER.mortise("issuer", "add", name, "--iss", iss, "--algorithm", algorithms, "--key-file", write(name + ".key", key), *more)


def mechanisms():
    return json.loads(BROKER.mortise("status", "--json"))["logins"]["mechanisms"]


# ---- what is let in ----

def test_algorithms():
    before = mechanisms()["jwt"]
    for algorithm in ("RS256", "RS384", "RS512"):
        expect_equal((algorithm, login(token(algorithm=algorithm))), (algorithm, 0))
    for algorithm, key in EC.items():
        expect_equal((algorithm, login(token(key, algorithm, iss=algorithm, aud=None))), (algorithm, 0))
    for algorithm in ("HS256", "HS384", "HS512"):
        expect_equal((algorithm, login(token(SECRET, algorithm, iss="hs", aud=None, device="ann"))), (algorithm, 0))
    expect_equal(mechanisms()["jwt"] - before, 9)


def test_real_clients():
    for version in ("mqttv311", "mqttv5"):
        for port, tls in ((BROKER.plain, []), (BROKER.tls, ["--cafile", BROKER.ca])):
            done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(port), "-V", version, *tls, "-u", "ann", "-P", token(), "-t",
                                   "a", "-m", "b", "-q", "1"], capture_output=True, text=True, timeout=30, check=False)
            expect_equal((done.returncode, done.stderr), (0, ""))
    path = write("token", token().encode())
    done = subprocess.run([BUILD + "/mortise", "pub", "-h", "localhost", "-p", str(BROKER.tls), "--cafile", BROKER.ca, "-u", "ann",
                           "--password-file", path, "-t", "a", "-m", "b", "-q", "1"], capture_output=True, text=True, timeout=30, check=False)
    expect_equal((done.returncode, done.stderr), (0, ""))


def test_who_it_is():
    client, reason = dial(token(), None, "shown")
    expect_equal(reason, 0)
    shown = json.loads(BROKER.mortise("client", "show", "shown", "--json"))["clients"][0]
    expect_equal((shown["user"], shown["mechanism"]), ("ann", "jwt"))
    client.close()
    for user in ("ann", ""):
        expect_equal(login(token(), user), 0)
    listed = {one["name"]: one["jwt"] for one in json.loads(BROKER.mortise("user", "list", "--json"))["users"]}
    expect_equal((listed["ann"], listed["bob"], listed["admin"]), (True, True, False))
    expect("password, jwt" in BROKER.mortise("user", "list"))
    expect_equal(login(token(sub="device 7"), "bob"), 0)
    refused(token(), "the user name is another than that of the JSON Web Token", "bob")
    refused(token(), "the user name is another than that of the JSON Web Token", "nobody")
    # A subject is what the record of a user says, and no name.
    refused(token(sub="bob"), "the subject of the JSON Web Token stands for no user")
    expect_equal(login(token(SECRET, "HS256", iss="hs", aud=None, sub="bob", device="ann")), 0)


def test_times_and_audiences():
    now = int(time.time())
    for more in ({"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}, {"iat": None}, {"exp": now + 600.75}, {"aud": ["x", "mortise"]}):
        expect_equal((more, login(token(**more))), (more, 0))
    for more, what in (({"exp": now - 100}, "has expired"), ({"nbf": now + 200}, "not valid yet"), ({"iat": now + 200}, "is from the future"),
                       ({"exp": None}, "malformed"), ({"aud": "other"}, "another audience"), ({"aud": ["a", "b"]}, "another audience"),
                       ({"aud": []}, "another audience"), ({"aud": None}, "another audience"), ({"iss": "https://other"}, "not known here")):
        refused(token(**more), what)
    refused(token(SECRET, "HS256", iss="hs", device="ann"), "another audience")


# ---- what is forged ----

def test_algorithm_is_ours():
    """None, a public key as a secret (HS for RS), another one of the library's, another key."""
    body = b64(json.dumps(claims()).encode()).decode()
    for name in ("none", "None", "NONE", "nOnE"):
        head = b64(json.dumps({"alg": name, "typ": "JWT"}).encode()).decode()
        refused("%s.%s." % (head, body), "malformed")
        refused("%s.%s.AAAA" % (head, body), "the algorithm of the JSON Web Token")
    for algorithm in ("HS256", "HS384", "HS512"):
        for key in (public(RSA), public(RSA).strip(), b""):
            refused(by_hand({"alg": algorithm, "typ": "JWT"}, claims(), key or b"\0", algorithm), "the algorithm of the JSON Web Token")
        refused(by_hand({"alg": algorithm}, claims(iss="ES256", aud=None), public(EC["ES256"]), algorithm), "the algorithm of the JSON Web Token")
    refused(token(EC["ES256"], "ES256"), "the algorithm of the JSON Web Token")
    refused(token(algorithm="RS384", iss="rs256", aud=None), "the algorithm of the JSON Web Token")
    refused(token(SECRET, "HS512", iss="hs256", aud=None), "the algorithm of the JSON Web Token")
    refused(token(EC["ES384"], "ES384", iss="ES256", aud=None), "the algorithm of the JSON Web Token")
    refused(by_hand({"alg": "PS256"}, claims()), "the algorithm of the JSON Web Token")
    refused(by_hand({"alg": "rs256"}, claims()), "the algorithm of the JSON Web Token")
    refused(token(OTHER), "the signature of the JSON Web Token")
    refused(token(OTHER, iss="rs256", aud=None, sub="ann"), "the signature of the JSON Web Token")
    refused(token(os.urandom(64), "HS256", iss="hs", aud=None), "the signature of the JSON Web Token")


def test_header_is_not_followed():
    """A key, or where one is, in the header: not read, whatever it says."""
    for extra in ({"kid": "../../../../dev/null"}, {"kid": "/etc/passwd"}, {"kid": 7}, {"jku": "https://evil.example/k"},
                  {"x5u": "file:///etc/passwd"}, {"jwk": {"kty": "oct", "k": "AA"}}, {"typ": 3}):
        expect_equal((extra, login(by_hand({"alg": "RS256", **extra}, claims()))), (extra, 0))
        refused(by_hand({"alg": "RS256", **extra}, claims(), OTHER), "the signature of the JSON Web Token")
    numbers = OTHER.public_key().public_numbers()
    jwk = {"kty": "RSA", "e": b64(numbers.e.to_bytes(3, "big")).decode(), "n": b64(numbers.n.to_bytes(256, "big")).decode()}
    refused(by_hand({"alg": "RS256", "jwk": jwk}, claims(), OTHER), "the signature of the JSON Web Token")
    refused(by_hand({"alg": "RS256", "crit": ["exp"], "exp": 1}, claims()), "malformed")


def test_forms():
    good = token()
    head, body, signature = good.split(".")
    flipped = ("B" if signature[9] == "A" else "A")
    refused("%s.%s.%s" % (head, body, signature[:9] + flipped + signature[10:]), "the signature of the JSON Web Token")
    refused("%s.%s.%s" % (head, b64(json.dumps(claims(sub="device 7")).encode()).decode(), signature), "the signature of the JSON Web Token")
    for bad in ("%s.%s." % (head, body), "%s..%s" % (head, signature), "%s=.%s.%s" % (head, body, signature), "%s.%s.%s=" % (head, body, signature),
                "%s.%s.%s\n" % (head, body, signature), "%s.%s.%s" % (head, body.replace("e", "+", 1), signature), "%s.%s.%s" % (head, body + "A", signature)):
        refused(bad, "malformed")
    alg = {"alg": "RS256"}
    plain = json.dumps(claims())[1:].encode()
    for header, payload in ((b'{"alg":"RS256","alg":"none"}', claims()), (alg, b'{"sub":"bob",' + plain), (alg, b'{"exp":9999999999,' + plain),
                            (alg, b"[" + plain[:-1] + b"]"), (alg, b"{" + plain + b" x"), (alg, b'{"x":"\xff",' + plain),
                            (alg, claims(exp="9999999999")), (alg, claims(exp=1e300)), (alg, claims(exp=-1)), (alg, claims(iat="now")), (alg, claims(nbf=True)),
                            (alg, claims(aud=7)), (alg, claims(aud=["mortise", 7])), (alg, claims(iss=["x"])), (b'{"typ":"JWT"}', claims()),
                            (alg, claims(iss=ISS + "\0x"))):
        refused(by_hand(header, payload), "malformed")
    for sub in (7, None, "", ["ann"], "ann\n", "Ann", "ann " * 400):
        refused(by_hand(alg, claims(sub=sub)), "the subject of the JSON Web Token stands for no user" if len(json.dumps(sub)) < 900 else "JSON Web Token")
    # Too large for a token: a password like any other, and wrong.
    expect_equal(login(by_hand(alg, claims(x="x" * 3500))), 0x86)


def test_cost():
    """A token costs no slow hash, and none is remembered."""
    before = json.loads(BROKER.mortise("status", "--json"))["logins"]
    login(token())
    login(token(OTHER))
    after = json.loads(BROKER.mortise("status", "--json"))["logins"]
    expect_equal((after["hashes"], after["remembered"]), (before["hashes"], before["remembered"]))


def test_require():
    for port, code in ((BROKER.port("tokens"), 0), (BROKER.port("words"), 0x86)):
        client, reason = dial(token(), "ann", "", port)
        client.close()
        expect_equal(reason, code)


def test_certificate_and_token():
    """Both hold, and must be of one user; the token decides how it is called."""
    folder = os.path.join(BROKER.folder, "of-ann")
    BROKER.mortise("cert", "issue", "ann", "--format", "pem", "--out", folder)
    device = Client(BROKER.ca, (os.path.join(folder, "ann.crt"), os.path.join(folder, "ann.key")))
    before = mechanisms()
    device.visit(BROKER.tls, user="ann", password=token())
    expect(device.is_refused(BROKER.tls, user="bob", password=token(sub="device 7")), "two users")
    expect(device.is_refused(BROKER.tls, user="ann", password=token(OTHER)), "a forged token beside a good certificate")
    after = mechanisms()
    expect_equal((after["jwt"] - before["jwt"], after["certificate"] - before["certificate"]), (1, 0))


# ---- what ends it ----

def test_expiry_ends():
    """With leeway 0: on its second, also on a session of TLS that was resumed."""
    plain, reason = dial(token(EC["ES256"], "ES256", iss="ES256", aud=None, exp=int(time.time()) + 5))
    expect_equal(reason, 0)
    device = Client(BROKER.ca)
    device.visit(BROKER.tls, user="ann", password=token(EC["ES256"], "ES256", iss="ES256", aud=None))
    short = token(EC["ES256"], "ES256", iss="ES256", aud=None, exp=int(time.time()) + 5)
    resumed = device.dial(BROKER.tls, user="ann", password=short)
    expect(device.resumed, "it was to be resumed")
    lasting, reason = dial(token())
    expect_equal(reason, 0)
    ends(plain)
    resumed.settimeout(20)
    expect_equal(resumed.recv(100), b"")
    resumed.close()
    late = Client(BROKER.ca)
    expect(late.is_refused(BROKER.tls, user="ann", password=short) and late.reason == 4, late.reason)
    expect(any("the JSON Web Token has expired" in line and "client disconnected" in line for line in BROKER.log()))
    expect_equal(select.select([lasting], [], [], 0)[0], [])
    for client in (plain, lasting):
        client.close()


def ended_by(*command):
    """Connections by this issuer and by another one."""
    touched, reason = dial(token(SECRET, "HS256", iss="hs", aud=None, device="ann"))
    expect_equal(reason, 0)
    other, reason = dial(token(EC["ES256"], "ES256", iss="ES256", aud=None))
    expect_equal(reason, 0)
    BROKER.mortise(*command)
    ends(touched)
    expect_equal(select.select([other], [], [], 0)[0], [])
    for client in (touched, other):
        client.close()


def test_subject_ends():
    ended_by("user", "jwt", "ann", "--issuer", "hs", "--off")
    refused(token(SECRET, "HS256", iss="hs", aud=None, device="ann"), "stands for no user")
    BROKER.mortise("user", "jwt", "ann", "--issuer", "hs")
    expect_equal(login(token(SECRET, "HS256", iss="hs", aud=None, device="ann")), 0)


def test_key_ends():
    fresh = os.urandom(64).replace(b"\n", b"x")
    ended_by("issuer", "key", "hs", "--key-file", write("fresh", fresh + b"\n"))
    refused(token(SECRET, "HS256", iss="hs", aud=None, device="ann"), "the signature of")
    expect_equal(login(token(fresh, "HS256", iss="hs", aud=None, device="ann")), 0)
    BROKER.mortise("issuer", "key", "hs", "--key-file", write("hs.key", SECRET + b"\n"))


def test_rotation():
    """Two keys at a time; who goes on by the one that stays is left alone."""
    def keys(*pems):
        BROKER.mortise("issuer", "key", "main", "--key-file", write("main.key", b"".join(pems)))
    former, reason = dial(token())
    expect_equal(reason, 0)
    refused(token(OTHER), "the signature of")
    keys(public(RSA), public(OTHER))
    fresh, reason = dial(token(OTHER))
    expect_equal((reason, login(token())), (0, 0))
    expect_equal(select.select([former], [], [], 0)[0], [])
    keys(public(OTHER))
    ends(former)
    expect_equal(select.select([fresh], [], [], 0)[0], [])
    refused(token(), "the signature of")
    fails("issuer", "key", "main", "--key-file", write("bad", 5 * public(RSA)), why="one to four public keys")
    fails("issuer", "key", "main", "--key-file", write("bad", public(OTHER) + private(RSA)), why="and nothing else")
    fails("issuer", "key", "main", "--key-file", write("bad", public(OTHER) + public(EC["ES256"])), why="expected an RSA key")
    keys(public(RSA))
    ends(fresh)
    for client in (former, fresh):
        client.close()


def test_disabled_ends():
    old = token(iat=int(time.time()) - 5)
    client, reason = dial(old)
    expect_equal(reason, 0)
    BROKER.mortise("user", "disable", "ann")
    ends(client)
    client.close()
    expect(login(old) != 0, "disabled")
    BROKER.mortise("user", "enable", "ann")
    refused(old, "before its user's proofs were revoked")
    refused(token(iat=None), "before its user's proofs were revoked")
    time.sleep(1.1)
    expect_equal(login(token()), 0)


def test_issuer_ends():
    revision = json.loads(BROKER.mortise("status", "--json"))["revision"]
    ended_by("issuer", "remove", "hs")
    refused(token(SECRET, "HS256", iss="hs", aud=None, device="ann"), "not known here")
    # What was taken away does not come back with a former policy: neither a secret, nor what it opened.
    BROKER.mortise("policy", "rollback", str(revision))
    refused(token(SECRET, "HS256", iss="hs", aud=None, device="ann"), "not known here")
    expect("hs" not in [one["name"] for one in json.loads(BROKER.mortise("issuer", "list", "--json"))["issuers"]])
    expect_equal(login(token()), 0)


# ---- administration ----

def fails(*arguments, why):
    done = subprocess.run([BUILD + "/mortise", "--state", BROKER.state, *arguments], capture_output=True, text=True, timeout=30, check=False)
    expect(done.returncode != 0 and why in done.stderr, "%s: %r" % (arguments, done.stderr))


def test_keys_that_are_none():
    weak = rsa.generate_private_key(65537, 1024)
    for algorithms, key, why in (("RS256", public(weak), "too short"), ("RS256", private(RSA), "public keys in PEM"), ("RS256", b"secret", "public keys in PEM"),
                                 ("RS256", public(EC["ES256"]), "expected an RSA key"), ("ES256", public(EC["ES384"]), "another curve"),
                                 ("ES256", public(RSA), "elliptic curve"), ("HS256", b"x" * 31, "too short"), ("HS256", public(RSA), "found a key in PEM"), ("HS256,HS512", b"x" * 63, "too short"),
                                 ("RS256,HS256", public(RSA), "one family"), ("none", public(RSA), "one family"), ("PS256", public(RSA), "one family"),
                                 ("", public(RSA), "one family")):
        fails("issuer", "add", "bad", "--iss", "bad", "--algorithm", algorithms, "--key-file", write("bad", key), why=why)
    fails("issuer", "add", "other", "--iss", ISS, "--algorithm", "RS256", "--key-file", write("bad", public(RSA)), why="already")
    fails("issuer", "add", "main", "--iss", "x", "--algorithm", "RS256", "--key-file", write("bad", public(RSA)), why="issuer add main")
    path = write("open", SECRET)
    os.chmod(path, 0o644)
    fails("issuer", "add", "bad", "--iss", "bad", "--algorithm", "HS256", "--key-file", path, why="others may read")
    fails("user", "jwt", "ann", "--issuer", "nobody", why="no such issuer")
    fails("user", "jwt", "bob", "--issuer", "main", "--subject", "ann", why="user jwt")
    fails("user", "jwt", "nobody", "--issuer", "main", why="user jwt")


def test_secrets_stay():
    shown = BROKER.mortise("issuer", "list", "--json") + BROKER.mortise("issuer", "show", "hs", "--json") + BROKER.mortise("issuer", "list")
    for part in (SECRET.hex(), base64.b64encode(SECRET).decode(), b64(SECRET).decode()):
        expect(part not in shown, "the secret is shown")
    main = json.loads(BROKER.mortise("issuer", "show", "main", "--json"))
    expect_equal(main["key"].encode(), public(RSA))
    expect_equal(main["subjects"], [{"subject": "ann", "user": "ann"}, {"subject": "device 7", "user": "bob"}])


def test_passwords_of_this_form():
    done = subprocess.run([BUILD + "/mortise", "--state", BROKER.state, "user", "passwd", "bob", "--password-stdin"], input="eyJa.b.c\n",
                          capture_output=True, text=True, timeout=30, check=False)
    expect(done.returncode != 0 and "JSON Web Token" in done.stderr, done.stderr)


while b"\n" in SECRET[-1:]:
    SECRET = os.urandom(64)
BROKER = Broker("limits.connect_rate=off", *("listeners.%s.%s" % (name, rest) for name, require in (("tokens", "jwt"), ("words", "password"))
                                             for rest in ("address=127.0.0.1:0", "tls=no", "require=" + require)))
with BROKER:
    for user in "ann", "bob":
        BROKER.mortise("user", "add", user, "--generate", "--role", "open")
    add_issuer("main", ISS, "RS256,RS384,RS512", public(RSA), "--audience", "mortise")
    add_issuer("one", "rs256", "RS256", public(RSA))
    add_issuer("hs", "hs", "HS256,HS384,HS512", SECRET + b"\n", "--claim", "device")
    add_issuer("hs256", "hs256", "HS256", SECRET + b"\n")
    for name, key in EC.items():
        add_issuer(name, name, name, public(key), "--leeway", "0")
    for issuer in ("main", "hs", *EC):
        BROKER.mortise("user", "jwt", "ann", "--issuer", issuer)
    BROKER.mortise("user", "jwt", "bob", "--issuer", "main", "--subject", "device 7")
    for name, test in sorted(globals().items(), key=lambda item: item[1].__code__.co_firstlineno if item[0].startswith("test_") else 0):
        if name.startswith("test_") and test is not test_issuer_ends:
            check(name[5:].replace("_", " "), test)
    check("issuer ends", test_issuer_ends)
finish()
