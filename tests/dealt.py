# SPDX-License-Identifier: MIT
"""Clients that come one after the other and keep their connections until all have come. Prints a line "PID ANSWERS"
for each server process, and how many clients have not been answered a second after the last one came.

usage: dealt.py ADDRESS PORT COUNT [PAUSE]        PAUSE: seconds between two clients"""

import collections
import re
import socket
import sys
import time


def main(address, port, count, pause="0.002"):
    clients, answers = [], collections.Counter()
    for _ in range(int(count)):
        clients.append(socket.create_connection((address, int(port)), 5))
        time.sleep(float(pause))
    end = time.monotonic() + 1
    for client in clients:
        client.settimeout(max(end - time.monotonic(), 0.01))
        try:
            answers[re.search(r"\d+", client.recv(64).decode())[0]] += 1
        except TimeoutError:
            answers["hung"] += 1
    for who, number in sorted(answers.items()):
        print(who, number)


main(*sys.argv[1:])
