"""What Prometheus makes of `/metrics`: its own tool reads and judges it."""

import json
import subprocess
import urllib.error
import urllib.request

from host import check


def run(promtool, server):
    print("promtool", flush=True)
    call = json.dumps({"tool": "get_forecast", "arguments": {"city": "Berlin"}}).encode()
    check("there is a call to count", ask(f"{server.agents}/v1/calls", server.agent, call)[0] == 200, "another status")
    code, text = ask(f"{server.people}/metrics", server.person)
    holds = code == 200 and 'toolward_call_duration_seconds_bucket{door="rest"' in text
    check("the metrics are told to those who may see them", holds, text[:300])
    check("promtool finds nothing wrong with them", *judged(promtool, text))
    wrong, said = judged(promtool, text + "toolward_broken{ 1\n")
    check("promtool finds what is wrong", not wrong, said)
    check("no agent sees them", ask(f"{server.people}/metrics", server.agent)[0] == 401, "an answer")


def judged(promtool, text):
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode == 0, done.stdout + done.stderr


def ask(url, token, body=None):
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, fields), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
