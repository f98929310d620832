# SPDX-License-Identifier: MIT
"""Connections that are kept: how many more the fullest of four copies has than its share."""

import contextlib
import os
import random
import socket
import statistics
import tempfile
import time

from balance import IP_BIND_ADDRESS_NO_PORT
from cell import COPIES, OURS, WAYS, descendants, serving
from report import table
from servers import PORT, SERVER, running, wait_for

TAKES = {"smoke": 5, "quick": 6, "full": 40}  # seconds
TRIALS = {"smoke": 1, "quick": 1, "full": 7}
KEPT, PAUSE = 100, 0.005  # connections, mean seconds between two
FULL = 32  # connections; nginx passes on from 7/8 of it
SHARED = {"one socket, EPOLLEXCLUSIVE": "exclusive", f"one socket, passing on as nginx does, worker_connections {FULL}": "passing"}
NGINX = {"nginx, one socket": "", "nginx, listen … reuseport": "reuseport"}  # the option of listen


def nginx(directory, option):
    conf = f"{directory}/nginx.conf"
    os.chmod(directory, 0o755)
    with open(conf, "w", encoding="ascii") as file:
        file.write(f"daemon off; pid {directory}/pid; worker_processes {COPIES}; user root; error_log /dev/null;\nevents {{ worker_connections 1024; }}\n"
                   f"http {{ access_log off; server {{ listen 127.0.0.1:{PORT} backlog=4096 {option}; return 200 ok; }} }}\n")
    return ["nginx", "-c", conf, "-e", "/dev/null"]


@contextlib.contextmanager
def workers(command, listeners=1):
    """The PIDs of a server's workers."""
    with running([command], {PORT: listeners}) as (master,):
        wait_for(lambda: len(descendants(master.pid)) == 1 + COPIES)
        yield descendants(master.pid)[1:]


@contextlib.contextmanager
def copies_of(way):
    """The PIDs of what serves."""
    with contextlib.ExitStack() as stack:
        if way in NGINX:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            yield stack.enter_context(workers(nginx(directory, NGINX[way]), COPIES if NGINX[way] else 1))
        elif way in SHARED:
            yield stack.enter_context(workers([SERVER, SHARED[way], str(PORT), "0", "-1", str(COPIES), str(FULL)]))
        else:
            yield stack.enter_context(serving(way, server=lambda port: [SERVER, "plain", str(port), "0", "-1"]))[0]


def keep_one(number, chance):
    """A connection that has had an answer."""
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((f"127.{chance.randrange(256)}.{chance.randrange(256)}.{number + 1}", 0))
    client.connect(("127.0.0.1", PORT))
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.recv(1024)
    return client


def descriptors(pids):
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]


def fullest(way, chance):
    """The greatest share of the kept connections over the fair one: of the descriptors that the copies close when the
    clients go, since they may still open others when the first one comes."""
    with copies_of(way) as copies:
        with contextlib.ExitStack() as clients:
            for number in range(KEPT):
                clients.enter_context(keep_one(number, chance))
                time.sleep(chance.expovariate(1 / PAUSE))
            held = descriptors(copies)
        wait_for(lambda: sum(descriptors(copies)) == sum(held) - KEPT)
        return max(then - now for then, now in zip(held, descriptors(copies))) * COPIES / KEPT


def run(report, form):
    trials, chance = TRIALS[form], random.Random(1)
    found = {way: [fullest(way, chance) for _ in range(trials)] for way in ("hash", "leastconn", "balance", *SHARED, *NGINX)}
    names = {way: WAYS.get(way, way) for way in found}
    report.add("## Connections that are kept", f"{KEPT} of them on {COPIES} copies, opened one after the other, {PAUSE * 1000:g} ms apart on average; trials: {trials}. All wait "
               f"by epoll. nginx has {COPIES} workers, which share one socket with EPOLLEXCLUSIVE or, by listen's reuseport, have one each.",
               table(("", "the fullest copy's share over the fair one", "range"),
                     [(names[way], f"{statistics.median(shares):.2f}", f"{min(shares):.2f} – {max(shares):.2f}") for way, shares in found.items()]))
    report.rank("fullest copy's share of kept connections over the fair one", {names[way]: statistics.median(shares) for way, shares in found.items()}, OURS, lower=True)
