# SPDX-License-Identifier: MIT
"""Throughput and latency of 1, 2, 4 … copies of a server, by what spreads the connections over them."""

import contextlib
import re
import statistics
import subprocess
import tempfile

from machine import CPUS
from report import table
from rounds import ratio, rounds_of, spread
from servers import BUILD, PORT, REUSEPORT, SERVER, cpu_of, placed, running

TAKES = {"smoke": 5, "quick": 25, "full": 180}  # seconds


COST = 100  # microseconds of CPU for a request
CONNECTIONS = 64
MODES = {"close": "new connection for each request", "keep": "keep-alive"}
NAMES = {
    "one": "one copy",
    "dispatcher": "haproxy in front",
    "locked": "one socket, a lock",
    "unlocked": "one socket, no lock",
    "native": "SO_REUSEPORT of its own",
    "library": "reuseport, library",
    "seccomp": "reuseport, seccomp",
}


def by_reuseport(method, command):
    return [REUSEPORT, "run", "-m", method, "-p", str(PORT), *command]


@contextlib.contextmanager
def dispatched(copy, count):
    """Copies on ports of their own behind haproxy in TCP mode with one thread."""
    ports = {PORT + 1 + i: 1 for i in range(count)}
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write("global\n nbthread 1\n maxconn 4096\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n")
        config.write(f"listen all\n bind 127.0.0.1:{PORT}\n balance roundrobin\n")
        config.writelines(f" server s{port} 127.0.0.1:{port}\n" for port in ports)
        config.flush()
        with running([placed(i, count, *copy(port, i)) for i, port in enumerate(ports)], ports):
            with running([["haproxy", "-db", "-f", config.name]], {PORT: 1}):
                yield []


def synthetic(form, count, work):
    """The server of a fixed cost in that form, as a context."""
    plain = [[SERVER, "plain", str(PORT), work, str(cpu_of(i, count))] for i in range(count)]
    if form == "one":
        return running(plain[:1], {PORT: 1})
    if form == "dispatcher":
        return dispatched(lambda port, i: [SERVER, "plain", str(port), work, str(cpu_of(i, count))], count)
    if form in ("locked", "unlocked"):
        return running([[SERVER, form, str(PORT), work, ",".join(str(cpu_of(i, count)) for i in range(count)), str(count)]], {PORT: 1})
    if form == "native":
        return running([[SERVER, form, *command[2:]] for command in plain], {PORT: count})
    method = "preload" if form == "library" else "seccomp"
    return running([by_reuseport(method, command) for command in plain], {PORT: count})


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def load(mode, seconds, threads=1):
    """Requests per second, and the latency that half and 99 % of them stay below, in milliseconds."""
    options = ["-H", "Connection: close"] if mode == "close" else []
    out = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *options, f"http://127.0.0.1:{PORT}/"],
        capture_output=True, text=True, check=True,
    ).stdout
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1])
    return rate, milliseconds(re.search(r"^\s+50%\s+(\S+)", out, re.M)[1]), milliseconds(re.search(r"^\s+99%\s+(\S+)", out, re.M)[1])


def column(results, form, index):
    return [measured[index] for measured in results[form]]


def run(report, form):
    quick = form != "full"
    work = subprocess.run([SERVER, "calibrate", str(COST)], capture_output=True, text=True, check=True).stdout.strip()
    counts = [2] if quick else sorted({1, *(2**i for i in range(1, 7) if 2**i <= len(CPUS)), len(CPUS), 2 * len(CPUS)})
    forms = [("one", 1)] + [(form, count) for count in counts for form in NAMES if form != "one" and not (count == 1 and form in ("locked", "unlocked"))]
    seconds, rounds = (1, 2) if quick else (1, 9)
    report.add(
        "## Scaling",
        f"A single-threaded server whose request costs {COST} µs of CPU, each copy pinned to a CPU of its own if one is left for the load, else wherever the "
        f"scheduler puts it; wrk with {CONNECTIONS} connections beside them, on any CPU. {rounds} rounds of {seconds} s, every form in each round. Medians; the ratio "
        "to native is the median of the rounds' ratios, and p99 that of all.",
    )
    measured = {}
    for mode, description in MODES.items():
        results, outputs = rounds_of(forms, lambda form, count: synthetic(form, count, work), lambda: load(mode, seconds), rounds)
        measured[mode] = results
        rows = []
        for form in forms:
            native = ("native", form[1]) if ("native", form[1]) in results else form
            rates = column(results, form, 0)
            rows.append((
                form[1], NAMES[form[0]], f"{statistics.median(rates):.0f}", spread(rates),
                f"{ratio(rates, column(results, ('one', 1), 0)):.2f}", f"{ratio(rates, column(results, native, 0)):.3f}",
                f"{statistics.median(column(results, form, 1)):.2f}", f"{statistics.median(column(results, form, 2)):.2f}",
            ))
        report.add(f"### {description[0].upper()}{description[1:]}", table(
            ("N", "", "requests/s", "range", "of one copy", "of native", "p50 ms", "p99 ms"), rows))
        for form, out in outputs.items():
            accepted, in_vain = map(int, out.split())
            report.add(f"{NAMES[form[0]]}, N = {form[1]}: {in_vain / max(accepted, 1):.2f} wake-ups in vain for each connection.")
        goals(report, results, counts, description)
    plots(measured, counts)
    report.headline = headline(measured, forms)
    report.add("![Requests per second](scaling.svg)", "![Latency](latency.svg)")
    if not quick:
        incoming(report, work, seconds, rounds)


