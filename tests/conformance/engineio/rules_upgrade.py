"""The upgrade from polling to WebSocket. Where it fails the session goes on as it
was; nothing is lost, doubled or reordered either way."""

import asyncio
import time

from peer import (
    Closed,
    Connection,
    Polling,
    Refused,
    WebSocket,
    decode,
    encode,
    gone,
    request,
    target,
)
from rules import rule, wait_until


@rule("U01")
async def upgrades(server, version):
    """a probe, a noop for the GET that waits, and the upgrade"""
    session = await Polling.open(server, version)
    parked = await session.park()
    websocket = await session.upgrade()
    answer = await parked
    assert answer.body == encode(version, ["6"]), answer
    await websocket.send("5")
    await websocket.echoes()


@rule("U02")
async def gets_during_the_probe(server, version):
    """a GET after the probe is answered with a noop"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    began = time.monotonic()
    for _ in range(10):
        assert await session.packets() == ["6"]
    if server.is_ours:
        # Not at the next tick of a clock: at once.
        assert time.monotonic() - began < 0.5, "it takes its time"
    await websocket.send("5")
    await websocket.echoes()


@rule("U03", ours=True)
async def without_probe(server, version):
    """no upgrade without a probe"""
    session = await Polling.open(server, version)
    websocket = await WebSocket.open(server, version, session.sid)
    await websocket.send("5")
    await websocket.is_closed()
    await session.echoes()


@rule("U04")
async def no_probe(server, version):
    """another packet than the probe ends the WebSocket, and not the session"""
    session = await Polling.open(server, version)
    binary = b"\1" if version == 4 else b"\4\1"
    for data in ["4a", "2", "2prob", "2probex", "3probe", "9", "", binary]:
        websocket = await WebSocket.open(server, version, session.sid)
        await websocket.send(data)
        await websocket.is_closed()
        await session.echoes(f"after {data!r}")
    websocket = await WebSocket.open(server, version, session.sid)
    await websocket.send_frame(8, b"")
    await websocket.is_closed()
    await session.echoes()


@rule("U05")
async def three_probes(server, version):
    """every probe is answered"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    for _ in range(2):
        await websocket.send("2probe")
        await websocket.receives("3probe")
    await websocket.send("5")
    await websocket.echoes()


@rule("U06", seconds=40)
async def only_a_probe(server, version):
    """a WebSocket that stops after its probe is closed, and the session goes on"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    began = time.monotonic()
    await websocket.is_closed()
    assert 9 < time.monotonic() - began < 15
    await session.echoes()


@rule("U07", seconds=40)
async def silent_websocket(server, version):
    """a WebSocket without a probe is closed, and the session goes on"""
    session = await Polling.open(server, version)
    websocket = await WebSocket.open(server, version, session.sid)
    began = time.monotonic()
    await websocket.is_closed()
    assert 9 < time.monotonic() - began < 15
    await session.echoes()


@rule("U08")
async def two_websockets(server, version):
    """a second WebSocket is refused, and the first goes on"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    await second_is_refused(session)
    await websocket.send("5")
    await websocket.echoes()
    await second_is_refused(session)
    await websocket.echoes()


async def second_is_refused(session):
    try:
        second = await WebSocket.open(session.server, session.version, session.sid)
        await second.send("2probe")
        await second.is_closed()
    except Refused as refused:
        assert refused.answer.status == 400, refused


@rule("U09")
async def upgrade_twice(server, version):
    """a second upgrade packet is ignored"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    await websocket.send("5")
    await websocket.send("5")
    await websocket.echoes()


@rule("U09")
async def message_before_upgrade(server, version):
    """a message between probe and upgrade ends the WebSocket, and not the session"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    await websocket.send("4a")
    await websocket.is_closed()
    await session.echoes()


@rule("U10")
async def sent_during_the_probe(server, version):
    """what is sent during the probe arrives once and in order"""
    for parks in [False, True]:
        for posts in range(4):
            session = await Polling.open(server, version)
            parked = [await session.park()] if parks else []
            websocket = await session.upgrade()
            sent = []
            for number in range(posts):
                sent += [f"4{number}a", f"4{number}b"]
                await session.sends(*sent[-2:])
            await websocket.send("5")
            await websocket.send("4last")
            got = []
            for answer in parked:
                body = (await answer).body
                got += [] if body == encode(version, ["6"]) else texts(version, body)
            while not got or got[-1] != "4last":
                packet = await websocket.receive()
                assert not isinstance(packet, Closed), f"closed after {got}"
                got.append(packet)
            assert got == [*sent, "4last"], f"{got}, sent {sent}"


