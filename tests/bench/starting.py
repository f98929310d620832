# SPDX-License-Identifier: MIT
"""System calls of starting a command, beside those of env(1)."""

import os
import subprocess
import tempfile

from report import table
from servers import REUSEPORT

TAKES = {"smoke": 1, "quick": 1, "full": 1}  # seconds



def calls(locale, *words):
    """How many the words make, COMMAND included."""
    with tempfile.NamedTemporaryFile("r") as counts:
        subprocess.run(["strace", "-f", "-c", "-o", counts.name, *words], check=True, env=dict(os.environ, LC_ALL=locale))
        return next(int(line.split()[3]) for line in counts if line.split()[-1:] == ["total"])


def run(report, _form):
    # env reads its locale; reuseport has none.
    env, plain = calls("C.UTF-8", "env", "true"), calls("C", "env", "true")
    rows = [("env true, in the locale C.UTF-8", env), ("env true, in the locale C", plain)]
    for method in "preload", "seccomp":
        rows.append((f"reuseport run -m {method} -p 80 true", calls("C.UTF-8", REUSEPORT, "run", "-m", method, "-p", "80", "true")))
    report.add("## System calls of a start", "All of them until the end of true, whose own are among them; seccomp's count includes the processes that watch.",
               table(("", "system calls"), rows))
    report.count("system calls of reuseport run -p 80 true, over those of env true", rows[2][1] - env, 0, False)
