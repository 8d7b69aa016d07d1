"""The cable is pulled: no packet arrives any more, and nobody is told.

Runs in a network namespace of its own, whose packets it drops.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True

import kit
import wire

INTERVAL, TIMEOUT = 1.0, 1.5
HOUR = "3600000"
# Interval and timeout as they are by default.
KEEPALIVE = 20.0 + 20.0
# What a machine under load may add.
SLACK = 5.0


def main():
    kit.end_with_signals()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    todo = [(case, adapter) for case in CASES for adapter in kit.ADAPTERS]
    cable = Cable(len(todo))
    with ThreadPoolExecutor(len(todo)) as pool:
        for case, adapter in todo:
            pool.submit(judge, case, adapter, cable)
    print("done")


def judge(case, adapter, cable):
    name = f"{adapter}: {case.__doc__}"
    try:
        seconds, low, high = case(adapter, cable)
        fits = low <= seconds <= high
        verdict = "ok     " if fits else "FAILED "
        say(f"{verdict} {name}: {seconds:.1f} s, expected {low:.1f} to {high:.1f}")
    except Exception as error:
        cable.pulled.abort()
        cable.mended.abort()
        say(f"FAILED  {name}: {type(error).__name__} {error}")


def say(line):
    """One write, as other threads write too."""
    sys.stdout.write(f"{line}\n")


class Cable:
    """Pulled when every case is ready, mended when every case has seen enough."""

    def __init__(self, cases):
        self.pulled = threading.Barrier(cases, lambda: iptables("-A"), 60)
        self.mended = threading.Barrier(cases, lambda: iptables("-D"), 60)


def iptables(change):
    rule = ["INPUT", "-i", "lo", "-j", "DROP"]
    subprocess.run(["iptables", "-w", change, *rule], check=True)


# Each case returns how long something took, and how long it may.


def given_up(adapter, cable):
    """a server gives up a silent peer after interval and timeout"""
    options = ["--keepalive-interval", f"{INTERVAL * 1000:.0f}"]
    options += ["--keepalive-timeout", f"{TIMEOUT * 1000:.0f}"]
    with kit.echo(adapter, *options) as echo:
        port = kit.port(echo)
        peer = opened(port)
        threading.Thread(target=answer_pings, args=[peer], daemon=True).start()
        # It answers, and is not given up.
        time.sleep(2 * (INTERVAL + TIMEOUT))
        before = sockets(echo)
        cable.pulled.wait()
        seconds = until(lambda: sockets(echo) < before, INTERVAL + TIMEOUT + SLACK)
        cable.mended.wait()
        assert wire.opened(wire.connect(port), 10), "it does not go on"
        return seconds, TIMEOUT / 2, INTERVAL + TIMEOUT + SLACK


def client_gives_up(adapter, cable):
    """a client that goes on sending gives up a silent server after 40 s"""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
    command = [kit.example(adapter, "client"), url]
    with kit.Running(
        f"cable-client-{adapter}", command, stdin=subprocess.PIPE
    ) as client:
        peer = wire.accept(listener)
        peer.sendall(b"\x81\x05hello")
        client.expect("^hello$")
        began = time.monotonic()
        cable.pulled.wait()

        def ended():
            try:
                client.process.stdin.write("is anybody there?\n")
                client.process.stdin.flush()
            except BrokenPipeError:
                pass
            return client.process.poll() is not None

        until(ended, KEEPALIVE + SLACK)
        seconds = time.monotonic() - began
        cable.mended.wait()
        client.expect("no answer to a ping")
        assert client.process.returncode not in (0, None), "it ended as if all was well"
        return seconds, KEEPALIVE - 1, KEEPALIVE + SLACK


def not_told(adapter, cable):
    """without keepalive the connection outlives it"""
    with kit.echo(adapter, "--keepalive-interval", HOUR) as echo:
        peer = opened(kit.port(echo))
        before = sockets(echo)
        cable.pulled.wait()
        cable.mended.wait()
        began = time.monotonic()
        assert sockets(echo) == before, "the connection is gone"
        assert wire.echoes(peer, b"back again"), "nothing came back"
        return time.monotonic() - began, 0, SLACK


CASES = [given_up, client_gives_up, not_told]


def opened(port):
    peer = wire.connect(port)
    assert wire.opened(peer, 10), "it was not opened"
    assert wire.echoes(peer, b"hello"), "nothing came back"
    return peer


def answer_pings(peer):
    peer.settimeout(None)
    try:
        while header := peer.recv(2, socket.MSG_WAITALL):
            payload = peer.recv(header[1], socket.MSG_WAITALL)
            if header[0] == 0x89:
                peer.sendall(bytes([0x8A, 0x80 | header[1]]) + bytes(4) + payload)
    except OSError:
        pass


def sockets(running):
    """How many sockets a process has."""
    folder = f"/proc/{running.process.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count


def until(condition, seconds):
    """How long it takes until the condition is met, or `seconds`."""
    began = time.monotonic()
    while not condition() and time.monotonic() - began <= seconds:
        time.sleep(0.1)
    return time.monotonic() - began


main()
