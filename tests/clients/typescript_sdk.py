"""The TypeScript SDKs as clients: the one of today in both protocols, and the one before, which most programs still have."""

import json
import subprocess
from pathlib import Path

from host import check

SDKS = (("2", "auto"), ("2", "legacy"), ("1", "legacy"))


def run(node, modules, command):
    for sdk, mode in SDKS:
        print(f"TypeScript SDK {sdk}, mode {mode}", flush=True)
        talk(node, modules, sdk, mode, {"command": command})


def run_over_http(node, modules, server):
    for sdk, mode in SDKS:
        print(f"TypeScript SDK {sdk} over HTTP, mode {mode}", flush=True)
        talk(node, modules, sdk, mode, {"url": f"{server.agents}/mcp", "token": server.agent})


def talk(node, modules, sdk, mode, place):
    program = Path(__file__).with_suffix(".mjs")
    words = [node, program, modules, sdk, mode, json.dumps(place)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    for line in done.stdout.splitlines():
        told = json.loads(line)
        check(told["claim"], told["holds"], told["seen"])
    check("and it comes to its end", done.returncode == 0, done.stderr)
