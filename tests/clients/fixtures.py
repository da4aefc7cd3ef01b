"""The tools that the conformance suite calls: a component like any other, built from its source and added."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = """@id("conformance")
permit(principal in Role::"assistant", action == Action::"call", resource in Component::"conformance");
"""


def add(toolward, folder):
    built = os.path.join(folder, "conformance.wasm")
    source = os.path.join(HERE, "..", "guests", "conformance")
    with open(os.path.join(folder, "policies", "conformance.cedar"), "w", encoding="utf-8") as policy:
        policy.write(POLICY)
    for words in (["build", source, "--output", built], ["tool", "add", built]):
        subprocess.run([*toolward, *words], check=True, stdout=subprocess.DEVNULL, timeout=600)
