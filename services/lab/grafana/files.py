"""The dashboards as files: `deploy/grafana/dashboards/<page>.json`."""

from __future__ import annotations

from pathlib import Path

from services.lab.grafana import latency, overview, trading
from services.lab.grafana.drawing import file_text

FOLDER = Path("deploy/grafana/dashboards")
PAGES = (overview.PAGE, trading.PAGE, latency.PAGE)


def dashboard_files() -> dict[Path, bytes]:
    """Path -> content of every dashboard."""
    return {FOLDER / f"{page.uid}.json": file_text(page).encode() for page in PAGES}
