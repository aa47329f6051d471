"""Imported by the scripts of this folder that attack TLS: ClientHellos and records made of bytes, what is answered to them,
and connections of TLS 1.2 and 1.3 whose keys are ours, so that whatever a library would never send can be sent.

    client_hello(EXTENSIONS_13) --records()--> Peer.send() --> Peer.server_hello()
    Connection13, Connection12: a handshake to its end, then say() and hear() by keys of ours

X25519, ChaCha20 and Poly1305 stand here because the standard library has none: slow, not in constant time, and for tests
alone. Nobody checks certificates here.
"""
import hashlib
import hmac
import socket
import struct

TLS12, TLS13 = b"\3\3", b"\3\4"
# types of records, handshake messages and extensions
CCS, ALERT, HANDSHAKE, DATA, HEARTBEAT = range(20, 25)
HELLO, SERVER_HELLO, TICKET, ENCRYPTED_EXTENSIONS, CERTIFICATE, KEY_EXCHANGE = 1, 2, 4, 8, 11, 12
SERVER_DONE, CLIENT_EXCHANGE, FINISHED, KEY_UPDATE = 14, 16, 20, 24
SNI, GROUPS, POINTS, SIGNATURES, HEARTBEATS, ALPN, MASTER, TICKETS = 0, 10, 11, 13, 15, 16, 23, 35
PSK, EARLY, VERSIONS, MODES, SHARES, RENEGOTIATION = 41, 42, 43, 45, 51, 0xff01
X25519 = b"\0\x1d"
SUITES_13 = b"\x13\3"  # the only one that is spoken here
SUITES_12 = b"\xcc\xa9\xc0\x2b"
FATAL = b"\2\x28"


# ---- bytes ----

def vector(width, data):
    return len(data).to_bytes(width, "big") + data


def server_name(*names):
    return vector(2, b"".join(b"\0" + vector(2, name) for name in names))


def key_share(*shares):
    return vector(2, b"".join(group + vector(2, key) for group, key in shares))


def pre_shared_key(identities, binders):
    return (vector(2, b"".join(vector(2, identity) + bytes(4) for identity in identities)) +
            vector(2, b"".join(vector(1, binder) for binder in binders)))


def extensions_of(pairs):
    return b"".join(struct.pack(">H", kind) + vector(2, data) for kind, data in pairs)


def handshake(kind, body):
    return bytes([kind]) + vector(3, body)


def client_hello(pairs, random=bytes(range(32)), session_id=bytes(32), suites=SUITES_13, methods=b"\0", version=TLS12):
    return handshake(HELLO, version + random + vector(1, session_id) + vector(2, suites) + vector(1, methods) +
                     vector(2, extensions_of(pairs)))


def record(kind, data, version=b"\3\1"):
    return bytes([kind]) + version + vector(2, data)


def records(message, size=16384, between=b""):
    """A handshake message in pieces of so many bytes."""
    return between.join(record(HANDSHAKE, message[at:at + size]) for at in range(0, len(message), size))


def messages(kind_and_data):
    """Types and bodies of the handshake messages in clear records."""
    data = b"".join(part for kind, part in kind_and_data if kind == HANDSHAKE)
    found = []
    while len(data) >= 4:
        length = int.from_bytes(data[1:4], "big")
        found.append((data[0], data[4:4 + length]))
        data = data[4 + length:]
    return found


class ServerHello:
    def __init__(self, body):
        at = 35 + body[34]
        self.random, self.session_id = body[2:34], body[35:at]
        self.is_retry = self.random == sha256(b"HelloRetryRequest")
        self.extensions = dict(each_extension(body[at + 3:]))


def each_extension(data):
    data = data[2:]
    while data:
        kind, length = struct.unpack(">HH", data[:4])
        yield kind, data[4:4 + length]
        data = data[4 + length:]


# ---- RFC 7748, RFC 8439 ----

