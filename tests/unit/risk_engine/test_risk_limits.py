"""The ceilings: code, not settings; a config may only tighten them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from services.risk_engine.config import load
from services.risk_engine.limits import CEILINGS, Limits, limits_hash, tighten
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder

RUN = """
[run]
stage = "demo"
run_id = "one"
install_id = "9f3ac21b77d0"
instrument = "ESM18"
strategy = "ema_cross"
sock_dir = "/tmp/one"
"""


def run_with(folder: Path, text: str) -> RunFolder:
    (folder / "config.toml").write_text(RUN + text)
    return RunFolder.open(folder)


def test_without_a_table_the_ceilings_of_the_stage_count(tmp_path: Path) -> None:
    config = load(run_with(tmp_path, ""))
    assert (config.strategy, config.instrument) == ("ema_cross", "ESM18")
    assert config.limits == CEILINGS["demo"]


def test_a_config_may_tighten(tmp_path: Path) -> None:
    config = load(run_with(tmp_path, "[risk_engine]\norder_max_lots = 3\ncollar_ticks = 0\n"))
    assert (config.limits.order_max_lots, config.limits.collar_ticks) == (3, 0)
    assert config.limits.position_max_lots == 10


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
def test_no_limit_may_be_loosened(tmp_path: Path, name: str) -> None:
    looser = getattr(CEILINGS["demo"], name) + 1
    with pytest.raises(OperatorFault) as caught:
        load(run_with(tmp_path, f"[risk_engine]\n{name} = {looser}\n"))
    fault = caught.value
    assert (fault.code, fault.field, fault.value) == ("LIMIT_LOOSER", f"risk_engine.{name}", looser)
    assert str(looser - 1) in fault.fix


@pytest.mark.parametrize("text", ["order_max_lots = -1", "order_max_lots = true", "order_max = 1"])
def test_nonsense_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(OperatorFault, match="CONFIG_"):
        load(run_with(tmp_path, f"[risk_engine]\n{text}\n"))


def test_a_stage_without_ceilings_is_refused() -> None:
    with pytest.raises(OperatorFault, match="STAGE_UNKNOWN"):
        tighten("live", {})


def test_every_limit_changes_the_hash() -> None:
    base = CEILINGS["demo"]
    hashes = {limits_hash(tighten("demo", {each.name: 0})) for each in fields(base)}
    assert len(hashes | {limits_hash(base)}) == len(fields(base)) + 1


def test_nothing_changes_the_ceilings_at_run_time() -> None:
    with pytest.raises(FrozenInstanceError):
        CEILINGS["demo"].order_max_lots = 11  # type: ignore[misc]
    with pytest.raises(TypeError):
        CEILINGS["demo"] = CEILINGS["bench"]  # type: ignore[index]
