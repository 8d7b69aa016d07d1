"""Every case of the Autobahn test suite, on both adapters in both roles.

The suite runs under CPython 2.7. Where there is none, kosoku drives the same
cases.
"""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kit

# 12 and 13 are about compression.
SECTIONS = [1, 2, 3, 4, 5, 6, 7, 9, 10]
SECONDS = 150


def run(tally):
    suite = Autobahn.installed() or Kosoku.installed()
    expected = dict(
        line.split(" ", 1)
        for line in (kit.HERE / "autobahn.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    # Most of a run is waiting: two at a time.
    with ThreadPoolExecutor(2) as pool:
        runs = []
        for role, cases in (("server", suite.client), ("client", suite.server)):
            for adapter in kit.ADAPTERS:
                report = kit.OUT / "autobahn" / f"{adapter}-{role}"
                runs.append((report, pool.submit(behaviour, cases, adapter, report)))
        for report, found in runs:
            try:
                compare(tally, report.name, expected, found.result())
            except (kit.Broken, OSError) as error:
                tally.failed(f"{report.name}: {error}")
            print(f"   report: {report / 'index.html'}", flush=True)


def behaviour(cases, adapter, report):
    """Runs the cases, and returns what the suite says of each."""
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir(parents=True)
    print(f"   {report.name}: begins", flush=True)
    cases(adapter, report)
    (agent,) = json.loads((report / "index.json").read_text()).values()
    print(f"   {report.name}: done", flush=True)
    return agent


def compare(tally, title, expected, behaviour):
    """Counts the cases, and prints a line for each section."""
    print(f"   {title:<32} cases  as expected")
    cases, good = Counter(), Counter()
    for case in sorted({*expected, *behaviour}, key=numbers):
        section = case.split(".")[0]
        cases[section] += 1
        want = expected.get(case, "not to be run")
        got = behaviour.get(case, {"behavior": "not run", "behaviorClose": "not run"})
        if got["behavior"] == got["behaviorClose"] == want:
            good[section] += 1
            continue
        tally.failed(
            f"{title}: case {case}: {got['behavior']}, closing {got['behaviorClose']},"
            f" expected {want}"
        )
    for section in cases:
        print(f"   section {section:<24} {cases[section]:5}  {good[section]:11}")
    print(f"   {'total':<32} {cases.total():5}  {good.total():11}", flush=True)
    tally.good += good.total()


def numbers(case):
    return [int(number) for number in case.split(".")]


def show(title, lines):
    """A sign of life for each section, from the cases' names as they are run."""
    seen = None
    for line in lines:
        running = re.match(r"Running test case ID (\d+)", line)
        if running and running.group(1) != seen:
            seen = running.group(1)
            print(f"   {title}: section {seen}", flush=True)


class Autobahn:
    """The suite itself."""

    def __init__(self, folder):
        self.wstest = [folder / "bin" / "python", "-u", folder / "bin" / "wstest"]

    @classmethod
    def installed(cls):
        """`None` where it cannot be: it needs CPython 2.7."""
        python = python27()
        if not python:
            print("   no CPython 2.7 here: kosoku instead of autobahntestsuite")
            return None
        folder = kit.OUT / "autobahntestsuite"
        try:
            # The last one that can make a place for CPython 2.7.
            tools = kit.python_with("virtualenv", "virtualenv==20.21.1")
            kit.install(
                "autobahntestsuite",
                folder,
                [
                    [str(tools / "virtualenv"), "-p", python, str(folder)],
                    [
                        str(folder / "bin" / "pip"),
                        "install",
                        "--disable-pip-version-check",
                        "autobahntestsuite==25.10.1",
                    ],
                ],
            )
        except kit.Broken as error:
            print(f"   {error}: kosoku instead")
            return None
        return cls(folder)

    def client(self, adapter, report):
        with kit.echo(adapter) as echo:
            url = f"ws://127.0.0.1:{kit.port(echo)}/ws"
            server = {"agent": f"sockeye-{adapter}", "url": url}
            spec = self.spec(report, servers=[server])
            command = [*self.wstest, "-m", "fuzzingclient", "-s", spec]
            with kit.Running(f"autobahn-{report.name}", command) as suite:
                show(report.name, suite.lines(SECONDS))

    def server(self, adapter, report):
        port = free_port()
        url = f"ws://127.0.0.1:{port}"
        spec = self.spec(report, url=url)
        # 0: no web server beside it.
        command = [*self.wstest, "-m", "fuzzingserver", "-u", "0", "-s", spec]
        with kit.Running(f"autobahn-{report.name}", command) as suite:
            until_listening(port)
            command = [kit.example(adapter, "autobahn_client"), url]
            with kit.Running(f"autobahn-client-{adapter}", command) as client:
                client.expect(r"^\d+ cases run$", SECONDS)
            suite.expect("Report generation complete", SECONDS)

    def spec(self, report, **more):
        spec = report / "spec.json"
        cases = [f"{section}.*" for section in SECTIONS]
        content = {
            "outdir": str(report),
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
            **more,
        }
        spec.write_text(json.dumps(content))
        return spec


class Kosoku:
    """The same cases, driven by a newer Python."""

    def __init__(self, folder):
        self.kosoku = [folder / "kosoku"]
        for section in SECTIONS:
            self.kosoku += ["-i", f"{section}.*"]

    @classmethod
    def installed(cls):
        return cls(kit.python_with("kosoku", "kosoku==0.1.0"))

    def client(self, adapter, report):
        with kit.echo(adapter) as echo:
            url = f"ws://127.0.0.1:{kit.port(echo)}/ws"
            command = [*self.kosoku, "-o", report, url]
            with kit.Running(f"autobahn-{report.name}", command) as suite:
                suite.expect("wrote reports", SECONDS)

    def server(self, adapter, report):
        command = [*self.kosoku, "-o", report, "-m", "fuzzingserver", "127.0.0.1:0"]
        with kit.Running(f"autobahn-{report.name}", command) as suite:
            url = suite.expect(r"listening on (ws://\S+)").group(1)
            command = [kit.example(adapter, "autobahn_client"), url]
            with kit.Running(f"autobahn-client-{adapter}", command) as client:
                client.expect(r"^\d+ cases run$", SECONDS)
            suite.expect("wrote reports", SECONDS)


def python27():
    """A CPython 2.7 that runs: `$PYTHON27`, on the path, or one of pyenv's."""
    home = Path.home()
    candidates = [
        shutil.which("python2.7"),
        *sorted(glob.glob(f"{home}/.pyenv/versions/2.7*/bin/python2.7")),
    ]
    if "PYTHON27" in os.environ:
        candidates = [os.environ["PYTHON27"]]
    for python in filter(None, candidates):
        try:
            # A shim may be there without anything behind it.
            subprocess.run(
                [python, "-c", "import ssl"], check=True, capture_output=True
            )
            return python
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def free_port():
    """A port for a server that cannot choose one itself."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until_listening(port, seconds=20):
    """Waits for a server that does not say when it is ready."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise kit.Broken(f"nothing listens on port {port}")
