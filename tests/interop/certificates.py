#!/usr/bin/python3
"""Certificates of clients: made by the broker's own authority and by others, shown by real clients, revoked, expired,
replaced while the broker runs; sessions that go on from them, and what ends those."""
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from broker import BUILD, Broker, await_true, check, expect, expect_equal, finish
from pki import Authority, Client, openssl

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = (V12, V13)


def issue(user, *options):
    """PEM files of the broker's own authority: (certificate, key)."""
    folder = os.path.join(BROKER.folder, "of-" + user)
    BROKER.mortise("cert", "issue", user, "--format", "pem", "--out", folder, *options)
    return os.path.join(folder, user + ".crt"), os.path.join(folder, user + ".key")


def add(user):
    BROKER.mortise("user", "add", user, "--generate", "--role", "open")
    return issue(user)


def counted(listener, outcome):
    return json.loads(BROKER.mortise("status", "--json"))["tls"]["handshakes"][listener][outcome]


def certificates(listener):
    return json.loads(BROKER.mortise("status", "--json"))["tls"]["certificates"][listener]


def logged(*parts):
    return any(all(part in line for part in parts) for line in BROKER.log())


def port(listener):
    return BROKER.port(listener)


def resumes(client, listener, **hello):
    """Two visits: in full, and resumed."""
    expect(not client.visit(port(listener), **hello), "resumed without a session")
    return client.visit(port(listener), **hello)


# ---- who it is ----

def test_issued():
    pair = add("th-17")
    text = openssl("x509", "-in", pair[0], "-noout", "-text")
    for part in ("CN = th-17", "URI:mortise:th-17", "TLS Web Client Authentication", "CA:FALSE"):
        expect(part in text, part)
    expect_equal(os.stat(pair[1]).st_mode & 0o777, 0o600)
    for version in VERSIONS:
        Client(BROKER.ca, pair, version).visit(port("required"))
        Client(BROKER.ca, pair, version).visit(port("tls"), user="th-17")
    expect(logged("client connected", 'user="th-17"', 'listener="required"'))


def test_profile():
    path = os.path.join(BROKER.folder, "th-17.mortise")
    BROKER.mortise("cert", "issue", "th-17", "--out", path)
    shown = json.loads(BROKER.mortise("profile", "show", path, "--json"))
    expect(shown["certificate"] and shown["ca"] and shown["client_id"] == "th-17", shown)
    for resumed in (False, True):
        done = subprocess.run([BUILD + "/mortise", "pub", "--profile", path, "-t", "a", "-m", "b", "-q", "1", "-d"],
                              capture_output=True, text=True, timeout=20, check=False)
        expect_equal(done.returncode, 0)
        expect_equal(", resumed" in done.stderr, resumed)


def test_real_clients():
    pair = issue("th-17")
    tls = ["--cafile", BROKER.ca, "--cert", pair[0], "--key", pair[1]]
    for version in ("tlsv1.2", "tlsv1.3"):
        done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(port("required")), *tls, "--tls-version",
                               version, "-t", "a", "-m", "b", "-q", "1"], capture_output=True, text=True, timeout=20,
                              check=False)
        expect_equal((done.returncode, done.stderr), (0, ""))
    done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(port("required")), "--cafile", BROKER.ca, "-t", "a",
                           "-m", "b", "-q", "1"], capture_output=True, text=True, timeout=20, check=False)
    expect(done.returncode != 0, "without a certificate")
    await_true(lambda: logged("peer did not return a certificate", 'listener="required"'))


def test_names_prove_nothing():
    """A certificate of a trusted CA that bears the administrator's name."""
    for san in (None, "URI:mortise:admin"):
        client = Client(BROKER.ca, SITE.issue("admin", san=san))
        expect(client.is_refused(port("site")), san)
        expect_equal(client.reason, 5)
    Client(BROKER.ca, SITE.issue("admin")).visit(port("site"), user="th-18", password=PASSWORD)


