"""HTTP and WebSocket by hand, for what a library would hide: requests that stay
half sent, two at once, frames of any kind."""

import asyncio
import base64
import json
import socket
import struct
import time
from dataclasses import dataclass

SECONDS = 20
SEPARATOR = "\x1e"


@dataclass
class Server:
    """Where it is, and whether it answers for more than the protocol says."""

    port: int
    is_ours: bool


@dataclass
class Answer:
    status: int
    fields: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    @property
    def code(self):
        """The code of an Engine.IO error."""
        try:
            return json.loads(self.body)["code"]
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self):
        return f"{self.status} {self.body[:80]!r}"


class Gone(Exception):
    """The connection ended without an answer."""


class Connection:
    """A connection for one request, or for a WebSocket."""

    @classmethod
    async def open(cls, server):
        self = cls()
        opened = asyncio.open_connection("127.0.0.1", server.port)
        self.reader, self.writer = await asyncio.wait_for(opened, SECONDS)
        return self

    def head(self, method, target, fields=()):
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]
        self.writer.write("\r\n".join(lines).encode("latin-1"))

    async def answer(self, method="GET"):
        return await asyncio.wait_for(self.read_answer(method), 2 * SECONDS)

    async def read_answer(self, method):
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            line, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines if line)
            fields = {name.lower(): value.strip() for name, _, value in pairs}
            return Answer(int(line.split()[1]), fields, await self.body(method, fields))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Gone from None

    async def body(self, method, fields):
        if method == "HEAD":
            return b""
        if "content-length" in fields:
            return await self.reader.readexactly(int(fields["content-length"]))
        body = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readuntil(b"\r\n")
        return body

    def reset(self):
        linger = struct.pack("ii", 1, 0)
        connected = self.writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    def close(self):
        self.writer.close()


def target(query):
    return f"/engine.io/?{query}" if query else "/engine.io/"


async def request(server, method, query, body=None, fields=()):
    connection = await Connection.open(server)
    if body is not None:
        fields = [*fields, f"Content-Length: {len(body)}"]
    connection.head(method, target(query), fields)
    connection.writer.write(body or b"")
    answer = await connection.answer(method)
    connection.close()
    return answer


# Polling


def encode(version, packets):
    """A payload of packets in their text form."""
    if version == 4:
        return SEPARATOR.join(packets).encode()
    return "".join(f"{units(packet)}:{packet}" for packet in packets).encode()


def decode(version, body):
    text = body.decode()
    if version == 4:
        return text.split(SEPARATOR)
    packets = []
    while text:
        length, _, text = text.partition(":")
        wide = text.encode("utf-16-le")
        packets.append(wide[: 2 * int(length)].decode("utf-16-le"))
        text = wide[2 * int(length) :].decode("utf-16-le")
    return packets


def units(text):
    return len(text.encode("utf-16-le")) // 2


class Polling:
    """A session on polling."""

    @classmethod
    async def open(cls, server, version=4, query=""):
        self = cls()
        self.server, self.version = server, version
        self.asked = time.monotonic()
        query = f"EIO={version}&transport=polling{query}"
        self.answer = await request(server, "GET", query)
        self.opened = time.monotonic()
        (packet,) = decode(version, self.answer.body)
        assert packet[0] == "0", f"{packet} instead of an open packet"
        self.handshake = json.loads(packet[1:])
        self.sid = self.handshake["sid"]
        self.query = f"EIO={version}&transport=polling&sid={self.sid}"
        return self

    async def get(self):
        return await request(self.server, "GET", self.query)

    async def packets(self):
        answer = await self.get()
        assert answer.status == 200, answer
        return decode(self.version, answer.body)

    async def park(self):
        """A GET that waits."""
        parked = asyncio.create_task(self.get())
        # Two requests one after the other may overtake each other.
        await asyncio.sleep(0.05)
        return parked

    async def post(self, *packets):
        return await self.post_bytes(encode(self.version, packets))

    async def post_bytes(self, body, *fields):
        fields = fields or ["Content-Type: text/plain;charset=UTF-8"]
        return await request(self.server, "POST", self.query, body, fields)

    async def half_post(self, body, length):
        """A POST of which the end is missing."""
        connection = await Connection.open(self.server)
        connection.head("POST", target(self.query), [f"Content-Length: {length}"])
        connection.writer.write(body)
        await connection.writer.drain()
        await asyncio.sleep(0.05)
        return connection

    async def sends(self, *packets):
        answer = await self.post(*packets)
        assert (answer.status, answer.body) == (200, b"ok"), answer

    async def echoes(self, text="still here"):
        await self.sends(f"4{text}")
        got = await self.packets()
        assert got == [f"4{text}"], f"{got} instead of {text}"

    async def is_closed(self):
        """Fails where the session goes on."""
        answer = await self.get()
        assert (answer.status, answer.code) == (400, 1), f"not closed: {answer}"

    async def upgrade(self):
        """A WebSocket with its sid that has been probed."""
        websocket = await WebSocket.open(self.server, self.version, self.sid)
        await websocket.send("2probe")
        await websocket.receives("3probe")
        return websocket


