# SPDX-License-Identifier: MIT
"""Servers that end with the block that started them, and where they run."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time

from machine import CPUS

BUILD = os.environ.get("BUILD") or os.path.abspath(f"{__file__}/../../../build")
REUSEPORT = f"{BUILD}/reuseport"
LIBRARY = f"{BUILD}/libreuseport.so"
SERVER = f"{BUILD}/bench/server"
CALLS = f"{BUILD}/bench/calls"
PORT = 20000  # in a network namespace of its own, any is free


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("a server does not come up")
        time.sleep(0.01)


def listeners(port):
    """How many TCP sockets listen on the port."""
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                count += fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port
    return count


@contextlib.contextmanager
def running(commands, ports, cwd="/", signal_number=signal.SIGTERM):
    """Runs the commands until the end of the block; ports says how many listeners there are to be on each."""
    processes = []
    try:
        for command in commands:
            processes.append(
                subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            )
        wait_for(lambda: any(process.poll() is not None for process in processes) or all(listeners(port) >= count for port, count in ports.items()))
        if failed := [process.args for process in processes if process.poll() is not None]:
            raise RuntimeError(f"ended at once: {failed}")
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal_number)
        for process in processes:
            process.wait(timeout=30)
        wait_for(lambda: not any(listeners(port) for port in ports))


def pinned(index, *command):
    """The command on one of the CPUs, in turn."""
    return ["taskset", "-c", str(CPUS[index % len(CPUS)]), *command]


def cpu_of(index, count):
    """Where that one of so many copies is to run: on a CPU of its own, as long as one is left for the load. Else,
    -1, wherever the scheduler puts it: pinned, the copy beside the load generator would hold up its share of the
    connections while others idle."""
    return CPUS[index] if count < len(CPUS) else -1


def placed(index, count, *command):
    """The command there."""
    return list(command) if cpu_of(index, count) < 0 else pinned(index, *command)


@contextlib.contextmanager
def behind_haproxy(balance, command, count, options=""):
    """Copies on ports of their own behind haproxy in TCP mode with one thread; command(port, index) starts one, options
    are haproxy's for each. Gives the processes of the copies, and haproxy's."""
    ports = {PORT + 1 + i: 1 for i in range(count)}
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write("global\n nbthread 1\n maxconn 8192\ndefaults\n mode tcp\n timeout connect 30s\n timeout client 30s\n timeout server 30s\n timeout queue 30s\n"
                     f"listen all\n bind 127.0.0.1:{PORT} backlog 4096\n balance {balance}\n")
        config.writelines(f" server s{port} 127.0.0.1:{port} {options}\n" for port in ports)
        config.flush()
        with running([command(port, i) for i, port in enumerate(ports)], ports) as copies, running([["haproxy", "-db", "-f", config.name]], {PORT: 1}) as (proxy,):
            yield copies, proxy
