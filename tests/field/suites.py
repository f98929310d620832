# SPDX-License-Identifier: MIT
"""Runs other people's test suites without the library and with it, compares what they say, and prints that in TAP.

usage: suites.py [--slice | SUITE...]

Each run has namespaces and a folder of its own, three times JOBS at a time. What differs between two runs without the
library, or does not differ again, is named and left out. What a run said last is in BUILD/suites/*.log. Requires root; a
suite that is not installed is skipped, in CI a failure."""

import concurrent.futures
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import outcomes

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD") or os.path.abspath(f"{HERE}/../../build")
# Suites wait most of the time.
AT_ONCE = 3 * int(os.environ.get("JOBS") or os.cpu_count())
PATIENCE = 600
# What is signalled, bound or left behind stays inside. The shell is PID 1, since a suite may not be used to be that.
APART = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc", "sh", "-ec"]
INSIDE = 'mount --bind "$1" /tmp; ip link set lo up; cd /tmp/suite; PATH=/tmp/bin:$PATH; eval "$2" || true'
# No suite binds port 1.
LISTS = {"other": "1", "all": "all"}
# Two sockets on one port: says whether the way reaches what is started.
CONTROL = """/usr/bin/python3 -c '
import socket
one, two = socket.socket(), socket.socket()
one.bind(("127.0.0.1", 7))
try:
    two.bind(one.getsockname())
    print("shared")
except OSError:
    print("refused")
' 2>/dev/null >/tmp/control; """
WAYS = [(method, ports) for method in ("preload", "seccomp") for ports in LISTS]


class Suite:
    """A stanza of suites.table."""

    def __init__(self):
        self.values = {}
        self.differs = []  # of three words: method, list, name

    def __getattr__(self, key):
        return self.values[key]

    def differences(self, way):
        """What is to differ that way."""
        return {name for *where, name in self.differs if tuple(where) == way}


