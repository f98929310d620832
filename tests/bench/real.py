# SPDX-License-Identifier: MIT
"""The same for servers as Debian has them."""

import contextlib
import os
import re
import statistics
import subprocess
import tempfile

from scaling import MODES, NAMES, by_reuseport, column, dispatched, load
from machine import CPUS
from report import table
from rounds import ratio, rounds_of, spread
from servers import PORT, placed, running

TAKES = {"smoke": 5, "quick": 25, "full": 180}  # seconds
NODE = "require('http').createServer((q, r) => r.end('ok')).listen(process.argv[1], '127.0.0.1')"


def nginx(directory, port, index, option=""):
    """One worker; the file for it is made anew. option: of listen."""
    path = f"{directory}/nginx-{port}-{index}.conf"
    with open(path, "w", encoding="ascii") as conf:
        conf.write(
            f"daemon off; pid {path}.pid; worker_processes 1; user root; error_log /dev/null; worker_rlimit_nofile 8192;\nevents {{ worker_connections 4096; }}\n"
            f"http {{ access_log off; keepalive_requests 100000000; server {{ listen 127.0.0.1:{port} backlog=4096 {option}; return 200 ok; }} }}\n"
        )
    return ["nginx", "-c", path, "-e", "/dev/null"]


SERVERS = {
    "nginx": nginx,
    "redis-server": lambda directory, port, index: ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", directory],
    "http.server": lambda directory, port, index: ["/usr/bin/python3", "-m", "http.server", "-b", "127.0.0.1", "-d", directory, str(port)],
    "node": lambda directory, port, index: ["node", "-e", NODE, str(port)],
}


def start(server, form, count, directory):
    make = SERVERS[server]
    if form == "dispatcher":
        return dispatched(lambda port, i: make(directory, port, i), count)
    copies = [make(directory, PORT, i, *(["reuseport"] if form == "native" else [])) for i in range(count)]
    if form in ("library", "seccomp"):
        copies = [by_reuseport("preload" if form == "library" else "seccomp", copy) for copy in copies]
    return running([placed(i, count, *copy) for i, copy in enumerate(copies)], {PORT: count})


def redis_load(mode, seconds):
    """redis-benchmark counts requests, not seconds."""
    requests = int(seconds * (60000 if mode == "keep" else 12000))
    out = subprocess.run(
        ["redis-benchmark", "-h", "127.0.0.1", "-p", str(PORT), "-c", "64", "-n", str(requests), "-k", str(int(mode == "keep")), "-t", "ping_inline", "--csv"],
        capture_output=True, text=True, check=True,
    ).stdout
    fields = [field.strip('"') for field in out.strip().splitlines()[-1].split(",")]
    return float(fields[1]), float(fields[4]), float(fields[6])


def run(report, form):
    quick = form != "full"
    servers = ["nginx"] if quick else list(SERVERS)
    counts = [2] if quick else [2, 2 * len(CPUS)] if len(CPUS) == 2 else [2, len(CPUS)]
    report.add("## Real servers", "nginx (one worker each), redis-server, Python's http.server and Node, answering a few bytes; the load is wrk's, for redis redis-benchmark's, "
               f"and takes CPU of the same {len(CPUS)}: where a request costs the server less than it costs the load, one copy beside the load has them all busy, and more "
               "copies only take CPU from the load. nginx is also shown with SO_REUSEPORT of its own, which it can ask for.")
    for server in servers:
        ways = (*(["native"] if server == "nginx" else []), "dispatcher", "library", "seccomp")
        forms = [("one", 1)] + [(form, count) for count in counts for form in ways]
        rounds = 2 if quick else 5 if "native" in ways else 3
        for mode, description in MODES.items():
            if server == "http.server" and mode == "keep":
                continue  # it speaks HTTP/1.0
            with tempfile.TemporaryDirectory() as directory:
                os.chmod(directory, 0o755)
                measure = redis_load if server == "redis-server" else load
                results, _ = rounds_of(forms, lambda form, count: start(server, form, count, directory), lambda: measure(mode, 1), rounds)
            rows = [(form[1], NAMES[form[0]], f"{statistics.median(column(results, form, 0)):.0f}", spread(column(results, form, 0)),
                     f"{ratio(column(results, form, 0), column(results, ('one', 1), 0)):.2f}",
                     f"{statistics.median(column(results, form, 1)):.2f}", f"{statistics.median(column(results, form, 2)):.2f}") for form in forms]
            for count in counts if "native" in ways else ():
                report.count(f"nginx, library over its own SO_REUSEPORT, N = {count}, {description}",
                            ratio(column(results, ("library", count), 0), column(results, ("native", count), 0)), 0.98, True)
            report.add(f"### {server}, {description}", table(("N", "", "requests/s", "range", "of one copy", "p50 ms", "p99 ms"), rows))
