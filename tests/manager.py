# SPDX-License-Identifier: MIT
# A manager of units as far as control groups and NOTIFY_SOCKET tell, with one unit, app.service.
#     manager.py GROUP SECONDS COMMAND...
# Starts COMMAND as the unit's main process, in GROUP/app.service, itself being in GROUP/init.scope; at USR1 ./reload, as
# ExecReload= would be; its status goes to ./status. Notes in ./events each message that it reads, and "barrier" as it
# closes a BARRIER=1's descriptor, SECONDS after it has read that.
import array, ctypes, os, select, signal, socket, sys, time

group, delay, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
notify = os.path.abspath("notify")


def start(unit, words, environment):
    pid = os.fork()
    if pid == 0:
        with open(f"{group}/{unit}/cgroup.procs", "w") as procs:
            procs.write("0")
        os.execvpe(words[0], words, {**os.environ, **environment})
    return pid


def note(event):
    with open("events", "a") as events:
        events.write(event + "\n")


def read_message(listener):
    text, ancillary, _, _ = listener.recvmsg(4096, socket.CMSG_SPACE(16))
    note("read " + text.decode())
    for _, _, data in ancillary:
        time.sleep(delay)
        note("barrier")
        for descriptor in array.array("i", data):
            os.close(descriptor)


ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
with open(f"{group}/init.scope/cgroup.procs", "w") as procs:
    procs.write("0")
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(notify)
wake_read, wake_write = os.pipe()
os.set_blocking(wake_write, False)
signal.signal(signal.SIGUSR1, lambda *_: os.write(wake_write, b"x"))
main, reload = start("app.service", command, {"NOTIFY_SOCKET": notify}), None
os.environ.pop("WATCHDOG_USEC", None)  # of the main process alone
while True:
    ready, _, _ = select.select([listener, wake_read], [], [], 0.02)
    if listener in ready:
        read_message(listener)
    if wake_read in ready:
        os.read(wake_read, 1)
        reload = start("app.service", ["./reload"], {"NOTIFY_SOCKET": notify, "MAINPID": str(main)})
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == reload:
                with open("status", "w") as status:
                    status.write(f"{os.waitstatus_to_exitcode(ended[1])}\n")
    except ChildProcessError:
        break
