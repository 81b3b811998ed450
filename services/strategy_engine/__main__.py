"""`python -m services.strategy_engine --run DIR`."""

import sys

from services.strategy_engine.core import NAME
from services.strategy_engine.service import build
from shared.runtime.main import serve

if __name__ == "__main__":
    sys.exit(serve(NAME, build))
