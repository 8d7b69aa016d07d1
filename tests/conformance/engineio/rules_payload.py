"""Packets and payloads, well formed and not, on both transports."""

from peer import (
    Connection,
    Polling,
    WebSocket,
    base64_packet,
    decode,
    encode,
    gone,
    target,
)
from rules import rule

LARGEST = 1_000_000


async def is_bad(server, version, body, *fields, before=()):
    """The body ends a session; the packets before what is wrong are delivered. Whether
    their echo still leaves is up to the server."""
    session = await Polling.open(server, version)
    parked = await session.park()
    answer = await session.post_bytes(body, *fields)
    # The protocol's test suites take 400 alone, its text leaves it open.
    good = [400] if server.is_ours else [400, 200]
    assert answer.status in good, f"{body[:40]!r}: {answer}"
    last = decode(version, (await parked).body)
    assert last in ([*before, "1"], [*before], ["1"]), f"{body[:40]!r}: {last}"
    await session.is_closed()


async def is_good(server, version, body, packets, *fields):
    session = await Polling.open(server, version)
    answer = await session.post_bytes(body, *fields)
    assert (answer.status, answer.body) == (200, b"ok"), f"{body[:40]!r}: {answer}"
    answer = await session.get()
    assert answer.body == encode(version, packets), f"{body[:40]!r}: {answer}"


# Payloads of EIO 4


@rule("payload", versions=[4])
async def in_order(server, _):
    """packets come back in one payload, in order"""
    await is_good(server, 4, b"4hello\x1ebAQIDBA==\x1e4", ["4hello", "bAQIDBA==", "4"])
    await is_good(server, 4, "4€\x1e4😀".encode(), ["4€", "4😀"])
    await is_good(server, 4, b"4b\x1e4a\0b", ["4b", "4a\0b"])


@rule("P01", versions=[4])
async def empty_body(server, _):
    """an empty body"""
    await is_bad(server, 4, b"")


@rule("P02", versions=[4])
async def empty_packets(server, _):
    """packets that are empty"""
    await is_bad(server, 4, b"\x1e")
    await is_bad(server, 4, b"4a\x1e", before=["4a"])
    await is_bad(server, 4, b"\x1e\x1e4a")
    await is_bad(server, 4, b"\x1e" * 100_000)
    await is_bad(server, 4, b"4a\x1e7\x1e4b", before=["4a"])


@rule("P03", versions=[4], ours=True)
async def not_for_a_server(server, _):
    """open and upgrade by POST end the session"""
    await is_bad(server, 4, b"0{}")
    await is_bad(server, 4, b"5")


@rule("P03", versions=[4])
async def noop(server, _):
    """a noop does nothing"""
    session = await Polling.open(server)
    await session.sends("6")
    await session.echoes()


@rule("P04", versions=[4])
async def ping_of_a_client(server, _):
    """a ping of a client"""
    await is_bad(server, 4, b"2")
    await is_bad(server, 4, b"2probe")


@rule("P05", versions=[4])
async def many_pongs(server, _):
    """pongs that nobody asked for"""
    session = await Polling.open(server)
    await session.sends(*["3"] * 10_000)
    await session.echoes()


@rule("P06")
async def behind_a_close(server, version):
    """what is behind a close packet is not delivered"""
    session = await Polling.open(server, version)
    parked = await session.park()
    await session.sends("4a", "1", "4b")
    last = decode(version, (await parked).body)
    assert last in (["4a", "6"], ["4a"], ["6"]), last
    await session.is_closed()


@rule("P07", versions=[4])
async def no_type(server, _):
    """the type of a packet is one ASCII digit"""
    for body in ["7", "9x", "a", "٤a", " 4a", "+4a"]:
        await is_bad(server, 4, body.encode())


@rule("P08", ours=True)
async def no_utf8(server, version):
    """text that is no UTF-8"""
    for text in [b"\xff\xfe", b"\xe2\x82"]:
        body = b"4" + text if version == 4 else b"2:4" + text[:1]
        await is_bad(server, version, body)


@rule("P09", versions=[4], ours=True)
async def no_base64(server, _):
    """binary that is no base64"""
    for body in [b"b!!!!", b"bAQI*", b"bA", b"bAQ=B", b"bAQID\n", b"b_-8="]:
        await is_bad(server, 4, body)


@rule("P10", versions=[4])
async def base64(server, _):
    """base64 with and without padding, and none"""
    await is_good(server, 4, b"bAQIDBA==\x1ebAQIDBA\x1eb", ["bAQIDBA=="] * 2 + ["b"])


@rule("P11")
async def many_packets(server, version):
    """payloads of many packets"""
    for count in [17, 16_384]:
        await is_good(server, version, encode(version, ["4a"] * count), ["4a"] * count)


@rule("P11", ours=True)
async def too_many_packets(server, version):
    """payloads of too many packets"""
    session = await Polling.open(server, version)
    answer = await session.post(*["4a"] * 16_385)
    assert answer.status == 400, answer
    await session.is_closed()


