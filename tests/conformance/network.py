"""What a network and an operating system do to a server: file descriptors that
run out, and a cable that is pulled."""

import os
import signal
import subprocess
import sys
import time

import kit
import peers
import wire


def run(tally):
    for adapter in kit.ADAPTERS:
        title = f"T15, {adapter}"
        try:
            out_of_descriptors(tally, title, adapter)
        except OSError as error:
            tally.failed(f"{title}: {error}")
    cable(tally)


# T15

DESCRIPTORS = 40
CONNECTIONS = 100


def out_of_descriptors(tally, title, adapter):
    prlimit = kit.debian("prlimit", "util-linux")
    command = [prlimit, f"--nofile={DESCRIPTORS}"]
    command += [kit.example(adapter, "echo"), "--port", "0"]
    with kit.Running(f"descriptors-{adapter}", command) as echo:
        port = kit.port(echo)
        asked = [wire.connect(port) for _ in range(CONNECTIONS)]
        taken, waiting = [], []
        for peer in asked:
            # Once one has to wait, so do all behind it.
            answered = not waiting and wire.opened(peer, 3)
            (taken if answered else waiting).append(peer)
        tally.check(
            f"{title}: takes connections until its descriptors are used up",
            DESCRIPTORS / 2 < len(taken) < DESCRIPTORS and waiting,
            f"{len(taken)} of {CONNECTIONS}",
        )

        before = processor_time(echo.process.pid)
        time.sleep(2)
        spent = processor_time(echo.process.pid) - before
        tally.check(
            f"{title}: does not spin while it has none",
            spent < 0.3,
            f"{spent} s of 2 s",
        )
        tally.check(
            f"{title}: serves those it has",
            all(wire.echoes(peer, b"still here") for peer in taken),
        )

        for peer in taken[:10]:
            peer.close()
        # It looks again after a second at most.
        freed = waiting[:10]
        tally.check(
            f"{title}: takes those that waited when descriptors are free again",
            all(wire.opened(peer, 10) and wire.echoes(peer, b"now") for peer in freed),
        )
        for peer in asked:
            peer.close()
        late = wire.connect(port)
        tally.check(
            f"{title}: and goes on as before",
            wire.opened(late, 10) and wire.echoes(late, b"late"),
        )
        late.close()
        status = echo.end(signal.SIGTERM)
        tally.check(f"{title}: exits with 0", status == 0, f"{status}")


def processor_time(pid):
    """Seconds of a process on any processor."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# T04


def cable(tally):
    if os.geteuid() != 0:
        tally.skipped("T04: a pulled cable needs root")
        return
    unshare = [kit.debian("unshare", "util-linux"), "--net"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        tally.skipped("T04: a pulled cable needs network namespaces, not allowed here")
        return
    kit.debian("ip", "iproute2")
    kit.debian("iptables", "iptables")
    command = [*unshare, sys.executable, "-u", kit.HERE / "cable.py"]
    peers.relay(tally, "T04", command, {})
