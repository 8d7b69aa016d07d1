"""Engine.IO: other people's clients, and rules written down here, against the `echo`
of both adapters; the client of both adapters against other people's servers."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kit
import peers

FOLDER = kit.HERE / "engineio"
SERVER = ["node", FOLDER / "server.js"]
LEDGER_SERVER = ["node", FOLDER / "ledger_server.js"]
LEDGER_CLIENT = ["node", FOLDER / "ledger_client.js"]
# The example that is a client, see README.md in that folder.
CLIENT = kit.ENGINEIO_CLIENT
# Those of the protocol's own test suites, where time is what is checked.
STRICT = ["--ping-interval", "300", "--ping-timeout", "200"]
# Where it is not, a busy machine may be slow.
PATIENT = ["--ping-interval", "1000", "--ping-timeout", "20000"]
# Where a ping would be in the way.
QUIET = ["--ping-interval", "25000", "--ping-timeout", "20000"]
PYTHON = [
    "python-engineio==4.15.1",
    "aiohttp==3.14.5",
    "requests==2.34.2",
    "uvicorn==0.54.0",
    "websocket-client==1.9.2",
    "websockets==17.4",
]
# Where ends that are not told of the other's end shall notice it soon.
BRISK = ["--ping-interval", "1000", "--ping-timeout", "1000"]
# Of the bad network.
SEED = os.environ.get("CHAOS_SEED", "1")
SESSIONS = os.environ.get("CHAOS_SESSIONS", "300")
COMMON = ["--port", "0", "--max-payload", "1000000", "--cors", "*"]


def run(tally):
    for adapter in kit.ADAPTERS:
        echo = [kit.example(adapter, "echo")]
        if serves(echo):
            clients(tally, adapter, echo)
            title = f"chaos, echo of {adapter}"
            is_clean(tally, title, chaos(tally, title, echo, LEDGER_CLIENT))
        else:
            tally.skipped(f"engineio, {adapter}: `echo` does not speak it")
        client = [kit.example(adapter, CLIENT)]
        if client[0].exists():
            servers(tally, adapter, client)
            title = f"chaos, client of {adapter}"
            is_clean(tally, title, chaos(tally, title, LEDGER_SERVER, client))
        else:
            tally.skipped(f"engineio, {adapter}: there is no {CLIENT}")


def reference(tally):
    """The same with other people's software at both ends, which proves the checks."""
    clients(tally, "reference", SERVER)
    servers(tally, "reference", ["node", FOLDER / f"{CLIENT}.js"])
    for title, server in [("echo", SERVER), ("ledgers", LEDGER_SERVER)]:
        title = f"chaos, {title} of reference"
        is_clean(tally, title, chaos(tally, title, server, LEDGER_CLIENT))
    title = "chaos, doubled requests"
    report = chaos(tally, title, SERVER, LEDGER_CLIENT, "--duplicate-post", "0.05")
    tally.check(f"{title}: they are noticed", "Duplicated" in report.stdout)


def clients(tally, name, server):
    rules(tally, name, server)
    python = kit.python_with("engineio", *PYTHON) / "python"
    chromium = kit.debian("chromium", "chromium")
    kit.debian("curl", "curl")
    programs = {}
    for version in ["4", "3"]:
        client = ["node", FOLDER / "client.js", "{url}", version]
        programs[f"engine.io-client, EIO {version}"] = client
        programs[f"curl, EIO {version}"] = [FOLDER / "curl.sh", "{url}", version]
    programs["python-engineio"] = [python, "-u", FOLDER / "client.py", "{url}"]
    programs["a page"] = ["node", FOLDER / "browser.js", "{url}", chromium]
    for title, client in programs.items():
        against(tally, f"{title}, {name}", [*server, *PATIENT], client)


def rules(tally, name, server):
    settings = [QUIET, STRICT, [*QUIET, "--transports", "polling"]]
    with contextlib.ExitStack() as servers:
        ports = []
        for number, options in enumerate(settings):
            command = [*server, *options, *COMMON]
            log = f"engineio-rules-{name}-{number}"
            running = kit.Running(log, command, env=environment())
            ports.append(kit.port(servers.enter_context(running)))
        command = [sys.executable, "-B", FOLDER / "rules.py", *ports]
        if name == "reference":
            command.append("--peer")
        peers.relay(tally, f"engineio rules, {name}", command, environment())


