"""Runs Prometheus' own tools where they are installed; says so where they are not."""

from __future__ import annotations

import shutil
import subprocess

import pytest

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def tool(name: str) -> str:
    """Where the program is; the test is skipped, with the reason, if it is nowhere."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {PACKAGES[name]})")
    return found


def run(name: str, *arguments: str) -> str:
    """What the tool says; the test fails with that text if it is not content."""
    done = subprocess.run(
        [tool(name), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