# WebSocket

KEY = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket"]


class Refused(Exception):
    """No 101."""

    def __init__(self, answer):
        super().__init__(str(answer))
        self.answer = answer


@dataclass
class Closed:
    """What ends a WebSocket: a Close with its code, or nothing."""

    code: int


class WebSocket:
    @classmethod
    async def open(cls, server, version=4, sid=None, query=None, fields=None):
        self = cls()
        if query is None:
            query = f"EIO={version}&transport=websocket"
        if sid is not None:
            query += f"&sid={sid}"
        self.connection = await Connection.open(server)
        self.connection.head("GET", target(query), fields or UPGRADE + KEY)
        answer = await self.connection.answer()
        if answer.status != 101:
            raise Refused(answer)
        return self

    @classmethod
    async def session(cls, server, version=4, query=""):
        """A session that begins as a WebSocket."""
        asked = time.monotonic()
        whole = f"EIO={version}&transport=websocket{query}"
        self = await cls.open(server, query=whole)
        self.asked = asked
        packet = await self.receive()
        self.opened = time.monotonic()
        assert packet[0] == "0", f"{packet} instead of an open packet"
        self.handshake = json.loads(packet[1:])
        self.sid = self.handshake["sid"]
        return self

    async def send(self, data):
        opcode = 1 if isinstance(data, str) else 2
        await self.send_frame(opcode, data.encode() if opcode == 1 else data)

    async def send_frame(self, opcode, payload):
        """Masked with a key of zeros."""
        length = len(payload)
        if length < 126:
            start = struct.pack(">BB", 0x80 | opcode, 0x80 | length)
        elif length < 1 << 16:
            start = struct.pack(">BBH", 0x80 | opcode, 0xFE, length)
        else:
            start = struct.pack(">BBQ", 0x80 | opcode, 0xFF, length)
        self.connection.writer.write(start + bytes(4) + payload)
        try:
            await self.connection.writer.drain()
        except ConnectionError:
            pass

    async def receive(self):
        """The next message, text as `str`; pings of WebSocket do not count."""
        return await asyncio.wait_for(self.read(), SECONDS)

    async def read(self):
        try:
            while True:
                start, length = await self.connection.reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack(">H", await self.exactly(2))
                elif length == 127:
                    (length,) = struct.unpack(">Q", await self.exactly(8))
                payload = await self.exactly(length)
                match start & 0xF:
                    case 1:
                        return payload.decode()
                    case 2:
                        return payload
                    case 8:
                        self.connection.close()
                        return Closed(
                            struct.unpack(">H", payload[:2])[0] if payload else 1005
                        )
        except (asyncio.IncompleteReadError, ConnectionError):
            return Closed(1006)

    async def exactly(self, count):
        return await self.connection.reader.readexactly(count)

    async def receives(self, want):
        got = await self.receive()
        assert got == want, f"{got!r} instead of {want!r}"

    async def echoes(self, text="still here"):
        await self.send(f"4{text}")
        await self.receives(f"4{text}")

    async def is_closed(self, *codes):
        """Fails where anything else comes before the end; returns the code."""
        got = await self.receive()
        assert isinstance(got, Closed), f"{got!r} instead of the end"
        assert not codes or got.code in codes, f"closed with {got.code}"

    def reset(self):
        self.connection.reset()


def base64_packet(data, version=4):
    kind = "b" if version == 4 else "b4"
    return kind + base64.b64encode(data).decode()


async def gone(server, version, sid):
    """Waits until a session is no longer known."""
    query = f"EIO={version}&transport=polling&sid={sid}"
    for _ in range(100):
        answer = await request(server, "GET", query)
        if (answer.status, answer.code) == (400, 1):
            return
        assert answer.status == 400, f"not closed: {answer}"
        await asyncio.sleep(0.02)
    raise AssertionError(f"not closed: {answer}")
