# SPDX-License-Identifier: MIT
"""The members of a port's group, for tests of what steers it.

usage: group.py serve KIND ADDRESS PORT        answers each client with its PID
       group.py steer KIND ADDRESS PORT N      joins, has all that arrives sent to member N, and leaves
       group.py ask KIND ADDRESS PORT COUNT    asks from as many source ports; prints a line "PID ANSWERS" for each

KIND: tcp, mptcp or udp."""

import collections
import ctypes
import os
import re
import socket
import struct
import sys

ATTACH, MPTCP = 51, 262


def make(kind, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM, MPTCP * (kind == "mptcp"))


def join(kind, address, port):
    member = make(kind, address)
    member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if kind != "udp":
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    member.bind((address, port))
    if kind != "udp":
        member.listen(4096)
    return member


def serve(kind, address, port):
    member = join(kind, address, port)
    who = b"%d\n" % os.getpid()
    while True:
        if kind == "udp":
            member.sendto(who, member.recvfrom(64)[1])
            continue
        client = member.accept()[0]
        client.send(who)
        client.close()


def steer(kind, address, port, number):
    """An MPTCP socket refuses the option, a TCP socket in its group does not."""
    member = join(kind.removeprefix("mp"), address, port)
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, int(number)))
    member.setsockopt(socket.SOL_SOCKET, ATTACH, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))


def ask(kind, address, port, count):
    answers = collections.Counter()
    clients = []
    for _ in range(int(count)):
        client = make(kind.removeprefix("mp"), address)
        client.settimeout(5)
        client.connect((address, port))
        clients.append(client)  # kept open, so that no source port comes twice
        if kind == "udp":
            client.send(b"who")
        answers[re.search(r"\d+", client.recv(64).decode())[0]] += 1
    for who, number in sorted(answers.items()):
        print(who, number)


if __name__ == "__main__":
    what, kind, address, port, *rest = sys.argv[1:]
    {"serve": serve, "steer": steer, "ask": ask}[what](kind, address, int(port), *rest)
