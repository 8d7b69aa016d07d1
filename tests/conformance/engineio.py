"""Engine.IO: other people's clients, and rules written down here, against the `echo`
of both adapters; the client of both adapters against other people's servers."""

import contextlib
import http.client
import os
import sys

import kit
import peers

FOLDER = kit.HERE / "engineio"
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
COMMON = ["--port", "0", "--max-payload", "1000000", "--cors", "*"]


def run(tally):
    for adapter in kit.ADAPTERS:
        echo = [kit.example(adapter, "echo")]
        if not serves(echo):
            tally.skipped(f"engineio, {adapter}: `echo` does not speak it")
            continue
        clients(tally, adapter, echo)


def reference(tally):
    """The clients against npm `engine.io`, which proves what they check."""
    clients(tally, "reference", ["node", FOLDER / "server.js"])


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


def against(tally, title, server, client):
    """Runs a client against a server of its own; `{url}` stands for where it is."""
    log = title.replace(", ", "-").replace(" ", "-")
    with kit.Running(f"{log}-server", [*server, *COMMON], env=environment()) as running:
        url = f"http://127.0.0.1:{kit.port(running)}"
        command = [str(word).replace("{url}", url) for word in client]
        peers.relay(tally, title, command, environment())


def environment():
    return {**os.environ, "NODE_PATH": str(peers.node_modules())}


def serves(server):
    """Whether it opens a session at `/engine.io/`."""
    with kit.Running("engineio-probe", [*server, *COMMON]) as running:
        connection = http.client.HTTPConnection("127.0.0.1", kit.port(running), 5)
        connection.request("GET", "/engine.io/?EIO=4&transport=polling")
        answer = connection.getresponse()
        return answer.status == 200 and answer.read().startswith(b"0{")
