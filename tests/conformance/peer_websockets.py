"""python `websockets` against the examples of one adapter: as client against
`echo`, as server against `client`. Argument: the folder of the examples."""

import asyncio
import contextlib
import re
import signal
import sys
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

FOLDER = Path(sys.argv[1])
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20]
SECONDS = 20

as_client = {}
with_server_of_its_own = {}
as_server = {}


async def main():
    async with echo() as (_, url):
        for name, check in as_client.items():
            await run(name, check(url))
    for name, check in {**with_server_of_its_own, **as_server}.items():
        await run(name, check())
    print("done")


async def run(name, check):
    try:
        async with asyncio.timeout(SECONDS):
            await check
        print(f"ok      {name}")
    except TimeoutError:
        print(f"FAILED  {name}: not done after {SECONDS} s")
    except Exception as error:
        why = f"{type(error).__name__} {error}".replace("\n", " ")[:300]
        print(f"FAILED  {name}: {why}")


def check(name, group):
    def register(function):
        group[name] = function
        return function

    return register


# The examples


@contextlib.asynccontextmanager
async def echo(*options):
    process = await asyncio.create_subprocess_exec(
        FOLDER / "echo", "--port", "0", *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        line = (await process.stdout.readline()).decode()
        address = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)\n", line).group(1)
        yield process, f"ws://{address}/ws"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class Client:
    """The client example: what it prints, and how it ends."""

    @classmethod
    async def start(cls, url):
        self = cls()
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            FOLDER / "client", url, stdin=pipe, stdout=pipe, stderr=pipe, limit=32 << 20
        )
        return self

    async def type(self, line):
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    async def printed(self):
        return (await self.process.stdout.readline()).decode().removesuffix("\n")

    async def ended(self):
        await self.process.stderr.read()
        return await self.process.wait()

    async def bye(self):
        self.process.stdin.close()
        return await self.ended()


# websockets as client


def open(url, **options):
    return connect(url, max_size=None, proxy=None, **options)


async def echoes(websocket, message):
    await websocket.send(message)
    await is_next(websocket, message)


async def is_next(websocket, message):
    got = await websocket.recv()
    assert type(got) is type(message), f"{type(got)} came"
    assert got == message, "the payload differs"


async def code(websocket):
    """The code of the Close that came, once the connection is closed."""
    await websocket.wait_closed()
    return websocket.close_code


