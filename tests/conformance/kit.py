"""What the parts share: folders, counting, installing, processes that end."""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "target" / "conformance"

ADAPTERS = ["tokio", "async-std"]
EXAMPLES = ["echo", "client", "autobahn_client"]


class Broken(Exception):
    """A part that could not go on."""


class Tally:
    """Counts what was checked, by whatever thread."""

    def __init__(self):
        self.good = 0
        self.bad = []
        self.left_out = []
        self.lock = threading.Lock()

    def passed(self, name):
        with self.lock:
            self.good += 1
            print(f"ok      {name}", flush=True)

    def failed(self, name):
        with self.lock:
            self.bad.append(name)
            print(f"FAILED  {name}", flush=True)

    def skipped(self, name):
        with self.lock:
            self.left_out.append(name)
            print(f"skipped {name}", flush=True)

    def check(self, name, good, why=""):
        if good:
            self.passed(name)
        else:
            self.failed(f"{name}: {why}" if why else name)

    def close(self):
        """Prints what is to be said at the end, and returns the exit status."""
        for title, names in (("skipped", self.left_out), ("failed", self.bad)):
            if names:
                print(f"== {len(names)} {title}")
            for name in names:
                print(f"   {name}")
        print(f"{self.good} passed, {len(self.bad)} failed", flush=True)
        return 1 if self.bad else 0


# Building and installing


def build(adapter):
    """Builds the examples of one adapter, and keeps them: those of the other
    have the same names."""
    package = f"sockeye-{adapter}"
    command = ["cargo", "build", "--release", "--locked", "-p", package]
    for example in EXAMPLES:
        command += ["--example", example]
    print(f"   the examples of {package}", flush=True)
    keep(command, OUT / "bin" / adapter)


def keep(command, folder):
    """Builds with cargo, and copies what can be run."""
    command = [*command, "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        raise Broken(f"failed: {' '.join(command)}")
    folder.mkdir(parents=True, exist_ok=True)
    for line in built.stdout.splitlines():
        artifact = json.loads(line)
        if artifact.get("executable"):
            shutil.copy2(artifact["executable"], folder)


def example(adapter, name):
    return OUT / "bin" / adapter / name


def install(what, folder, steps, version=""):
    """Runs the steps that fill `folder`, unless the same were run before."""
    done = folder / ".installed"
    stamp = f"{steps}\n{version}"
    if done.exists() and done.read_text() == stamp:
        return
    print(f"   installing {what}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    log = OUT / "log" / f"install-{folder.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        for step in steps:
            try:
                status = subprocess.run(
                    step, stdout=output, stderr=output, timeout=400
                ).returncode
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Broken(f"{what} could not be installed: {error}") from None
            if status != 0:
                raise Broken(f"{what} could not be installed, see {log}")
    done.write_text(stamp)


def python_with(name, *packages):
    """A Python of its own with packages from PyPI; returns its `bin`."""
    folder = OUT / name
    pip = folder / "bin" / "pip"
    install(
        " ".join(packages),
        folder,
        [
            [sys.executable, "-m", "venv", str(folder)],
            [str(pip), "install", "--disable-pip-version-check", *packages],
        ],
    )
    return folder / "bin"


def debian(command, package):
    """The path of a command, from Debian's package where there is none."""
    found = shutil.which(command)
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Broken(f"`{command}` is missing: install it (Debian: {package})")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log = OUT / "log" / f"install-{package}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"   installing {package} with apt-get", flush=True)
    with log.open("w") as output:
        for step in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(
                ["apt-get", *step],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=400,
            )
    found = shutil.which(command)
    if not found:
        raise Broken(f"{package} could not be installed, see {log}")
    return found


# Processes


STARTED = set()


def end_with_signals():
    """On a signal, ends what was started before it ends."""

    def end(number, _):
        for running in list(STARTED):
            running.end_all(signal.SIGTERM)
        for running in list(STARTED):
            running.__exit__()
        # Other threads may still be waiting for what has just ended.
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


class Running:
    """A process, ended with all its children when the block is left.

    What it prints is kept in a log, and can be waited for.
    """

    def __init__(self, log, command, **options):
        self.log = OUT / "log" / f"{log}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.command = [str(word) for word in command]
        self.options = options
        self.printed = queue.SimpleQueue()

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, **self.options},
        )
        STARTED.add(self)
        threading.Thread(target=self.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.end(signal.SIGTERM)
        self.end_all(signal.SIGKILL)
        STARTED.discard(self)

    def end_all(self, number):
        """Signals it and its children, as far as they are still there."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def read(self):
        with self.log.open("w") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                self.printed.put(line.rstrip("\n"))
        self.printed.put(None)

    def lines(self, seconds):
        """What it prints until it ends."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                left = deadline - time.monotonic()
                line = self.printed.get(timeout=max(left, 0))
            except queue.Empty:
                raise Broken(
                    f"nothing after {seconds} s from {self.command[0]}, see {self.log}"
                ) from None
            if line is None:
                return
            yield line

    def expect(self, pattern, seconds=20):
        """Waits for a line, and returns what the pattern found in it."""
        for line in self.lines(seconds):
            found = re.search(pattern, line)
            if found:
                return found
        raise Broken(f"{self.command[0]} ended too early, see {self.log}")

    def end(self, number, seconds=15):
        """Signals it to end; returns its exit status, `None` if it did not."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def echo(adapter, *options, **spawn):
    """The example server of an adapter on a port of its own choice."""
    command = [example(adapter, "echo"), "--port", "0", *options]
    return Running(f"echo-{adapter}", command, **spawn)


def port(server):
    """The port an example server listens on, once it does."""
    return int(server.expect(r"^listening on 127\.0\.0\.1:(\d+)$").group(1))
