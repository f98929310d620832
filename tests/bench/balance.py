# SPDX-License-Identifier: MIT
"""How evenly connections come to 2, 4, 8, 16 copies."""

import collections
import random
import socket
import subprocess

from report import table
from servers import BUILD, PORT, REUSEPORT, running

TAKES = {"smoke": 3, "quick": 5, "full": 40}  # seconds
CONNECTIONS = {"smoke": 3000, "quick": 5000, "full": 50000}
DRAWS = 400

IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); Python has no name for it before 3.12


def perfect(connections, copies):
    """The greatest share over the fair one that a perfect hash gives: median and 99 % of the draws."""
    greatest = []
    for _ in range(DRAWS):
        left, shares = connections, []
        for rest in range(copies, 1, -1):  # a binomial, close to normal at these sizes
            share = round(random.gauss(left / rest, (left * (1 / rest) * (1 - 1 / rest)) ** 0.5))
            shares.append(share)
            left -= share
        greatest.append(max(*shares, left) * copies / connections)
    greatest.sort()
    return greatest[DRAWS // 2], greatest[int(DRAWS * 0.99)]


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
    connections = CONNECTIONS[form]
    rows = []
    for copies in (2, 4, 8, 16):
        command = [REUSEPORT, "run", "-p", str(PORT), f"{BUILD}/examples/server", str(PORT), "127.0.0.1"]
        with running([command] * copies, {PORT: copies}):
            many, one = shares_from_many(connections), shares_from_one(connections)
        median, high = perfect(connections, copies)
        greatest = max(many) * copies / connections
        rows.append((copies, min(many), max(many), f"{greatest:.4f}", f"{median:.4f}", f"{high:.4f}", f"{max(one) * copies / connections:.4f}"))
        report.count(f"balance, {copies} copies: greatest share over fair share", greatest, round(high, 4))
    report.add("## Balance", f"{connections} connections from addresses drawn at random, against what a perfect hash gives in {DRAWS} draws; in the last column from a single address, "
               "whose ports come again. The goals are what a perfect hash stays below in 99 of 100 runs: each of the four fails in one of 100 by chance.",
               table(("copies", "least", "greatest", "greatest over fair", "a perfect hash: median", "99 %", "from one address"), rows))
