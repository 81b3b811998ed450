"""Starts the risk engine: `python -m services.risk_engine --run FOLDER`."""

from __future__ import annotations

import sys

from services.risk_engine.service import build
from shared.runtime.main import serve

if __name__ == "__main__":
    sys.exit(serve("risk_engine", build))
