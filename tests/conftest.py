"""Settings for every test: one hypothesis profile per place, markers by folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parent

# A slow machine is no failure. On CI the same examples run every time, so red can be repeated.
settings.register_profile(
    "local", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real processes and containers get a marker by their folder; `-m "not process"` leaves out.

    Containers come last: their stack stays up until the end, and would take processor time (and
    ports) from tests that measure.
    """
    for item in items:
        if item.path.is_relative_to(TESTS / "process"):
            item.add_marker(pytest.mark.process)
        if item.path.is_relative_to(TESTS / "container"):
            item.add_marker(pytest.mark.container)
    items.sort(key=lambda item: item.path.is_relative_to(TESTS / "container"))


@pytest.fixture(scope="session")
def repository_root() -> Path:
    """The folder that holds pyproject.toml."""
    return TESTS.parent
