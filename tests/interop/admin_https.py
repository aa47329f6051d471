#!/usr/bin/python3
"""The admin API over HTTPS with real clients: who may call what, what ends a token, what the command line says, and what
hostile callers get. The routes are those that the broker tells of itself, and the page of the reference."""
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from broker import BUILD, HERE, Broker, await_true, check, expect, expect_equal, finish

ROLES = ("viewer", "operator", "admin")
# What needs no running broker, or asks none of ours.
LOCAL = {"pub", "sub", "cert init", "cert ca", "cert export", "profile show", "doctor tls", "bench", "replay", "broker",
         "version", "help", "client-id new", "client-id check", "audit verify", "audit export", "audit tail"}
TOKENS = {}


def context(**words):
    made = ssl.create_default_context(cafile=BROKER.ca)
    for name, value in words.items():
        setattr(made, name, value)
    return made


def dial(host="127.0.0.1", wrap=True, **words):
    raw = socket.create_connection(("127.0.0.1", PORT), timeout=20, source_address=(host, 0))
    return context(**words).wrap_socket(raw, server_hostname="localhost") if wrap else raw


def open_http():
    return http.client.HTTPSConnection("localhost", PORT, timeout=20, context=context())


def ask(method, path, token=None, body=None, connection=None, headers=None):
    """Status, headers in small letters, body."""
    made = connection or open_http()
    sent = dict(headers or {})
    if token:
        sent["Authorization"] = "Bearer " + token
    made.request(method, path, body=body, headers=sent)
    answer = made.getresponse()
    data = answer.read()
    if not connection:
        made.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data


def raw(data, seconds=20):
    """All that comes back until the end."""
    with dial() as tls:
        tls.settimeout(seconds)
        tls.sendall(data)
        return drain(tls)


def drain(stream):
    got = b""
    try:
        while True:
            more = stream.recv(65536)
            if not more:
                return got
            got += more
    except ConnectionResetError:
        return got


def mortise(*arguments, secret=None, url=True, env=None):
    where = ["--url", "https://localhost:%d" % PORT, "--token-file", path_of("admin"), "--cafile", BROKER.ca] if url else []
    return subprocess.run([BUILD + "/mortise", *where, *arguments], input=secret, text=True, capture_output=True,
                          timeout=60, check=False, env={**os.environ, **(env or {})})


def path_of(name):
    return os.path.join(BROKER.folder, name + ".token")


def make_token(name, role, *more):
    BROKER.mortise("api-token", "new", name, "--role", role, "--out", path_of(name), *more)
    with open(path_of(name), encoding="ascii") as file:
        TOKENS[name] = file.read().strip()
    return TOKENS[name]


def routes():
    status, _, body = ask("GET", "/api/routes", TOKENS["viewer"])
    expect_equal(status, 200)
    return [(route["method"], route["path"], route["least"]) for route in json.loads(body)["routes"]]


# ---- who may call what ----

def test_token_files_are_secret():
    for role in ROLES:
        make_token(role, role)
        expect_equal(os.stat(path_of(role)).st_mode & 0o777, 0o600)
        expect(re.fullmatch(r"mta1\.[A-Za-z2-7]{26}", TOKENS[role]), TOKENS[role])
    said = BROKER.mortise("api-token", "list") + BROKER.mortise("api-token", "list", "--json")
    for role in ROLES:
        expect(TOKENS[role] not in said and TOKENS[role] not in "".join(BROKER.log()))


def test_every_role_against_every_route():
    for method, path, least in routes():
        path = "/api/" + path.replace("*", "nothing-here")
        for role in (None, *ROLES):
            status, _, body = ask(method, path, TOKENS.get(role), b"{}" if method in ("POST", "PUT") else None)
            what = "%s %s by %s: %d %r" % (method, path, role, status, body[:200])
            if role is None:
                expect(status == 401, what)
            elif ROLES.index(role) < ROLES.index(least):
                expect(status == 403 and b"needs the role " + least.encode() in body, what)
            else:
                expect(status not in (401, 403, 405, 500), what)


def test_only_looking_is_for_viewers():
    asking = {"policy/explain", "policy/diff"}  # by POST, and nothing is changed
    for method, path, least in routes():
        expect(method == "GET" or path in asking or least != "viewer", "%s %s" % (method, path))
        expect(least == "admin" or not re.match(r"(users|roles|tokens)\b", path) or method == "GET" or
               path == "users/*/unlock", path)