def test_template():
    BROKER.mortise("user", "certificate", "th-18", "--name", "th-18@site", "--issuer", SITE.pem)
    Client(BROKER.ca, SITE.issue("th-18")).visit(port("site"))
    expect(logged("client connected", 'user="th-18"', 'listener="site"'))
    # Another authority that the listener trusts as well says the same name: it is not the one that was enabled.
    expect(Client(BROKER.ca, OTHER.issue("th-18")).is_refused(port("site")))
    # The CN of two certificates in one name is no name.
    expect(Client(BROKER.ca, SITE.issue("th-18")).is_refused(port("site"), user="th-17"), "another user's name")
    expect(Client(BROKER.ca, SITE.issue("th-18")).is_refused(port("site"), password=PASSWORD, user="admin"))
    Client(BROKER.ca, SITE.issue("th-18")).visit(port("site"), user="th-18", password=PASSWORD)
    BROKER.mortise("user", "certificate", "th-18", "--remove", "th-18@site")
    expect(Client(BROKER.ca, SITE.issue("th-18")).is_refused(port("site")), "after --remove")
    BROKER.mortise("user", "certificate", "th-18", "--name", "th-18@site", "--issuer", SITE.pem)


def test_intermediate():
    middle = Authority(BROKER.folder, "middle", SITE)
    certificate, key = middle.issue("th-18")
    expect(Client(BROKER.ca, (certificate, key)).is_refused(port("site")), "without its intermediate")
    chain = certificate + ".chain"
    with open(chain, "w", encoding="ascii") as out:
        for part in (certificate, middle.pem):
            with open(part, encoding="ascii") as pem:
                out.write(pem.read())
    # Its direct issuer is another one than the user's record names.
    client = Client(BROKER.ca, (chain, key))
    expect(client.is_refused(port("site")) and client.reason == 5)
    BROKER.mortise("user", "certificate", "th-18", "--name", "th-18@site", "--issuer", middle.pem)
    Client(BROKER.ca, (chain, key)).visit(port("site"))


# ---- what is refused, and how it is said ----

def refusals():
    own = Authority(BROKER.folder, "self")
    unknown = Authority(BROKER.folder, "unknown")
    return (("expired", SITE.issue("th-18", begin=-7200, end=-60), "certificate has expired: it needs a new one"),
            ("not yet valid", SITE.issue("th-18", begin=3600), "not yet valid: see to the clocks"),
            ("of a server", SITE.issue("th-18", usage="serverAuth"), "was not issued for clients"),
            ("of nobody that is known", unknown.issue("th-18"), "its issuer is none that client_ca trusts"),
            ("self-signed", (own.pem, own.path("ca.key")), "its issuer is none that client_ca trusts"))


def test_refused(pair, sentence):
    for version in VERSIONS:
        expect(Client(BROKER.ca, pair, version).is_refused(port("site"), user="th-18", password=PASSWORD))
    await_true(lambda: logged("the client's certificate CN = ", sentence, 'listener="site"'))


def test_optional_and_wrong():
    """Where none is asked for, one that is not good is none that may be shown."""
    unknown = Authority(BROKER.folder, "unknown-2")
    expect(Client(BROKER.ca, unknown.issue("x")).is_refused(port("tls"), user="th-18", password=PASSWORD))
    Client(BROKER.ca).visit(port("tls"), user="th-18", password=PASSWORD)


# ---- resumption ----

def test_resumed(version, tickets, listener, pair):
    client = Client(BROKER.ca, pair, version, tickets=tickets)
    way = "by_ticket" if tickets and not listener.startswith("ids") else "by_id"
    hello = {} if pair else {"user": "th-18", "password": TOKEN}
    before = counted(listener, way)
    expect(not client.visit(port(listener), **hello))
    for i in range(500):
        expect(client.visit(port(listener), **hello), "visit %d was in full" % i)
    expect_equal(counted(listener, way), before + 500)


def resumption_cases():
    for version in VERSIONS:
        for has_certificate in (False, True):
            yield version, False, "ids", has_certificate
            yield version, True, "tickets", has_certificate


def test_prefers_ids():
    """With certificates, and both ways offered, the session stays here."""
    before = counted("required", "by_id")
    for version in VERSIONS:
        expect(resumes(Client(BROKER.ca, PAIR, version), "required"))
    expect_equal(counted("required", "by_id"), before + 2)
    before = counted("tls", "by_id")
    expect(resumes(Client(BROKER.ca, PAIR, V13), "tls"))
    expect_equal(counted("tls", "by_id"), before + 1)


