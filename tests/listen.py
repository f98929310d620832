# SPDX-License-Identifier: MIT
# A service manager as far as NOTIFY_SOCKET goes.
#     listen.py SOCKET FILE
# Reads the messages to SOCKET, a path, or @ and a name, and notes each in FILE, in a line: its sender's PID, and its
# own lines with blanks between them. At USR1 it fills its own queue until there is no room, and notes "full"; it
# reads on at USR2.
import os, signal, socket, struct, sys

name, notes = sys.argv[1], open(sys.argv[2], "a", buffering=1)
address = "\0" + name[1:] if name[0] == "@" else name
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
listener.bind(address)


def fill(*_):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.connect(address)
        try:
            while True:
                sender.send(b"filler")
        except BlockingIOError:
            print("full", file=notes)
    signal.sigwait([signal.SIGUSR2])


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
signal.signal(signal.SIGUSR1, fill)
print("listening", file=notes)
while True:
    text, control, _, _ = listener.recvmsg(4096, socket.CMSG_SPACE(12))
    pid = struct.unpack("3i", control[0][2][:12])[0] if control else 0
    if text != b"filler":
        print(pid, *text.decode().split("\n"), file=notes)
