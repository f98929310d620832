# SPDX-License-Identifier: MIT
"""Runs a section's file in a PID namespace of its own: where /proc shows nobody else's processes, what looks into all
of them can be counted."""

import json
import os
import subprocess
import sys
import tempfile

NETWORK = ("-n",)  # for those that run side by side


def start(file, *words, options=()):
    """The file as a program, whose output is JSON."""
    # A shell stays PID 1: replace refuses to end the child of an init.
    command = ["unshare", *options, "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", 'ip link set lo up; "$@"; exit', "sh"]
    return subprocess.Popen([*command, sys.executable, os.path.abspath(file), *map(str, words)], stdout=subprocess.PIPE, text=True)


def result(process):
    """What it has printed."""
    out = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"status {process.returncode}: {process.args}")
    return json.loads(out)


def system_calls(command, **environment):
    """Of the command, its threads and children, by strace."""
    with tempfile.NamedTemporaryFile("r") as counts:
        subprocess.run(["strace", "-f", "-c", "-o", counts.name, *command], stdout=subprocess.DEVNULL, check=True, env=os.environ | environment)
        return next(int(line.split()[3]) for line in counts if line.split()[-1:] == ["total"])