def test_never_stands_in():
    """What proved nothing here is no proof there: another listener, another name, before CAs changed."""
    for version in VERSIONS:
        guest = Client(BROKER.ca, None, version)
        guest.visit(port("tls"), user="th-18", password=TOKEN)
        expect(guest.is_refused(port("required"), user="th-18", password=TOKEN))
        client = Client(BROKER.ca, PAIR, version)
        client.visit(port("required"))
        expect(not client.visit(port("twin")), "another listener")
        named = Client(BROKER.ca, PAIR, version, name="127.0.0.1")
        named.session = client.session
        client.visit(port("required"))
        client.name = "127.0.0.1"
        session = client.session
        other = Client(BROKER.ca, PAIR, version)
        other.context = client.context
        other.session, other.name = session, "127.0.0.1"
        expect(not other.visit(port("required")), "another name")


def test_psk_is_no_certificate():
    made = json.loads(BROKER.mortise("user", "psk", "th-18", "--json"))
    for version in ("tlsv1.2", "tlsv1.3"):
        for listener, wanted in (("psk", 0), ("psk-required", 1)):
            done = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port(listener)), "--psk-identity",
                                   made["identity"], "--psk", made["key"], "--tls-version", version, "-t", "a", "-m", "b",
                                   "-q", "1"], capture_output=True, text=True, timeout=20, check=False)
            expect_equal((version, listener, min(done.returncode, 1)), (version, listener, wanted))
    await_true(lambda: logged('listener="psk-required"', "a client certificate is required"))


def test_psk_ends():
    """Another key, and none; a disabled user has none either."""
    def publish(key):
        return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port("psk")), "--psk-identity", "th-18",
                               "--psk", key, "-t", "a", "-m", "b", "-q", "1"], capture_output=True, text=True, timeout=20,
                              check=False).returncode
    first = json.loads(BROKER.mortise("user", "psk", "th-18", "--json"))["key"]
    expect_equal(publish(first), 0)
    second = json.loads(BROKER.mortise("user", "psk", "th-18", "--json"))["key"]
    expect(publish(first) != 0, "the former key")
    expect_equal(publish(second), 0)
    BROKER.mortise("user", "disable", "th-18")
    expect(publish(second) != 0, "of a disabled user")
    BROKER.mortise("user", "enable", "th-18")
    expect_equal(publish(second), 0)
    live = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port("psk")), "--psk-identity", "th-18", "--psk",
                             second, "-i", "psk-live", "-t", "a", "-W", "20"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        await_true(lambda: logged("client connected", 'client_id="psk-live"'))
        BROKER.mortise("user", "psk", "th-18", "--remove")
        await_true(lambda: logged("client disconnected", 'client_id="psk-live"', "no longer trusted"))
    finally:
        live.kill()
        live.wait()
    expect(publish(second) != 0, "after --remove")


# ---- what ends it ----

def is_closed(connection):
    connection.settimeout(10)
    try:
        while connection.recv(100):
            pass
    except OSError as error:
        return not isinstance(error, TimeoutError)
    return True


def test_revoked():
    pair = add("th-30")
    clients = {version: Client(BROKER.ca, pair, version) for version in VERSIONS}
    live = [clients[version].dial(port("required"), client_id="live-%d" % version) for version in VERSIONS]
    stays = Client(BROKER.ca, PAIR).dial(port("required"), client_id="stays")
    report = json.loads(BROKER.mortise("cert", "revoke", "th-30", "--json"))
    expect_equal((report["certificates"], report["connections_closed"], report["sessions_removed"]), (1, 2, 2))
    expect(all(is_closed(connection) for connection in live), "live connections")
    for version in VERSIONS:
        expect(clients[version].is_refused(port("required")), "resumed")
        expect(Client(BROKER.ca, pair, version).is_refused(port("required")), "new")
    await_true(lambda: logged("certificate revoked", "its issuer took it back"))
    stays.sendall(b"\xc0\0")
    expect_equal(stays.recv(2), b"\xd0\0")
    stays.close()
    expect_equal(json.loads(BROKER.mortise("cert", "show", "th-30", "--json"))["certificates"][0]["state"], "revoked")
    # A new one is another one.
    Client(BROKER.ca, issue("th-30")).visit(port("required"))


