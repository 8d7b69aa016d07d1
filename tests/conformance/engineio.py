"""Engine.IO: other people's clients, and rules written down here, against the `echo`
of both adapters; the client of both adapters against other people's servers."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kit
import peers

FOLDER = kit.HERE / "engineio"
SERVER = ["node", FOLDER / "server.js"]
LEDGER_SERVER = ["node", FOLDER / "ledger_server.js"]
LEDGER_CLIENT = ["node", FOLDER / "ledger_client.js"]
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
    environment()
    python()
    features = ["adapters", "chaos"]
    build(features, ["engineio_conformance", "engineio_ledger", "chaos", "ledger"])
    # Most of the time goes into waiting.
    with ThreadPoolExecutor(len(kit.ADAPTERS)) as pool:
        for done in [pool.submit(try_adapter, tally, a) for a in kit.ADAPTERS]:
            done.result()


def try_adapter(tally, adapter):
    ours = ["--adapter", adapter]
    echo = [kit.example(adapter, "echo")]
    client = [kit.OUT / "bin" / "engineio_conformance", *ours]
    server = [kit.OUT / "bin" / "engineio_ledger", *ours]
    clients(tally, adapter, echo)
    servers(tally, adapter, client)
    for title, server, client in [
        (f"echo of {adapter}", echo, LEDGER_CLIENT),
        (f"server of {adapter}", server, LEDGER_CLIENT),
        (f"client of {adapter}", LEDGER_SERVER, client),
        (f"both ends of {adapter}", server, client),
    ]:
        title = f"chaos, {title}"
        is_clean(tally, title, chaos(tally, title, server, client))


def reference(tally):
    """The same with other people's software at both ends, which proves the checks."""
    clients(tally, "reference", SERVER)
    client = ["node", FOLDER / "engineio_conformance.js"]
    servers(tally, "reference", client)
    build(["chaos"], ["chaos", "ledger"])
    for title, server in [("echo", SERVER), ("ledgers", LEDGER_SERVER)]:
        title = f"chaos, {title} of reference"
        is_clean(tally, title, chaos(tally, title, server, LEDGER_CLIENT))
    title = "chaos, doubled requests"
    report = chaos(tally, title, SERVER, LEDGER_CLIENT, "--duplicate-post", "0.05")
    tally.check(f"{title}: they are noticed", "Duplicated" in report.stdout)


def clients(tally, name, server):
    rules(tally, name, server)
    chromium = kit.debian("chromium", "chromium")
    kit.debian("curl", "curl")
    programs = {}
    for version in ["4", "3"]:
        client = ["node", FOLDER / "client.js", "{url}", version]
        programs[f"engine.io-client, EIO {version}"] = client
        programs[f"curl, EIO {version}"] = [FOLDER / "curl.sh", "{url}", version]
    programs["python-engineio"] = [python(), "-u", FOLDER / "client.py", "{url}"]
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
    old = [*SERVER, "--generation", "3"]
    # Payloads of so many packets are as long as it takes.
    few = ["--max-packets", "16"]
    for title, server, version, options in [
        ("engine.io, EIO 4", SERVER, "4", []),
        ("engine.io, EIO 3", SERVER, "3", []),
        ("engine.io of EIO 3", old, "3", []),
        ("python-engineio", [python(), "-u", FOLDER / "server.py"], "4", few),
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


def chaos(tally, title, server, client, *faults):
    """A client and a server with a bad network between them. Ledgers of both, or of
    the client where the server is an echo, tell what became of every message."""
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
                for line in talking.lines(60 + int(SESSIONS) / 5):
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


def python():
    return kit.python_with("engineio", *PYTHON) / "python"


def environment():
    return {**os.environ, "NODE_PATH": str(peers.node_modules())}


def build(features, programs):
    """Programs of the test kit."""
    command = ["cargo", "build", "--quiet", "--locked", "-p", "sockeye-tests"]
    command += ["--features", ",".join(features)]
    for program in programs:
        command += ["--bin", program]
    kit.keep(command, kit.OUT / "bin")
