"""`python -m services.watchdog --run DIR`."""

import signal

# A kill that comes while the rest is still being imported must wait, not end this process.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

import sys  # noqa: E402

from services.watchdog.closing import NAME  # noqa: E402
from services.watchdog.service import build  # noqa: E402
from shared.runtime.main import serve  # noqa: E402

if __name__ == "__main__":
    sys.exit(serve(NAME, build))
