"""Lets a tool that waits for its input crash: crash.py TOOL [ARGUMENTS]."""

import signal
import subprocess
import sys
import time

tool = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
for _ in range(1000):
    with open(f"/proc/{tool.pid}/status") as file:
        status = dict(line.split(":", 1) for line in file)
    handled = int(status["SigCgt"], 16) >> (signal.SIGABRT - 1) & 1
    with open(f"/proc/{tool.pid}/wchan") as file:
        waits = "pipe" in file.read() or status["State"].strip().startswith("S")
    if handled and waits:
        break
    time.sleep(0.01)
tool.send_signal(signal.SIGABRT)
tool.wait()
