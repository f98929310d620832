# SPDX-License-Identifier: MIT
"""Asks a server on 127.0.0.1, each time on a new connection, until TERM; then prints how often it answered
and how often it failed to.

usage: traffic.py PROTOCOL PORT"""

import signal
import sys

from ask import PROTOCOLS, ask, connect

go_on = True


def stop(*_):
    global go_on
    go_on = False


signal.signal(signal.SIGTERM, stop)
answered = failed = 0
while go_on:
    try:
        with connect(*sys.argv[1:]) as connection:
            ask(connection, *PROTOCOLS[sys.argv[1]])
        answered += 1
    except OSError as error:
        failed += 1
        print(error, flush=True)
    if answered == 1:
        print("started", flush=True)
print(f"{answered} answered, {failed} failed")
