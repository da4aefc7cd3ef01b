"""Requests that schemathesis makes up from the OpenAPI documents, and whether the answers fit them."""

import re
import subprocess
import sys
import tempfile

from host import check, surroundings


def run(server):
    # Arguments of a call may be any JSON for the document, and not for the host: a whole number beyond 2^53 - 1 is
    # refused, though it fits. `/mcp` is for the conformance suite: its messages are not in the document.
    left_out = ["--exclude-checks", "positive_data_acceptance", "--exclude-path", "/mcp"]
    for name, url, token in (("agents", server.agents, server.agent), ("people", server.people, server.person)):
        print(f"schemathesis, for {name}", flush=True)
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [f"{sys.prefix}/bin/schemathesis", "run", f"{url}/openapi.json", "-H", f"Authorization: Bearer {token}",
                 "--max-examples", "25", "--seed", "1", *left_out],
                env=surroundings(home), cwd=home, capture_output=True, text=True, timeout=600,
            )  # fmt: skip
        cases = re.findall(r"(\d+) generated", done.stdout)
        print(f"  cases: {' '.join(cases)}", flush=True)
        check("every answer fits the document", done.returncode == 0, done.stdout[-3000:])
