#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The benchmarks: each section in its smallest form, and what they are made of. Figures are not tested.

load helpers

setup() {
    need_root
    need_unshare -n
}

# section NAME: makes that part of the report, on however busy a machine; REPORT is it.
section() {
    FORCE=1 run make -s -C "$ROOT" BUILD="$BUILT_IN" bench FORM=smoke SECTIONS="$1"
    [ "$status" = 0 ] || {
        echo "$output"
        return 1
    }
    REPORT=$BUILT_IN/bench/report.md
    cat "$REPORT"
    grep -q '^This section took [0-9]* s, ' "$REPORT"
    run ! grep -Ew 'nan|inf|None' "$REPORT"
    # The rows of each table have as many cells as its head.
    awk -F'|' '/^\|/ { if (cells && NF != cells) { print "cells: " $0; bad = 1 } cells = NF; next } { cells = 0 } END { exit bad }' "$REPORT"
}

# goal WHAT: its row is there, with one of the verdicts.
goal() {
    grep -qE "^\| $1 \| [^|]+ \| ([0-9.]+|–) \| at (least|most) [0-9.]+ \| (yes|no|not measurable here now: [^|]+) \|$" "$REPORT" || {
        echo "no goal: $1"
        return 1
    }
}

@test "the section list of the benchmarks: both commands in the same rounds, and their system calls" {
    need_unshare -fp --mount-proc
    section list
    goal 'list over ss, 8 listeners, 0 connections'
    goal 'list over ss, 1000 listeners, 5000 connections'
    [ "$(grep -cE '^\| [0-9]+ listeners, [0-9]+ connections \| ([^|]+\|){2} [0-9]+ \| ([^|]+\|){2} [0-9]+ \|' "$REPORT")" = 2 ]
}

@test "the section calls of the benchmarks: each cost has its control, seccomp's is over a filter of one instruction, and what is counted is exact" {
    section calls
    local what
    for what in 'bind\(\), shared: library over a program that sets the option itself' 'bind\(\), not shared: library over plain' \
        'bind\(\), inert: library over plain' 'socket\(\): library over plain' \
        'an unrelated system call under seccomp, over a filter of one instruction'; do
        goal "$what"
    done
    grep -qxF '| bind(), shared: system calls more with the library | 2 | – | at most 2 | yes |' "$REPORT"
    grep -qxF '| bind(), not shared: system calls more with the library | 1 | – | at most 1 | yes |' "$REPORT"
    grep -qxF '| system calls more for a connection | 0 | – | at most 0 | yes |' "$REPORT"
    grep -qE '^\| bind\(\), shared \| seccomp \|  \| [0-9]+ \| [^|]+ \| [0-9]+ \| [0-9.]+ \(' "$REPORT"
    # Each reason has a figure of this run.
    run ! grep -E '^- [^0-9]*$' "$REPORT"
}

@test "the section starting of the benchmarks: what is counted is the same each time, whatever is in the environment" {
    section starting
    goal 'system calls of reuseport run -p 80 true, over those of env true'
    goal 'start, a list of 10: instructions more than an empty preload'
    local first
    first=$(grep -E 'instructions more|system calls of' "$REPORT")
    FILLER='more' section starting
    [ "$(grep -E 'instructions more|system calls of' "$REPORT")" = "$first" ]
}

@test "the section walks of the benchmarks: one walk through all processes, and looks that cost the same beside any" {
    need_unshare -fp --mount-proc
    section walks
    goal 'replace --drain 3 beside 3 000 sockets: readlinkat and getdents64'
    grep -qxF '| walks of replace through a process with 3 000 sockets | 1 | – | at most 1 | yes |' "$REPORT"
    grep -qxF '| the same with --no-steer | 0 | – | at most 0 | yes |' "$REPORT"
    grep -qxF '| system calls of a look beside 3 000 sockets, over those beside none | 1 | – | at most 1 | yes |' "$REPORT"
}

