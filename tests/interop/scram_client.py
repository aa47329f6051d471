"""Imported by scripts: a client of SCRAM-SHA-256 as RFC 5802 and RFC 7677 write it, over AUTH packets of MQTT 5, that can
also do each step wrong. TLS comes from OpenSSL itself, for Python's own module tells nothing that one could bind to."""
import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import os
import socket
import struct

from packets import packet, text, varint

METHOD, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
CONTINUE, AGAIN = 0x18, 0x19


class Tls:
    """A connection with the parts of a socket that are needed, and its exporter."""

    def __init__(self, port, ca, version, options=0):
        self.lib = lib = ctypes.CDLL(ctypes.util.find_library("ssl"))
        for name in "TLS_client_method", "SSL_CTX_new", "SSL_new":
            getattr(lib, name).restype = ctypes.c_void_p
        lib.SSL_CTX_set_options.restype = ctypes.c_uint64
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.settimeout(None)
        self.context = ctypes.c_void_p(lib.SSL_CTX_new(ctypes.c_void_p(lib.TLS_client_method())))
        for control in 123, 124:  # SSL_CTX_set_min_proto_version, ..._max_...
            lib.SSL_CTX_ctrl(self.context, control, ctypes.c_long(version), None)
        lib.SSL_CTX_set_options(self.context, ctypes.c_uint64(options))
        lib.SSL_CTX_load_verify_locations(self.context, ca.encode(), None)
        lib.SSL_CTX_set_verify(self.context, 1, None)
        self.ssl = ctypes.c_void_p(lib.SSL_new(self.context))
        lib.SSL_set_fd(self.ssl, self.socket.fileno())
        if lib.SSL_connect(self.ssl) != 1:
            raise AssertionError("no TLS")

    def export(self):
        out = ctypes.create_string_buffer(32)
        label = b"EXPORTER-Channel-Binding"
        if self.lib.SSL_export_keying_material(self.ssl, out, ctypes.c_size_t(32), label, ctypes.c_size_t(len(label)), None,
                                               ctypes.c_size_t(0), 0) != 1:
            raise AssertionError("no exporter")
        return out.raw

    def sendall(self, data):
        if self.lib.SSL_write(self.ssl, data, len(data)) != len(data):
            raise AssertionError("not sent")

    def recv(self, most):
        out = ctypes.create_string_buffer(most)
        got = self.lib.SSL_read(self.ssl, out, most)
        return out.raw[:max(0, got)]

    def close(self):
        self.lib.SSL_free(self.ssl)
        self.lib.SSL_CTX_free(self.context)
        self.socket.close()


