"""JSON Schemas of all messages: `proto_schemas/json_schema/<kind>.json`, for readers elsewhere.

They follow from the very types that validate at every process boundary. `$id` names the version;
the envelope around each body has a schema of its own.
"""

from __future__ import annotations

import json
from inspect import getdoc
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from proto_schemas.base import Envelope
from proto_schemas.registry import TABLE

SCHEMAS = Path("proto_schemas/json_schema")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_files() -> dict[Path, bytes]:
    """Path -> content of every schema."""
    files = {SCHEMAS / f"{row.kind}.json": _file(row.kind, row.version, row.model) for row in TABLE}
    return {**files, SCHEMAS / "envelope.json": _file("envelope", 1, Envelope)}


def _file(name: str, version: int, model: type) -> bytes:
    schema: dict[str, Any] = TypeAdapter(model).json_schema()
    head = {"$schema": DIALECT, "$id": f"bulkhead:{name}:{version}"}
    said = (getdoc(model) or "").partition("\n")[0]
    return (json.dumps({**head, **schema, "description": said}, indent=2) + "\n").encode()