def test_disabled():
    pair = add("th-31")
    clients = [Client(BROKER.ca, pair, version, tickets=tickets) for version in VERSIONS for tickets in (False, True)]
    for client in clients:
        client.visit(port("tls"))
    live = clients[0].dial(port("tls"))
    BROKER.mortise("user", "disable", "th-31")
    expect(is_closed(live), "live")
    for client in clients:
        expect(client.is_refused(port("tls")) and client.reason == 5, "resumed")
        expect(Client(BROKER.ca, pair).is_refused(port("tls")), "new")
    void = counted("tls", "void")
    time.sleep(1.1)  # what is proven within the second of the end is void as well
    BROKER.mortise("user", "enable", "th-31")
    # What was proven before is void all the same: each goes in full first.
    for client in clients:
        client.session = None
        expect(resumes(client, "tls"))
    expect(void >= 1, "no session was void")


def test_removed():
    """The name of a user that is gone, given to another: its certificate is not that one's."""
    pair = add("th-32")
    client = Client(BROKER.ca, pair)
    live = client.dial(port("required"))
    BROKER.mortise("user", "remove", "th-32")
    expect(is_closed(live), "live")
    BROKER.mortise("user", "add", "th-32", "--generate", "--role", "open")
    expect(client.is_refused(port("required")), "resumed")
    expect(Client(BROKER.ca, pair).is_refused(port("required")), "new")


def test_expires():
    certificate, key = SITE.issue("th-18", end=4)
    client = Client(BROKER.ca, (certificate, key))
    live = client.dial(port("site"), client_id="expires")
    expect(is_closed(live), "live")
    await_true(lambda: logged('client_id="expires"', "the certificate has expired"))
    expect(client.is_refused(port("site")), "resumed")
    expect(Client(BROKER.ca, (certificate, key)).is_refused(port("site")), "new")


def test_crl():
    crl = os.path.join(CRLS, "site.pem")
    pair, other = SITE.issue("th-18"), SITE.issue("th-18")
    clients = {version: Client(BROKER.ca, pair, version) for version in VERSIONS}
    for client in clients.values():
        expect(resumes(client, "crl"))
    live = Client(BROKER.ca, pair).dial(port("crl"), client_id="crl-live")
    stays = Client(BROKER.ca, other).dial(port("crl"), client_id="crl-stays")
    reloads = certificates("crl")["reloads"]
    SITE.revoke(pair[0])
    SITE.crl(crl)
    await_true(lambda: certificates("crl")["reloads"] > reloads)
    expect(is_closed(live), "live")
    for version, client in clients.items():
        expect(client.is_refused(port("crl")), "resumed")
        expect(Client(BROKER.ca, pair, version).is_refused(port("crl")), "new")
    stays.sendall(b"\xc0\0")
    expect_equal(stays.recv(2), b"\xd0\0")
    stays.close()
    Client(BROKER.ca, other).visit(port("crl"))


def test_crl_out_of_date():
    crl = os.path.join(CRLS, "site.pem")
    pair = SITE.issue("th-18")
    client = Client(BROKER.ca, pair, V13)
    client.visit(port("crl"))
    reloads = [certificates(name)["reloads"] for name in ("crl", "crl-old")]
    SITE.crl(crl, -60)
    await_true(lambda: all(certificates(name)["reloads"] > was for name, was in zip(("crl", "crl-old"), reloads)))
    expect(client.is_refused(port("crl")), "resumed")
    expect(Client(BROKER.ca, pair).is_refused(port("crl")), "new")
    await_true(lambda: logged("CRL has expired", "put a newer CRL", 'listener="crl"'))
    Client(BROKER.ca, pair).visit(port("crl-old"))
    SITE.crl(crl)
    await_true(lambda: not Client(BROKER.ca, pair).is_refused(port("crl")))


def test_crl_damaged():
    """The old state stays, and the log says why; mended, it goes on."""
    crl = os.path.join(CRLS, "site.pem")
    with open(crl, encoding="ascii") as old:
        kept = old.read()
    with open(crl, "w", encoding="ascii") as out:
        out.write("no CRL at all\n")
    await_true(lambda: certificates("crl")["stale"])
    expect(logged("were not taken over", 'listener="crl"', "site.pem is no CRL"))
    Client(BROKER.ca, SITE.issue("th-18")).visit(port("crl"))
    with open(crl, "w", encoding="ascii") as out:
        out.write(kept)
    await_true(lambda: not certificates("crl")["stale"])


