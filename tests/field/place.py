# SPDX-License-Identifier: MIT
"""Where copies of a server run: namespaces of their own, whose PID 1 this process is, with the product in BIN, the
server's files in FOLDER, and everything else read-only."""

import glob
import os
import shutil
import signal
import subprocess
import time

BUILD = os.environ.get("BUILD") or os.path.abspath(f"{__file__}/../../../build")
BIN = "/run/bin"
FOLDER = "/srv/copies"
PREPARED = "/srv/prepared"


def command(*words, **options):
    subprocess.run(words, check=True, **options)


def mount_empty(folder, mode):
    command("mount", "-t", "tmpfs", "-o", f"mode={mode}", "field", folder)


def isolate():
    """Makes the root read-only, but for empty folders of this mount namespace's own."""
    for folder in "/run", "/srv":
        mount_empty(folder, 755)
    for folder in "/dev/shm", "/var/tmp":
        mount_empty(folder, 1777)
    os.mkdir(BIN)
    for name in ("reuseport", "libreuseport.so"):
        shutil.copy(f"{BUILD}/{name}", BIN)
    mount_empty("/tmp", 1777)  # after the copying: BUILD may be below it
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
        raise RuntimeError("processes that do not end")


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def alive():
    reap()
    return any(pid != 1 for pid in pids())


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]
    except OSError:
        return ""


def said(name):
    """All that a copy has said, in its output or in a log of its folder."""
    return "".join(map(tail, [f"/srv/{name}.out", *glob.glob(f"{FOLDER}/{name}/*log")]))


def show_outputs():
    for path in [*sorted(glob.glob("/srv/*.out")), *sorted(glob.glob(f"{FOLDER}/?/*log"))]:
        print(f"==> {path}", tail(path), sep="\n")