@test "the section scaling of the benchmarks, and its plot" {
    section scaling
    goal 'N = 2, new connections: reuseport, library over SO_REUSEPORT of its own'
    goal 'N = 2, new connections: reuseport, library over one socket, passing on as nginx does'
    grep -qE '^\| 2 \| the base again, as a control \| [0-9]+ \| [0-9.]+ \([0-9.]+ – [0-9.]+\) \|.* 0 \|$' "$REPORT"
    grep -qE '^\| CPU-bound, new connections, N = 2: p99 in ms[^|]* \|( [^|]+ \| [0-9.]+ \|){2}$' "$REPORT"
    grep -qE '^- CPU-bound, new connections, N = 2: wake-ups in vain for each connection: [0-9.]+ \(one socket, passing on as nginx does\)\.$' "$REPORT"
    grep -q '<svg' "$BUILT_IN/bench/scaling.svg"
}

@test "the section real of the benchmarks" {
    section real
    goal 'nginx, new connections, N = 2: reuseport, library over its own reuseport'
    grep -qE '^\| 2 \| workers of one nginx, one socket \| [0-9]+ \|' "$REPORT"
    grep -qE '^\| 2 \| haproxy, leastconn \| [0-9]+ \| [0-9.]+ \([0-9.]+ – [0-9.]+\) \|' "$REPORT"
    grep -qE '^- redis-server, keep-alive, N = 2: of the [0-9]+ % of [0-9]+ CPUs the load took [0-9]+ % beside one copy, .* behind haproxy, leastconn, which took [0-9]+ % itself' "$REPORT"
}

@test "the benchmarks' workers that pass on share kept connections, and TERM tells how many each one had" {
    make -s -C "$ROOT" BUILD="$BUILT_IN" "$BUILT_IN/bench/server"
    run -0 "$ROOT/tests/bench/apart.sh" python3 - "$BUILT_IN/bench/server" <<'EOF'
import socket, subprocess, sys, time
server = subprocess.Popen([sys.argv[1], "passing", "20000", "0", "-1", "2", "37"], stdout=subprocess.PIPE, text=True)
def connect():
    client = socket.socket()
    while client.connect_ex(("127.0.0.1", 20000)):
        time.sleep(0.01)
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    return client
clients = [connect() for _ in range(64)]
server.terminate()
accepted = [int(line.split()[0]) for line in server.stdout.read().splitlines()]
assert len(accepted) == 2 and sum(accepted) == 64 and min(accepted) >= 24, accepted
EOF
}

# drawn NAME QUESTION: that plot is there, and asks this in its title.
drawn() {
    grep -qF "](${1}.svg)" "$REPORT"
    grep -qF "$2" "$BUILT_IN/bench/$1.svg"
}

@test "the section openloop of the benchmarks" {
    section openloop
    goal "run --balance, uneven work, 70 % load: p99 over the hash's"
    goal "run --balance, uneven work, 70 % load: p99 over one shared socket's"
    goal "run --balance, even work, 70 % load: p99 over the hash's"
    grep -qE '^\| uneven \| 4 \| 678 \| [0-9]+ \| [01]\.[0-9]+ \|$' "$REPORT" # the capacity
    grep -qE '^The CPU-bound form of the uneven work (ran, with [0-9]+ copies|did not run: it requires more than two CPUs, and this machine has [12])\.$' "$REPORT"
    # A reason only where its figure says something.
    grep -qE "^- The hash deals without a look at the copies.* free \\(one shared socket\\) [0-9.]+ \\(|over the hash's \\|.* not measurable here now" "$REPORT"
    drawn latency 'How soon do 99 % of the clients have an answer? Uneven work'
    drawn latency 'How soon do 99 % of the clients have an answer? Even work'
}

@test "the section stopped of the benchmarks" {
    section stopped
    goal 'run --balance, one of four stopped, even work: percentage of clients without an answer'
    grep -q '^| % of clients without an answer, one of four stopped, even work | ' "$REPORT"
    drawn stopped 'Which clients get no answer after one of four copies has stopped?'
}

@test "the section idle of the benchmarks" {
    section idle
    goal 'run --balance, idle: percentage of a CPU'
}

