"""What opens a session, what is refused and how, and what ends a session."""

import asyncio

from peer import (
    KEY,
    UPGRADE,
    Connection,
    Gone,
    Polling,
    Refused,
    WebSocket,
    encode,
    gone,
    request,
    target,
)
from rules import rule

FIVE = ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
MESSAGES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    5: "Unsupported protocol version",
}


def is_error(answer, code):
    """The answer is that error, word for word."""
    assert (answer.status, answer.code) == (400, code), f"{answer} instead of {code}"
    assert answer.fields["content-type"].startswith("application/json"), answer.fields
    want = f'{{"code":{code},"message":"{MESSAGES[code]}"}}'
    assert answer.text == want, answer


async def is_refused(code, opening):
    """No 101, whatever is in the body."""
    try:
        websocket = await opening
    except Refused as refused:
        assert refused.answer.status == 400, refused
        assert refused.answer.code in (code, None), refused
        return
    raise AssertionError(f"a WebSocket was opened: {await websocket.receive()}")


# Opening


@rule("open", server="strict")
async def by_polling(server, version):
    """the open packet by polling has exactly five keys"""
    session = await Polling.open(server, version)
    answer, opened = session.answer, session.handshake
    assert answer.status == 200
    assert answer.fields["content-type"].lower() == "text/plain; charset=utf-8"
    assert answer.fields["cache-control"] == "no-store"
    assert "set-cookie" not in answer.fields
    assert list(opened) == FIVE, list(opened)
    assert opened["upgrades"] == ["websocket"]
    assert isinstance(opened["sid"], str) and len(opened["sid"]) >= 20
    assert [opened[key] for key in FIVE[2:]] == [300, 200, 1_000_000]


@rule("open", server="strict")
async def by_websocket(server, version):
    """the open packet by WebSocket has exactly five keys"""
    websocket = await WebSocket.session(server, version)
    opened = websocket.handshake
    assert list(opened) == FIVE, list(opened)
    assert opened["upgrades"] == []
    assert [opened[key] for key in FIVE[2:]] == [300, 200, 1_000_000]


@rule("open", server="polling")
async def without_upgrades(server, version):
    """no upgrade is offered where there is none"""
    session = await Polling.open(server, version)
    assert session.handshake["upgrades"] == []


@rule("S05")
async def session_ids(server, version):
    """session ids are all different, of the characters of an URL"""
    sessions = [await Polling.open(server, version) for _ in range(100)]
    sids = {session.sid for session in sessions}
    assert len(sids) == 100
    assert all(c.isalnum() or c in "-_." for sid in sids for c in sid)


@rule("query")
async def cache_buster(server, version):
    """the parameter against caches is ignored"""
    session = await Polling.open(server, version, "&t=abc123&b64=1")
    session.query += "&t=abc124"
    await session.echoes()


@rule("query", ours=True)
async def without_slash(server, version):
    """the path may end without its slash, and goes no further"""
    for path, status in [("/engine.io", 200), ("/engine.io/foo", 404)]:
        connection = await Connection.open(server)
        connection.head("GET", f"{path}?EIO={version}&transport=polling")
        answer = await connection.answer()
        assert answer.status == status, f"{path}: {answer}"


# Refusing


@rule("S01", versions=[4])
async def without_query(server, _):
    """without a query there is no transport"""
    is_error(await request(server, "GET", ""), 0)
    is_error(await request(server, "GET", "EIO=4"), 0)


@rule("S01", versions=[4], ours=True)
async def other_versions(server, _):
    """only 3 and 4 are versions, and only once"""
    for query in ["", "EIO=5&", "EIO=04&", "EIO=&", "EIO=4&EIO=3&", "EIO=2&"]:
        answer = await request(server, "GET", f"{query}transport=polling")
        is_error(answer, 3 if query.count("EIO") == 2 and answer.code == 3 else 5)
        await is_refused(5, WebSocket.open(server, query=f"{query}transport=websocket"))


@rule("S02")
async def other_transports(server, version):
    """transports that are unknown"""
    for name in ["foo", "constructor", "__proto__", "POLLING", "", "webtransport"]:
        is_error(await request(server, "GET", f"EIO={version}&transport={name}"), 0)
        query = f"EIO={version}&transport={name}"
        await is_refused(0, WebSocket.open(server, query=query))


@rule("S02", ours=True)
async def two_transports(server, version):
    """two transports are none"""
    query = f"EIO={version}&transport=polling&transport=websocket"
    answer = await request(server, "GET", query)
    assert (answer.status, answer.code in (0, 3)) == (400, True), answer


@rule("S03")
async def websocket_by_get(server, version):
    """a WebSocket without an upgrade"""
    is_error(await request(server, "GET", f"EIO={version}&transport=websocket"), 3)


