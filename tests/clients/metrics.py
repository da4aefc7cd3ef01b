"""What Prometheus makes of `/metrics`: its own tool reads and judges it."""

import subprocess
import urllib.error
import urllib.request

from host import check


def run(promtool, server):
    print("promtool", flush=True)
    code, text = metrics(server, server.person)
    holds = code == 200 and "toolward_call_duration_seconds_bucket" in text
    check("the metrics are told to those who may see them", holds, text[:300])
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    check("promtool finds nothing wrong with them", done.returncode == 0, done.stdout + done.stderr)
    broken = subprocess.run(
        [promtool, "check", "metrics"], input=text + "toolward_broken{ 1\n", capture_output=True, text=True, timeout=60
    )
    check("promtool finds what is wrong", broken.returncode != 0, broken.stdout)
    check("no agent sees them", metrics(server, server.agent)[0] == 401, "an answer")


def metrics(server, token):
    request = urllib.request.Request(f"{server.people}/metrics", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