@test "the section kept of the benchmarks" {
    section kept
    # With EPOLLEXCLUSIVE and nothing else, the first worker is nearly always free when a connection comes.
    local share
    share=$(sed -n 's/^| one socket, EPOLLEXCLUSIVE | \([0-9]\).* | .*/\1/p' "$REPORT")
    [ "$share" -ge 2 ]
    grep -q "^| one socket, passing on as nginx does, worker_connections 32 | 1[.]" "$REPORT"
    grep -q "^| nginx, listen … reuseport | " "$REPORT"
}

@test "the section balance of the benchmarks" {
    section balance
    goal 'balance, 16 copies: greatest share over fair share'
}

@test "the section downtime of the benchmarks" {
    section downtime
    local way
    for way in replace renewal; do
        goal "connections lost by $way"
        goal "longest stretch in which a client found nobody, $way: ms"
    done
    for way in 'nothing, as a control' 'reuseport replace' 'renewal of two copies' 'stop and start' 'start, then stop'; do
        grep -qE "^\| $way \| [0-9.]+ \| [0-9]+ – [0-9]+ \| [0-9.]+ \| [0-9]+ \| [0-9]+ \| [24]400 \| [0-9]+ \| [0-9.]+ \|$" "$REPORT"
    done
}

@test "the section renewal of the benchmarks, and its plot" {
    local plot=$BUILT_IN/bench/renewal.svg way
    rm -f "$plot"
    section renewal
    for way in "the kernel's hash" 'run --balance'; do
        grep -qE "^\| $way \| [0-9]+ \| [^|]+ (\| ([0-9.]+|–) ){6}\| [0-9]+ \| 5600 \|$" "$REPORT"
    done
    grep -qF '(renewal.svg)' "$REPORT"
    grep -qF '>What does a renewal do to latency?<' "$plot"
    grep -qF '</svg>' "$plot"
}

@test "the section udp of the benchmarks" {
    section udp
    goal 'UDP, library over native, N = 2, each datagram waits 200 µs'
    goal 'UDP, library over native, N = 2, no work'
    goal 'UDP: flows that move between 2 copies while none joins or leaves'
    [ "$(grep -cE '^\| 2 \| [^|]+ \| [0-9]+ \| [0-9.]+ – [0-9.]+ \| [0-9.]+ \([0-9.]+ – [0-9.]+\) \| [0-9]+ \|$' "$REPORT")" = 8 ]
    grep -qE '^\| one joins 2 \| [0-9]+ \| [0-9.]+ % \| 50.0 % \| 33.3 % \|$' "$REPORT"
    grep -qE '^\| the oldest of 3 leaves \| [0-9]+ \| [0-9.]+ % \| 83.3 % \| [0-9.]+ % \|$' "$REPORT"
}

@test "downtime is the longest stretch of tries without an answer, and who hangs is lost, too" {
    run -0 python3 - "$ROOT/tests/bench" <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
from downtime import costs, plan
text, are_tries = plan(1, 7)
due = [int(line.split()[0]) for line in text.splitlines()]
assert due == sorted(due) and are_tries.count(True) == are_tries.count(False) == 1000
assert [at for at, is_try in zip(due, are_tries) if is_try] == [1000 * number for number in range(1000)]
assert (text, are_tries) == plan(1, 7) and text != plan(1, 8)[0]
# All but two are tries; four find nobody, the last three of them in a row.
ends = "answered failed answered failed answered failed hung hung answered".split()
found = costs([f"0 {late} 50 {end}" for late, end in enumerate(ends)], [True, True, True, True, False, True, True, False, True])
assert found == {"longest": 3, "nobody": 4, "of": 9, "lost": 5, "hung": 2, "late": 0.008}, found
EOF
}

@test "who is as good as the best is named beside him" {
    run -0 python3 - "$ROOT/tests/bench" <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
from report import Report
report = Report()
report.rank("lost", {"replace": 0, "stop": 134, "start, then stop": 0}, ["replace"], lower=True)
report.rank("a second", {"library": 10, "native": 12}, ["library"])
assert report.best == [("lost", "replace and start, then stop", "0", "replace", "0"), ("a second", "native", "12", "library", "10")], report.best
EOF
}

