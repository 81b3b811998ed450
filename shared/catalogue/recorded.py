"""One way to open recorded data, whether it lies in files or in a catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared.catalogue.manifest import is_catalogue
from shared.feeds import BadRow, Feed, open_feed
from shared.markets import Contract


def open_recorded(
    path: Path, contract: Contract, on_bad_row: Callable[[BadRow], None] | None = None
) -> Feed:
    """Open a catalogue, a file or a folder of files as one feed; see the two that do it."""
    if is_catalogue(path):
        from shared.catalogue.playing import open_catalogue

        return open_catalogue(path, contract, on_bad_row)
    return open_feed(path, contract, on_bad_row=on_bad_row)
