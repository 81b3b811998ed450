"""Bytes of every kind, written once. If one of these fails, old journals cannot be read any more.

Do not edit a golden file to make a test pass: raise the version of the kind.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from proto_schemas.registry import BY_KIND, TABLE, Row
from services.lab.contract_pages import GOLDEN
from services.lab.samples import SAMPLES, sample_envelope
from shared.bus.codec import decode, encode

ROWS = [pytest.param(row, id=row.kind) for row in TABLE]


def test_every_kind_has_a_sample() -> None:
    assert set(SAMPLES) == {row.model for row in TABLE}


@pytest.mark.parametrize("row", ROWS)
def test_a_sample_is_filled_in(row: Row) -> None:
    """`last_break` style Nones may stand in nested values, never in a field of the message."""
    sample = SAMPLES[row.model]
    empty = [f.name for f in fields(sample) if getattr(sample, f.name) in (None, (), {})]  # type: ignore[arg-type]
    assert empty == []


@pytest.mark.parametrize("row", ROWS)
def test_golden_bytes_decode_to_the_sample_and_back(row: Row, repository_root: Path) -> None:
    golden = (repository_root / GOLDEN / f"{row.kind}.v{row.version}.bin").read_bytes()
    event = decode(golden)
    assert event.body == SAMPLES[row.model]
    assert event.envelope == sample_envelope(event.body)
    assert encode(event.envelope, event.body) == golden


@pytest.mark.parametrize("row", ROWS)
def test_the_readable_twin_names_every_field(row: Row, repository_root: Path) -> None:
    path = repository_root / GOLDEN / f"{row.kind}.v{row.version}.json"
    twin = json.loads(path.read_text())
    assert list(twin["body"]) == [f.name for f in fields(row.model)]  # type: ignore[arg-type]
    assert twin["envelope"]["kind"] == row.kind


def test_no_golden_file_is_of_a_kind_that_the_table_forgot(repository_root: Path) -> None:
    """A retired kind keeps its row, so that its name is never given to something else."""
    kinds = {path.name.split(".")[0] for path in (repository_root / GOLDEN).iterdir()}
    assert kinds == set(BY_KIND)


def test_frames_of_the_version_before_are_still_read(repository_root: Path) -> None:
    older = [row for row in TABLE if row.version > 1]
    assert older
    for row in older:
        frame = (repository_root / GOLDEN / f"{row.kind}.v{row.version - 1}.bin").read_bytes()
        assert decode(frame).envelope.version == row.version - 1
