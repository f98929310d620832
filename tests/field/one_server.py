# SPDX-License-Identifier: MIT
"""Has two copies of one server of servers.table share a port, or not, as its row says; servers.py starts it as PID 1
of namespaces of its own. Prints what came of it, and the copies' output where it is not as expected.

usage: one_server.py SERVER"""

import collections
import re
import subprocess
import sys
import time

import table
from copies import Copies
from place import FOLDER, afresh, end_all, isolate, prepare, said, show_outputs

ASKS, FEWEST = 60, 15  # by chance a copy gets fewer of so many once in 16 000 times
OTHER_PORT = "4"  # a list that concerns no server here


class Failed(Exception):
    """The server did not do what its row says."""


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited in vain: {what}")
        time.sleep(0.02)


def answers(copies, row):
    """The copy that answers, or None while none does."""
    try:
        return copies.that_answers(row, 0.5)
    except OSError:
        return None


def count(copies, row, asks):
    return collections.Counter(copies.that_answers(row) for _ in range(asks))


def start_first(row, ports):
    afresh()
    copies = Copies()
    first = copies.start("0", row.by_itself(ports).replace("{}", "0"))
    wait_until(lambda: first.poll() is not None or answers(copies, row), "the first copy answers")
    if first.poll() is not None:
        raise Failed(f"the first copy ended with status {first.returncode}")
    return copies


def second_fails(row, ports):
    copies = start_first(row, ports)
    second = copies.start("1", row.by_itself(ports).replace("{}", "1"))
    wait_until(lambda: second.poll() is not None or re.search(row.refusal, said("1"), re.I), "the second copy is refused")
    if not re.search(row.refusal, said("1"), re.I):
        raise Failed(f"the second copy ended with status {second.returncode}, for another reason")
    wait_until(lambda: copies.that_listen(row) == {"0"}, "the first copy alone is bound", 10)
    wait_until(lambda: answers(copies, row), "the first copy still answers")


def second_takes_all(row, ports):
    copies = start_first(row, ports)
    before = count(copies, row, 5)
    copies.start("1", row.by_itself(ports).replace("{}", "1"))
    wait_until(lambda: copies.that_listen(row) == {"0", "1"}, "the second copy is bound, too")
    wait_until(lambda: answers(copies, row) not in before, "the second copy answers")
    got = count(copies, row, ASKS)
    if len(got) != 1 or got.keys() == before.keys():
        raise Failed(f"the second copy does not take all: {got}")


def both_answer_unaided(row, ports):
    copies = start_first(row, ports)
    copies.start("1", row.by_itself(ports).replace("{}", "1"))
    wait_until(lambda: copies.that_listen(row) == {"0", "1"}, "the second copy is bound, too")
    each_gets_its_share(copies, row)


def each_gets_its_share(copies, row):
    seen = set()
    wait_until(lambda: both_seen(copies, row, seen), "both copies answer")
    got = count(copies, row, ASKS)
    if len(got) != 2 or None in got or min(got.values()) < FEWEST:
        raise Failed(f"of {ASKS} asks the copies got {dict(got)}")
    return got


def both_seen(copies, row, seen):
    if copy := answers(copies, row):
        seen.add(copy)
    return len(seen) == 2


def supervise(row):
    afresh()
    copies = Copies()
    copies.supervisor = copies.start("both", row.supervised())
    return copies


def copies_share(row):
    copies = supervise(row)
    wait_until(lambda: len(copies.that_listen(row)) == 2 or copies.supervisor.poll() is not None, "both copies listen")
    if copies.supervisor.poll() is not None:
        raise Failed(f"the supervisor ended with status {copies.supervisor.returncode}")
    got = each_gets_its_share(copies, row)
    return " and ".join(map(str, sorted(got.values())))


def copies_cannot(row):
    copies = supervise(row)
    wait_until(lambda: re.search(row.refusal, said("both"), re.I), "a copy is refused")
    wait_until(lambda: len(copies.that_listen(row)) == 1, "one copy alone is bound", 10)


def copies_break(row, client):
    def served():
        return subprocess.run(["sh", "-c", client], cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

    start_first(row, None)
    for _ in range(5):
        wait_until(served, "one copy serves the client", 5)
    copies = supervise(row)
    wait_until(lambda: len(copies.that_listen(row)) == 2, "both copies listen")
    wait_until(lambda: not served(), "the client of two copies fails")


def try_row(row):
    expected, _, client = row.expect.partition(" ")
    unaided = {"taken": second_takes_all, "itself": both_answer_unaided}.get(expected, second_fails)
    for ports in None, OTHER_PORT:
        unaided(row, ports)
    if expected == "cannot":
        copies_cannot(row)
    elif expected == "breaks":
        copies_break(row, client)
    else:
        return f"{expected}, {copies_share(row)} of {ASKS}"
    return expected


def main(name):
    row = next(row for row in table.read() if row.server == name)
    try:
        isolate()
        prepare(row)
        print(try_row(row))
        return 0
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        print(f"{type(error).__name__}: {error}")
        show_outputs()
        return 1
    finally:
        end_all()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