def receive(stream):
    """(first byte, body) of the next packet; None at the end."""
    def take(count):
        out = b""
        while len(out) < count:
            got = stream.recv(count - len(out))
            if not got:
                return None
            out += got
        return out
    first = take(1)
    if not first:
        return None
    length = shift = 0
    while True:
        byte = take(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first[0], take(length)


def properties_of(body):
    """{identifier: value} of what CONNACK, AUTH and DISCONNECT hold."""
    found, at = {}, 0
    length = shift = 0
    while at < len(body):
        byte = body[at]
        at += 1
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    end = at + length
    while at < end:
        kind = body[at]
        at += 1
        if kind in (0x15, 0x16, 0x12, 0x1f, 0x1a, 0x1c):
            size = struct.unpack_from(">H", body, at)[0]
            found[kind] = body[at + 2:at + 2 + size]
            at += 2 + size
        elif kind in (0x24, 0x25, 0x28, 0x29, 0x2a):
            found[kind] = body[at]
            at += 1
        elif kind in (0x21, 0x22, 0x13):
            found[kind] = struct.unpack_from(">H", body, at)[0]
            at += 2
        elif kind in (0x11, 0x27):
            found[kind] = struct.unpack_from(">I", body, at)[0]
            at += 4
        else:
            raise AssertionError("property 0x%02x" % kind)
    return found


def method_and_data(method, data):
    out = b"\x15" + text(method)
    if data is not None:
        out += b"\x16" + text(data)
    return out


def connect_packet(method, data, client_id, user=None):
    properties = method_and_data(method, data)
    return packet(0x10, text("MQTT"), bytes([5, 2 if user is None else 0x82]), struct.pack(">H", 60),
                  varint(len(properties)), properties, text(client_id), text(user) if user is not None else b"")


def auth_packet(reason, method, data):
    properties = method_and_data(method, data)
    return packet(0xf0, bytes([reason]), varint(len(properties)), properties)


def escape(name):
    return name.replace("=", "=3D").replace(",", "=2C")


class Scram:
    """One connection. Each step can be told apart, and replaced."""

    def __init__(self, stream, user, password, method=METHOD, header=None, binding=None, client_id=""):
        self.stream, self.user, self.password, self.method, self.client_id = stream, user, password, method, client_id
        self.binding = binding if binding is not None else stream.export() if method == PLUS else b""
        self.header = header or ("p=tls-exporter,," if method == PLUS else "n,,")
        self.salt = self.iterations = None

    def first(self):
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.bare = "n=%s,r=%s" % (escape(self.user), self.nonce)
        return (self.header + self.bare).encode()

    def final(self, server_first, tamper=None):
        parts = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert parts["r"].startswith(self.nonce) and parts["r"] != self.nonce, parts
        self.salt, self.iterations = base64.b64decode(parts["s"]), int(parts["i"])
        nonce = parts["r"] if tamper != "nonce" else parts["r"][:-1] + ("A" if parts["r"][-1] != "A" else "B")
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, self.iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without = "c=%s,r=%s" % (base64.b64encode(self.header.encode() + self.binding).decode(), nonce)
        message = ",".join((self.bare, server_first.decode(), without)).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        self.expected = b"v=" + base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256"))
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        if tamper == "extension":
            without += ",m=1"
        return ("%s,p=%s" % (without, base64.b64encode(proof).decode())).encode()

    def answer(self, packet_of):
        """Sends it; (kind, reason code, data) of what comes back, kind 2 CONNACK, 15 AUTH, 14 DISCONNECT, 0 the end."""
        self.stream.sendall(packet_of)
        got = receive(self.stream)
        if got is None:
            return 0, None, None
        kind, body = got[0] >> 4, got[1]
        at = 1 if kind == 2 else 0
        found = properties_of(body[at + 1:]) if len(body) > at + 1 else {}
        if kind == 15:
            assert found[0x15] == self.method.encode(), found
        return kind, body[at] if len(body) > at else 0, found.get(0x16)

    def login(self, tamper=None, user=None, is_first_late=False):
        """The reason code of CONNACK; the server's signature is checked."""
        if is_first_late:
            kind, reason, data = self.answer(connect_packet(self.method, None, self.client_id, user))
            assert (kind, reason, data) in ((15, CONTINUE, None), (15, CONTINUE, b"")), (kind, reason, data)
            kind, reason, data = self.answer(auth_packet(CONTINUE, self.method, self.first()))
        else:
            kind, reason, data = self.answer(connect_packet(self.method, self.first(), self.client_id, user))
        if kind == 2:
            return reason
        assert (kind, reason) == (15, CONTINUE), (kind, reason)
        kind, reason, data = self.answer(auth_packet(CONTINUE, self.method, self.final(data, tamper)))
        assert kind == 2, (kind, reason)
        if reason == 0:
            assert data == self.expected, (data, self.expected)
        return reason

    def again(self, tamper=None, user=None, password=None):
        """The same on the open connection: (kind, reason code)."""
        self.user, self.password = user or self.user, password or self.password
        kind, reason, data = self.answer(auth_packet(AGAIN, self.method, self.first()))
        if kind != 15:
            return kind, reason
        kind, reason, data = self.answer(auth_packet(CONTINUE, self.method, self.final(data, tamper)))
        if kind == 15:
            assert data == self.expected, (data, self.expected)
        return kind, reason
