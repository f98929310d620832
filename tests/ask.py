# SPDX-License-Identifier: MIT
"""Asks a server on 127.0.0.1 who it is, up to COUNT times, each time from a new source port, until two
different ones have answered; prints a line "WHO ANSWERS" for each.

usage: ask.py PROTOCOL PORT COUNT"""

import collections
import re
import socket
import struct
import sys

# What to send, and where in the answer the server says who it is.
PROTOCOLS = {
    "example/tcp": (b"", rb"pid (\d+)"),
    "http/tcp": (b"GET /who HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", rb"\r\n\r\n([\w-]+)"),
    "exporter/tcp": (b"GET /metrics HTTP/1.0\r\n\r\n", rb'copy_who{name="(copy-\d)"}'),
    "etcd/tcp": (b"GET /metrics HTTP/1.0\r\n\r\n", rb'etcd_server_id{server_id="(\w+)"} 1'),
    "redis/tcp": (b"INFO server\r\n", rb"process_id:(\d+)\r"),
    "memcached/tcp": (b"stats\r\n", rb"STAT pid (\d+)\r"),
    # Its UDP requests start with a number of the request, one of the datagram, how many there are, and 0.
    "memcached/udp": (b"\0\1\0\0\0\1\0\0stats\r\n", rb"STAT pid (\d+)\r"),
    # The TXT record of who.test.
    "dns/udp": (b"\0\1\1\0\0\1\0\0\0\0\0\0\3who\4test\0\0\20\0\1", rb"(copy-\d)"),
}


def ask(connection, request, pattern):
    connection.sendall(request)
    answer = b""
    while not (found := re.search(pattern, answer)):
        part = connection.recv(65536)
        if not part:
            raise OSError(f"not an answer: {answer}")
        answer += part
    return found[1].decode()


def connect(protocol, port):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol.endswith("/tcp") else socket.SOCK_DGRAM)
    connection.settimeout(5)
    if connection.type == socket.SOCK_STREAM:  # reset when closed, so that no TIME_WAIT stays behind
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.connect(("127.0.0.1", int(port)))
    return connection


def main(protocol, port, count):
    connections = []  # kept open, so that no source port comes twice
    answers = collections.Counter()
    while len(connections) < int(count) and len(answers) < 2:
        connections.append(connect(protocol, port))
        answers[ask(connections[-1], *PROTOCOLS[protocol])] += 1
    for who, number in answers.items():
        print(who, number)


if __name__ == "__main__":
    main(*sys.argv[1:])
