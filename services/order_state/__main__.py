"""Starts the ledger: `python -m services.order_state --run FOLDER`."""

from __future__ import annotations

import sys

from services.order_state.service import build
from shared.runtime.main import serve

if __name__ == "__main__":
    sys.exit(serve("order_state", build))
