"""npm `ws` and python `websockets`, each a client of `echo` and a server for
`client`, and a page in a browser, on both adapters; the playground in a browser. What
they check stands in `peer_ws.js`, `peer_websockets.py`, `peer_browser.js` and
`playground.js`."""

import os
import shutil

import kit

SECONDS = 300


def ws(tally):
    folder = node_modules()
    for adapter in kit.ADAPTERS:
        command = ["node", kit.HERE / "peer_ws.js", kit.OUT / "bin" / adapter]
        relay(tally, f"ws, {adapter}", command, {"NODE_PATH": str(folder)})


def websockets(tally):
    python = kit.python_with("websockets", "websockets==17.4") / "python"
    for adapter in kit.ADAPTERS:
        script = kit.HERE / "peer_websockets.py"
        command = [python, "-u", script, kit.OUT / "bin" / adapter]
        relay(tally, f"websockets, {adapter}", command, {})


def browser(tally):
    folder = node_modules()
    chromium = kit.debian("chromium", "chromium")
    for adapter in kit.ADAPTERS:
        script = kit.HERE / "peer_browser.js"
        command = ["node", script, kit.OUT / "bin" / adapter, chromium]
        relay(tally, f"browser, {adapter}", command, {"NODE_PATH": str(folder)})


def playground(tally):
    command = ["cargo", "build", "--release", "--locked", "-p", "sockeye-tokio"]
    kit.keep([*command, "--example", "playground"], kit.OUT / "bin" / "tokio")
    pictures = kit.ROOT / "target" / "playground"
    pictures.mkdir(parents=True, exist_ok=True)
    program = kit.example("tokio", "playground")
    script = kit.HERE / "playground.js"
    command = ["node", script, program, kit.debian("chromium", "chromium"), pictures]
    relay(tally, "playground", command, {"NODE_PATH": str(node_modules())})


def node_modules():
    """What `package.json` names, from npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise kit.Broken("`node` and `npm` are missing: install them")
    folder = kit.OUT / "npm"
    manifest = kit.HERE / "package.json"
    install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
    kit.install(
        "the packages of npm",
        folder,
        [
            ["mkdir", "-p", str(folder)],
            ["cp", str(manifest), str(folder)],
            [*install, "--prefix", str(folder)],
        ],
        manifest.read_text(),
    )
    return folder / "node_modules"


def relay(tally, title, command, environment):
    """Runs a program that prints a line for each check, and `done` at the end."""
    log = title.replace(", ", "-")
    environment = {**os.environ, **environment}
    with kit.Running(log, command, env=environment, cwd=kit.OUT) as program:
        whole = False
        for line in program.lines(SECONDS):
            verdict, _, name = line.partition(" ")
            if verdict == "ok":
                tally.passed(f"{title}: {name.strip()}")
            elif verdict == "FAILED":
                tally.failed(f"{title}: {name.strip()}")
            elif verdict == "skipped":
                tally.skipped(f"{title}: {name.strip()}")
            whole = line == "done"
        if not whole:
            tally.failed(f"{title}: ended too early, see {program.log}")