def read():
    suites, key = [], ""
    with open(f"{HERE}/suites.table", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("    ") and key != "differs":
                suites[-1].values[key] += f" {line.strip()}"
            elif line.strip() and not line.startswith((" ", "#")):
                key, _, value = line.strip().partition(" ")
                if key == "suite":
                    suites.append(Suite())
                if key == "differs":
                    suites[-1].differs.append(value.split(None, 2))
                else:
                    suites[-1].values[key] = value.strip()
    return suites


def launcher(method, ports):
    return f"reuseport run -m {method} -p {LISTS[ports]} " if method else ""


def lay_out(folder, suite):
    os.chmod(folder, 0o1777)
    os.mkdir(f"{folder}/bin")
    for name in ("reuseport", "libreuseport.so"):
        shutil.copy(f"{BUILD}/{name}", f"{folder}/bin")
    shutil.copytree(f"{BUILD}/suites/{suite.suite}", f"{folder}/suite", symlinks=True)


def execute(folder, command):
    """Runs it apart, the folder being /tmp, and returns what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("REUSEPORT_", "TMP", "LD_"))}
    with open(f"{folder}/output", "w+", encoding="utf-8", errors="replace") as output:
        try:
            subprocess.run(
                [*APART, INSIDE, "sh", folder, command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
                timeout=PATIENCE, check=True,
            )
            failure = None
        except subprocess.TimeoutExpired:
            failure = f"killed after {PATIENCE} s"
        except subprocess.CalledProcessError as error:
            failure = f"ended with {error.returncode}"
        output.seek(0)
        said = output.read()
    if failure:
        raise RuntimeError(f"{said[-2000:]}\n{failure}")
    return said


def run(suite, line, way):
    """The outcomes of one run; way is a pair of method and list, or two empty strings."""
    with tempfile.TemporaryDirectory(prefix="suites-") as folder:
        lay_out(folder, suite)
        said = execute(folder, f"{launcher(*way)}sh -c {shlex.quote(CONTROL + line)}")
        keep(suite, way, said)
        with open(f"{folder}/control", encoding="ascii") as control:
            if (control.read() == "shared\n") != (way[1] == "all"):
                raise RuntimeError("the library does not do what the list says")
        found = getattr(outcomes, suite.results)(f"{folder}/suite", said)
    if not found:
        raise RuntimeError(f"{said[-2000:]}\nno test was run")
    return found


def keep(suite, way, said):
    """For who wants to know why something differs."""
    with open(f"{BUILD}/suites/{'-'.join([suite.suite, *filter(None, way)])}.log", "w", encoding="utf-8") as log:
        log.write(said)


def passes(found):
    return sum(outcome.startswith(("ok", "passed", "1 tests ok")) for outcome in found.values())


def unlike(one, other):
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def described(names, base, found):
    return [f"{name}: {base.get(name, 'not run')}, with the library {found.get(name, 'not run')}" for name in sorted(names)]


def judge(suite, way, base, unsteady, again, found):
    """Returns whether all is as the table says, a summary, and the lines that say more."""
    expected = suite.differences(way) - unsteady
    different = unlike(base, found) - unsteady
    more = []
    if different - expected:
        repeated = again()
        gone = different - unlike(base, repeated) - expected
        more += [f"differs, but not again: {line}" for line in described(gone, base, found)]
        different -= gone
    more += [f"unexpected: {line}" for line in described(different - expected, base, found)]
    more += [f"as without, unlike the table: {name}" for name in sorted(expected - different)]
    summary = f"{len(base)} tests, {len(different) or 'none'} differ{'' if len(different) > 1 else 's'}"
    return different == expected, summary, more


def choose(words):
    suites = read()
    if words == ["--slice"]:
        return [suite for suite in suites if "slice" in suite.values], "slice", [("preload", "all")]
    if unknown := set(words) - {suite.suite for suite in suites}:
        sys.exit(f"suites.py: no such suite: {' '.join(sorted(unknown))}")
    return [suite for suite in suites if not words or suite.suite in words], "run", WAYS


class Report:
    """TAP, numbered."""

    def __init__(self, count):
        self.number = self.failed = 0
        print(f"1..{count}", flush=True)

    def tell(self, passed, title, more=()):
        self.number += 1
        self.failed += not passed
        print(f"{'ok' if passed else 'not ok'} {self.number} {title}", *(f"# {line}" for line in more), sep="\n", flush=True)


def absent(suite):
    commands = [pair.partition(":")[0] for pair in suite.needs.split()]
    missing = [command for command in commands if not shutil.which(command)]
    if not os.path.isdir(f"{BUILD}/suites/{suite.suite}"):
        missing.append(f"{BUILD}/suites/{suite.suite}, which make field-deps makes")
    return " ".join(missing)


def compare(pool, suite, line, ways, report):
    start = time.monotonic()
    pending = [pool.submit(run, suite, line, way) for way in [("", ""), ("", ""), *ways]]
    try:
        base, second = (future.result() for future in pending[:2])
        if passes(base) < int(suite.least):
            raise RuntimeError(f"{passes(base)} tests passed, and not {suite.least}")
    except Exception as error:  # whatever went wrong fails the suite
        for _ in ways:
            report.tell(False, f"{suite.suite}: without the library", str(error).splitlines())
        return
    unsteady = unlike(base, second)
    for way, future in zip(ways, pending[2:]):
        title = f"{suite.suite}, {way[0]}, {'all' if way[1] == 'all' else 'another port'}"
        try:
            passed, summary, more = judge(suite, way, base, unsteady, lambda way=way: run(suite, line, way), future.result())
        except Exception as error:  # as above
            passed, summary, more = False, "failed to run", str(error).splitlines()
        report.tell(passed, f"{title}: {summary} in {time.monotonic() - start:.0f} s", more)
    for name in sorted(unsteady):
        print(f"# {suite.suite}, differs without the library: {name}: {base.get(name, 'not run')}, {second.get(name, 'not run')}", flush=True)


def main(*words):
    if os.geteuid() != 0:
        sys.exit("suites.py: requires root")
    suites, key, ways = choose(list(words))
    report = Report(len(suites) * len(ways))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for suite in suites:
            if missing := absent(suite):
                for _ in ways:
                    report.tell(os.environ.get("CI") != "true", f"{suite.suite} # SKIP missing: {missing}")
            else:
                compare(pool, suite, suite.values[key], ways, report)
    return report.failed != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
