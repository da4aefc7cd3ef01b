"""The MCP Inspector as a client: it checks schemas, which other clients take as they are."""

import json
import subprocess
import tempfile

from host import check, surroundings


def run(inspector, command):
    with tempfile.TemporaryDirectory() as home:
        for era in ("modern", "legacy"):
            print(f"MCP Inspector, protocol era {era}", flush=True)
            talk(Inspector(inspector, ["--", *command], era, home))


def run_over_http(inspector, server):
    field = f"Authorization: Bearer {server.agent}"
    place = ["--server-url", f"{server.agents}/mcp", "--transport", "http", "--header", field, "--stored-auth-only"]
    with tempfile.TemporaryDirectory() as home:
        for era in ("modern", "legacy"):
            print(f"MCP Inspector over HTTP, protocol era {era}", flush=True)
            talk(Inspector(inspector, place, era, home))


class Inspector:
    def __init__(self, program, place, era, home):
        self.program, self.place, self.era, self.home = program, place, era, home

    def ask(self, *words):
        """The exit code and the answer."""
        words = [*self.program, "--cli", "--protocol-era", self.era, *words, "--format", "json", "-q"]
        done = subprocess.run(
            [*words, *self.place],
            env=surroundings(self.home),
            capture_output=True,
            text=True,
            timeout=120,
        )
        try:
            return done.returncode, json.loads(done.stdout)["result"]
        except (ValueError, KeyError):
            return done.returncode, {"stdout": done.stdout, "stderr": done.stderr}


def talk(inspector):
    code, answer = inspector.ask("--method", "tools/list", "--strict")
    names = {tool["name"] for tool in answer.get("tools", [])}
    check("the tools are listed, and their schemas are portable", code == 0 and "get_forecast" in names, answer)
    code, answer = inspector.ask(
        "--method", "tools/call", "--tool-name", "get_forecast", "--tool-arg", "city=Berlin"
    )
    place = answer.get("structuredContent", {}).get("place")
    check("a call answers", code == 0 and place == "Berlin, Germany", answer)
    code, answer = inspector.ask(
        "--method", "tools/call", "--tool-name", "open_issue",
        "--tool-arg", "owner=evil", "repo=site", "title=hello",
    )  # fmt: skip
    told = answer.get("content", [{}])[0].get("text", "")
    refused = answer.get("isError") is True and told.startswith("not-granted: ")
    check("a call that no policy permits is refused, and the reason arrives", refused, (code, answer))