@rule("S03", ours=True)
async def polling_by_upgrade(server, version):
    """an upgrade to polling is refused before any 101"""
    await is_refused(
        3, WebSocket.open(server, query=f"EIO={version}&transport=polling")
    )


@rule("S04")
async def unknown_sids(server, version):
    """a session that is unknown, whose name is not repeated"""
    for sid in ["zzz", "__proto__", "%00", "A" * 8_000, "constructor"]:
        for transport in ["polling", "websocket"]:
            query = f"EIO={version}&transport={transport}&sid={sid}"
            for method in ["GET", "POST"]:
                is_error(await request(server, method, query), 1)
        await is_refused(1, WebSocket.open(server, version, sid))


@rule("S04", ours=True)
async def empty_sid(server, version):
    """an empty session id is unknown too"""
    is_error(await request(server, "GET", f"EIO={version}&transport=polling&sid="), 1)


@rule("S06")
async def other_methods_to_open(server, version):
    """only GET opens a session"""
    for method in ["POST", "PUT", "DELETE", "PATCH"]:
        is_error(await request(server, method, f"EIO={version}&transport=polling"), 2)
    answer = await request(server, "HEAD", f"EIO={version}&transport=polling")
    assert answer.status == 400, answer


@rule("S07", ours=True)
async def other_methods(server, version):
    """405 for other methods of a session, which goes on"""
    session = await Polling.open(server, version)
    for method in ["PUT", "DELETE", "PATCH", "HEAD"]:
        answer = await request(server, method, session.query)
        assert answer.status == 405, f"{method}: {answer}"
        assert {"GET", "POST"} <= set(
            answer.fields["allow"].replace(" ", "").split(",")
        )
    await session.echoes()


@rule("S08")
async def broken_origin(server, version):
    """an Origin with a control character"""
    query = f"EIO={version}&transport=polling"
    answer = await request(server, "GET", query, fields=["Origin: http://a\x01b"])
    assert answer.status == 400, answer


@rule("S14")
async def other_version(server, version):
    """the other version is not this session's, which goes on"""
    session = await Polling.open(server, version)
    other = f"EIO={7 - version}&transport=polling&sid={session.sid}"
    is_error(await request(server, "GET", other), 3)
    is_error(await request(server, "POST", other, encode(version, ["4a"])), 3)
    await session.echoes()


@rule("S12")
async def polling_on_websocket(server, version):
    """GET and POST are not for a session on WebSocket, which goes on"""
    websocket = await WebSocket.session(server, version)
    query = f"EIO={version}&transport=polling&sid={websocket.sid}"
    is_error(await request(server, "GET", query), 3)
    is_error(await request(server, "POST", query, encode(version, ["4a"])), 3)
    await websocket.echoes()


@rule("S12")
async def websocket_on_polling(server, version):
    """a GET that says WebSocket is not for a session on polling, which goes on"""
    session = await Polling.open(server, version)
    query = f"EIO={version}&transport=websocket&sid={session.sid}"
    is_error(await request(server, "GET", query), 3)
    await session.echoes()


@rule("S13")
async def second_websocket(server, version):
    """a second WebSocket for a session that has one"""
    websocket = await WebSocket.session(server, version)
    try:
        second = await WebSocket.open(server, version, websocket.sid)
        await second.is_closed()
    except Refused as refused:
        assert refused.answer.status == 400, refused
    await websocket.echoes()


@rule("S22", seconds=60, ours=True)
async def slow_body(server, version):
    """408 for a body that takes more than 30 seconds"""
    session = await Polling.open(server, version)
    half = await session.half_post(b"4a", 10)
    answer = await half.answer()
    assert answer.status == 408, answer
    await session.is_closed()


@rule("S29", ours=True)
async def compressed_body(server, version):
    """415 for a body that is compressed"""
    session = await Polling.open(server, version)
    fields = ["Content-Type: text/plain", "Content-Encoding: gzip"]
    answer = await session.post_bytes(encode(version, ["4a"]), *fields)
    assert answer.status == 415, answer


# Exchanges


@rule("post")
async def post(server, version):
    """a POST is answered with ok, and is not kept by caches"""
    session = await Polling.open(server, version)
    answer = await session.post("4hello")
    assert (answer.status, answer.body) == (200, b"ok"), answer
    assert answer.fields["cache-control"] == "no-store"
    answer = await session.get()
    assert answer.fields["content-type"].lower() == "text/plain; charset=utf-8"
    assert answer.fields["cache-control"] == "no-store"
    assert answer.body == encode(version, ["4hello"]), answer


