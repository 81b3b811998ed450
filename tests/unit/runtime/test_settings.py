"""Settings are refused with the key, the value and the fix, before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from proto_schemas.base import Flag, Lots, Ns
from shared.kernel.errors import OperatorFault
from shared.runtime.settings import config_hash, load, read_toml


@dataclass(frozen=True, slots=True)
class Tunables:
    """Some settings."""

    limit_lots: Lots = 10
    wait_ns: Ns = 5
    loud: Flag = False


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> OperatorFault:
    with pytest.raises(OperatorFault) as caught:
        load(Tunables, written(folder, text), "risk_engine")
    return caught.value


def test_an_absent_table_means_all_defaults(tmp_path: Path) -> None:
    assert load(Tunables, written(tmp_path, "[other]\na = 1\n"), "risk_engine") == Tunables()


def test_what_is_set_replaces_the_default(tmp_path: Path) -> None:
    text = "[risk_engine]\nlimit_lots = 3\nloud = true\n"
    assert load(Tunables, written(tmp_path, text), "risk_engine") == Tunables(3, 5, True)


def test_an_unknown_key_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[risk_engine]\nwait_ms = 5\n")
    assert (error.code, error.field) == ("CONFIG_UNKNOWN_KEY", "risk_engine.wait_ms")
    assert error.value == 5
    assert "limit_lots, wait_ns, loud" in error.fix and error.exit_code == 64


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("limit_lots = 0", "limit_lots", 0),
        ("limit_lots = 100001", "limit_lots", 100_001),
        ("limit_lots = '3'", "limit_lots", "3"),
        ("limit_lots = 3.0", "limit_lots", 3.0),
        ("limit_lots = true", "limit_lots", True),
        ("wait_ns = -1", "wait_ns", -1),
        ("loud = 1", "loud", 1),
        ("loud = 'yes'", "loud", "yes"),
    ],
)
def test_a_wrong_type_or_a_value_out_of_bounds_is_named(
    tmp_path: Path, line: str, key: str, value: object
) -> None:
    error = refusal(tmp_path, f"[risk_engine]\n{line}\n")
    assert (error.code, error.field, error.value) == ("CONFIG_VALUE", f"risk_engine.{key}", value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="CONFIG_MISSING.*--run"):
        read_toml(tmp_path / "config.toml")


@pytest.mark.parametrize("content", [b"[risk_engine\n", b"a = \xff\n", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(OperatorFault, match="CONFIG_SYNTAX"):
        read_toml(path)


def test_the_hash_stands_for_the_exact_file(tmp_path: Path) -> None:
    one = config_hash(written(tmp_path, "a = 1\n"))
    assert len(one) == 12 and one == config_hash(written(tmp_path, "a = 1\n"))
    assert one != config_hash(written(tmp_path, "a = 1 \n"))
