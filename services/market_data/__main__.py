"""Run it: `python -m services.market_data --run FOLDER`."""

from __future__ import annotations

import sys

from services.market_data.service import build
from shared.runtime.main import serve

sys.exit(serve("market_data", build))
