#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a command as a background job of a terminal with "stty tostop", its stderr the terminal, and prints
what came there, then "stopped" or the command's status.

background-job.py COMMAND..."""
import os
import pty
import signal
import subprocess
import sys
import termios

pid, terminal = pty.fork()
if pid == 0:
    settings = termios.tcgetattr(0)
    settings[3] |= termios.TOSTOP
    termios.tcsetattr(0, termios.TCSANOW, settings)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    job = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=os.setpgrp)
    status = os.waitpid(job.pid, os.WUNTRACED)[1]
    if os.WIFSTOPPED(status):
        job.kill()
        os.waitpid(job.pid, 0)
        print("stopped", flush=True)
    else:
        print("status", os.waitstatus_to_exitcode(status), flush=True)
    os._exit(0)

output = b""
while True:
    try:
        got = os.read(terminal, 4096)
    except OSError:  # how Linux tells the end
        break
    if not got:
        break
    output += got
os.waitpid(pid, 0)
sys.stdout.write(output.decode().replace("\r\n", "\n"))