def test_ca_removed():
    """Its clients' sessions go on nowhere, and live ones end."""
    reloads = certificates("site")["reloads"]
    pair = OTHER.issue("guest")
    clients = [Client(BROKER.ca, pair, version) for version in VERSIONS]
    hello = {"user": "th-18", "password": TOKEN}
    for client in clients:
        expect(resumes(client, "site", **hello))
    live = clients[0].dial(port("site"), client_id="other", **hello)
    trust(SITE)
    await_true(lambda: certificates("site")["reloads"] > reloads)
    expect(is_closed(live), "live")
    for client in clients:
        expect(client.is_refused(port("site"), **hello), "resumed")
    reloads = certificates("site")["reloads"]
    trust(SITE, OTHER)
    await_true(lambda: certificates("site")["reloads"] > reloads)


# ---- keys of tickets, reload, renewal, restart ----

def test_rotations():
    for version in VERSIONS:
        kept = {}
        for rotations in (2, 3):
            client = Client(BROKER.ca, None, version)
            client.visit(port("tickets"), user="th-18", password=TOKEN)
            for _ in range(rotations):
                BROKER.mortise("cert", "tickets", "rotate")
            kept[rotations] = client.visit(port("tickets"), user="th-18", password=TOKEN)
            if rotations == 2:
                # Renewed: it lives two rotations more.
                BROKER.mortise("cert", "tickets", "rotate")
                expect(client.visit(port("tickets"), user="th-18", password=TOKEN), "was not renewed")
        expect_equal(kept, {2: True, 3: False})
        client = Client(BROKER.ca, None, version)
        expect(resumes(client, "tickets", user="th-18", password=TOKEN))
        BROKER.mortise("cert", "tickets", "rotate", "--now")
        expect(not client.visit(port("tickets"), user="th-18", password=TOKEN), "--now")


def test_survives():
    """Renewal, and a file that was written again, end no session and no connection."""
    clients = [Client(BROKER.ca, None, version, tickets=tickets) for version in VERSIONS for tickets in (False, True)]
    hello = {"user": "th-18", "password": TOKEN}
    for client in clients:
        client.visit(port("tls"), **hello)
    live = clients[0].dial(port("tls"), **hello)
    before, reloads = certificates("tls"), certificates("tls")["reloads"]
    serial = openssl("x509", "-in", BROKER.state + "/tls/server.pem", "-noout", "-serial")
    BROKER.mortise("cert", "renew")
    await_true(lambda: certificates("tls")["reloads"] > reloads)
    expect(openssl("x509", "-in", BROKER.state + "/tls/server.pem", "-noout", "-serial") != serial)
    expect(certificates("tls")["not_after"] >= before["not_after"])
    for client in clients:
        expect(client.visit(port("tls"), **hello), "in full after the renewal")
    live.sendall(b"\xc0\0")
    expect_equal(live.recv(2), b"\xd0\0")
    live.close()


def test_half_replaced():
    """A certificate without its new key is not taken over; with it, it is."""
    folder = os.path.join(BROKER.folder, "served")
    certificate, key = SITE.issue("localhost", usage="serverAuth", san="DNS:localhost")
    reloads = certificates("named")["reloads"]
    shutil.copy(certificate, folder + "/a.new")
    os.rename(folder + "/a.new", folder + "/a.pem")
    await_true(lambda: certificates("named")["stale"])
    expect(logged("were not taken over", 'listener="named"', "does not belong to the certificate"))
    Client(SITE.pem, name="localhost").visit(port("named"), user="th-18", password=TOKEN)
    shutil.copy(key, folder + "/k.new")
    os.chmod(folder + "/k.new", 0o600)
    os.rename(folder + "/k.new", folder + "/a.key")
    await_true(lambda: certificates("named")["reloads"] > reloads and not certificates("named")["stale"])
    shown = openssl("s_client", "-connect", "127.0.0.1:%d" % port("named"), "-servername", "localhost", input="")
    expect(openssl("x509", "-in", certificate, "-noout", "-serial") ==
           openssl("x509", "-noout", "-serial", input=shown))


