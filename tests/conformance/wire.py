"""A WebSocket peer in a few lines, for what a library would hide: a connection
that waits to be accepted, and one that stops reading."""

import base64
import hashlib
import socket
import struct

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def connect(port):
    """Connects and asks; `opened` tells whether there is an answer."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=10)
    peer.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode()
    )
    return peer


def opened(peer, seconds):
    """Whether the connection is open before that much time has passed."""
    peer.settimeout(seconds)
    try:
        answer = head(peer)
    except TimeoutError:
        return False
    finally:
        peer.settimeout(10)
    return answer.startswith(b"HTTP/1.1 101 ")


def head(peer):
    """Reads to the end of an HTTP head, and no further."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        byte = peer.recv(1)
        if not byte:
            raise ConnectionError("the connection ended inside a head")
        read += byte
    return read


def accept(listener):
    """Accepts a client and opens the WebSocket."""
    peer, _ = listener.accept()
    fields = head(peer).decode().split("\r\n")
    names = (field.partition(": ") for field in fields)
    (key,) = (value for name, _, value in names if name.lower() == "sec-websocket-key")
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode())
    accepted = base64.b64encode(digest.digest()).decode()
    peer.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Accept: {accepted}\r\n\r\n".encode()
    )
    return peer


def send(peer, payload):
    """Sends a binary message, masked with a key of zeros."""
    length = len(payload)
    if length < 126:
        start = struct.pack(">BB", 0x82, 0x80 | length)
    else:
        start = struct.pack(">BBQ", 0x82, 0x80 | 127, length)
    peer.sendall(start + bytes(4) + payload)


def echoes(peer, payload):
    """Whether a short message comes back."""
    send(peer, payload)
    want = struct.pack(">BB", 0x82, len(payload)) + payload
    got = b""
    while len(got) < len(want):
        some = peer.recv(len(want) - len(got))
        if not some:
            return False
        got += some
    return got == want