@rule("P12")
async def largest_body(server, version):
    """a body as large as it may be comes back"""
    header = 0 if version == 4 else len(f"{LARGEST}:")
    packet = "4" + "x" * (LARGEST - header - 1)
    await is_good(server, version, encode(version, [packet]), [packet])


@rule("P12")
async def too_large(server, version):
    """413 for a body beyond that"""
    session = await Polling.open(server, version)
    answer = await session.post_bytes(b"4" * (LARGEST + 1))
    assert answer.status == 413, answer
    if server.is_ours:
        await session.is_closed()


@rule("P12")
async def too_large_in_chunks(server, version):
    """413 for a body beyond that whose length was not announced"""
    session = await Polling.open(server, version)
    connection = await Connection.open(server)
    connection.head("POST", target(session.query), ["Transfer-Encoding: chunked"])
    for size in [500_000, 500_001]:
        connection.writer.write(f"{size:x}\r\n".encode() + b"4" * size + b"\r\n")
    answer = await connection.answer()
    assert answer.status == 413, answer


@rule("P12", ours=True)
async def length_alone(server, version):
    """413 for a length, before anything is read"""
    session = await Polling.open(server, version)
    connection = await session.half_post(b"", 10**18)
    answer = await connection.answer()
    assert answer.status == 413, answer
    await session.is_closed()


@rule("P13")
async def small_chunks(server, version):
    """a body in chunks of one byte, cut inside characters"""
    packet = "4" + "€" * 30_000
    body = encode(version, [packet])
    session = await Polling.open(server, version)
    connection = await Connection.open(server)
    fields = ["Transfer-Encoding: chunked", "Content-Type: text/plain"]
    connection.head("POST", target(session.query), fields)
    connection.writer.write(b"".join(b"1\r\n%c\r\n" % byte for byte in body))
    connection.writer.write(b"0\r\n\r\n")
    answer = await connection.answer()
    assert (answer.status, answer.body) == (200, b"ok"), answer
    answer = await session.get()
    assert answer.body == body


@rule("P13")
async def cut_in_a_character(server, version):
    """a body that arrives in two parts, cut inside a character"""
    body = encode(version, ["4a€"])
    session = await Polling.open(server, version)
    half = await session.half_post(body[:-1], len(body))
    half.writer.write(body[-1:])
    answer = await half.answer()
    assert (answer.status, answer.body) == (200, b"ok"), answer
    assert await session.packets() == ["4a€"]


@rule("P14", versions=[4])
async def octets(server, _):
    """a body of octets"""
    session = await Polling.open(server)
    answer = await session.post_bytes(b"4a", "Content-Type: application/octet-stream")
    assert answer.status == 400, answer
    await session.is_closed()


@rule("P15", versions=[4])
async def content_types(server, _):
    """other content types, and none, are text"""
    for field in [
        "X-None: none",
        "Content-Type: text/html",
        "Content-Type: TEXT/PLAIN",
    ]:
        await is_good(server, 4, b"4a", ["4a"], field)


# Payloads of EIO 3

OCTETS = "Content-Type: application/octet-stream"


@rule("V01", versions=[3])
async def utf16_lengths(server, _):
    """lengths count UTF-16 units"""
    body = "6:4hello2:4€3:4😀".encode()
    await is_good(server, 3, body, ["4hello", "4€", "4😀"])


@rule("V02", versions=[3])
async def utf8_lengths(server, _):
    """lengths do not count bytes"""
    await is_bad(server, 3, "4:4€".encode())


@rule("V03", versions=[3], ours=True)
async def strange_lengths(server, _):
    """lengths are digits without a leading zero"""
    for length in ["1e0", "0x1", " 1", "+1", "1.0", "01"]:
        await is_bad(server, 3, f"{length}:4".encode())


@rule("V04", versions=[3])
async def no_lengths(server, _):
    """lengths that are no numbers"""
    for body in [b"-1:", b":4", b"Infinity:4", b"NaN:4", b"4a"]:
        await is_bad(server, 3, body)


@rule("V05", versions=[3])
async def long_lengths(server, _):
    """lengths of many digits"""
    for body in [b"9" * 20 + b":4a", b"9" * 310, b"1" * 900_000]:
        await is_bad(server, 3, body)


@rule("V06", versions=[3])
async def short_packets(server, _):
    """packets that are shorter than they say, and what is left over"""
    await is_bad(server, 3, b"10:4a")
    await is_bad(server, 3, b"2:4a3", before=["4a"])
    await is_bad(server, 3, b"2:4a3:", before=["4a"])
    await is_bad(server, 3, b"1:9")


@rule("V07", versions=[3], ours=True)
async def no_packets(server, _):
    """packets of no length"""
    await is_bad(server, 3, b"0:")
    await is_bad(server, 3, b"0:" * 100_000)


@rule("V08", versions=[3], ours=True)
async def half_characters(server, _):
    """a length that cuts a character in two"""
    await is_bad(server, 3, "2:4😀".encode())