def test_names():
    """Each name gets its certificate, others the first; whoever asks for one name goes on under that name alone."""
    for name in ("localhost", "b.example", "deep.c.example"):
        Client(SITE.pem, name=name).visit(port("named"), user="th-18", password=TOKEN)
    try:
        Client(SITE.pem, name="d.example").visit(port("named"))
        expect(False, "no certificate bears d.example")
    except ssl.SSLCertVerificationError:
        pass
    for version in VERSIONS:
        client = Client(SITE.pem, None, version, name="b.example")
        expect(resumes(client, "named", user="th-18", password=TOKEN))
        client.name = "localhost"
        expect(not client.visit(port("named"), user="th-18", password=TOKEN), "under another name")


def start_fails(*settings, prepare=None):
    """What the broker says when it does not start."""
    state = os.path.join(BROKER.folder, "fails-%d" % time.monotonic_ns())
    if prepare:
        prepare(state)
    arguments = [BUILD + "/mortised", "--state", state]
    for setting in ("listeners.tls.address=127.0.0.1:0", *settings):
        arguments += ["--set", setting]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False)
    expect(done.returncode != 0, "it started")
    return done.stderr


def test_bad_files():
    certificate, key = SITE.issue("localhost", usage="serverAuth", san="DNS:localhost")
    other = SITE.issue("localhost", usage="serverAuth", san="DNS:localhost")[1]
    readable = key + ".readable"
    shutil.copy(key, readable)
    os.chmod(readable, 0o644)
    empty = os.path.join(BROKER.folder, "empty")
    os.makedirs(empty)
    site = "listeners.tls.client_ca=" + SITE.pem
    cases = (((certificate, other), (), "does not belong to the certificate"),
             ((certificate, readable), (), "chmod 600"),
             ((certificate, key + ".gone"), (), "cannot open"),
             ((key, key), (), "no certificate in it"),
             ((certificate, key), ("listeners.tls.client_ca=" + key,), "cannot use the CA of clients"),
             ((certificate, key), (site, "listeners.tls.crl=" + certificate), "is no CRL"),
             ((certificate, key), (site, "listeners.tls.crl=" + empty), "holds no CRL"),
             ((certificate, key), ("certificates.b.certificate=" + certificate, "certificates.b.key=" + other),
              "does not belong to the certificate"))
    for pair, settings, sentence in cases:
        said = start_fails("listeners.tls.certificate=" + pair[0], "listeners.tls.key=" + pair[1], *settings)
        expect(sentence in said, said)


def test_bad_settings():
    for settings, sentence in ((("listeners.tls.identity=me",), "no variable in it"),
                               (("listeners.tls.identity=%{name}",), "expected %{user}"),
                               (("listeners.tls.client_certificate=maybe",), "required optional no"),
                               (("listeners.tls.client_certificate=no", "listeners.tls.crl=/x"), "found a CRL where"),
                               (("certificates.b.certificate=/x",), "expected both"),
                               (("certificates.b.certificate=/x", "certificates.b.key=/y", "certificates.b.listener=none"),
                                "found a listener that there is not")):
        said = start_fails(*settings)
        expect(sentence in said, said)


def test_staple():
    certificate, key = SITE.issue("localhost", usage="serverAuth", san="DNS:localhost")
    responder = SITE.issue("responder", usage="OCSPSigning")
    request, answer = certificate + ".req", os.path.join(BROKER.folder, "served", "b.der")
    openssl("ocsp", "-issuer", SITE.pem, "-cert", BROKER.folder + "/served/b.pem", "-reqout", request, "-no_nonce")
    openssl("ocsp", "-index", SITE.path("index"), "-CA", SITE.pem, "-rsigner", responder[0], "-rkey", responder[1], "-reqin",
            request, "-respout", answer + ".new", "-ndays", "1")
    expect(logged("served without a staple", 'listener="named"', "b.der"), "was not told")
    reloads = certificates("named")["reloads"]
    os.rename(answer + ".new", answer)
    await_true(lambda: certificates("named")["reloads"] > reloads)
    for version in ("-tls1_2", "-tls1_3"):
        shown = openssl("s_client", "-connect", "127.0.0.1:%d" % port("named"), "-servername", "b.example", "-status",
                        version, input="")
        expect("OCSP Response Status: successful" in shown and "Cert Status: good" in shown, shown)
        shown = openssl("s_client", "-connect", "127.0.0.1:%d" % port("named"), "-servername", "localhost", "-status",
                        version, input="")
        expect("OCSP response: no response sent" in shown)