def servers(tally, name, client):
    """The client against servers of other people."""
    python = kit.python_with("engineio", *PYTHON) / "python"
    old = [*SERVER, "--generation", "3"]
    # Payloads of so many packets are as long as it takes.
    few = ["--max-packets", "16"]
    for title, server, version, options in [
        ("engine.io, EIO 4", SERVER, "4", []),
        ("engine.io, EIO 3", SERVER, "3", []),
        ("engine.io of EIO 3", old, "3", []),
        ("python-engineio", [python, "-u", FOLDER / "server.py"], "4", few),
    ]:
        title = f"{title}, client of {name}"
        log = title.replace(", ", "-").replace(" ", "-")
        command = [*server, *PATIENT, *COMMON]
        with kit.Running(f"{log}-server", command, env=environment()) as running:
            url = f"http://127.0.0.1:{kit.port(running)}"
            for transport in ["polling", "websocket", "upgrade"]:
                for words in MESSAGES:
                    talk = [
                        *client,
                        url,
                        "--transport",
                        transport,
                        "--version",
                        version,
                    ]
                    talk += [*words.split(), *options]
                    check_client(tally, f"{title}: {transport}, {words}", talk)


# How many messages, of how many bytes.
MESSAGES = [
    "--messages 10000 --size 10",
    "--messages 1000 --size 100 --binary",
    "--messages 20 --size 0",
    "--messages 20 --size 1 --binary",
    "--messages 20 --size 100000",
    "--messages 20 --size 100000 --binary",
    "--messages 2 --size 999980",
    "--messages 2 --size 749900 --binary",
]


def check_client(tally, title, command):
    done = subprocess.run(
        [str(word) for word in command],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    transport = command[command.index("--transport") + 1]
    last = "polling" if transport == "polling" else "websocket"
    good = done.returncode == 0 and lines[-1:] == [f"closed on {last}"]
    tally.check(title, good, " ".join([*lines[-3:], *done.stderr.split()[:40]]))


def against(tally, title, server, client):
    """Runs a client against a server of its own; `{url}` stands for where it is."""
    log = title.replace(", ", "-").replace(" ", "-")
    with kit.Running(f"{log}-server", [*server, *COMMON], env=environment()) as running:
        url = f"http://127.0.0.1:{kit.port(running)}"
        command = [str(word).replace("{url}", url) for word in client]
        peers.relay(tally, title, command, environment())


# Chaos


def build_chaos():
    """The proxy, and what reads the ledgers."""
    command = ["cargo", "build", "--quiet", "--locked", "-p", "sockeye-tests"]
    command += ["--features", "chaos", "--bin", "chaos", "--bin", "ledger"]
    kit.keep(command, kit.OUT / "bin")


def chaos(tally, title, server, client, *faults):
    """A client and a server with a bad network between them. Ledgers of both, or of
    the client where the server is an echo, tell what became of every message."""
    build_chaos()
    run = f"{title}-{SEED}".replace(", ", "-").replace(" ", "-")
    folder = kit.OUT / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    ledgers = [folder / f"{run}-{side}" for side in ("client", "server")]
    words = ["--run", run, "--messages", "30", "--sessions", SESSIONS, "--ledger"]
    started = [*server, *COMMON, *BRISK, *words, ledgers[1]]
    ledgers[1].unlink(missing_ok=True)
    with kit.Running(f"{run}-server", started, env=environment()) as serving:
        proxied = f"127.0.0.1:{kit.port(serving)}"
        proxy = [kit.OUT / "bin" / "chaos", "--server", proxied, "--seed", SEED]
        with kit.Running(f"{run}-proxy", [*proxy, *faults]) as disturbing:
            command = [*client, f"http://127.0.0.1:{kit.port(disturbing)}", *words]
            command.append(ledgers[0])
            with kit.Running(f"{run}-client", command, env=environment()) as talking:
                for line in talking.lines(300):
                    print(f"   {line}", flush=True)
                tally.check(f"{title}: comes to its end", talking.end(0) == 0)
            # The server gives up those that never told it.
            time.sleep(4)
        status = serving.end(signal.SIGTERM)
        tally.check(f"{title}: so does the server", status == 0, f"{status}")
    command = [kit.OUT / "bin" / "ledger", run, *filter(Path.exists, ledgers)]
    report = subprocess.run(command, capture_output=True, text=True)
    print(report.stdout + report.stderr, end="", flush=True)
    return report


def is_clean(tally, title, report):
    name = f"{title}: nothing is lost, doubled or reordered, seed {SEED}"
    tally.check(name, report.returncode == 0)


def environment():
    return {**os.environ, "NODE_PATH": str(peers.node_modules())}


def serves(server):
    """Whether it opens a session at `/engine.io/`."""
    with kit.Running("engineio-probe", [*server, *COMMON]) as running:
        connection = http.client.HTTPConnection("127.0.0.1", kit.port(running), 5)
        connection.request("GET", "/engine.io/?EIO=4&transport=polling")
        answer = connection.getresponse()
        return answer.status == 200 and answer.read().startswith(b"0{")
