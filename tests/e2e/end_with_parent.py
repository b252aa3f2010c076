"""Executes a command that the kernel kills when its parent process ends, for whatever reason.

`python end_with_parent.py PARENT_PID COMMAND ARGUMENT...`. This is a wrapper instead of a preexec_fn because Python
warns if a fork runs Python code while there are threads, and the tests' proxy is a thread.
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
