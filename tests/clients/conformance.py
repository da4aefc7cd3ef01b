"""The conformance suite of MCP, on two revisions, against a list of what is known to fail.

It knows no tokens: what stands between adds one to each request. And no tool can change the list of tools: when the one
is called that the suite means for that, what stands between switches another off or on, as an operator does.
"""

import contextlib
import http.client
import itertools
import json
import os
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from host import check, surroundings

HERE = os.path.dirname(os.path.abspath(__file__))


def run(suite, server):
    with between(server) as url, tempfile.TemporaryDirectory() as home:
        for revision in ("2026-07-28", "2025-11-25"):
            print(f"MCP conformance, revision {revision}", flush=True)
            known = os.path.join(HERE, f"conformance-{revision}.yml")
            done = subprocess.run(
                ["node", suite, "server", "--url", f"{url}/mcp", "--requirements", revision,
                 "--expected-failures", known, "-o", os.path.join(home, "out")],
                env=surroundings(home), capture_output=True, text=True, timeout=600,
            )  # fmt: skip
            total = [line for line in done.stdout.splitlines() if line.startswith("Total:")]
            print(f"  {' '.join(total)}", flush=True)
            check("nothing fails but what is known to", done.returncode == 0, done.stdout[-3000:])


@contextlib.contextmanager
def between(server):
    address, token = urlsplit(server.agents).netloc, server.agent
    switched = itertools.cycle(("/v1/switches", "/v1/switches/lift"))

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def carry(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if b"test_trigger_tool_change" in body:
                switch(server, next(switched))
            mine = f":{self.server.server_address[1]}"
            theirs = f":{address.rsplit(':', 1)[1]}"
            fields = {name: value.replace(mine, theirs) for name, value in self.headers.items()}
            fields |= {"Authorization": f"Bearer {token}", "Connection": "close"}
            there = http.client.HTTPConnection(address, timeout=120)
            there.request(self.command, self.path, body, fields)
            answer = there.getresponse()
            self.close_connection = True
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                while part := answer.read1(65536):
                    self.wfile.write(part)
                    self.wfile.flush()
            there.close()

        do_GET = do_POST = do_DELETE = carry

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()


def switch(server, path):
    """What the list of tools looks like afterwards is another thing than before."""
    there = http.client.HTTPConnection(urlsplit(server.people).netloc, timeout=60)
    body = json.dumps({"target": "tool spare", "reason": "the suite wants another list"})
    fields = {"Authorization": f"Bearer {server.person}", "Content-Type": "application/json"}
    there.request("POST", path, body, fields)
    there.getresponse().read()
    there.close()