@test "a server that is gone for half a second is missed for so long by a client of the benchmarks" {
    make -s -C "$ROOT" BUILD="$BUILT_IN" "$BUILT_IN"/bench/{sleeper,open-loop}
    BUILD=$BUILT_IN run -0 "$ROOT/tests/bench/apart.sh" python3 - "$ROOT/tests/bench" <<'EOF'
import sys, time
sys.path.insert(0, sys.argv[1])
import downtime
def gone(old, make):
    downtime.end(old)
    time.sleep(0.5)
    return downtime.start_one(make, 1)
downtime.WAYS["gone"] = gone
found = downtime.measure("gone", lambda index: downtime.cell.sleeper("even", downtime.PORT), 1)
print(found)
assert 300 < found["longest"] <= found["nobody"] < found["lost"] < found["of"] == 2400 and found["took"] > 500
EOF
}

@test "of the flows of UDP half move when a copy joins, more when one leaves whose number another takes" {
    run -0 python3 - "$ROOT/tests/bench" <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
from udp import expected
assert expected("ab", "ab") == 0
assert expected("a", "ab") == expected("ab", "abc") == expected("abcd", "abcde") == 0.5
assert expected("abc", "ab") == 0.5 and abs(expected("abc", "cb") - 5 / 6) < 1e-9
EOF
}

@test "the section growth of the benchmarks: latency and cost of 1, 4, 16 copies, and which form ran" {
    need_unshare -fp --mount-proc
    section growth
    [ "$(grep -cE '^\| (1|4|16) \| (the kernel.s hash|run --balance) \| [0-9]+ \| [0-9]+ \|' "$REPORT")" = 6 ]
    local what figures
    for what in 'start until all listen, ms' 'start --balance until all listen, ms' 'start until all listen, traced: the supervisor, system calls' \
        'bind() beside the copies, by the library, ns' 'list of the port, system calls' 'memory of the supervisor, KB' 'memory of all keepers, KB' \
        'a look of --balance, without load, system calls' 'the supervisor with --balance, under load, % of a CPU'; do
        figures=$(grep -F "| $what |" "$REPORT")
        grep -qE '( \| [0-9.]+){3}( \| -?[0-9.e-]+){2} \|$' <<<"$figures" || {
            echo "no figures: $what"
            return 1
        }
    done
    grep -qE '^- a keeper maps [0-9]+ KB, of which [0-9]+ KB are its own' "$REPORT"
    grep -qE '^CPU-bound work was not measured: this machine has [12] CPUs|^### CPU-bound work$' "$REPORT"
}

@test "growth is more than linear only if a copy costs more and all more than their number grows, and CPU-bound work runs where there are CPUs" {
    run -0 python3 - "$ROOT/tests/bench" <<'EOF'
import contextlib, sys
sys.path.insert(0, sys.argv[1])
import growth
from closed import Measured
from report import Report
assert growth.slopes({1: 10, 4: 40, 16: 160, 64: 640}) == (10, 10, False)
assert growth.slopes({1: 230, 4: 1000, 16: 9000}) == (770 / 3, 8000 / 12, True)
assert not growth.slopes({1: 100, 4: 100, 16: 100, 64: 130})[2]  # a little more, from nearly nothing
assert not growth.slopes({1: 500, 4: 300, 16: 100, 64: 1000})[2]  # the first were disturbed
started = []
growth.running = lambda commands, ports: started.append(ports) or contextlib.nullcontext()
growth.wrk = lambda mode, seconds, processes: Measured(1000.0, 1.0, 2.0, 0, 0.0, 0.0)
growth.SERVER = "echo"  # for the calibration
for cpus, counts in ([0, 1], []), ([0, 1, 2], [1, 2]), ([*range(8)], [1, 2, 4]):
    growth.CPUS, started[:] = cpus, []
    report = Report()
    growth.cpu_bound(report, 0.3)
    assert [ports[growth.PORT] for ports in started] == counts
    assert f"has {len(cpus)} CPUs" in " ".join(report.parts)
EOF
}

