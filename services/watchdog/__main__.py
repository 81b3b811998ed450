"""`python -m services.watchdog --run DIR`."""

import sys

from services.watchdog.core import NAME
from services.watchdog.service import build
from shared.runtime.main import serve

if __name__ == "__main__":
    sys.exit(serve(NAME, build))
