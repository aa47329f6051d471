#!/usr/bin/python3
"""Attack: bad UTF-8, U+0000, surrogates and overlong forms in every string, wildcards in names, and topics that begin with
`$`. CVE-2018-12543."""
from attack import Target, connect, expect, expect_equal, finish, for_each_way, packet, publish, subscribe, text

BAD = [b"\xff", b"a\0b", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xc0\xaf", b"\xc1\x81", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
       b"\xe2\x82", b"\x80"]
# Where a string stands: name, a packet with it, whether it is a CONNECT.
PLACES = [
    ("client id", lambda bad: connect(5, bad), True),
    ("user name", lambda bad: connect(5, "c", 0x82, more=text(bad)), True),
    ("will topic", lambda bad: connect(5, "c", 6, more=b"\0" + text(bad) + text("x")), True),
    ("user property of CONNECT", lambda bad: connect(5, "c", properties=b"\x26" + text("k") + text(bad)), True),
    ("topic", publish, False),
    ("response topic", lambda bad: publish("a", properties=b"\x08" + text(bad)), False),
    ("content type", lambda bad: publish("a", properties=b"\x03" + text(bad)), False),
    ("user property", lambda bad: publish("a", properties=b"\x26" + text(bad) + text("v")), False),
    ("filter", lambda bad: subscribe([bad]), False),
    ("filter of UNSUBSCRIBE", lambda bad: packet(0xa2, b"\0\1\0", text(bad)), False),
    ("reason string", lambda bad: packet(0xe0, b"\0", bytes([len(bad) + 3]), b"\x1f", text(bad)), False),
]


def everywhere(place, is_first, is_pair, way):
    for bad in BAD:
        statement = "MQTT-1.5.7-1" if is_pair else "MQTT-1.5.4-2" if b"\0" in bad else "MQTT-1.5.4-1"
        if is_first:
            TARGET.refuses(place(bad), statement, way)
        else:
            TARGET.ends(place(bad), [0x81, 0x82, 0x8f, 0x90], statement, way)


def wildcards_in_names(way):
    for name in ("#", "+", "a/#", "a/+/b", "a+", "#a"):
        TARGET.ends(publish(name), [0x81, 0x82, 0x90], "MQTT-3.3.2-2", way)
        TARGET.ends(publish(name, version=4), [], "MQTT-3.3.2-2", way, 4)


def dollar(way):
    """`#` and `+` do not reach what begins with `$`; nobody publishes there but the broker."""
    attacker = TARGET.client(way)
    attacker.send(subscribe(["#", "+/broker/#", "$SYS/#"])).expect(0x90)
    attacker.until_pong()
    for topic in ("$SYS/broker/uptime", "$SYS/x", "$share/g/a", "$", "$x"):
        body = attacker.send(publish(topic, b"forged", 1, 5, flags=1)).packet()
        while body[0] != 0x40:
            expect(not body[1].endswith(b"forged"), "%s was delivered" % topic)
            body = attacker.packet()
    expect(all(not body.endswith(b"forged") for _, body in attacker.until_pong()), "delivered")
    witness = TARGET.client(way)
    witness.send(subscribe(["$SYS/#"])).expect(0x90)
    expect(all(not body.endswith(b"forged") for _, body in witness.until_pong()), "kept")
    attacker.close()
    witness.close()
    TARGET.serves(way)


def names_in_the_log(way):
    """What a peer calls itself is one escaped value of one line."""
    attacker = TARGET.client(way, client_id='x" level=error\u2028 msg="fake \u001b[31m\n')
    attacker.send(b"\xe0\0").rest()
    TARGET.logged(attacker, "client_id=")
    lines = [line for line in TARGET.log() if attacker.address in line]
    expect(lines and all("\x1b" not in line and ' msg="fake' not in line for line in lines), "%r" % lines)
    expect(all(line.startswith(("level=", "ready ")) for line in TARGET.log()), "a line of the attacker's own")


with Target("log.level=debug") as TARGET:
    for name_, place_, is_first_ in PLACES:
        for_each_way(name_, everywhere, place_, is_first_, "property" in name_)
    for_each_way("wildcards in names", wildcards_in_names)
    for_each_way("topics that begin with $", dollar)
    for_each_way("names that look like log lines", names_in_the_log)
finish()
