# SPDX-License-Identifier: MIT
"""Has two copies of one server of servers.table share a port, or not, as its row says; servers.py starts it as PID 1
of namespaces of its own. Prints what came of it, and the copies' output where it is not as expected.

usage: one_server.py SERVER

The product is copied to /run/bin, and the server's folder is /srv/copies; / is read-only, so that the machine's own
configuration and data stay as they are."""

import collections
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import ask
import table

BUILD = os.environ.get("BUILD") or os.path.abspath(f"{HERE}/../../build")
BIN = "/run/bin"
FOLDER = "/srv/copies"
PREPARED = "/srv/prepared"
ASKS, FEWEST = 60, 15  # by chance a copy gets fewer of so many once in 16 000 times
OTHER_PORT = "4"  # a list that concerns no server here


class Failed(Exception):
    """The server did not do what its row says."""


def command(*words, **options):
    subprocess.run(words, check=True, **options)


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise Failed(f"waited in vain: {what}")
        time.sleep(0.02)
    return result


# The place

def isolate():
    """Makes the root read-only, but for empty folders of this mount namespace's own."""
    for folder in ("/run", "/srv", "/dev/shm", "/var/tmp"):
        command("mount", "-t", "tmpfs", "-o", "mode=755" if folder in ("/run", "/srv") else "mode=1777", "field", folder)
    os.mkdir(BIN)
    for name in ("reuseport", "libreuseport.so"):
        shutil.copy(f"{BUILD}/{name}", BIN)
    command("mount", "-t", "tmpfs", "-o", "mode=1777", "field", "/tmp")
    os.chdir("/srv")
    command("mount", "-o", "remount,bind,ro", "/")
    command("ip", "link", "set", "lo", "up")
    with open("/proc/sys/net/ipv4/tcp_max_tw_buckets", "w", encoding="ascii") as setting:
        setting.write("0")  # what is left of one server's connections is not to hinder the next
    os.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"
    os.environ.pop("NOTIFY_SOCKET", None)


def prepare(row):
    """Makes what the copies need: folders, files, and what the lines before the start make."""
    os.mkdir(FOLDER)
    for number in "01":
        os.mkdir(f"{FOLDER}/{number}")
        os.chmod(f"{FOLDER}/{number}", 0o1777)  # servers drop to users of their own
    for number in "01":
        for name, text in [("{}/who", "copy-{}\n"), *row.files]:
            path = f"{FOLDER}/{name.replace('{}', number)}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("{}", number) if "{}" in name else text)
    with open("/srv/before.out", "wb") as output:
        for line in row.before:
            for number in "01" if "{}" in line else "0":
                command("sh", "-ec", line.replace("{}", number).replace("\n", " "), cwd=FOLDER, stdout=output, stderr=output)
    os.rename(FOLDER, PREPARED)


def afresh():
    """Ends all processes here, and gives the next copies a folder without traces of the last."""
    end_all()
    shutil.rmtree(FOLDER, ignore_errors=True)
    command("cp", "-a", PREPARED, FOLDER)


def end_all():
    assert os.getpid() == 1  # all processes are then those of this namespace
    for number, seconds in (signal.SIGTERM, 2), (signal.SIGKILL, 10):
        end = time.monotonic() + seconds
        while alive() and time.monotonic() < end:
            os.kill(-1, number)
            reap()
            time.sleep(0.05)
    if alive():
        raise Failed("processes that do not end")


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def alive():
    reap()
    return any(pid != 1 for pid in pids())


# Processes and sockets

def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def table_rows(protocol):
    """Yields (local port, remote port, whether it can be asked, inode)."""
    for version in "", "6":
        with open(f"/proc/net/{protocol}{version}", encoding="ascii") as lines:
            for fields in map(str.split, list(lines)[1:]):
                local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
                yield local, remote, fields[3] in ("0A", "07"), int(fields[9])


def socket_owner(pid, inodes):
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        if target.startswith("socket:[") and int(target[8:-1]) in inodes:
            return True
    return False


class Copies:
    """Copies that run, by number: each is a process with its descendants, its output in the file output."""

    def __init__(self):
        self.processes = {}
        self.supervisor = None

    def start(self, name, line):
        # vsftpd says on descriptor 0 why it ends; who reads there finds the file at its end.
        with open(f"/srv/{name}.out", "w+b") as output:
            process = subprocess.Popen(["sh", "-c", f"exec {line}"], cwd=FOLDER, stdin=output, stdout=output, stderr=output, start_new_session=True)
        self.processes[name] = process
        return process

    def roots(self):
        """The PID of each copy's first process: its own, or the supervisor's child."""
        if self.supervisor:
            return {str(pid): pid for pid in pids() if parent(pid) == self.supervisor.pid}
        return {name: process.pid for name, process in self.processes.items()}

    def copy_of(self, pid):
        roots = {pid: name for name, pid in self.roots().items()}
        while pid > 1:
            if pid in roots:
                return roots[pid]
            pid = parent(pid)
        return None

    def owners(self, inodes):
        return {self.copy_of(pid) for pid in pids() if pid != 1 and socket_owner(pid, inodes)} - {None} if inodes else set()

    def that_listen(self, row):
        port, protocol = row.port.split("/")
        return self.owners({inode for local, _, ready, inode in table_rows(protocol) if local == int(port) and ready})

    def that_answers(self, row, patience=5):
        """Asks once; the copy that answered, by what it says or by whose the socket is."""
        port = row.port.partition("/")[0]
        request, pattern = ask.PROTOCOLS[row.ask]
        with ask.connect(row.ask, port) as connection:
            connection.settimeout(patience)
            if row.ask == "syslog/udp":
                return written_by(connection, request, patience)
            answer = ask.ask(connection, request, pattern)
            if re.compile(pattern).groups:
                return answer
            own = connection.getsockname()[1]
            mine = {inode for local, remote, _, inode in table_rows("tcp") if (local, remote) == (int(port), own) and inode}
            return (self.owners(mine) or {None}).pop()


def written_by(connection, request, patience):
    """The folder of the copy that wrote the message down."""
    token = os.urandom(8).hex()
    connection.sendall(request + token.encode())
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for path in glob.glob(f"{FOLDER}/?/log"):
            with open(path, encoding="utf-8") as log:
                if token in log.read():
                    return path.split("/")[-2]
        time.sleep(0.005)
    raise OSError("nobody wrote the message down")


def tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]
    except OSError:
        return ""


def said(name):
    """All that a copy has said, in its output or in a log of its folder."""
    return "".join(map(tail, [f"/srv/{name}.out", *glob.glob(f"{FOLDER}/{name}/*log")]))


# What is tried

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
    wait_until(lambda: answers(copies, row) if row.expect.startswith("breaks") else len(count(copies, row, 5)) == 1, "only the first copy answers")
    return copies


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
        for path in [*sorted(glob.glob("/srv/*.out")), *sorted(glob.glob(f"{FOLDER}/?/*log"))]:
            print(f"==> {path}", tail(path), sep="\n")
        return 1
    finally:
        end_all()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