def test_ca_key():
    """The authority's key is moved away, and comes back."""
    secret, file = BROKER.folder + "/passphrase", BROKER.folder + "/ca.locked"
    with open(secret, "w", encoding="ascii") as out:
        out.write("open sesame, please\n")
    os.chmod(secret, 0o600)
    BROKER.mortise("cert", "ca", "export", file, "--passphrase-file", secret)
    expect(not os.path.exists(BROKER.state + "/tls/ca.key"), "the key stayed")
    with open(file, encoding="ascii") as exported:
        expect("ENCRYPTED PRIVATE KEY" in exported.read())
    done = subprocess.run([BUILD + "/mortise", "--state", BROKER.state, "cert", "issue", "th-17"], capture_output=True,
                          text=True, timeout=20, check=False, cwd=BROKER.folder)
    expect(done.returncode != 0 and "mortise cert ca import" in done.stderr, done.stderr)
    BROKER.mortise("cert", "renew")  # by the issuer, whose key stays
    with open(secret, "w", encoding="ascii") as out:
        out.write("another passphrase\n")
    done = subprocess.run([BUILD + "/mortise", "--state", BROKER.state, "cert", "ca", "import", file, "--passphrase-file",
                           secret], capture_output=True, text=True, timeout=20, check=False)
    expect_equal(done.returncode, 5)
    with open(secret, "w", encoding="ascii") as out:
        out.write("open sesame, please\n")
    BROKER.mortise("cert", "ca", "import", file, "--passphrase-file", secret)
    Client(BROKER.ca, issue("th-17")).visit(port("required"))


def test_pins():
    """A public key in the place of a CA, and beside one."""
    pins = {name: json.loads(BROKER.mortise("cert", "show", name, "--json"))["pin"] for name in ("ca", "issuer", "server")}
    cases = (((), "server", 0), ((), "issuer", 0), ((), "ca", 5), (("--cafile", BROKER.ca), "ca", 0),
             (("--cafile", BROKER.ca), "server", 0), (("--cafile", SITE.pem), "server", 5))

    def publish(trusted, name):
        return subprocess.run([BUILD + "/mortise", "pub", "-h", "localhost", "-p", str(port("tls")), *trusted, "--pin",
                               pins[name], "-u", "th-18", "-P", PASSWORD, "-t", "a", "-m", "b", "-q", "1"],
                              capture_output=True, text=True, timeout=20, check=False).returncode
    await_true(lambda: publish((), "server") == 0)  # it may have been renewed just now
    for trusted, name, wanted in cases:
        expect_equal((trusted, name, publish(trusted, name)), (trusted, name, wanted))


def test_sighup():
    """Looks at the files at once."""
    reloads = certificates("named")["reloads"]
    os.utime(os.path.join(BROKER.folder, "served", "c.pem"))
    BROKER.process.send_signal(signal.SIGHUP)
    await_true(lambda: certificates("named")["reloads"] > reloads)


def trust(*authorities):
    """The CAs of the listener `site`."""
    with open(CAS + ".new", "w", encoding="ascii") as out:
        for authority in authorities:
            with open(authority.pem, encoding="ascii") as pem:
                out.write(pem.read())
    os.rename(CAS + ".new", CAS)


def settings(folder):
    served = os.path.join(folder, "served")
    os.makedirs(served)
    for file, names in (("a", "DNS:localhost"), ("b", "DNS:b.example"), ("c", "DNS:*.c.example")):
        certificate, key = SITE.issue("server-" + file, usage="serverAuth", san=names)
        shutil.copy(certificate, "%s/%s.pem" % (served, file))
        shutil.copy(key, "%s/%s.key" % (served, file))
        os.chmod("%s/%s.key" % (served, file), 0o600)
    listeners = {"required": "client_certificate=required", "twin": "client_certificate=required",
                 "ids": "resumption=ids", "tickets": "resumption=tickets",
                 "psk": "psk=yes", "psk-required": "psk=yes client_certificate=required",
                 "site": "client_certificate=required client_ca=%s identity=%%{cn}@site" % CAS,
                 "crl": "client_certificate=required client_ca=%s identity=%%{cn}@site crl=%s" % (CAS, CRLS),
                 "crl-old": "client_certificate=required client_ca=%s identity=%%{cn}@site crl=%s expired_crl=accept" %
                            (CAS, CRLS),
                 "named": "certificate=%s/a.pem key=%s/a.key" % (served, served)}
    for name, words in listeners.items():
        yield "listeners.%s.address=127.0.0.1:0" % name
        for word in words.split():
            yield "listeners.%s.%s" % (name, word)
    for file in "bc":
        yield "certificates.%s.certificate=%s/%s.pem" % (file, served, file)
        yield "certificates.%s.key=%s/%s.key" % (file, served, file)
        yield "certificates.%s.listener=named" % file
    yield "certificates.b.staple=%s/b.der" % served


