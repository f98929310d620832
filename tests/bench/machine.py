# SPDX-License-Identifier: MIT
"""The machine, and how busy it is with something else: what proc_pressure(5) and /proc/stat say."""

import os
import platform
import time

CPUS = sorted(os.sched_getaffinity(0))
LOOK = 2  # seconds
BOUNDS = {"busy": 15, "waiting": 10, "stolen": 3}  # percent, above which nothing is measured


def name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {len(CPUS)} CPUs, Linux {platform.release()}, loopback, {time.strftime('%Y-%m-%d')}"


def times():
    """Seconds since the boot in which something waited for a CPU, and ticks: all, idle, stolen."""
    try:
        with open("/proc/pressure/cpu", encoding="ascii") as file:
            waiting = int(file.readline().split("total=")[1]) / 1e6
    except OSError:  # a kernel without CONFIG_PSI
        waiting = 0
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(field) for field in file.readline().split()[1:]]
    return waiting, sum(ticks[:8]), ticks[3] + ticks[4], ticks[7]


def shares(before, seconds):
    """Percentages since those times: of the CPUs that were busy, of the time in which something waited for one, of
    the CPUs' time that the host took."""
    waiting, total, idle, stolen = (now - then for now, then in zip(times(), before))
    total = max(total, 1)
    return {"busy": 100 - 100 * idle / total, "waiting": 100 * waiting / seconds, "stolen": 100 * stolen / total}


def look():
    before = times()
    time.sleep(LOOK)
    return shares(before, LOOK)


def text(found):
    return f"CPUs busy {found['busy']:.0f} %, something waiting for one {found['waiting']:.0f} % of the time, {found['stolen']:.1f} % taken by the host"


def excess(found):
    """What is above its bound, or ""."""
    return ", ".join(f"{what} {found[what]:.0f} % (at most {bound})" for what, bound in BOUNDS.items() if found[what] > bound)
