"""`bulkhead replay`: options that do not fit are refused before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.cli.output import CommandFailed
from services.cli.replay import ReplayOptions, run_replay, speed_setting
from shared.feeds import SAMPLE_PATH
from shared.kernel.errors import OperatorFault


def options(root: Path, **named: Any) -> ReplayOptions:
    made = ReplayOptions(None, None, "ESM30", "ema_cross", "max", None, False, root, True)
    return replace(made, **named)


@pytest.mark.parametrize("named", [{}, {"data": SAMPLE_PATH, "made_up_rows": 100}])
def test_data_and_made_up_rows_are_one_or_the_other(tmp_path: Path, named: dict[str, Any]) -> None:
    with pytest.raises(CommandFailed) as caught:
        run_replay(options(tmp_path, **named))
    assert "OPTION_MISSING: PATH or --catalogue, --made-up" in str(caught.value)
    assert "one of the two" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("speed", "milli"), [("max", 0), ("1", 1_000), ("0.5", 500), ("60", 60_000), ("1.125", 1_125)]
)
def test_a_speed_is_a_multiple_of_real_time(speed: str, milli: int) -> None:
    assert speed_setting(speed) == {"speed_milli": milli}


@pytest.mark.parametrize("speed", ["0", "-1", "1.1234", "fast", "", "1e3", "٣", "1,5"])
def test_no_other_speed_is_taken(speed: str) -> None:
    with pytest.raises(OperatorFault, match="OPTION_SPEED: --speed") as caught:
        speed_setting(speed)
    assert caught.value.value == speed and "0.5" in caught.value.fix