@rule("S11")
async def both_at_once(server, version):
    """a GET waits while a POST is served"""
    session = await Polling.open(server, version)
    parked = await session.park()
    await session.sends("4a")
    answer = await parked
    assert answer.body == encode(version, ["4a"]), answer


@rule("S09")
async def second_get(server, version):
    """a second GET is refused, and ends the session"""
    session = await Polling.open(server, version)
    first = await session.park()
    second = await session.get()
    assert second.status == 400, second
    answer = await first
    assert (answer.status, answer.body) == (200, encode(version, ["1"])), answer
    await session.is_closed()


@rule("S10")
async def second_post(server, version):
    """a second POST is refused, ends the session, and the first is not delivered"""
    session = await Polling.open(server, version)
    parked = await session.park()
    half = await session.half_post(encode(version, ["4a"]), 100)
    second = await session.post("4b")
    assert second.status == 400, second
    try:
        first = await half.answer()
        assert first.status == 400, first
    except Gone:
        pass
    await session.is_closed()
    answer = await parked
    assert answer.body == encode(version, ["1"]), answer


@rule("S15")
async def get_aborted(server, version):
    """a GET that is given up ends the session"""
    for end in ["reset", "close"]:
        session = await Polling.open(server, version)
        connection = await Connection.open(server)
        connection.head("GET", target(session.query))
        await asyncio.sleep(0.05)
        getattr(connection, end)()
        await asyncio.sleep(0.05)
        await session.is_closed()


@rule("S16")
async def post_aborted(server, version):
    """a POST that is given up ends the session, and nothing of it is delivered"""
    session = await Polling.open(server, version)
    parked = await session.park()
    half = await session.half_post(encode(version, ["4a"]), 100)
    half.reset()
    answer = await parked
    assert answer.body == encode(version, ["1"]), answer
    await session.is_closed()


@rule("S25")
async def closed_sid(server, version):
    """every request of a session that is closed is answered"""
    session = await Polling.open(server, version)
    await session.sends("1")
    answers = [session.get() for _ in range(5)] + [session.post("4a") for _ in range(5)]
    for answer in await asyncio.gather(*answers):
        is_error(answer, 1)


# CORS: the servers allow every origin.


@rule("CORS")
async def allowed_origin(server, version):
    """every origin may read every answer"""
    session = await Polling.open(server, version)
    fields = ["Origin: http://example.com"]
    opening = f"EIO={version}&transport=polling"
    for method, query, body in [
        ("GET", opening, None),
        ("GET", opening + "&sid=unknown", None),
        ("POST", session.query, encode(version, ["4a"])),
        ("GET", session.query, None),
    ]:
        answer = await request(server, method, query, body, fields)
        assert answer.fields["access-control-allow-origin"] == "*", answer


@rule("CORS")
async def preflight(server, version):
    """a browser may ask before"""
    session = await Polling.open(server, version)
    fields = ["Origin: http://example.com", "Access-Control-Request-Method: POST"]
    fields += ["Access-Control-Request-Headers: content-type,x-foo"]
    answer = await request(server, "OPTIONS", session.query, fields=fields)
    assert answer.status in (200, 204), answer
    assert answer.fields["access-control-allow-origin"] == "*"
    assert {"GET", "POST"} <= split(answer.fields["access-control-allow-methods"])
    assert {"content-type", "x-foo"} <= split(
        answer.fields["access-control-allow-headers"]
    )
    await session.echoes()


def split(value):
    return {word.strip() for word in value.split(",")}


# Closing


@rule("close")
async def by_close_packet(server, version):
    """a close packet ends the session; the GET that waits gets a noop"""
    session = await Polling.open(server, version)
    parked = await session.park()
    await session.sends("1")
    answer = await parked
    assert (answer.status, answer.body) == (200, encode(version, ["6"])), answer
    await session.is_closed()


@rule("close")
async def by_websocket_close(server, version):
    """the end of its WebSocket ends the session"""
    for frame in [b"", b"\x03\xe8"]:
        websocket = await WebSocket.session(server, version)
        await websocket.send_frame(8, frame)
        await websocket.is_closed()
        await gone(server, version, websocket.sid)
    websocket = await WebSocket.session(server, version)
    websocket.reset()
    await gone(server, version, websocket.sid)


@rule("U22")
async def no_handshake(server, version):
    """400 for what is no WebSocket handshake; the session goes on"""
    session = await Polling.open(server, version)
    for fields in [UPGRADE + KEY[:1], UPGRADE + KEY[:1] + ["Sec-WebSocket-Key: short"]]:
        try:
            await WebSocket.open(server, version, session.sid, fields=fields)
            raise AssertionError("a WebSocket was opened")
        except Refused as refused:
            assert refused.answer.status == 400, refused
    await session.echoes()
