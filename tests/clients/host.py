"""A host for clients to connect to: what `toolward demo --stay` keeps up, with its stand-ins on loopback."""

import contextlib
import json
import os
import signal
import subprocess
import sys


@contextlib.contextmanager
def demo(program):
    """Runs the demo, and yields the command that starts a host for one client."""
    process = subprocess.Popen([program, "--json", "demo", "--stay"], stdout=subprocess.PIPE, text=True)
    try:
        played = json.loads(process.stdout.readline() or "{}")
        check("every step of the demo does what it says", played.get("held") is True, played)
        server = json.loads(process.stdout.readline())["mcpServers"]["toolward"]
        yield [server["command"], *server["args"]]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def check(claim, holds, seen):
    """Says whether a claim holds, and keeps in mind those that do not."""
    if not holds:
        failed.append(claim)
    print(f"  ok     {claim}" if holds else f"  FAILED {claim}; seen: {seen}", flush=True)


def end():
    """Fails when a claim did not hold."""
    if failed:
        sys.exit(f"{len(failed)} claims do not hold")


failed = []


def surroundings(home):
    """An environment without anything of the one who runs this."""
    return {"PATH": os.environ["PATH"], "HOME": home}
