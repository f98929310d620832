#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Changes one thing at a time in a copy of shim/ROOM, and asks the tests that bear on it whether they notice.

usage: mutate.py ROOM[,ROOM...] COUNT SEED     as root: the tests run in namespaces of their own, which end with them

A change that does not compile or leaves the object code as it was does not count; nor does one whose failing test fails
without it, too, on a busy machine, or passes the second time. Prints for each room what share was noticed of those
that tests/survivors.table does not explain, and what was not; the exit status is 1 if there is such a thing."""

import glob
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TESTS = {
    "core": "units list effect refusal corners who-holds check",
    "preload": "list effect transparency library-file refusal corners moments system-calls units",
    "base": "units list-watch ready replace-safety service-manager",
    "inspect": "units adopt who-holds identity check replace-origin",
    "seccomp": "units seccomp seccomp-servers hostile system-calls",
    "launch": "units run check ready sidecar background",
    "group": "units adopt service-dealing service-balance replace-steering",
    "look": "units replace-cover replace-arrival replace replace-to",
    "service": "units service-manager ready service-dealing service-balance service renewal",
    "handover": "units ready replace-cover replace-init replace-keeper replace-arrival replace-origin replace-safety replace-to replace-steering replace",
    "command": "completion list-watch who-holds adopt run check sidecar service replace replace-safety replace-to replace-origin",
}
SWAPS = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "&&": "||", "||": "&&"}
OPERATOR = re.compile(r"==|!=|&&|\|\||(?<![<>-])[<>]=?(?![<>=])")
SLACK = 60  # seconds that a file may take beyond three times its own time
THREADS = 3000  # at once, of all that the tests start: a change can make a program that starts others without end


def blank(text):
    """The text with comments, strings and preprocessor lines as blanks, so that offsets remain."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*'
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found.group()), text, flags=re.S | re.M)


def closing(code, start):
    """Where the bracket that opens at start closes."""
    depth = 0
    for at in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if depth == 0:
            return at
    raise ValueError("unbalanced")


def changes(path):
    """(path, start, end, what stands there then, name of the change) of each that can be made to the file."""
    with open(path, encoding="utf-8") as file:
        code = blank(file.read())
    for found in OPERATOR.finditer(code):
        yield path, found.start(), found.end(), SWAPS[found.group()], f"{found.group()} is {SWAPS[found.group()]}"
    for found in re.finditer(r"\b(if|while) \(", code):
        start, end = found.end() - 1, closing(code, found.end() - 1)
        yield path, start, end + 1, "(!{})", f"{found.group(1)} is negated"
    for found in re.finditer(r"^ +[a-z_]\w*\([^;{}]*\);$", code, re.M):
        yield path, found.start(), found.end(), ";", "call is dropped"
    for function in re.finditer(r"^(?:static )?bool \w+\([^;{]*\{.*?^\}", code, re.M | re.S):
        for found in re.finditer(r"\breturn ([^;]+);", function.group()):
            start, end = (function.start() + found.start(1), function.start() + found.end(1))
            yield path, start, end, "!({})", "result is flipped"


PIDS = "/sys/fs/cgroup/pids"
APART = f"""
[ -d "${{1%/*}}" ] && mkdir -p "$1" && echo {THREADS} >"$1/pids.max" && echo $$ >"$1/cgroup.procs"
shift
ip link set lo up
mkdir -p /run/netns
mount -t tmpfs none /run/netns
exec "$@"
"""


