#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server that accepts connections and keeps them, and its clients.

usage: keeper.py serve PORT ADDRESS...     one process listens on all of them, twice on one that is named twice
       keeper.py prefork PORT ADDRESS      so do two children, which accept, and their parent, which does not
       keeper.py inetd PORT ADDRESS        each connection is kept by a child that has closed the listener
       keeper.py clients PORT ADDRESS COUNT [close]     connects, prints "connected"; waits or closes, then waits"""

import os
import select
import socket
import sys
import time


def listen(port, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(1024)
    return listener


def serve(port, *addresses):
    listeners = [listen(port, address) for address in addresses]
    kept = []
    while True:
        for ready in select.select(listeners, [], [])[0]:
            kept.append(ready.accept())


def prefork(port, address):
    listener = listen(port, address)
    if os.fork() and os.fork():
        time.sleep(600)
    kept = []
    while True:
        kept.append(listener.accept())


def inetd(port, address):
    listener = listen(port, address)
    while True:
        connection = listener.accept()[0]
        if not os.fork():
            listener.close()
            time.sleep(600)
        connection.close()


def clients(port, address, count, *then):
    kept = []
    for _ in range(int(count)):
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        client.setblocking(False)  # the queue may be full
        client.connect_ex((address, port))
        kept.append(client)
    for client in kept[:1 if len(kept) > 16 else None]:
        select.select([], [client], [], 5)
    if then:
        kept.clear()
    print("connected", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    what, port, *rest = sys.argv[1:]
    {"serve": serve, "prefork": prefork, "inetd": inetd, "clients": clients}[what](int(port), *rest)
