"""Real market data, where it lies beside the checkout; a test that needs it skips elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared/data"


def real(name: str) -> Path:
    """A file or folder of it; skips, with the reason printed, where it is not."""
    path = DATA / name
    if not path.exists():
        print(f"skipped: no real data at {path}")
        pytest.skip(f"no real data at {path}")
    return path
