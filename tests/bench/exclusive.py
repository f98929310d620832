# SPDX-License-Identifier: MIT
"""Workers that wait by epoll for one inherited socket, with EPOLLEXCLUSIVE and nothing else, and keep connections.
TERM ends them all.

usage: exclusive.py PORT WORKERS"""

import os
import select
import signal
import socket
import sys


def serve(listener):
    waiting, clients = select.epoll(), {}
    waiting.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    while True:
        for fd, _ in waiting.poll(maxevents=1):
            if fd == listener.fileno():
                try:
                    client = listener.accept()[0]
                except BlockingIOError:  # another worker has taken it
                    continue
                clients[client.fileno()] = client
                waiting.register(client, select.EPOLLIN)
            elif not clients[fd].recv(2048):
                clients.pop(fd).close()
            else:
                clients[fd].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")


def main(port, workers):
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=4096)
    listener.setblocking(False)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    children = []
    for _ in range(int(workers)):
        children.append(os.fork())
        if not children[-1]:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            serve(listener)
    signal.sigwait([signal.SIGTERM])
    for child in children:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
