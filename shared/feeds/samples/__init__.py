"""Made-up market data that ships with Bulkhead, so that the demo needs no download.

`SAMPLE_PATH` holds trades of contract ESM30, made by `generate.py`; see there for what they are.
"""

from __future__ import annotations

from pathlib import Path

SAMPLE_PATH = Path(__file__).with_name("ESM30_demo_trades.csv.gz")
