"""Reads one made-up file through the reader that its name and first line choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.feeds.formats import sections_of
from shared.feeds.reading import FeedFile, Reading
from shared.feeds.rows import FileRow
from shared.kernel.errors import OperatorFault
from shared.markets import parse_contract


def reading(path: Path, code: str) -> Reading[FileRow]:
    contract = parse_contract(code)
    sections = sections_of(path, contract)
    assert sections, "nothing of the contract"
    return Reading(contract, [FeedFile(path, sections)], [], None)


def refused(path: Path, code: str) -> OperatorFault:
    with pytest.raises(OperatorFault) as caught:
        list(reading(path, code))
    return caught.value


def text_file(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path
