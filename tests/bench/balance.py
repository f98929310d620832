# SPDX-License-Identifier: MIT
"""How evenly connections come to 2, 4, 8, 16 copies."""

import collections
import random
import socket
import subprocess

from report import table
from servers import BUILD, PORT, REUSEPORT, running

TAKES = {"smoke": 5, "quick": 10, "full": 60}  # seconds


IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); Python has no name for it before 3.12


def perfect(connections, copies, trials=400):
    """The greatest share over the fair one that a perfect hash gives: median and 99 % of so many draws."""
    greatest = []
    for _ in range(trials):
        left, shares = connections, []
        for rest in range(copies, 1, -1):  # a binomial, close to normal at these sizes
            share = round(random.gauss(left / rest, (left * (1 / rest) * (1 - 1 / rest)) ** 0.5))
            shares.append(share)
            left -= share
        greatest.append(max(*shares, left) * copies / connections)
    greatest.sort()
    return greatest[trials // 2], greatest[int(trials * 0.99)]


def who_answers(source):
    """The PID of the copy that answers a connection from that address."""
    with socket.socket() as client:
        client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        client.bind((source, 0))
        client.connect(("127.0.0.1", PORT))
        with client.makefile() as stream:
            return int(stream.read().split()[1])


def shares_from_many(connections):
    """How many connections each copy answered, each from an address drawn at random: what a server in use sees."""
    sources = (f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}" for _ in range(connections))
    return list(collections.Counter(map(who_answers, sources)).values())


def shares_from_one(connections):
    """The same from a single address, as of a load generator or a proxy. It has fewer ports than that: some pairs of
    address and port come again, and to the same copy."""
    client = [f"{BUILD}/examples/client", str(PORT), str(connections)]
    out = subprocess.run(client, capture_output=True, text=True, check=True).stdout
    return [int(line.split()[2]) for line in out.splitlines()]


def run(report, form):
    quick = form != "full"
    connections = 10000 if quick else 100000
    rows = []
    for copies in (2, 4, 8, 16):
        command = [REUSEPORT, "run", "-p", str(PORT), f"{BUILD}/examples/server", str(PORT), "127.0.0.1"]
        with running([command] * copies, {PORT: copies}):
            many, one = shares_from_many(connections), shares_from_one(connections)
        median, high = perfect(connections, copies)
        greatest = max(many) * copies / connections
        rows.append((copies, min(many), max(many), f"{greatest:.4f}", f"{median:.4f}", f"{high:.4f}", f"{max(one) * copies / connections:.4f}"))
        report.count(f"balance, {copies} copies: greatest share over fair share", greatest, round(high, 4), False)
    report.add("## Balance", f"{connections} connections from addresses drawn at random, against what a perfect hash gives in 400 draws; in the last column "
               "from a single address, whose ports the kernel hashes less evenly, and uses again.",
               table(("copies", "least", "greatest", "greatest over fair", "a perfect hash: median", "99 %", "from one address"), rows))
