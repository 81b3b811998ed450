"""Faults say whose they are; `check` stays when Python drops its assertions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.kernel.check import check
from shared.kernel.errors import BrokerFault, Fault, OperatorFault, OurFault

SCRIPT = """
from shared.kernel.check import check
assert False, "dropped by -O"
check(True, "fine")
check(1 + 1 == 3, "sums are right", 2)
"""


@pytest.mark.parametrize(
    ("fault", "side", "exit_code"),
    [(OurFault, "bulkhead", 70), (BrokerFault, "broker", 76), (OperatorFault, "operator", 64)],
)
def test_a_fault_says_whose_it_is_and_what_to_do(
    fault: type[Fault], side: str, exit_code: int
) -> None:
    error = fault("CONFIG_VALUE", field="run.stage", value="live", fix="Use demo.")
    assert (error.side, error.exit_code) == (side, exit_code)
    assert (error.code, error.field, error.value) == ("CONFIG_VALUE", "run.stage", "live")
    assert str(error) == f"[{side}] CONFIG_VALUE: run.stage = 'live'. Use demo."


def test_check_is_silent_while_the_rule_holds_and_names_it_when_not() -> None:
    check(True, "lots are whole", 3)
    with pytest.raises(OurFault) as caught:
        check(False, "lots are whole", 3)
    assert (caught.value.code, caught.value.field, caught.value.value) == (
        "CHECK_FAILED",
        "lots are whole",
        3,
    )


def test_check_works_where_assert_does_not(repository_root: Path) -> None:
    """`python -O` removes `assert`; an impossible process must stop all the same."""
    result = subprocess.run(
        [sys.executable, "-O", "-c", SCRIPT],
        cwd=repository_root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "CHECK_FAILED: sums are right = 2" in result.stderr
    assert "dropped by -O" not in result.stderr
