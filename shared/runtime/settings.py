"""Reads one table of a run's `config.toml` into a frozen dataclass with bounds in its field types.

Unknown keys, wrong types and values out of bounds are refused with the key, the value and the fix.
Units stand in the names (`_ns`, `_lots`, `_ticks`), so a wrong unit is an unknown key.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.kernel.errors import OperatorFault

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the parsed file; `OperatorFault` if it is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise OperatorFault(
            "CONFIG_MISSING",
            field=str(path),
            value=None,
            fix="Start a run, or name one with --run.",
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorFault(
            "CONFIG_SYNTAX", field=str(path), value=str(error), fix="Mend it."
        ) from None


def section(model: type[T], table: dict[str, Any], where: str) -> T:
    """Validate one table; unknown keys are refused with the known ones named."""
    known = [f.name for f in fields(model)]  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in known:
            raise OperatorFault(
                "CONFIG_UNKNOWN_KEY",
                field=f"{where}.{key}",
                value=value,
                fix=f"Known keys: {', '.join(known)}.",
            )
    try:
        return TypeAdapter(model).validate_python(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise OperatorFault(
            "CONFIG_VALUE", field=f"{where}.{name}", value=first.get("input"), fix=first["msg"]
        ) from None


def load(model: type[T], path: Path, name: str) -> T:
    """Read table `[name]` of the file (an absent table means all defaults)."""
    table = read_toml(path).get(name, {})
    if not isinstance(table, dict):
        raise OperatorFault("CONFIG_VALUE", field=name, value=table, fix=f"Write a table [{name}].")
    return section(model, table, name)


def config_hash(path: Path) -> str:
    """12 hex digits that stand for the exact config file."""
    return blake2b(path.read_bytes(), digest_size=6).hexdigest()
