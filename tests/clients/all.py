"""Every client of another language, against one host. Usage: all.py TOOLWARD CONFORMANCE PROMTOOL TYPESCRIPT NODE INSPECTOR"""

import sys

import conformance
import host
import inspector
import made_up
import metrics
import python_sdk
import serving
import typescript_sdk

program, suite, promtool, typescript, *inspect = sys.argv[1:]
node = inspect[0]
with host.demo(program) as command:
    python_sdk.run(command)
    typescript_sdk.run(node, typescript, command)
    inspector.run(inspect, command)
    with serving.serving(command) as server:
        python_sdk.run_over_http(server)
        typescript_sdk.run_over_http(node, typescript, server)
        inspector.run_over_http(inspect, server)
        conformance.run(suite, server)
        made_up.run(server)
        metrics.run(promtool, server)
host.end()
