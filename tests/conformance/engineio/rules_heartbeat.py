"""The heartbeat, with an interval of 300 ms and a timeout of 200 ms. A server may be
later than it should on a busy machine, but never too early."""

import asyncio
import time

from peer import Closed, Polling, WebSocket, gone
from rules import Late, rule, wait_until

INTERVAL, TIMEOUT = 0.3, 0.2
# What clocks may differ in, and what a busy machine may add.
EARLY, SLACK = 0.02, 1.0


def on_time(since, want):
    """Now is the time: `want` seconds since then, or a little more. What the server
    counts from is never before."""
    seconds = time.monotonic() - since
    assert seconds > want - EARLY, f"too early, after {seconds:.3f} s"
    assert seconds < want + SLACK, f"too late, after {seconds:.3f} s"


@rule("heartbeat", server="strict", versions=[4])
async def ping_by_polling(server, _):
    """the first packet is a ping after the interval, by polling"""
    session = await Polling.open(server)
    for count in range(1, 4):
        assert await session.packets() == ["2"]
        on_time(session.asked, count * INTERVAL)
        await session.sends("3")


@rule("heartbeat", server="strict", versions=[4])
async def ping_by_websocket(server, _):
    """the first packet is a ping after the interval, by WebSocket"""
    websocket = await WebSocket.session(server)
    for count in range(1, 4):
        await websocket.receives("2")
        on_time(websocket.asked, count * INTERVAL)
        await websocket.send("3")


@rule("B01", server="strict")
async def silent_websocket(server, version):
    """a client that is silent on WebSocket is given up"""
    websocket = await WebSocket.session(server, version)
    if version == 4:
        await websocket.receives("2")
    await websocket.is_closed()
    on_time(websocket.asked, INTERVAL + TIMEOUT)
    await gone(server, version, websocket.sid)


@rule("B01", server="strict")
async def silent_on_polling(server, version):
    """a client that never polls is gone after interval and timeout"""
    session = await Polling.open(server, version)
    await wait_until(session.opened + INTERVAL + TIMEOUT, SLACK)
    await session.is_closed()


@rule("B01", server="strict", versions=[4])
async def polls_without_pong(server, _):
    """a client that polls and does not answer a ping is given up"""
    session = await Polling.open(server)
    assert await session.packets() == ["2"]
    assert await session.packets() == ["1"]
    on_time(session.asked, INTERVAL + TIMEOUT)
    await session.is_closed()


@rule("B01", server="strict", versions=[3])
async def polls_without_ping(server, _):
    """a client that polls and does not ping is given up"""
    session = await Polling.open(server, 3)
    assert await session.packets() == ["1"]
    on_time(session.asked, INTERVAL + TIMEOUT)
    await session.is_closed()


@rule("heartbeat", server="strict", versions=[3])
async def pings_of_a_client(server, _):
    """a client that pings lives on"""
    session = await Polling.open(server, 3)
    websocket = await WebSocket.session(server, 3)
    for count in range(1, 5):
        await wait_until(session.opened + count * INTERVAL, TIMEOUT / 2)
        await session.sends("2")
        assert await session.packets() == ["3"]
        await websocket.send("2")
        await websocket.receives("3")
    await session.echoes()
    await websocket.echoes()


@rule("B03", server="strict", versions=[4])
async def data_instead_of_pong(server, _):
    """another packet puts off the end once, and no more"""
    websocket = await WebSocket.session(server)
    await websocket.receives("2")
    pinged = time.monotonic()
    await wait_until(pinged + 0.1, 0.03)
    first = time.monotonic()
    await websocket.echoes("first")
    await wait_until(pinged + 0.25, 0.02)
    second = time.monotonic()
    await websocket.echoes("second")
    await websocket.is_closed()
    on_time(first, TIMEOUT)
    if time.monotonic() - second > TIMEOUT - EARLY:
        # It was put off twice, or the machine is busy.
        raise Late


@rule("B04", server="strict", versions=[4], ours=True)
async def pongs_unasked(server, _):
    """a pong that nobody asked for does not put off the next ping"""
    websocket = await WebSocket.session(server)
    for count in range(1, 10):
        await wait_until(websocket.opened + count * 0.1, 0.05)
        await websocket.send("3")
        try:
            got = await asyncio.wait_for(websocket.read(), 0.01)
        except TimeoutError:
            continue
        assert got == "2", f"{got!r} instead of a ping"
        return on_time(websocket.asked, INTERVAL)
    raise AssertionError("no ping")


@rule("B09", server="strict", versions=[4])
async def slow_poller(server, _):
    """a ping waits for the GET, and a pong after it is in time"""
    session = await Polling.open(server)
    await wait_until(session.opened + INTERVAL + 0.1, 0.05)
    assert await session.packets() == ["2"]
    await session.sends("3")
    await session.echoes()


@rule("heartbeat", server="strict", versions=[4])
async def nothing_else(server, _):
    """nothing comes before the first interval has passed"""
    websocket = await WebSocket.session(server)
    try:
        got = await asyncio.wait_for(websocket.read(), INTERVAL - 0.1)
        raise AssertionError(f"{got!r}")
    except TimeoutError:
        pass
    got = await websocket.receive()
    assert not isinstance(got, Closed) and got == "2", f"{got!r}"