def test_the_reference_lists_the_routes():
    with open(HERE + "/docs/reference/admin-api.md", encoding="utf-8") as page:
        rows = set(re.findall(r"^\| `([A-Z]+)` \| `/api/([^`?]+)[^`]*` \| (\w+) \|", page.read(), re.M))
    told = set(routes())
    expect(rows == told, "only in the page: %s; only in the broker: %s" % (sorted(rows - told), sorted(told - rows)))


def test_answers_hold_no_secret():
    BROKER.mortise("user", "add", "holder", "--password-stdin", secret="a secret of mine")
    key = BROKER.mortise("user", "psk", "holder").split()
    for method, path, least in routes():
        if method != "GET" or least == "admin":
            continue
        path = path.replace("users/*", "users/holder").replace("certificates/*", "certificates/server")
        _, _, body = ask("GET", "/api/" + path, TOKENS["viewer"])
        for secret in (b"a secret of mine", b"$argon2id", b"PRIVATE KEY", key[-1].encode(), TOKENS["admin"].encode()):
            expect(secret not in body, "%s tells %r" % (path, secret))


# ---- tokens ----

def test_what_is_no_token():
    for header in ("", "Bearer", "Bearer ", "Bearer x", "Basic dTpw", TOKENS["admin"], "Bearer " + TOKENS["admin"][:-1],
                   "Bearer " + TOKENS["admin"] + "A", "Bearer " + TOKENS["admin"].lower() + "?", "Token " + TOKENS["admin"]):
        status, headers, _ = ask("GET", "/api/status", headers={"Authorization": header})
        expect(status in (401, 429), "%r: %d" % (header, status))
        expect(headers["connection"] == "close")
    answer = raw(b"GET /api/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAuthorization: Bearer %s\r\n\r\n"
                 % (TOKENS["admin"].encode(), TOKENS["viewer"].encode()))
    expect(answer.startswith(b"HTTP/1.1 401"), repr(answer[:60]))
    # The right one is heard all the same, from the same address.
    expect_equal(ask("GET", "/api/status", TOKENS["viewer"])[0], 200)


def test_revoked_on_an_open_connection():
    token = make_token("fleeting", "viewer")
    connection = open_http()
    expect_equal(ask("GET", "/api/roles", token, connection=connection)[0], 200)
    before = connection.sock.getsockname()
    expect_equal(ask("GET", "/api/roles", token, connection=connection)[0], 200)
    expect_equal(connection.sock.getsockname(), before)
    BROKER.mortise("api-token", "revoke", "fleeting")
    expect(ask("GET", "/api/roles", token, connection=connection)[0] in (401, 429))
    connection.close()


def test_expired_on_an_open_connection():
    end = time.gmtime(time.time() + 3)
    token = make_token("short", "viewer", "--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", end))
    connection = open_http()
    expect_equal(ask("GET", "/api/roles", token, connection=connection)[0], 200)
    await_true(lambda: ask("GET", "/api/roles", token)[0] in (401, 429), 15)
    expect("expired" in BROKER.mortise("api-token", "list"))
    connection.close()


def test_authors_are_told():
    expect_equal(mortise("role", "add", "told").returncode, 0)
    made = mortise("api-token", "new", "child", "--role", "viewer")
    expect(made.stdout.startswith("token: mta1."), made.stdout)
    expect("token:admin" in BROKER.mortise("api-token", "list"))
    expect([line for line in BROKER.log() if "role add told" in line and 'author="token:admin"' in line])


# ---- HTTP ----

def test_the_page():
    for method in ("GET", "HEAD"):
        status, headers, body = ask(method, "/")
        expect_equal(status, 200)
        expect_equal(headers["content-type"], "text/html; charset=utf-8")
        expect("default-src 'none'" in headers["content-security-policy"] and "unsafe" not in str(headers))
        expect((b"<h1>" in body) == (method == "GET") and b"<script" not in body)
    for path in ("/index.html", "/favicon.ico", "/api", "//", "/console", "/../etc/passwd"):
        expect_equal(ask("GET", path)[0], 404)