class Tree:
    """A copy of the sources and of what is built of them."""

    def __init__(self, folder):
        self.folder = folder
        self.fence = f"{PIDS}/{os.path.basename(os.path.dirname(folder))}-{os.path.basename(folder)}"
        os.makedirs(folder)
        for name in ("Makefile", "shim", "tests", "examples", "README.md", "LICENSE", "build"):
            subprocess.run(["cp", "-a", os.path.join(ROOT, name), folder], check=True)

    def make(self, *targets):
        return subprocess.run(["make", "-s", "-j2", *targets], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def objects(self, path):
        """The object code of a source file, for each program that it is linked into; None if it does not compile."""
        name = os.path.relpath(path, "shim")[:-2] + ".o"
        made = [f"build/{part}/{name}" for part in ("cmd", "lib") if os.path.exists(os.path.join(self.folder, f"build/{part}/{name}"))]
        if not self.make(*made):
            return None
        return [open(os.path.join(self.folder, one), "rb").read() for one in made]

    def test(self, name, limit, only=None):
        """Runs a bats file, up to the first failure. Returns the test that failed, "the time limit", or None."""
        bats = ["env", "-i", f"PATH={os.environ['PATH']}", "HOME=/root", f"TMPDIR={self.folder}/tmp", f"BUILD={self.folder}/build",
                "BATS_TEST_TIMEOUT=120", "bats", "--tap", "--filter-tags", "!long", f"tests/{name}.bats"]
        if only:
            bats += ["--filter", "^" + re.sub(r"[^\w ,]", ".", only) + "$"]
        os.makedirs(f"{self.folder}/tmp", mode=0o755, exist_ok=True)
        apart = ["unshare", "--mount", "--net", "sh", "-c", APART, "sh", self.fence]
        with subprocess.Popen(apart + bats, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                return first_failure(process, time.monotonic() + limit)
            finally:
                end_all(self.folder)


def is_ours(pid, folder, spaces):
    """Whether the tests of that tree have started it: by TMPDIR, or by its network namespace if that is one of theirs."""
    try:
        space = os.readlink(f"/proc/{pid}/ns/net")
        with open(f"/proc/{pid}/environ", "rb") as file:
            marked = f"TMPDIR={folder}/tmp".encode() in file.read().split(b"\0")
    except OSError:  # it has ended
        return False
    if marked and space != os.readlink("/proc/self/ns/net"):
        spaces.add(space)
    return marked or space in spaces


def end_all(folder):
    """Ends what the tests have started, until nothing is left of it."""
    spaces = set()
    for _ in range(50):
        left = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_ours(pid, folder, spaces)]
        for pid in left:
            end(pid, folder, spaces)
        if not left:
            return
        time.sleep(0.05)


def end(pid, folder, spaces):
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if is_ours(pid, folder, spaces):  # still, and the PID is no other's now
            signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(process)


def first_failure(process, deadline):
    """Reads TAP: the test that failed, or None once all have passed."""
    text, expected, passed = b"", None, 0
    while True:
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        more = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not more:
            return ("its end" if ready else "the time limit") if expected is None or passed < expected else None
        text += more
        *lines, text = text.split(b"\n")
        for line in lines:
            line = line.decode(errors="replace")
            if line.startswith("1.."):
                expected = int(line[3:])
            elif line.startswith("not ok "):
                return re.sub(r"^not ok \d+ | # timeout.*", "", line)
            passed += line.startswith("ok ")
        if passed == expected:
            return None


def baseline(tree, names):
    """How long each file takes; the quickest is first. Ends the program if a test fails without any change."""
    times = {}
    for name in names:
        start = time.monotonic()
        for _ in range(2):  # once more, if the machine was busy
            failed = tree.test(name, 900)
            if not failed:
                break
        else:
            sys.exit(f"without any change, {name}.bats fails: {failed}")
        times[name] = time.monotonic() - start
    return sorted(times.items(), key=lambda item: item[1])


def apply(tree, change):
    """Makes the change. Returns the text before, to be restored."""
    path, start, end, then, _ = change
    with open(os.path.join(tree.folder, path), encoding="utf-8") as file:
        before = file.read()
    write(tree, path, before[:start] + then.replace("{}", before[start:end]) + before[end:])
    return before


def write(tree, path, text):
    with open(os.path.join(tree.folder, path), "w", encoding="utf-8") as file:
        file.write(text)


def place(before, change):
    """The line of the change: its number and its text."""
    number = before.count("\n", 0, change[1] + (change[4] == "call is dropped")) + 1
    return number, before.split("\n")[number - 1].strip()


def verdict(original, tree, times):
    """Which test notices: (file, test), or None. "busy" if it fails without the change, too, or not again with it."""
    for name, seconds in times:
        limit = 3 * seconds + SLACK
        failed = tree.test(name, limit)
        if not failed:
            continue
        only = None if failed in ("the time limit", "its end") else failed
        proven = tree.test(name, limit, only) and not original.test(name, limit, only)
        return name, failed if proven else "busy"
    return None


def known():
    """{(path, line, change): reason} of survivors.table."""
    rows = {}
    with open(os.path.join(ROOT, "tests/survivors.table"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                path, text, change, reason = (part.strip() for part in line.split(" @ "))
                rows[path, text, change] = reason
    return rows


def judge(original, tree, change, times, counts, noticed):
    """Makes one change and counts it, and which file noticed it."""
    path, before = change[0], apply(tree, change)
    number, line = place(before, change)
    try:
        made = tree.objects(path)
        if made is None or made == original.objects(path):
            return
        found = verdict(original, tree, times) if tree.make("all", "probes") else ("make", "busy")
    finally:
        write(tree, path, before)
    where = f"{path}:{number}: {change[4]}: {line}"
    if found and found[1] == "busy":
        print(f"    unsure   {where} ({found[0]} fails without it, too, or not again)", flush=True)
        return
    reason = None if found else known().get((path, line, change[4]))
    counts["noticed" if found else "explained" if reason else "survived"] += 1
    if found and found[0] in noticed:
        noticed[found[0]] += 1
    print(f"    killed   {where} ({found[0]}: {found[1]})" if found else f"    SURVIVED {where}" + (f" ({reason})" if reason else ""), flush=True)


def room(original, tree, name, count, seed):
    """Prints what became of so many changes. Returns how many survived that nobody has explained."""
    files = sorted(f"shim/{name}/{file}" for file in os.listdir(f"{ROOT}/shim/{name}") if file.endswith(".c"))
    every = [change for file in files for change in changes(file)]
    random.Random(seed).shuffle(every)
    times = baseline(original, TESTS[name].split())
    print(f"{name}: {len(every)} changes are possible; " + ", ".join(f"{file} {seconds:.0f} s" for file, seconds in times), flush=True)
    counts = {"noticed": 0, "explained": 0, "survived": 0}
    noticed = dict.fromkeys(TESTS[name].split(), 0)
    for change in every:
        if sum(counts.values()) >= count:
            break
        times.sort(key=lambda item: item[1] / (1 + noticed[item[0]]))
        judge(original, tree, change, times, counts, noticed)
    total = max(counts["noticed"] + counts["survived"], 1)
    share = f"{counts['noticed']} of {total} changes noticed ({100 * counts['noticed'] // total} %)"
    print(f"{name}: {share}, beside {counts['explained']} that survivors.table explains, SEED={seed}", flush=True)
    return counts["survived"]


def main():
    rooms, count, seed = sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3])
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="mutants-")
    os.chmod(folder, 0o755)
    try:
        original = Tree(f"{folder}/original")
        tree = Tree(f"{folder}/changed")
        if not (original.make("all", "probes") and tree.make("all", "probes")):
            sys.exit("make fails without any change")
        return sum([room(original, tree, name, count, seed) for name in rooms]) > 0
    finally:
        shutil.rmtree(folder)
        for fence in glob.glob(f"{PIDS}/{os.path.basename(folder)}-*"):
            os.rmdir(fence)


if __name__ == "__main__":
    sys.exit(main())