def texts(version, body):
    return [packet for packet in decode(version, body) if packet[0] == "4"]


@rule("U11", ours=True)
async def post_in_flight(server, version):
    """a POST that began before the upgrade ends before what follows it"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    body = encode(version, ["4by POST"])
    half = await session.half_post(body[:-1], len(body))
    await websocket.send("5")
    await websocket.send("4by WebSocket")
    await asyncio.sleep(0.1)
    half.writer.write(body[-1:])
    answer = await half.answer()
    assert (answer.status, answer.body) == (200, b"ok"), answer
    await websocket.receives("4by POST")
    await websocket.receives("4by WebSocket")


@rule("U12", ours=True)
async def get_until_upgrade(server, version):
    """a GET that waits when the upgrade packet comes gets a noop"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    connection = await Connection.open(server)
    connection.head("GET", target(session.query))
    await websocket.send("5")
    answer = await connection.answer()
    # The two may overtake each other.
    assert answer.code == 3 or answer.body == encode(version, ["6"]), answer
    await websocket.echoes()


@rule("U14")
async def lost_before_upgrade(server, version):
    """a WebSocket lost after its probe changes nothing"""
    session = await Polling.open(server, version)
    for _ in range(3):
        websocket = await session.upgrade()
        websocket.reset()
        await asyncio.sleep(0.05)
        await session.echoes()
    websocket = await session.upgrade()
    await websocket.send("5")
    await websocket.echoes()


@rule("U15")
async def lost_after_upgrade(server, version):
    """a WebSocket lost after the upgrade ends the session"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    await websocket.send("5")
    await websocket.echoes()
    websocket.reset()
    await gone(server, version, session.sid)


@rule("U16")
async def polling_after_upgrade(server, version):
    """GET and POST after the upgrade are refused, and the session goes on"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    await websocket.send("5")
    await websocket.echoes()
    for answer in [await session.get(), await session.post("4a")]:
        assert (answer.status, answer.code) == (400, 3), answer
    await websocket.echoes()


@rule("U17")
async def noop_stays_on_polling(server, version):
    """no noop comes by WebSocket"""
    session = await Polling.open(server, version)
    websocket = await session.upgrade()
    # Time for whoever looks for a GET now and then.
    await asyncio.sleep(0.25)
    await websocket.send("5")
    await websocket.echoes()


@rule("U18", server="strict", versions=[4], ours=True)
async def ping_without_pong(server, _):
    """a ping that is not answered after the upgrade ends the session"""
    session = await Polling.open(server)
    assert await session.packets() == ["2"]
    deadline = time.monotonic() + 0.2
    websocket = await session.upgrade()
    await websocket.send("5")
    await wait_until(deadline - 0.1)
    await websocket.is_closed()
    assert time.monotonic() < deadline + 2, "much too late"


@rule("U18", server="strict", versions=[4])
async def pong_after_upgrade(server, _):
    """a ping by polling is answered by WebSocket"""
    session = await Polling.open(server)
    assert await session.packets() == ["2"]
    answered = time.monotonic()
    websocket = await session.upgrade()
    await websocket.send("5")
    await websocket.send("3")
    await wait_until(answered, 0.15)
    await websocket.receives("2")
    await websocket.send("3")
    await websocket.echoes()


@rule("U19", server="strict", versions=[3], ours=True)
async def no_ping_after_upgrade(server, _):
    """a client that stops its pings after the upgrade is given up"""
    session = await Polling.open(server, 3)
    websocket = await session.upgrade()
    await websocket.send("5")
    await websocket.is_closed()
    assert time.monotonic() - session.opened < 3, "much too late"


@rule("U20")
async def other_version(server, version):
    """a WebSocket of the other version is refused, and the session goes on"""
    session = await Polling.open(server, version)
    try:
        await WebSocket.open(server, 7 - version, session.sid)
        raise AssertionError("a WebSocket was opened")
    except Refused as refused:
        assert refused.answer.status == 400, refused
    await session.echoes()


@rule("U21", server="polling")
async def upgrade_not_offered(server, version):
    """no WebSocket where none is offered; the session goes on"""
    session = await Polling.open(server, version)
    for sid in [session.sid, None]:
        try:
            await WebSocket.open(server, version, sid)
            raise AssertionError("a WebSocket was opened")
        except Refused as refused:
            assert refused.answer.status == 400, refused
    query = f"EIO={version}&transport=websocket"
    answer = await request(server, "GET", query)
    assert (answer.status, answer.code) == (400, 0), answer
    await session.echoes()
