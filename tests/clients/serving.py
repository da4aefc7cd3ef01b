"""A host that listens, and tokens for those who speak to it."""

import contextlib
import json
import signal
import socket
import subprocess
from dataclasses import dataclass

AGENT = "--id agent-7 --role assistant --role triage --for 8h"
PERSON = "--id ben --kind user --role payer --role administrator --administration --for 8h"


@dataclass
class Server:
    agents: str
    people: str
    agent: str
    person: str


@contextlib.contextmanager
def serving(command):
    """Adds listeners to the configuration of a host that is there, and serves them."""
    toolward = command[:-1]
    file = toolward[toolward.index("--config") + 1]
    port = free()
    origins = [f"http://localhost:{port}", f"http://127.0.0.1:{port}"]
    with open(file, "a", encoding="utf-8") as configuration:
        configuration.write(
            "\n[administration]\naddress = \"127.0.0.1:0\"\nlimits = { requests_per_second = 10000 }\n"
            f"[listen]\naddress = \"127.0.0.1:{port}\"\norigins = {json.dumps(origins)}\n"
            "limits = { requests_per_second = 10000 }\n[telemetry]\n"
        )
    agent, person = mint(toolward, AGENT), mint(toolward, PERSON)
    process = subprocess.Popen([*toolward, "--json", "serve"], stdout=subprocess.PIPE, text=True)
    try:
        told = json.loads(process.stdout.readline())
        yield Server(f"http://{told['listen']}", f"http://{told['administration']}", agent, person)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def mint(toolward, words):
    done = subprocess.run([*toolward, "token", "mint", *words.split()], capture_output=True, text=True, check=True)
    return done.stdout.strip()