def test_sys():
    """The counters are retained below $SYS, as status has them."""
    for name, least in (("full", 10), ("by_id", 100), ("microseconds", 1000), ("days_left", 700)):
        done = subprocess.run([BUILD + "/mortise", "sub", "--profile", BROKER.state + "/profiles/admin.mortise", "-t",
                               "$SYS/broker/mortise/tls/%s/%s" % ("ids" if name == "by_id" else "required", name), "-C", "1",
                               "-W", "20"], capture_output=True, text=True, timeout=30, check=False)
        expect_equal(done.returncode, 0)
        expect(int(done.stdout) >= least, "%s: %s" % (name, done.stdout))


BROKER = Broker("sys_interval=1s", "limits.connect_rate=off", "limits.connections_per_address=off")
SITE, OTHER = Authority(BROKER.folder, "site"), Authority(BROKER.folder, "other")
CAS, CRLS = os.path.join(BROKER.folder, "cas.pem"), os.path.join(BROKER.folder, "crls")
os.makedirs(CRLS)
trust(SITE, OTHER)
for one in (SITE, OTHER):
    one.crl(os.path.join(CRLS, one.name + ".pem"))
BROKER.settings += list(settings(BROKER.folder))
with BROKER:
    check("certificates: issued for a user, TLS 1.2 and 1.3", test_issued)
    check("certificates: a profile is all that a client needs, and resumes", test_profile)
    check("certificates: mosquitto_pub with and without one", test_real_clients)
    BROKER.mortise("user", "add", "th-18", "--password-stdin", "--role", "open", secret="a long password\n")
    PASSWORD = "a long password"
    TOKEN = json.loads(BROKER.mortise("user", "token", "th-18", "--json"))["token"]
    PAIR = issue("th-17")
    check("certificates: a name proves nothing", test_names_prove_nothing)
    check("certificates: templates and issuers", test_template)
    for title, shown_pair, why in refusals():
        check("certificates: one that is " + title, test_refused, shown_pair, why)
    check("certificates: where they are optional a wrong one is refused", test_optional_and_wrong)
    for tls_version, with_tickets, at, with_pair in resumption_cases():
        check("certificates: 500 of 500 resumed, %s, %s%s" % (tls_version.name, at, ", mutual" if with_pair else ""),
              test_resumed, tls_version, with_tickets, at, PAIR if with_pair else None)
    check("certificates: with one, the session stays here", test_prefers_ids)
    check("certificates: no session stands in for one", test_never_stands_in)
    check("certificates: no key stands in for one", test_psk_is_no_certificate)
    check("certificates: pre-shared keys end", test_psk_ends)
    check("certificates: revoked: nothing remains, new, resumed or live", test_revoked)
    check("certificates: a disabled user: nothing remains", test_disabled)
    check("certificates: a removed user, and another one of its name", test_removed)
    check("certificates: expired: nothing remains", test_expires)
    check("certificates: on a CRL: nothing remains", test_crl)
    check("certificates: a CRL out of date", test_crl_out_of_date)
    check("certificates: a damaged CRL leaves what is", test_crl_damaged)
    check("certificates: a CA is trusted no longer", test_ca_removed)
    check("certificates: an intermediate of a client", test_intermediate)
    check("certificates: keys of tickets rotate", test_rotations)
    check("certificates: renewal ends no session and no connection", test_survives)
    check("certificates: half of a pair is replaced", test_half_replaced)
    check("certificates: several by name", test_names)
    check("certificates: an OCSP staple", test_staple)
    check("certificates: $SYS tells of handshakes", test_sys)
    check("certificates: the authority's key goes and comes", test_ca_key)
    check("certificates: pinned keys", test_pins)
    check("certificates: SIGHUP", test_sighup)
    check("certificates: bad files keep the broker from starting", test_bad_files)
    check("certificates: bad settings are told", test_bad_settings)
finish()
