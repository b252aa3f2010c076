"""Becomes a command that the kernel kills when the process that started it ends, however that ends.

`python end_with_parent.py PARENT_PID COMMAND ARGUMENT...`. A wrapper, and not a preexec_fn: Python warns of forks that
run Python code beside threads, and the proxy of these tests is a thread.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent has ended already")
    os.execvp(command[0], command)
