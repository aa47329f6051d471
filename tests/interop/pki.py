"""Imported by the Python scripts of this folder: authorities and certificates by the openssl program, and TLS clients of
Python's ssl that speak as much MQTT as is needed."""
import os
import socket
import ssl
import subprocess
import time

CONNACK_OK = bytes.fromhex("20020000")


def openssl(*arguments, **more):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, check=False, **more)
    if done.returncode != 0:
        raise AssertionError("openssl %s: %s" % (arguments[0], done.stderr))
    return done.stdout


class Authority:
    """A CA in a folder: issues certificates, takes them back, writes its CRL."""

    def __init__(self, folder, name, above=None):
        self.folder = os.path.join(folder, name)
        self.name = name
        os.makedirs(self.folder + "/new")
        for file, text in (("index", ""), ("serial", "1000\n"), ("crlnumber", "01\n")):
            with open(self.path(file), "w", encoding="ascii") as out:
                out.write(text)
        with open(self.path("conf"), "w", encoding="ascii") as out:
            out.write("[ca]\ndefault_ca=d\n[d]\ndir=%s\ndatabase=$dir/index\nserial=$dir/serial\ncrlnumber=$dir/crlnumber\n"
                      "new_certs_dir=$dir/new\ncertificate=$dir/ca.pem\nprivate_key=$dir/ca.key\ndefault_md=sha256\n"
                      "policy=p\nunique_subject=no\ncopy_extensions=none\n[p]\ncommonName=supplied\n" % self.folder)
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path("ca.key"))
        os.chmod(self.path("ca.key"), 0o600)
        if above:
            self.chain = above.issue(name, "CA", key=self.path("ca.key"))[0]
            os.link(self.chain, self.path("ca.pem"))
        else:
            openssl("req", "-new", "-x509", "-key", self.path("ca.key"), "-subj", "/CN=" + name, "-days", "30", "-out",
                    self.path("ca.pem"), "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                    "keyUsage=critical,keyCertSign,cRLSign")
        self.pem = self.path("ca.pem")

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, usage="clientAuth", san=None, begin=None, end=None, key=None):
        """(certificate, key): paths. begin, end: seconds from now."""
        at = self.path(name.replace("/", "_") + "-%d" % time.monotonic_ns())
        if not key:
            key = at + ".key"
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
            os.chmod(key, 0o600)
        openssl("req", "-new", "-key", key, "-subj", "/CN=" + name, "-out", at + ".csr")
        with open(at + ".ext", "w", encoding="utf-8") as out:
            if usage == "CA":
                out.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
            else:
                out.write("basicConstraints=CA:FALSE\nextendedKeyUsage=%s\n" % usage)
            if san:
                out.write("subjectAltName=%s\n" % san)
        now = time.time()
        form = "%y%m%d%H%M%SZ"
        openssl("ca", "-batch", "-config", self.path("conf"), "-notext", "-in", at + ".csr", "-out", at + ".crt",
                "-extfile", at + ".ext",
                "-startdate", time.strftime(form, time.gmtime(now - 3600 if begin is None else now + begin)),
                "-enddate", time.strftime(form, time.gmtime(now + 86400 if end is None else now + end)))
        return at + ".crt", key

    def revoke(self, certificate):
        openssl("ca", "-config", self.path("conf"), "-revoke", certificate)

    def crl(self, to, seconds=86400):
        """Written beside and renamed, as a careful updater does. seconds < 0: out of date."""
        if seconds > 0:
            openssl("ca", "-config", self.path("conf"), "-gencrl", "-crlsec", str(seconds), "-out", to + ".new")
        else:
            now = time.time()
            form = "%y%m%d%H%M%SZ"
            openssl("ca", "-config", self.path("conf"), "-gencrl", "-out", to + ".new",
                    "-crl_lastupdate", time.strftime(form, time.gmtime(now - 7200)),
                    "-crl_nextupdate", time.strftime(form, time.gmtime(now + seconds)))
        os.rename(to + ".new", to)


def connect_packet(client_id="", user=None, password=None, version=4):
    """A CONNECT with a clean start."""
    def text(value):
        data = value.encode()
        return len(data).to_bytes(2, "big") + data
    flags = 2 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = text("MQTT") + bytes([version, flags, 0, 60]) + (b"\0" if version == 5 else b"") + text(client_id)
    body += text(user) if user is not None else b""
    body += text(password) if password is not None else b""
    assert len(body) < 16384
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
    return b"\x10" + length + body


class Client:
    """A device: what it trusts, what it shows, and the session that it goes on from."""

    def __init__(self, ca, pair=None, version=None, name="localhost", tickets=True):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(ca)
        self.name = name
        if pair:
            self.context.load_cert_chain(*pair)
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        if not tickets:
            self.context.options |= ssl.OP_NO_TICKET
        self.session = None
        self.resumed = False
        self.reason = None

    def dial(self, port, **hello):
        """An open connection that the broker has welcomed. self.resumed tells; self.reason: its answer."""
        connection = socket.create_connection(("127.0.0.1", port), 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            tls = self.context.wrap_socket(connection, server_hostname=self.name, session=self.session)
        except Exception:
            connection.close()
            raise
        tls.sendall(connect_packet(**hello))
        answer = tls.recv(4)
        self.reason = answer[3] if len(answer) == 4 else None
        self.resumed = tls.session_reused
        self.session = tls.session
        if self.reason != 0:
            tls.close()
            raise PermissionError("CONNACK %s" % self.reason)
        return tls

    def visit(self, port, **hello):
        """Comes, is welcomed, and is cut off: no DISCONNECT, no close_notify. True: resumed."""
        tls = self.dial(port, **hello)
        raw = socket.socket(fileno=tls.detach())
        raw.close()
        return self.resumed

    def is_refused(self, port, **hello):
        try:
            self.visit(port, **hello)
        except (ssl.SSLError, PermissionError, ConnectionError):
            return True
        return False
