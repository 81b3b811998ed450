"""Run it: `python -m services.venue --run FOLDER`."""

from __future__ import annotations

import sys

from services.venue.service import build
from shared.runtime.main import serve

sys.exit(serve("venue", build))
