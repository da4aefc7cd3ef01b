"""Every client of another language, against one host. Usage: all.py TOOLWARD CONFORMANCE PROMTOOL INSPECTOR..."""

import sys

import conformance
import host
import inspector
import made_up
import metrics
import python_sdk
import serving

program, suite, promtool, *inspect = sys.argv[1:]
with host.demo(program) as command:
    python_sdk.run(command)
    inspector.run(inspect, command)
    with serving.serving(command) as server:
        python_sdk.run_over_http(server)
        inspector.run_over_http(inspect, server)
        conformance.run(suite, server)
        made_up.run(server)
        metrics.run(promtool, server)
host.end()