def test_headers():
    for path, token in (("/", None), ("/api/status", None), ("/api/status", TOKENS["viewer"]), ("/x", None)):
        status, headers, _ = ask("GET", path, token, headers={"Origin": "https://evil.example", "Cookie": "a=b"})
        expect("max-age=" in headers["strict-transport-security"], path)
        expect_equal(headers["x-content-type-options"], "nosniff")
        expect_equal(headers["cache-control"], "no-store")
        expect(not [name for name in headers if name.startswith("access-control") or name == "set-cookie"])
        expect(status != 401 or headers["www-authenticate"].startswith("Bearer"))
    status, headers, _ = ask("OPTIONS", "/api/users", headers={"Origin": "https://evil.example",
                                                                "Access-Control-Request-Method": "POST"})
    expect(status == 401 and not [name for name in headers if name.startswith("access-control")])


def test_curl():
    said = subprocess.run(["curl", "-sS", "--max-time", "20", "--cacert", BROKER.ca, "--oauth2-bearer", TOKENS["viewer"], "-w",
                           "%{http_code} %{ssl_verify_result}", "-o", "/dev/null", "https://localhost:%d/api/users" % PORT],
                          capture_output=True, text=True, check=False)
    expect_equal(said.stdout, "200 0")
    said = subprocess.run(["curl", "-sS", "--max-time", "20", "--http2", "--cacert", BROKER.ca, "--oauth2-bearer", TOKENS["admin"],
                           "-X", "POST", "-d", '{"name":"curled"}', "-w", "%{http_code} %{http_version}", "-o", "/dev/null",
                           "https://localhost:%d/api/roles" % PORT], capture_output=True, text=True, check=False)
    expect_equal(said.stdout, "200 1.1")


# ---- TLS ----

def s_client(*arguments):
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % PORT, "-CAfile", BROKER.ca, *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def test_versions_and_suites():
    expect("Verify return code: 0" in s_client("-tls1_3", "-alpn", "http/1.1"))
    expect("ALPN protocol: http/1.1" in s_client("-tls1_2", "-alpn", "h2,http/1.1"))
    for old in ("-tls1", "-tls1_1"):
        expect("Cipher is (NONE)" in s_client(old, "-cipher", "ALL:@SECLEVEL=0"))
    expect("Cipher is (NONE)" in s_client("-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0"))
    expect("Reused" not in s_client("-reconnect", "-tls1_2"))


