"""How evenly connections come to 2, 4, 8, 16 copies."""

import random
import subprocess

from common import BUILD, PORT, REUSEPORT, running, table


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


def run(report, quick):
    connections = 10000 if quick else 100000
    rows = []
    for copies in (2, 4, 8, 16):
        command = [REUSEPORT, "run", "-p", str(PORT), f"{BUILD}/examples/server", str(PORT), "127.0.0.1"]
        with running([command] * copies, {PORT: copies}):
            out = subprocess.run([f"{BUILD}/examples/client", str(PORT), str(connections)], capture_output=True, text=True, check=True).stdout
        shares = [int(line.split()[2]) for line in out.splitlines()]
        median, high = perfect(connections, copies)
        greatest = max(shares) * copies / connections
        rows.append((copies, min(shares), max(shares), f"{greatest:.4f}", f"{median:.4f}", f"{high:.4f}"))
        report.goal(f"balance, {copies} copies: greatest share over fair share", greatest, round(high, 4), False, "one run in a hundred is to exceed it")
    report.add("## Balance", f"{connections} connections.",
               table(("copies", "least", "greatest", "greatest over fair", "a perfect hash: median", "99 %"), rows))