@rule("V09", versions=[3])
async def base64_with_type(server, _):
    """binary as base64, for a client that takes text alone"""
    session = await Polling.open(server, 3, "&b64=1")
    await session.sends("b4AQID", "4a")
    assert await session.packets() == ["b4AQID", "4a"]


@rule("V10", versions=[3])
async def binary_payload(server, _):
    """a binary payload comes back as one"""
    body = bytes.fromhex("0004ff34e282ac0105ff0401020304")
    session = await Polling.open(server, 3)
    answer = await session.post_bytes(body, OCTETS)
    assert (answer.status, answer.body) == (200, b"ok"), answer
    answer = await session.get()
    assert answer.fields["content-type"] == "application/octet-stream"
    assert answer.body == body, answer.body.hex()


@rule("V10", versions=[3])
async def text_of_a_binary_payload(server, _):
    """a payload without binary comes back as text"""
    session = await Polling.open(server, 3)
    answer = await session.post_bytes(bytes.fromhex("0006ff3468656c6c6f"), OCTETS)
    assert (answer.status, answer.body) == (200, b"ok"), answer
    assert await session.packets() == ["4hello"]


@rule("V11", versions=[3], ours=True)
async def endless_lengths(server, _):
    """binary payloads whose lengths do not end, or are none"""
    for body in [b"\0" + b"\1" * 400, b"\xff" * 5_000, b"\0\xff" * 1_000]:
        await is_bad(server, 3, body, OCTETS)


@rule("V12", versions=[3], ours=True)
async def wrong_lengths(server, _):
    """binary payloads that are shorter than they say, and other kinds"""
    for body in ["00" + "09" * 300 + "ff34", "000cff3461", "0202ff3461", "0102ff0901"]:
        await is_bad(server, 3, bytes.fromhex(body), OCTETS)


@rule("V13", versions=[3], ours=True)
async def binary_payload_of_no_utf8(server, _):
    """text in a binary payload that is no UTF-8"""
    await is_bad(server, 3, bytes.fromhex("0003ff34fffe"), OCTETS)


@rule("V21", versions=[3])
async def pong_of_a_client(server, _):
    """a pong of a client"""
    await is_bad(server, 3, b"1:3")


@rule("V17", versions=[3])
async def ping_and_pong(server, _):
    """a ping gets a pong, on both transports"""
    session = await Polling.open(server, 3)
    await session.sends("2")
    assert await session.packets() == ["3"]
    websocket = await WebSocket.session(server, 3)
    await websocket.send("2")
    await websocket.receives("3")


# WebSocket


async def ends(server, version, data, *codes):
    websocket = await WebSocket.session(server, version)
    await websocket.send(data)
    await websocket.is_closed(*codes if server.is_ours else ())
    await gone(server, version, websocket.sid)


@rule("P17")
async def no_packet(server, version):
    """text that is no packet ends the session"""
    for data in ["", "9"]:
        await ends(server, version, data, 1002, 1008)


@rule("P17", ours=True)
async def open_of_a_client(server, version):
    """an open packet ends the session"""
    await ends(server, version, "0{}", 1002, 1008)


@rule("P18", ours=True)
async def close_on_websocket(server, version):
    """a close packet ends the session, and what is behind it is dropped"""
    websocket = await WebSocket.session(server, version)
    await websocket.send("1")
    await websocket.send("4a")
    await websocket.is_closed()
    await gone(server, version, websocket.sid)


@rule("P19")
async def ping_in_the_wrong_direction(server, version):
    """a ping of a client, in EIO 3 a pong, ends the session"""
    await ends(server, version, "2" if version == 4 else "3", 1002, 1008)


@rule("P20")
async def separators(server, version):
    """separators mean nothing on WebSocket"""
    websocket = await WebSocket.session(server, version)
    await websocket.echoes("a\x1e4b")


@rule("P21")
async def binary_on_websocket(server, version):
    """binary comes back, of any length"""
    websocket = await WebSocket.session(server, version)
    kind = b"" if version == 4 else b"\x04"
    for data in [b"", b"\1", b"\1\2\3", bytes(70_000)]:
        await websocket.send(kind + data)
        await websocket.receives(kind + data)


@rule("P22")
async def base64_on_websocket(server, version):
    """base64 is binary, and comes back as base64 where that was asked for"""
    packet = base64_packet(b"\1\2\3", version)
    plain = await WebSocket.session(server, version)
    await plain.send(packet)
    await plain.receives(b"\1\2\3" if version == 4 else b"\4\1\2\3")
    text = await WebSocket.session(server, version, "&b64=1")
    await text.send(packet)
    await text.receives(packet)


@rule("P23")
async def too_large_for_websocket(server, version):
    """1009 for a message beyond the largest payload"""
    websocket = await WebSocket.session(server, version)
    await websocket.echoes("x" * (LARGEST - 1))
    await websocket.send("4" + "x" * LARGEST)
    await websocket.is_closed(1009)
    await gone(server, version, websocket.sid)
