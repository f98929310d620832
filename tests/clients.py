# SPDX-License-Identifier: MIT
"""Clients that come at a fixed rate, whether or not earlier ones have been answered, each from a loopback address of
its own where there are such (IPv4). Prints "ANSWERED answered, FAILED failed, HUNG hung" when all have been, or after
the last one has waited for so long; then a line "PID ANSWERS" for each server process.

usage: clients.py ADDRESS PORT COUNT RATE [REQUEST [PATIENCE]]

REQUEST is sent with a line feed behind it unless it is empty; the answer is all up to the end, with the server's PID
in it."""

import collections
import os
import random
import re
import selectors
import socket
import sys
import time

IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); Python has no name for it before 3.12


def begin(address, port, request):
    client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    client.setblocking(False)
    if address.startswith("127."):
        client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        client.bind((f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}", 0))
    client.connect_ex((address, port))
    return {"socket": client, "request": request, "answer": b""}


def go_on(client):
    """Returns True once it is over."""
    if not client["answer"] and client["request"] is not None:
        if error := client["socket"].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        client["socket"].send(client["request"])
        client["request"] = None
        return False
    part = client["socket"].recv(4096)
    client["answer"] += part
    return not part


def main(address, port, count, rate, request="", patience="3"):
    waiting, answers, failures = selectors.DefaultSelector(), collections.Counter(), collections.Counter()
    start = last = time.monotonic()
    begun = 0
    while begun < int(count) or (waiting.get_map() and last + float(patience) > time.monotonic()):
        while begun < int(count) and start + begun / float(rate) <= time.monotonic():
            client = begin(address, int(port), request.encode() and request.encode() + b"\n")
            waiting.register(client["socket"], selectors.EVENT_WRITE, client)
            begun += 1
            last = time.monotonic()
        for key, _ in waiting.select(min(0.001, 1 / float(rate))):
            client = key.data
            try:
                over = go_on(client)
                if not over:
                    waiting.modify(client["socket"], selectors.EVENT_READ, client)
            except OSError as error:
                over = True
                failures[str(error)] += 1
            if over:
                waiting.unregister(client["socket"])
                client["socket"].close()
                if found := re.search(rb"\d+", client["answer"]):
                    answers[int(found[0])] += 1
    hung = len(waiting.get_map())
    print(f"{answers.total()} answered, {failures.total()} failed, {hung} hung")
    for pid, number in sorted(answers.items()):
        print(pid, number)
    for failure, number in failures.items():
        print(f"{failure}: {number}")


main(*sys.argv[1:])
