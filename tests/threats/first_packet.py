#!/usr/bin/python3
"""Attack: the first packet is not CONNECT, or of the reserved types 0 and 15: state that is used before it is there."""
from attack import Target, connect, finish, for_each_way, packet, publish, subscribe, text

# By type, each otherwise right.
FIRST = {
    0: b"\0\0",
    2: b"\x20\3\0\0\0",
    3: publish("good/witness", b"forged"),
    4: b"\x40\2\0\1",
    5: b"\x50\2\0\1",
    6: b"\x62\2\0\1",
    7: b"\x70\2\0\1",
    8: subscribe(["#"]),
    9: b"\x90\4\0\1\0\0",
    10: packet(0xa2, b"\0\1\0", text("#")),
    11: b"\xb0\4\0\1\0\0",
    12: b"\xc0\0",
    13: b"\xd0\0",
    14: b"\xe0\0",
    15: b"\xf0\0",
}


def refused(code, way):
    TARGET.refuses(FIRST[code], "MQTT-3.1.0-1" if code else "malformed", way)


def nothing_of_it_acts(way):
    """What stands before or behind the wrong packet does not count either."""
    witness = TARGET.client(way)
    witness.send(subscribe(["good/#"])).expect(0x90)
    TARGET.attacker(way).send(FIRST[3] + connect(5) + FIRST[3]).rest()
    TARGET.attacker(way).send(b"\0\0" + connect(5) + FIRST[3]).rest()
    packets = witness.until_pong()
    assert packets == [], packets


def login_is_still_to_come(way):
    """A CONNECT that is refused opens nothing for what comes behind it."""
    witness = TARGET.client(way)
    witness.send(subscribe(["good/#"])).expect(0x90)
    refused_one = connect(5, flags=0xc2, more=text("nobody") + text("wrong"))
    packets = TARGET.attacker(way).send(refused_one + FIRST[3]).rest()
    assert [(first, body[1]) for first, body in packets] == [(0x20, 0x86)], packets
    assert witness.until_pong() == []


with Target() as TARGET:
    for number in FIRST:
        for_each_way("type %d" % number, refused, number)
    for_each_way("nothing around it acts", nothing_of_it_acts)
    for_each_way("nothing behind a refused CONNECT acts", login_is_still_to_come)
finish()