def text(size):
    """Text of that many bytes, of characters of one to four bytes."""
    some = "aé€😀"
    whole = some * (size // len(some.encode()))
    return whole + "z" * (size - len(whole.encode()))


def binary(size):
    return bytes(i * 31 & 0xFF for i in range(251)) * (size // 251) + bytes(size % 251)


for size in SIZES:

    @check(f"text of {size} bytes", as_client)
    async def _(url, size=size):
        async with open(url) as websocket:
            await echoes(websocket, text(size))

    @check(f"binary of {size} bytes", as_client)
    async def _(url, size=size):
        async with open(url) as websocket:
            await echoes(websocket, binary(size))


@check("1000 messages in order", as_client)
async def _(url):
    async with open(url) as websocket:
        messages = [f"message {i}" for i in range(1000)]
        messages[::2] = [message.encode() for message in messages[::2]]

        async def send():
            for message in messages:
                await websocket.send(message)

        sending = asyncio.create_task(send())
        for message in messages:
            await is_next(websocket, message)
        await sending


@check("fragments, one of them empty", as_client)
async def _(url):
    async with open(url) as websocket:
        await websocket.send(["κόσμε", "", " 😀"])
        await is_next(websocket, "κόσμε 😀")
        await websocket.send([binary(70000), b"", b"end"])
        await is_next(websocket, binary(70000) + b"end")


@check("a message of 1000 fragments", as_client)
async def _(url):
    async with open(url) as websocket:
        await websocket.send([binary(100)] * 1000)
        await is_next(websocket, binary(100) * 1000)


@check("a pong for a ping, between two fragments too", as_client)
async def _(url):
    async with open(url) as websocket:
        for payload in (b"", binary(125)):
            await (await websocket.ping(payload))

        async def fragments():
            yield "one, "
            await (await websocket.ping(b"between"))
            yield "two"

        await websocket.send(fragments())
        await is_next(websocket, "one, two")


@check("a pong that nobody asked for is ignored", as_client)
async def _(url):
    async with open(url) as websocket:
        await websocket.pong(b"unasked")
        await echoes(websocket, "still here")


for number in (1000, 1001, 1003, 1007, 1011, 3000, 4999):

    @check(f"Close {number} is answered with {number}", as_client)
    async def _(url, number=number):
        async with open(url) as websocket:
            await websocket.close(number, "räson")
            assert websocket.close_code == number, websocket.close_code


for where in ("/", "/nothing", "/ws/", "/ws2"):

    @check(f"404 at {where}", as_client)
    async def _(url, where=where):
        try:
            async with open(url.replace("/ws", where)):
                raise AssertionError("it was opened")
        except InvalidStatus as refused:
            status = refused.response.status_code
            assert status == 404, status


@check("an offer of compression is declined", as_client)
async def _(url):
    async with open(url, compression="deflate") as websocket:
        assert websocket.protocol.extensions == []
        await echoes(websocket, text(65536))


@check("an offered subprotocol that is not spoken is left out", as_client)
async def _(url):
    async with open(url, subprotocols=["chat", "superchat"]) as websocket:
        assert websocket.subprotocol is None
        await echoes(websocket, "hello")


@check("100 connections at once", as_client)
async def _(url):
    async def one(i):
        async with open(url) as websocket:
            await echoes(websocket, f"number {i}")

    await asyncio.gather(*(one(i) for i in range(100)))


@check("a message over the limit gets 1009", with_server_of_its_own)
async def _():
    async with echo("--max-message", "65536") as (_, url):
        for message in (binary(65537), [binary(32768), binary(32768), b"x"]):
            async with open(url) as websocket:
                await echoes(websocket, binary(65536))
                with contextlib.suppress(ConnectionClosed):
                    await websocket.send(message)
                got = await code(websocket)
                assert got == 1009, got


for number in (signal.SIGINT, signal.SIGTERM):

    @check(
        f"{number.name}: 1001 to the open connections, and exit status 0",
        with_server_of_its_own,
    )
    async def _(number=number):
        async with echo() as (process, url):
            async with open(url) as websocket:
                await echoes(websocket, "hello")
                process.send_signal(number)
                got = await code(websocket)
                assert got == 1001, got
            status = await process.wait()
            assert status == 0, status


# websockets as server


@contextlib.asynccontextmanager
async def serving(handler, **options):
    """A server, and a client that is connected to it."""
    outcome = asyncio.get_running_loop().create_future()

    async def handle(websocket):
        try:
            outcome.set_result(await handler(websocket))
        except Exception as error:
            outcome.set_exception(error)

    options = {"max_size": None, **options}
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        client = await Client.start(f"ws://127.0.0.1:{port}/any/path?query")
        try:
            yield client, outcome
        finally:
            if client.process.returncode is None:
                client.process.kill()
            await client.process.wait()


async def echoing(websocket):
    """Returns the code that the client closed with."""
    async for message in websocket:
        await websocket.send(message)
    return websocket.close_code


@check("client: 1000 lines come back in order", as_server)
async def _():
    async with serving(echoing) as (client, outcome):
        for i in range(1000):
            await client.type(f"line {i}")
        for i in range(1000):
            line = await client.printed()
            assert line == f"line {i}", line
        assert await client.bye() == 0
        assert await outcome == 1000


for size in SIZES:
    if size > 1 << 20:
        continue

    @check(f"client: sends and receives {size} bytes", as_server)
    async def _(size=size):
        async def handler(websocket):
            await is_next(websocket, text(size))
            await websocket.send(text(size))
            await websocket.send(binary(size))
            return await code(websocket)

        async with serving(handler) as (client, outcome):
            await client.type(text(size))
            assert await client.printed() == text(size), "the payload differs"
            assert await client.printed() == f"{size} bytes"
            assert await client.bye() == 0
            assert await outcome == 1000


@check(f"client: sends {16 << 20} bytes", as_server)
async def _():
    async def handler(websocket):
        await is_next(websocket, text(16 << 20))
        return await code(websocket)

    async with serving(handler) as (client, outcome):
        await client.type(text(16 << 20))
        assert await client.bye() == 0
        assert await outcome == 1000


@check("client: fragments with a ping between them", as_server)
async def _():
    async def handler(websocket):
        async def fragments():
            yield "κόσμε"
            await (await websocket.ping(binary(125)))
            yield ""
            yield " 😀"

        await websocket.send(fragments())
        return await code(websocket)

    async with serving(handler) as (client, outcome):
        assert await client.printed() == "κόσμε 😀"
        assert await client.bye() == 0
        assert await outcome == 1000


for number in (1000, 1001, 1011, 3000, 4999):

    @check(f"client: Close {number} is answered with {number}", as_server)
    async def _(number=number):
        async def handler(websocket):
            await websocket.send("last")
            await websocket.close(number, "räson")
            return websocket.close_code

        async with serving(handler) as (client, outcome):
            assert await client.printed() == "last"
            assert await client.ended() == 0
            assert await outcome == number


@check("client: a message over its limit of 1 MiB gets 1009", as_server)
async def _():
    async def handler(websocket):
        with contextlib.suppress(ConnectionClosed):
            await websocket.send(binary((1 << 20) + 1))
        return await code(websocket)

    async with serving(handler) as (client, outcome):
        assert await outcome == 1009
        assert await client.ended() != 0


@check("client: its own message over the server's limit ends with 1009", as_server)
async def _():
    async with serving(echoing, max_size=1000) as (client, outcome):
        await client.type(text(1001))
        assert await client.ended() == 0
        with contextlib.suppress(ConnectionClosed):
            await outcome


@check("client: offers no compression, and its request is whole", as_server)
async def _():
    async def handler(websocket):
        request = websocket.request
        assert request.path == "/any/path?query", request.path
        assert request.headers["Sec-WebSocket-Version"] == "13"
        assert "Sec-WebSocket-Extensions" not in request.headers
        return websocket.protocol.extensions

    async with serving(handler) as (client, outcome):
        assert await outcome == []
        assert await client.ended() == 0


for status in (401, 404, 503):

    @check(f"client: {status} is an error", as_server)
    async def _(status=status):
        def refuse(connection, _request):
            return connection.respond(status, "no\n")

        async with serving(echoing, process_request=refuse) as (client, _):
            assert await client.ended() != 0


asyncio.run(main())
