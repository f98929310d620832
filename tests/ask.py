# SPDX-License-Identifier: MIT
"""Asks a server on 127.0.0.1 who it is, up to COUNT times, each time from a new source port, until two
different ones have answered; prints a line "WHO ANSWERS" for each.

usage: ask.py PROTOCOL PORT COUNT"""

import collections
import re
import socket
import ssl
import struct
import sys

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE

# What to send, and where in the answer the server says who it is; if it does not, there is no group in the pattern.
PROTOCOLS = {
    "example/tcp": (b"", rb"pid (\d+)"),
    "http/tcp": (b"GET /who HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", rb"\r\n\r\n([\w-]+)"),
    "http-alive/tcp": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", rb"HTTP/1.1 \d+ .*\r\n\r\n"),
    "proxy/tcp": (b"GET http://127.0.0.1:1/ HTTP/1.0\r\n\r\n", rb"(copy-\d)"),
    "text/tcp": (b"", rb"(copy-\d)"),
    "text/tls": (b"", rb"(copy-\d)"),
    "ssh/tcp": (b"SSH-2.0-who\r\n", rb"^SSH-2.0.*(copy-\d)"),
    "exporter/tcp": (b"GET /metrics HTTP/1.0\r\n\r\n", rb'copy_who{name="(copy-\d)"}'),
    "etcd/tcp": (b"GET /metrics HTTP/1.0\r\n\r\n", rb'etcd_server_id{server_id="(\w+)"} 1'),
    "redis/tcp": (b"INFO server\r\n", rb"process_id:(\d+)\r"),
    "memcached/tcp": (b"stats\r\n", rb"STAT pid (\d+)\r"),
    # Its UDP requests start with a number of the request, one of the datagram, how many there are, and 0.
    "memcached/udp": (b"\0\1\0\0\0\1\0\0stats\r\n", rb"STAT pid (\d+)\r"),
    # In its answers is the name that a server of MQTT, of LDAP, of SOCKS, of databases … does not say.
    "mqtt/tcp": (b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a", rb"\x20\x02\x00\x00"),
    "mariadb/tcp": (b"", rb"MariaDB"),
    "postgresql/tcp": (b"\0\0\0\x08\4\xd2\x16\x2f", rb"[NS]"),
    "ldap/tcp": (b"\x30\x0c\2\1\1\x60\7\2\1\3\4\0\x80\0", rb"\x0a\x01\x00\x04\x00\x04\x00"),
    # Procedure 0 of the port mapper, version 2
    "rpc/tcp": (b"\x80\0\0\x28\0\0\0\1\0\0\0\0\0\0\0\2\0\1\x86\xa0\0\0\0\2" + 20 * b"\0", rb"^\x80\x00\x00\x18\x00\x00\x00\x01"),
    "socks/tcp": (b"\5\1\0", rb"\x05\x00"),
    # Its cookie of 37 bytes; the answer is the state PARAM_EXCHANGE, by whoever has no other client.
    "iperf3/tcp": (b"0123456789abcdefghijklmnopqrstuvwxyz\0", rb"\x09"),
    # id.server, TXT, CH
    "dns-id/udp": (b"\0\1\1\0\0\1\0\0\0\0\0\0\2id\6server\0\0\x10\0\3", rb"(copy-\d)"),
    # A client's request, version 4; the answer's stratum says who.
    "ntp/udp": (b"\x23" + 47 * b"\0", rb"^\x24([\x0a\x0b])"),
    # Access-Request: User-Name "who"; the answer has a Reply-Message.
    "radius/udp": (b"\1\1\0\x19" + 16 * b"\1" + b"\1\5who", rb"^\x02.*(copy-\d)"),
    # Allocate without credentials; the answer, 401, has the realm.
    "turn/udp": (b"\0\3\0\x08\x21\x12\xa4\x42" + 12 * b"\1" + b"\0\x19\0\4\x11\0\0\0", rb"(copy-\d)"),
    "sip/udp": (
        b"OPTIONS sip:who@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1;rport\r\nMax-Forwards: 9\r\n"
        b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:who@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        rb"(copy-\d)",
    ),
    # No answer: the reader of its logs finds the message.
    "syslog/udp": (b"<13>Jan  1 00:00:00 host who: ", rb""),
    # The TXT record of who.test.
    "dns/udp": (b"\0\1\1\0\0\1\0\0\0\0\0\0\3who\4test\0\0\20\0\1", rb"(copy-\d)"),
}


def ask(connection, request, pattern):
    connection.sendall(request)
    answer = b""
    while not (found := re.search(pattern, answer, re.DOTALL)):
        part = connection.recv(65536)
        if not part:
            raise OSError(f"not an answer: {answer}")
        answer += part
    return found[found.re.groups].decode(errors="replace")


def connect(protocol, port):
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if protocol.endswith("/udp") else socket.SOCK_STREAM)
    connection.settimeout(5)
    if connection.type == socket.SOCK_STREAM:  # reset when closed, so that no TIME_WAIT stays behind
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.connect(("127.0.0.1", int(port)))
    return TLS.wrap_socket(connection) if protocol.endswith("/tls") else connection


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
