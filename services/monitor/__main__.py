"""`python -m services.monitor --run DIR`."""

import sys

from services.monitor.core import NAME
from services.monitor.service import build
from shared.runtime.main import serve

if __name__ == "__main__":
    sys.exit(serve(NAME, build))