def headline(measured, forms):
    """What the README shows, throughput and p99 of both modes: what sets the option itself, and our two ways, at N = 2."""
    rows = []
    for form in [(name, 2) for name in ("native", "library", "seccomp") if (name, 2) in forms]:
        cells = [form[1], NAMES[form[0]]]
        for results in measured.values():
            cells.append(f"{ratio(column(results, form, 0), column(results, ('one', 1), 0)):.2f}")
        cells.extend(f"{statistics.median(column(results, form, 2)):.1f}" for results in measured.values())
        rows.append(cells)
    return table(("N", "", "new connections", "keep-alive", "p99 ms, new connections", "p99 ms, keep-alive"), rows)


def incoming(report, work, seconds, rounds):
    """Whether it pays to have a connection served on the CPU where it arrived, on this machine: by one client on
    whatever CPU, and by one that has a thread for each."""
    count, rows = len(CPUS), []
    forms = [("native", count), ("incoming", count)]

    def one_for_each_cpu(form, _):
        return running([[SERVER, form, str(PORT), work, str(cpu)] for cpu in CPUS], {PORT: count})

    for threads in (1, count):
        for mode, description in MODES.items():
            results, _ = rounds_of(forms, one_for_each_cpu, lambda: load(mode, seconds, threads), rounds)
            native, ours = (column(results, form, 0) for form in forms)
            ratios = sorted(a / b for a, b in zip(ours, native))
            rows.append((description, threads, f"{statistics.median(native):.0f}", f"{statistics.median(ours):.0f}", f"{ratio(ours, native):.3f}", f"{ratios[0]:.3f} – {ratios[-1]:.3f}",
                         f"{ratio(column(results, forms[1], 2), column(results, forms[0], 2)):.3f}"))
    report.add("### SO_INCOMING_CPU",
               f"N = {count} copies, each pinned to a CPU, that set it besides SO_REUSEPORT, as a --pin of reuseport run would have them do, against SO_REUSEPORT alone. On loopback "
               "a connection arrives on the CPU of who makes it.",
               table(("", "client threads", "SO_REUSEPORT, requests/s", "and SO_INCOMING_CPU", "ratio", "range", "ratio of p99"), rows))


def goals(report, results, counts, description):
    for count in counts:
        native = column(results, ("native", count), 0)
        for form, least in (("library", 0.98), ("seccomp", 0.97)):
            report.count(f"{NAMES[form]} over native, N = {count}, {description}", ratio(column(results, (form, count), 0), native), least, True)
        report.count(f"p99, library over native, N = {count}, {description}",
                    ratio(column(results, ("library", count), 2), column(results, ("native", count), 2)), 1.05, False)
        if count == 2:
            report.count(f"library over dispatcher, N = 2, {description}",
                        ratio(column(results, ("library", 2), 0), column(results, ("dispatcher", 2), 0)), 1.5, True)
        if count > 1:
            locked = column(results, ("locked", count), 0)
            report.count(f"library over a locked socket, N = {count}, {description}",
                        ratio(column(results, ("library", count), 0), locked), 1.0, True)


def plots(measured, counts):
    """Two files, drawn by gnuplot: a block of data for each mode, a row for each form, a bar for each count."""
    forms = [form for form in NAMES if form != "one"]
    for name, index, title in (("scaling", 0, "requests per second, relative to one copy"), ("latency", 2, "p99, relative to one copy")):
        blocks, plot = [], []
        for block, (mode, results) in enumerate(measured.items()):
            base = column(results, ("one", 1), index)
            blocks.append("\n".join(
                f'"{NAMES[form]}" ' + " ".join(f"{ratio(column(results, (form, count), index), base):.3f}" if (form, count) in results else "0" for count in counts)
                for form in forms))
            bars = ", ".join(f"$d index {block} using {i + 2}:xtic(1) title 'N = {count}'" for i, count in enumerate(counts))
            plot.append(f"set title '{title}: {MODES[mode]}'\nplot {bars}")
        script = "\n".join((
            "set terminal svg noenhanced size 1000,480 background 'white' font 'sans,11'", f"set output '{BUILD}/bench/{name}.svg'",
            "set style data histogram", "set style fill solid 0.8", "set yrange [0:*]", "set grid y", "set key outside top center horizontal", "set xtics rotate by -35 scale 0",
            "$d << E", "\n\n\n".join(blocks), "E", "set multiplot layout 1,2", *plot, "unset multiplot\n"))
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
