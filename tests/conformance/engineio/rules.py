"""The rules of Engine.IO, each tried by hand. Arguments: the port of a server with
long timers, of one with those of the protocol's test suites (300 and 200 ms), and
of one without WebSocket; `--peer` for a server of other people, which need not keep
those rules that are decisions of this library.
"""

import argparse
import asyncio
import sys
import time
import traceback

from peer import Server

AT_ONCE = 6


class Rule:
    def __init__(self, name, check, server, version, is_ours, seconds):
        self.name = f"{name}, EIO {version}"
        self.check = check
        self.server = server
        self.version = version
        self.is_ours = is_ours
        self.seconds = seconds


RULES = []


def rule(name, server="quiet", versions=(4, 3), ours=False, seconds=30):
    """Adds a check, a coroutine that is given a server and a version. `ours` is a
    decision that other servers need not share."""

    def add(check):
        for version in versions:
            words = f"{name}: {check.__doc__}"
            RULES.append(Rule(words, check, server, version, ours, seconds))
        return check

    return add


class Late(Exception):
    """This program was not on time, so that it cannot tell whether the server was."""


async def wait_until(deadline, slack=0.05):
    """Sleeps until then; more than `slack` later tells nothing."""
    await asyncio.sleep(max(deadline - time.monotonic(), 0))
    if time.monotonic() > deadline + slack:
        raise Late


async def judge(one, server, turns):
    async with turns:
        for attempt in range(5):
            try:
                check = one.check(server, one.version)
                await asyncio.wait_for(check, one.seconds)
                return say("ok     ", one.name)
            except Late:
                continue
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                why = f"{type(error).__name__} {error}".strip()
                return say("FAILED ", f"{one.name}: {why} ({where.name})")
        say("FAILED ", f"{one.name}: too late, or the machine is too busy to tell")


def say(verdict, name):
    print(verdict, " ".join(name.split()), flush=True)


async def main():
    import rules_heartbeat  # noqa: F401
    import rules_http  # noqa: F401
    import rules_payload  # noqa: F401
    import rules_upgrade  # noqa: F401

    parser = argparse.ArgumentParser()
    for name in ("quiet", "strict", "polling"):
        parser.add_argument(name, type=int)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()

    # Those that measure time run alone.
    turns = {"quiet": asyncio.Semaphore(AT_ONCE), "polling": asyncio.Semaphore(1)}
    turns["strict"] = turns["polling"]
    tasks = []
    for one in RULES:
        if not one.name.startswith(options.only):
            continue
        if one.is_ours and options.peer:
            say("skipped", f"{one.name}: left to each server")
            continue
        server = Server(getattr(options, one.server), not options.peer)
        # Those that wait for long take nobody's turn.
        turn = turns[one.server] if one.seconds <= 30 else asyncio.Semaphore(1)
        tasks.append(judge(one, server, turn))
    await asyncio.gather(*tasks)
    print("done")


if __name__ == "__main__":
    # One module, whether it is run or imported.
    sys.modules["rules"] = sys.modules["__main__"]
    asyncio.run(main())