@test "a section that does not exist is named, and a busy machine is refused unless it is forced" {
    run -2 make -s -C "$ROOT" BUILD="$BUILT_IN" bench FORM=smoke SECTIONS=nosuch
    [[ $output == "bench: no section nosuch; there are: "* ]]
    local i
    for ((i = 0; i < 2 * $(nproc); i++)); do spawn "hog$i" python3 -c 'while True: pass'; done
    run -2 make -s -C "$ROOT" BUILD="$BUILT_IN" bench FORM=smoke SECTIONS=starting
    [[ $output == "bench: this machine is busy: "*"; wait, or set FORCE=1 to measure all the same"* ]]
}

@test "a control that is off by more than 3 % is what a figure is worth, and the interval covers the rounds" {
    run -0 python3 - "$ROOT/tests/bench" <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
from report import Report
from rounds import Comparison
base = [100, 110, 90, 105]
good = Comparison([50, 55, 45, 52.5], base, [101, 111, 91, 106])
assert not good.noise and 0.49 < good.low <= good.figure <= good.high < 0.51
off = Comparison([50, 55, 45, 52.5], base, [104, 114.4, 93.6, 109.2])
assert off.noise == "the control is off by 4 %"
wide = Comparison([50, 110, 45, 105], base, base)
assert (wide.low, wide.high) == (0.5, 1)
report = Report()
report.compare("good", good, 0.6, False)
report.compare("bad", good, 0.4, False)
report.compare("off", off, 0.6, False)
assert [row[-1] for row in report.goals] == ["yes", "no", "not measurable here now: the control is off by 4 %"]
EOF
}

# A line for each way, as in "hash p50=1.13 ... late=0.06 cpu=0.00%".
bench_cell() {
    need_root
    need_unshare -n
    make -s -C "$ROOT" BUILD="$BUILT_IN" "$BUILT_IN"/bench/{sleeper,open-loop}
    BUILD=$BUILT_IN run -0 python3 "$ROOT/tests/bench/cell.py" "$@"
    echo "$output"
}