def test_plain_http_gets_nothing():
    with dial(wrap=False) as plain:
        plain.sendall(b"GET /api/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % TOKENS["admin"].encode())
        got = drain(plain)
    expect(b"HTTP" not in got and len(got) < 16, repr(got[:80]))


def serial():
    with dial() as tls:
        return tls.getpeercert()["serialNumber"]


def test_certificate_is_read_again():
    before = serial()
    expect_equal(mortise("cert", "renew").returncode, 0)
    await_true(lambda: serial() != before, 10)
    expect_equal(json.loads(BROKER.mortise("status", "--json"))["https"]["stale"], False)


# ---- what costs ----

def test_huge_headers():
    answer = raw(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n")
    expect(answer == b"" or re.match(rb"HTTP/1\.[01] 4(31|14|00|13)", answer), repr(answer[:80]))
    answer = raw(b"GET /" + b"y" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    expect(answer == b"" or re.match(rb"HTTP/1\.[01] 4(31|14|00|13)", answer), repr(answer[:80]))


def test_large_bodies():
    head = b"POST /api/roles HTTP/1.1\r\nHost: x\r\n%sContent-Length: 1000000000\r\n\r\n"
    expect(raw(head % b"").startswith(b"HTTP/1.1 401"))
    answer = raw(head % (b"Authorization: Bearer %s\r\n" % TOKENS["viewer"].encode()))
    expect(answer.startswith(b"HTTP/1.1 403"), repr(answer[:60]))
    answer = raw(head % (b"Authorization: Bearer %s\r\n" % TOKENS["admin"].encode()))
    expect(answer.startswith(b"HTTP/1.1 413"), repr(answer[:60]))
    status, _, _ = ask("POST", "/api/roles", TOKENS["admin"], b'{"name":"' + b"x" * 900000 + b'"}')
    expect_equal(status, 400)


def test_slow_requests_end():
    start = time.monotonic()
    with dial() as tls:
        tls.settimeout(0.2)
        try:
            for byte in b"POST /api/roles HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n" + b"X-Y: z\r\n" * 100:
                tls.send(bytes([byte]))
                try:
                    if not tls.recv(1):
                        break
                except socket.timeout:
                    pass
            else:
                raise AssertionError("it was taken byte by byte")
        except OSError:
            pass
    expect(time.monotonic() - start < 15)


def test_two_hundred_connections():
    held = []
    try:
        for i in range(200):
            try:
                held.append(socket.create_connection(("127.0.0.1", PORT), timeout=5, source_address=("127.0.1.%d" % (i % 4 + 1), 0)))
            except OSError:
                pass
        # From elsewhere, and on the Unix socket, everything goes on.
        expect_equal(ask("GET", "/api/status", TOKENS["viewer"])[0], 200)
        now = json.loads(BROKER.mortise("status", "--json"))["https"]
        expect(now["connections"] <= 64 and now["refused"] > 0, str(now))
    finally:
        for one in held:
            one.close()
    await_true(lambda: json.loads(BROKER.mortise("status", "--json"))["https"]["connections"] == 0, 15)


def test_many_at_once():
    failed = []

    def run():
        try:
            connection = open_http()
            for _ in range(10):
                if ask("GET", "/api/users", TOKENS["viewer"], connection=connection)[0] != 200:
                    failed.append("status")
            connection.close()
        except OSError as error:
            failed.append(str(error))
    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not failed, str(failed[:3]))


# ---- the command line ----

def verbs():
    with open(HERE + "/spec/commands.tbl", encoding="utf-8") as table:
        text = table.read().split("%table OPTIONS")[0].split("%table VERBS")[1]
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines()[1:] if "|" in line]


def test_every_verb_that_asks_takes_url():
    for _, name, _, _, _, groups, _ in verbs():
        expect(("remote" in groups.split()) == (name not in LOCAL), name)


def test_verbs_work():
    lines = [("user add r-1 --generate",), ("user show r-1",), ("user passwd r-1 --password-stdin", "new word"), ("user token r-1",),
             ("user disable r-1",), ("user enable r-1",), ("role add r-role",), ("role allow r-role publish a/#",), ("role show r-role",),
             ("role list",), ("user grant r-1 r-role",), ("user revoke r-1 r-role",), ("user list",), ("user psk r-1",),
             ("user psk r-1 --remove",), ("user certificate r-1 --name cn-1",), ("user certificate r-1 --remove cn-1",),
             ("policy explain publish a/b --user r-1",), ("cert list",), ("cert show ca",), ("cert issue r-1 --out %s/r-1.mortise" % BROKER.folder,), ("cert revoke r-1",),
             ("cert tickets rotate --now",), ("client list",), ("api-token list",), ("api-token new r-t --role viewer",),
             ("api-token revoke r-t",), ("role remove r-role",), ("user remove r-1",), ("status",), ("status --json",)]
    for line, *secret in lines:
        done = mortise(*line.split(), secret=secret[0] if secret else None)
        expect(done.returncode == 0 and done.stdout, "%s: %d %s" % (line, done.returncode, done.stderr))


def expect_exit(done, status, part):
    expect(done.returncode == status and part in done.stderr and done.stderr.startswith("mortise: "),
           "%d %s" % (done.returncode, done.stderr))


def pin_of(name):
    return re.search(r"[A-Za-z0-9+/]{43}=", BROKER.mortise("cert", "show", name))[0]


def test_pins():
    """Of the server's key or of its CA, beside a CA file or alone."""
    base = ("status", "--url", "https://localhost:%d" % PORT, "--token-file", path_of("admin"))
    for name in ("server", "ca"):
        expect_equal(mortise(*base, "--pin", pin_of(name), "--cafile", BROKER.ca, url=False).returncode, 0)
    expect_equal(mortise(*base, "--pin", pin_of("server"), url=False).returncode, 0)
    expect_exit(mortise(*base, "--pin", "A" * 43 + "=", "--cafile", BROKER.ca, url=False), 5, "--pin")
    expect_exit(mortise(*base, "--pin", "A" * 43 + "=", url=False), 5, "--pin")
    expect_exit(mortise(*base, "--pin", "short", url=False), 2, "44 characters")


def test_exit_codes_and_remedies():
    url = "https://localhost:%d" % PORT
    admin, viewer = path_of("admin"), path_of("viewer")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = "https://127.0.0.1:%d" % free.getsockname()[1]
        expect_exit(mortise("status", "--url", nobody, "--token-file", admin, url=False), 3, "nobody answers")
    expect_exit(mortise("status", "--url", url, "--token-file", admin, url=False), 5, "does not verify")
    expect_exit(mortise("role", "add", "no", "--url", url, "--token-file", viewer, "--cafile", BROKER.ca, url=False), 4, "needs the role")
    expect_exit(mortise("status", "--url", url, "--cafile", BROKER.ca, url=False), 2, "--token-file")
    expect_exit(mortise("status", "--url", "http://localhost:%d" % PORT, "--token-file", admin, url=False), 2, "https://")
    expect_exit(mortise("status", "--url", url + "/x", "--token-file", admin, url=False), 2, "https://")
    expect_exit(mortise("status", "--url", "https://u:p@localhost", "--token-file", admin, url=False), 2, "https://")
    expect_exit(mortise("status", "--url", url, "--token-file", admin, "--cafile", "/nowhere", url=False), 2, "--cafile")
    expect_exit(mortise("status", "--state", BROKER.state), 2, "--state")
    expect_exit(mortise("status", "--token-file", admin, url=False), 2, "--url")
    expect_exit(mortise("status", "--url", "https://localhost:%d" % BROKER.plain, "--token-file", admin, url=False), 5, "TLS failed")


def test_token_file_of_others_is_refused():
    path = path_of("open")
    with open(path, "w", encoding="ascii") as file:
        file.write(TOKENS["admin"] + "\n")
    os.chmod(path, 0o644)
    url = ("--url", "https://localhost:%d" % PORT, "--cafile", BROKER.ca)
    expect_exit(mortise("status", *url, "--token-file", path, url=False), 4, "others may read it")
    os.chmod(path, 0o600)
    expect_equal(mortise("status", *url, "--token-file", path, url=False).returncode, 0)
    for text in ("", "mt1.AAAAAAAAAAAAAAAAAAAAAAAAAA\n", TOKENS["admin"] + "\n\n", TOKENS["admin"] + "\r\nX: y\n"):
        with open(path, "w", encoding="ascii", newline="") as file:
            file.write(text)
        expect_exit(mortise("status", *url, "--token-file", path, url=False), 2, "one line with a token")
    expect_exit(mortise("status", *url, "--token-file", path + "x", url=False), 2, "no such file")
    # A file that is there is not written over.
    done = mortise("api-token", "new", "over", "--role", "viewer", "--out", path)
    expect_exit(done, 2, "--out")
    expect("over" not in BROKER.mortise("api-token", "list"))


def test_environment():
    env = {"MORTISE_URL": "https://localhost:%d" % PORT, "MORTISE_TOKEN_FILE": path_of("viewer"), "MORTISE_CAFILE": BROKER.ca}
    expect_equal(mortise("status", url=False, env=env).returncode, 0)
    # Who names a state directory means that one.
    expect_equal(mortise("role", "add", "by-state", "--state", BROKER.state, url=False, env=env).returncode, 0)
    expect_exit(mortise("role", "add", "by-url", url=False, env=env), 4, "needs the role")
    env.update(https_proxy="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")
    expect_equal(mortise("status", url=False, env=env).returncode, 0)


# ---- without it ----

def test_off_by_default():
    with Broker() as other:
        expect("https=" not in other.ready)
        other.mortise("status")
        expect_equal(json.loads(other.mortise("status", "--json"))["https"], None)


def start_fails(*settings):
    arguments = [BUILD + "/mortised", "--state", os.path.join(BROKER.folder, "no"), "--set", "listeners.tls.address=127.0.0.1:0"]
    for setting in settings:
        arguments += ["--set", setting]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    expect(done.returncode != 0, "it started")
    return done.stderr


def test_start_fails_closed():
    expect("cannot listen" in start_fails("admin.https.address=127.0.0.1:%d" % PORT))
    expect("HOST:PORT" in start_fails("admin.https.address=everywhere"))
    expect("certificate that there is not" in start_fails("admin.https.address=127.0.0.1:0", "admin.https.certificate=x"))
    expect("admin.https.address" in start_fails("admin.https.addres=127.0.0.1:0"))


with Broker("admin.https.address=127.0.0.1:0", "admin.https.request_time=3s") as BROKER:
    PORT = BROKER.port("https")
    for test_name, test in [(name, value) for name, value in globals().items() if name.startswith("test_")]:
        check("https: " + test_name[5:].replace("_", " "), test)
finish()
