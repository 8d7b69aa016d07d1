"""python-engineio, its clients with and without asyncio, against an echo server.
Argument: its URL."""

import asyncio
import queue
import sys
import threading
import traceback

import engineio

URL = sys.argv[1]
MAX_PAYLOAD = 1_000_000
MESSAGES = 10_000
# How many of them may be on their way.
WINDOW = 500
SECONDS = 40
TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}

# It counts the packets of a payload, and takes few.
engineio.payload.Payload.max_decode_packets = MESSAGES


class Session:
    """A client whose calls wait, and the messages it received."""

    def __init__(self, mode):
        self.mode = mode
        self.received = queue.SimpleQueue()
        self.closed = threading.Event()
        self.client = self.make()
        self.client.on("message", self.received.put)
        self.client.on("disconnect", lambda *_: self.closed.set())
        self.call("connect", URL, transports=TRANSPORTS[mode])

    def echoes(self, data):
        self.call("send", data)
        self.comes_back(data)

    def comes_back(self, data):
        got = self.received.get(timeout=SECONDS)
        assert type(got) is type(data), f"{type(got)} instead of {type(data)}"
        assert got == data, f"another {type(data).__name__}"

    def bye(self):
        want = "polling" if self.mode == "polling" else "websocket"
        transport = self.client.transport
        transport = transport() if callable(transport) else transport
        assert transport == want, f"on {transport}"
        self.call("disconnect")
        assert self.received.empty(), "a message too many"


class Sync(Session):
    def make(self):
        return engineio.Client()

    def call(self, name, *arguments, **options):
        return getattr(self.client, name)(*arguments, **options)


class Async(Session):
    loop = asyncio.new_event_loop()

    def make(self):
        return engineio.AsyncClient()

    def call(self, name, *arguments, **options):
        call = getattr(self.client, name)(*arguments, **options)
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(SECONDS)


def text(size):
    """Text of that many bytes, of characters of one to four bytes."""
    some = "aé€😀"
    whole = some * (size // len(some.encode()))
    return whole + "z" * (size - len(whole.encode()))


def binary(size):
    return bytes((i * 31 + (i >> 8)) & 0xFF for i in range(size))


def message(number):
    """The message of that number, one in four of them binary."""
    length = (number * 7) % 61
    return binary(length) if number % 4 == 3 else f"{number} {text(length)}"


# Each check is given a way to open a session.


def sizes(open):
    """text and binary of many sizes"""
    session = open()
    for size in [0, 1, 125, 126, 65_535, 65_536, 300_000]:
        session.echoes(text(size))
        session.echoes(binary(size))
    session.bye()


def largest(open):
    """as much as a payload takes"""
    session = open()
    session.echoes("x" * (MAX_PAYLOAD - 1))
    polling = session.mode == "polling"
    session.echoes(binary((MAX_PAYLOAD - 1) // 4 * 3 if polling else MAX_PAYLOAD))
    session.bye()


def too_large(open):
    """text beyond that closes the session"""
    session = open()
    session.call("send", "x" * MAX_PAYLOAD)
    assert session.closed.wait(SECONDS), "not closed"


def in_order(open):
    """10000 messages in order"""
    session = open()
    sent = 0
    for seen in range(MESSAGES):
        while sent < MESSAGES and sent - seen < WINDOW:
            session.call("send", message(sent))
            sent += 1
        session.comes_back(message(seen))
    session.bye()


def idle(open):
    """lives on while it is idle"""
    session = open()
    assert not session.closed.wait(2.5), "closed"
    session.echoes("still here")
    session.bye()


def together(open):
    """20 sessions at once"""
    sessions = [open() for _ in range(20)]
    for number, session in enumerate(sessions):
        session.call("send", f"number {number}")
    for number, session in enumerate(sessions):
        session.comes_back(f"number {number}")
        session.bye()


def main():
    threading.Thread(target=Async.loop.run_forever, daemon=True).start()
    for kind in (Sync, Async):
        for mode in TRANSPORTS:
            for check in (sizes, largest, too_large, in_order, idle, together):
                name = f"{kind.__name__.lower()}, {mode}: {check.__doc__}"
                try:
                    check(lambda: kind(mode))
                    print("ok     ", name, flush=True)
                except Exception as error:
                    where = traceback.extract_tb(error.__traceback__)[-1].name
                    why = f"{type(error).__name__} {error} ({where})"
                    print("FAILED ", f"{name}: {' '.join(why.split())}", flush=True)
    print("done", flush=True)


main()
