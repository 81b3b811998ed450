"""supervisord, ended by the kernel if the command that started it is killed outright.

    python -m services.cli.supervisord_child PARENT_PID CONF

A process that is killed cannot clear up after itself. So supervisord asks the kernel for a SIGTERM
at its parent's death, and then stops the services in order. A trading process that nobody watches
is the one thing that must not be left over.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from supervisor import supervisord

PR_SET_PDEATHSIG = 1
BACKGROUND = 0
"""Parent of a run that stays up when the command that started it has ended."""


def main() -> None:
    """Arm the signal, make sure that the parent still lives, become supervisord."""
    parent, conf = int(sys.argv[1]), sys.argv[2]
    os.umask(0o077)
    if parent != BACKGROUND:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent == BACKGROUND or os.getppid() == parent:
        supervisord.main(["-c", conf])


if __name__ == "__main__":
    main()