@test "the open loop of the benchmarks goes on sending while no copy answers, and counts who hangs" {
    bench_cell --way hash --stop 4 --work even --load 10 --requests 200 --limit 1000
    [[ $output == "hash "*" p50=1"???.*" hung=200 failed=0 "* ]]
    local late=${output##*late=}
    [ "${late%%.*}" -lt 500 ]
}

@test "the open loop of the benchmarks: only the stopped copy's clients hang, and those count" {
    bench_cell --way hash shared --stop 1 --work even --load 10 --requests 200 --limit 1000
    [[ ${lines[0]} == "hash "*" p99=1"???.*" failed=0 "* ]]
    local hung=${lines[0]##*hung=}
    [ "${hung%% *}" -gt 20 ] && [ "${hung%% *}" -lt 80 ]
    [[ ${lines[1]} == "shared "*" hung=0 failed=0 "* ]]
}

@test "the open loop of the benchmarks sends the same requests for the same seed, at the load it is asked for" {
    run -0 python3 - "$ROOT/tests/bench" <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
from cell import schedule
for kind, mean in ("even", 1000), ("uneven", 5900):
    plan = schedule(kind, 70, 1000, 7)
    assert plan == schedule(kind, 70, 1000, 7) != schedule(kind, 70, 1000, 8)
    due, sources, ports, durations = zip(*(line.split() for line in plan.splitlines()))
    assert sum(map(int, durations)) == 1000 * mean
    assert 0.97 < int(due[-1]) / (1000 * mean / 4 / 0.7) <= 1 and sorted(map(int, due)) == list(map(int, due))
    assert len(set(sources)) > 990 and all(source.startswith("127.") for source in sources)
    assert len(set(ports)) > 950 and all(1024 <= int(port) < 65536 for port in ports)
    half = schedule(kind, 70, 1000, 7, 0.5)
    assert 1.99 < int(half.splitlines()[-1].split()[0]) / int(due[-1]) < 2.01
EOF
}

# in_bench: Python on stdin, in a network namespace, with the modules of the benchmarks.
in_bench() {
    make -s -C "$ROOT" BUILD="$BUILT_IN" "$BUILT_IN"/bench/{sleeper,open-loop}
    BUILD=$BUILT_IN PYTHONPATH=$ROOT/tests/bench run -0 "$ROOT/tests/bench/apart.sh" python3 -
    echo "$output"
}

@test "the open loop of the benchmarks: the hash deals the same requests the same way each time, other requests otherwise" {
    in_bench <<'EOF'
from cell import measure, schedule
def hung(seed):
    plan = schedule("even", 10, 200, seed)
    ends = measure("hash", plan, 500, stop=1)["ends"]
    return {number for number, (_, end) in enumerate(ends) if end == "hung"}
# Copies may join in another order, so that another share of the same four is the stopped one's.
first, again, other = hung(1), hung(1), hung(2)
assert 20 < len(first) < 80 and (first == again or not first & again), (first, again)
assert other != first and other & first, (first, other)
EOF
}

@test "the capacity of the benchmarks is that of a closed loop: no more clients than it was told, never more than the work allows" {
    in_bench <<'EOF'
from cell import closed_loop, lines, send, serving, summary
import random
rate, computed = closed_loop("even", 0.2)
assert computed == 4000 and 0.2 < rate / computed < 1.01, rate
with serving("shared"):
    # Two clients keep two of four copies busy: ten times 20 ms for each.
    took = summary(send(lines([0] * 20, [20000] * 20, random.Random(1)), 60000, 2))["took"]
assert 200 <= took[-1] < 400, took
EOF
}

@test "the benchmarks walk a tree of processes to its end, whichever of them ends meanwhile" {
    in_bench <<'EOF'
import subprocess
import time
from cell import descendants
with subprocess.Popen(["sh", "-c", "while :; do (/bin/true); done"]) as parent:
    end, most = time.monotonic() + 1, 0
    try:
        while time.monotonic() < end:
            most = max(most, len(descendants(parent.pid)))
    finally:
        parent.kill()
assert most > 1
EOF
}

@test "the CPU-bound work of the benchmarks takes CPU time, and runs by itself on more than two CPUs" {
    in_bench <<'EOF'
import cell
import openloop
def cpu(kind):
    """Of the copies, in seconds, for 20 requests of 118 ms in all."""
    with cell.serving("hash", kind) as (copies, _):
        before = sum(map(cell.cpu_seconds, copies))
        out = cell.send(cell.schedule(kind, 20, 20, 1), 10000)
        assert out.count("answered") == 20, out
        return sum(map(cell.cpu_seconds, copies)) - before
assert cpu("burning") >= 0.118 and cpu("uneven") < 0.059
for cpus, copies in (1, 1), (2, 1), (3, 2), (5, 4), (64, 4):
    cell.CPUS = openloop.CPUS = list(range(cpus))
    assert cell.copies_for("burning") == copies and cell.copies_for("uneven") == 4
    for form in openloop.CELLS:
        assert (("burning", 70) in openloop.cells_of(form)) == (cpus > 2)
EOF
}

@test "the README shows the last full run of make bench-full, three of its rows and a plot" {
    local report=$ROOT/tests/bench/report/report.md machine rows row plot
    machine=$(sed -n 's/^Full form, made by `make bench-full` on: \(.*\)\. It took .*/\1/p' "$report")
    [ -n "$machine" ]
    grep -qF "Made by \`make bench-full\` on $machine; " "$ROOT/README.md"
    for plot in $(grep -o '[a-z]*\.svg' "$report"); do
        [ -s "$ROOT/tests/bench/report/$plot" ]
    done
    grep -qE '^!\[.*\]\(tests/bench/report/latency.svg\)$' "$ROOT/README.md"
    rows=$(sed -n '/<!-- bench -->/,/<!-- \/bench -->/s/^| [^|]\{3,\} | .* |$/&/p' "$ROOT/README.md")
    [ "$(wc -l <<<"$rows")" = 3 ]
    while IFS= read -r row; do
        grep -qxF "$row" "$report" || {
            echo "not in the report: $row"
            return 1
        }
    done <<<"$rows"
}
