"""Every client of another language, against one host. Usage: all.py TOOLWARD INSPECTOR..."""

import sys

import host
import inspector
import python_sdk

program, *inspect = sys.argv[1:]
with host.demo(program) as command:
    python_sdk.run(command)
    inspector.run(inspect, command)
host.end()