def x25519(scalar, point=b"\x09" + bytes(31)):
    prime = 2**255 - 19
    number = int.from_bytes(scalar, "little") & ~7 & 2**254 - 1 | 2**254
    first = int.from_bytes(point, "little") & 2**255 - 1
    a, b, c, d = 1, 0, first, 1
    swap = 0
    for at in range(254, -1, -1):
        bit = number >> at & 1
        if swap != bit:
            a, b, c, d = c, d, a, b
        swap = bit
        plus, minus = a + b, a - b
        cross, other = (c - d) * plus, (c + d) * minus
        squared, lower = plus * plus, minus * minus
        difference = squared - lower
        c, d = (cross + other) ** 2 % prime, first * (cross - other) ** 2 % prime
        a, b = squared * lower % prime, difference * (squared + 121665 * difference) % prime
    if swap:
        a, b = c, d
    return (a * pow(b, prime - 2, prime) % prime).to_bytes(32, "little")


QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def chacha(key, counter, nonce):
    """64 bytes of the stream."""
    start = struct.unpack("<16L", b"expand 32-byte k" + key + struct.pack("<L", counter) + nonce)
    words = list(start)
    for _ in range(10):
        for a, b, c, d in QUARTERS:
            for left, right, add, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                words[left] = words[left] + words[right] & 0xffffffff
                turned = words[add] ^ words[left]
                words[add] = (turned << bits | turned >> 32 - bits) & 0xffffffff
    return struct.pack("<16L", *(word + old & 0xffffffff for word, old in zip(words, start)))


