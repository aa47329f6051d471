"""Imported by the Python scripts of tests/interop and tests/threats: packets of a client, byte by byte, so that each may
also be wrong."""
import struct


def varint(value):
    out = b""
    while True:
        value, low = divmod(value, 128)
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def packet(first, *parts):
    body = b"".join(parts)
    return bytes([first]) + varint(len(body)) + body


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(value)) + value


def connect(version=5, client_id="", flags=2, properties=b"", more=b"", keep_alive=60):
    tail = varint(len(properties)) + properties if version == 5 else b""
    return packet(0x10, text("MQTT"), bytes([version, flags]), struct.pack(">H", keep_alive), tail, text(client_id), more)


def publish(topic, payload=b"x", qos=0, identifier=None, properties=b"", version=5, flags=0):
    parts = [text(topic)]
    if identifier is not None:
        parts.append(struct.pack(">H", identifier))
    if version == 5:
        parts.append(varint(len(properties)) + properties)
    return packet(0x30 | qos << 1 | flags, *parts, payload)


def subscribe(filters, identifier=1, properties=b"", options=1):
    return packet(0x82, struct.pack(">H", identifier), varint(len(properties)), properties,
                  b"".join(text(f) + bytes([options]) for f in filters))
