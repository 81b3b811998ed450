"""JSON Schemas: one for each kind, as strict as the types that validate at every boundary."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from proto_schemas.base import Envelope
from proto_schemas.registry import TABLE, Row
from services.lab.schema_files import SCHEMAS, schema_files


def schema(kind: str) -> dict[str, Any]:
    found = json.loads(schema_files()[SCHEMAS / f"{kind}.json"])
    assert isinstance(found, dict)
    return found


def check_fields(found: dict[str, Any], model: type) -> None:
    known = fields(model)  # type: ignore[arg-type]
    assert list(found.get("properties", {})) == [each.name for each in known]
    required = [each.name for each in known if each.default is MISSING]
    assert found.get("required", []) == required


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kind)
def test_a_schema_has_the_fields_of_its_kind_and_lets_no_other_in(row: Row) -> None:
    found = schema(row.kind)
    check_fields(found, row.model)
    parts = [part for part in found.get("$defs", {}).values() if part["type"] == "object"]
    assert all(part["additionalProperties"] is False for part in [found, *parts])
    assert found["$id"] == f"bulkhead:{row.kind}:{row.version}" and found["description"]


def test_the_envelope_has_a_schema_too() -> None:
    check_fields(schema("envelope"), Envelope)


def test_bounds_and_words_are_in_it() -> None:
    intent = schema("intent")["properties"]
    assert intent["quantity_lots"]["minimum"] == 1
    assert intent["client_order_id"]["pattern"] == "^[0-9a-f-]{36}$"
    assert schema("intent")["$defs"]["Side"]["enum"] == ["BUY", "SELL"]


def test_no_file_lies_there_of_a_kind_that_is_gone(repository_root: Path) -> None:
    there = {path.name for path in (repository_root / SCHEMAS).iterdir()}
    assert there == {path.name for path in schema_files()}