def streamed(key, nonce, data):
    stream = b"".join(chacha(key, 1 + at, nonce) for at in range((len(data) + 63) // 64))
    return bytes(a ^ b for a, b in zip(data, stream))


def poly1305(key, data):
    factor = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\1", "little")) * factor % (2**130 - 5)
    return (total + int.from_bytes(key[16:32], "little") & 2**128 - 1).to_bytes(16, "little")


def tag(key, nonce, sealed, head):
    padded = b"".join(part + bytes(-len(part) % 16) for part in (head, sealed))
    return poly1305(chacha(key, 0, nonce), padded + struct.pack("<QQ", len(head), len(sealed)))


# ---- keys of one direction ----

class Keys:
    def __init__(self, key, iv):
        self.key, self.iv, self.count = key, iv, 0

    def nonce(self):
        number = int.from_bytes(self.iv, "big") ^ self.count
        self.count += 1
        return number.to_bytes(12, "big")


class Keys12(Keys):
    """RFC 7905."""

    def head(self, kind, length):
        return struct.pack(">QBHH", self.count, kind, 0x303, length)

    def seal(self, kind, data):
        head, nonce = self.head(kind, len(data)), self.nonce()
        sealed = streamed(self.key, nonce, data)
        return record(kind, sealed + tag(self.key, nonce, sealed, head), TLS12)

    def open(self, kind, data):
        head, nonce = self.head(kind, len(data) - 16), self.nonce()
        if tag(self.key, nonce, data[:-16], head) != data[-16:]:
            raise ValueError("a forged record")
        return kind, streamed(self.key, nonce, data[:-16])


class Keys13(Keys):
    """RFC 8446 section 5.2; of a traffic secret."""

    def __init__(self, secret):
        super().__init__(expand(secret, b"key", b"", 32), expand(secret, b"iv", b"", 12))
        self.secret = secret

    def seal(self, kind, data):
        head, nonce = struct.pack(">BHH", DATA, 0x303, len(data) + 17), self.nonce()
        sealed = streamed(self.key, nonce, data + bytes([kind]))
        return head + sealed + tag(self.key, nonce, sealed, head)

    def open(self, kind, data):
        head, nonce = struct.pack(">BHH", kind, 0x303, len(data)), self.nonce()
        if tag(self.key, nonce, data[:-16], head) != data[-16:]:
            raise ValueError("a forged record")
        inner = streamed(self.key, nonce, data[:-16]).rstrip(b"\0")
        return inner[-1], inner[:-1]

    def updated(self):
        return Keys13(expand(self.secret, b"traffic upd", b"", 32))


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.digest(key, data, "sha256")


def expand(secret, label, context, length=32):
    """HKDF-Expand-Label, for at most one block."""
    return mac(secret, struct.pack(">H", length) + vector(1, b"tls13 " + label) + vector(1, context) + b"\1")[:length]


def derive(secret, label, said):
    return expand(secret, label, sha256(said))


def prf(secret, label, seed, length):
    """RFC 5246 section 5."""
    out, last = b"", label + seed
    while len(out) < length:
        last = mac(secret, last)
        out += mac(secret, last + label + seed)
    return out[:length]


# ---- hellos that every server answers ----

SECRET = sha256(b"the key share of all hellos")
SHARE = x25519(SECRET)
COMMON = [(SNI, server_name(b"localhost")), (GROUPS, vector(2, X25519 + b"\0\x17")), (POINTS, b"\1\0"),
          (SIGNATURES, vector(2, b"\4\3\x08\7\x08\4")), (ALPN, vector(2, vector(1, b"mqtt"))), (MASTER, b"")]
EXTENSIONS_12 = COMMON + [(TICKETS, b""), (RENEGOTIATION, b"\0")]
EXTENSIONS_13 = COMMON + [(VERSIONS, vector(1, TLS13 + TLS12)), (MODES, b"\1\1"), (SHARES, key_share((X25519, SHARE)))]
HELLO_12 = client_hello(EXTENSIONS_12, suites=SUITES_12, session_id=b"")
HELLO_13 = client_hello(EXTENSIONS_13, suites=SUITES_13 + SUITES_12)


def replaced(pairs, kind, *data):
    """The extensions of that type, one for each data, stand where the first one stood; none: it is left out."""
    at = [known for known, _ in pairs].index(kind)
    return pairs[:at] + [(kind, one) for one in data] + [pair for pair in pairs[at:] if pair[0] != kind]


# ---- connections ----

class Peer:
    """A socket that speaks records in clear. room: bytes that it takes before somebody reads them."""

    def __init__(self, port, source="127.0.0.1", room=None):
        self.socket = socket.socket()
        if room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.settimeout(10)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = "%s:%d" % self.socket.getsockname()
        self.buffer = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass  # it has closed already: what it said is still to be read
        return self

    def take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def record(self):
        head = self.take(5)
        return head[0], self.take(int.from_bytes(head[3:], "big"))

    def rest(self):
        """Records until the broker closes; a broker that does not is a failure."""
        found = []
        try:
            while True:
                found.append(self.record())
        except (EOFError, ConnectionError):
            return found
        except socket.timeout:
            raise AssertionError("the connection stays open; it said %r" % found[:3]) from None

    def server_hello(self):
        kind, data = self.record()
        if kind != HANDSHAKE or data[0] != SERVER_HELLO:
            raise AssertionError("no ServerHello: type %d %r" % (kind, data[:80]))
        return ServerHello(messages([(kind, data)])[0][1])

    def close(self):
        self.socket.close()


class Connection(Peer):
    """After its handshake: sends and receives by keys of ours."""
    reading = writing = None

    def seal(self, kind, data):
        return self.writing.seal(kind, data)

    def say(self, data, kind=DATA):
        return self.send(self.seal(kind, data))

    def hear(self):
        """The next record, opened."""
        return self.reading.open(*self.record())

    def heard(self):
        """Opened records until the broker closes."""
        found = []
        try:
            while True:
                found.append(self.hear())
        except (EOFError, ConnectionError):
            return found
        except socket.timeout:
            raise AssertionError("the connection stays open; it said %r" % found[:3]) from None

    def data(self):
        """The next data; between them no handshake may begin."""
        kind, data = self.hear()
        while kind != DATA:
            if kind == HANDSHAKE and data[0] == SERVER_HELLO:
                raise AssertionError("a handshake begins anew")
            kind, data = self.hear()
        return data


class Connection13(Connection):
    """session: (PSK, identity) to go on from. early: data that is sent with the hello (0-RTT)."""

    def __init__(self, port, session=None, early=b""):
        super().__init__(port)
        psk = session[0] if session else bytes(32)
        self.secret = mac(b"", psk)
        self.said = bound_hello(session, is_early=bool(early)) if session else HELLO_13
        flight = record(HANDSHAKE, self.said)
        if early:
            flight += Keys13(derive(self.secret, b"c e traffic", self.said)).seal(DATA, early)
        self.send(flight)
        body = self.record()[1]
        self.answer = ServerHello(body[4:])
        self.is_resumed = PSK in self.answer.extensions
        if not self.is_resumed:
            self.secret = mac(b"", bytes(32))
        self.said += body
        self.agree(x25519(SECRET, self.answer.extensions[SHARES][4:]))

    def agree(self, shared):
        handshake_secret = mac(derive(self.secret, b"derived", b""), shared)
        client = derive(handshake_secret, b"c hs traffic", self.said)
        self.reading = Keys13(derive(handshake_secret, b"s hs traffic", self.said))
        self.encrypted = self.flight()
        master = mac(derive(handshake_secret, b"derived", b""), bytes(32))
        server = derive(master, b"s ap traffic", self.said)
        own = derive(master, b"c ap traffic", self.said)
        finished = handshake(FINISHED, mac(expand(client, b"finished", b""), sha256(self.said)))
        self.send(Keys13(client).seal(HANDSHAKE, finished))
        self.said += finished
        self.resumption = derive(master, b"res master", self.said)
        self.reading, self.writing = Keys13(server), Keys13(own)

    def flight(self):
        """EncryptedExtensions to Finished."""
        data = b""
        while not any(kind == FINISHED for kind, _ in messages([(HANDSHAKE, data)])):
            kind, part = self.record()
            if kind == CCS:
                continue
            kind, part = self.reading.open(kind, part)
            if kind != HANDSHAKE:
                raise AssertionError("type %d within the handshake: %r" % (kind, part))
            data += part
        self.said += data
        return messages([(HANDSHAKE, data)])

    def hear(self):
        kind, data = super().hear()
        if kind == HANDSHAKE and data[0] == KEY_UPDATE:
            self.reading = self.reading.updated()
        return kind, data

    def session(self):
        """Of the ticket that comes first: what a later connection goes on from."""
        kind, data = self.hear()
        ((ticket, body),) = messages([(kind, data)])
        if ticket != TICKET:
            raise AssertionError("type %d where a ticket should be" % ticket)
        at = 9 + body[8]
        length = int.from_bytes(body[at:at + 2], "big")
        return expand(self.resumption, b"resumption", body[9:at]), body[at + 2:at + 2 + length]


class Connection12(Connection):
    def __init__(self, port, room=None):
        super().__init__(port, room=room)
        self.said = client_hello(EXTENSIONS_12, suites=SUITES_12[:2], session_id=b"")
        self.send(record(HANDSHAKE, self.said))
        self.encrypted = self.flight()
        share = dict(self.encrypted)[KEY_EXCHANGE][4:36]
        exchange = handshake(CLIENT_EXCHANGE, vector(1, SHARE))
        self.said += exchange
        master = prf(x25519(SECRET, share), b"extended master secret", sha256(self.said), 48)
        answer = ServerHello(self.encrypted[0][1])
        randoms = answer.random + bytes(range(32))
        keys = prf(master, b"key expansion", randoms, 88)
        self.writing, self.reading = Keys12(keys[:32], keys[64:76]), Keys12(keys[32:64], keys[76:])
        self.finished = prf(master, b"client finished", sha256(self.said), 12)
        finished = handshake(FINISHED, self.finished)
        self.send(record(HANDSHAKE, exchange, TLS12) + record(CCS, b"\1", TLS12) + self.seal(HANDSHAKE, finished))
        self.known = master, self.conclude() or answer.session_id

    def flight(self):
        found = []
        while not found or found[-1][0] != SERVER_DONE:
            data = self.record()[1]
            self.said += data
            found += messages([(HANDSHAKE, data)])
        return found

    def conclude(self):
        """Up to Finished; the ticket, which comes in clear, if there is one."""
        found = []
        while not found or found[-1][0] != CCS:
            found.append(self.record())
        if self.hear()[0] != HANDSHAKE:
            raise AssertionError("no Finished")
        return dict(messages(found)).get(TICKET, b"")[6:]

    def session(self):
        """Its master secret, and the ticket or id."""
        return self.known


def bound_hello(session, is_early=False, identity=None, binder=None):
    """A hello that goes on from a session; its binder covers what is before the binders (RFC 8446 section 4.2.11.2)."""
    psk, known = session
    pairs = EXTENSIONS_13 + ([(EARLY, b"")] if is_early else [])
    message = client_hello(pairs + [(PSK, pre_shared_key([known if identity is None else identity], [bytes(32)]))])
    key = expand(derive(mac(b"", psk), b"res binder", b""), b"finished", b"")
    return message[:-32] + (mac(key, sha256(message[:-35])) if binder is None else binder)
