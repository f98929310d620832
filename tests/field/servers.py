# SPDX-License-Identifier: MIT
"""Has two copies of each server in servers.table share a port, and prints the results in TAP.

usage: servers.py [--slice | SERVER...]

Each server runs in namespaces of its own (one_server.py), JOBS at a time. Requires root; one that is not installed is
skipped, in CI a failure."""

import concurrent.futures
import os
import shutil
import subprocess
import sys
import time

import table

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = int(os.environ.get("JOBS") or os.cpu_count())
PATIENCE = 300
# Nothing is mounted, bound, signalled or left behind outside them.
APART = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]


def run(row):
    """Returns whether the server did as its row says (None: not installed), and the lines that say why."""
    if absent := [command for command in row.commands if not shutil.which(command)]:
        return None if os.environ.get("CI") != "true" else False, [f"missing: {' '.join(absent)}"]
    try:
        result = subprocess.run(
            [*APART, sys.executable, "-B", f"{HERE}/one_server.py", row.server],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
        )
    except subprocess.TimeoutExpired as expired:
        return False, [*(expired.stdout or b"").decode(errors="replace").splitlines(), f"killed after {PATIENCE} s"]
    return result.returncode == 0, result.stdout.decode(errors="replace").splitlines()


def choose(words):
    rows = table.read()
    if words == ["--slice"]:
        return [row for row in rows if row.slice]
    if unknown := set(words) - {row.server for row in rows}:
        sys.exit(f"servers.py: no such server: {' '.join(sorted(unknown))}")
    return [row for row in rows if not words or row.server in words]


def report(number, row, passed, lines, seconds):
    word = "not ok" if passed is False else "ok"
    skipped = f" # SKIP {lines[0]}" if passed is None else ""
    print(f"{word} {number} {row.server}: {lines[-1] if passed else row.expect} in {seconds:.0f} s{skipped}", flush=True)
    if passed is False:
        print("".join(f"# {line}\n" for line in lines), end="", flush=True)


def timed(row):
    start = time.monotonic()
    return *run(row), time.monotonic() - start


def main(*words):
    if os.geteuid() != 0:
        sys.exit("servers.py: requires root")
    if subprocess.run([*APART, "true"], check=False).returncode:
        sys.exit("servers.py: requires the right to make namespaces")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    rows = choose(list(words))
    print(f"1..{len(rows)}", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for number, (row, result) in enumerate(zip(rows, pool.map(timed, rows)), 1):
            report(number, row, *result)
            failed += result[0] is False
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
