# SPDX-License-Identifier: MIT
"""A server that serves one client after the other, and takes as many seconds for each as its line asks for (an empty
one: no time), then answers with its PID.

usage: slow.py PORT [ADDRESS]"""

import os
import socket
import sys
import time

port, address = int(sys.argv[1]), (sys.argv[2:] or ["127.0.0.1"])[0]
listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
listener.bind((address, port))
listener.listen(512)
while True:
    client = listener.accept()[0]
    try:
        time.sleep(float(client.makefile().readline().strip() or 0))
        client.sendall(b"pid %d\n" % os.getpid())
    except (OSError, ValueError):
        pass
    client.close()
