"""The engine and the stacks of the container tests.

Where no engine answers, every test that needs one is skipped, and the reason is printed with the
results: a skipped test must never look like one that passed. `engine.sh up` starts an engine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image may not be to be had

from tests.container.stack import BUSY, ROOT, Said, Stack, clean_copy, command

ENGINE = "start one: tests/container/engine.sh up"
PRIVATE_CONFIG = ROOT / ".engine" / "docker"
BASE = os.environ.get("BULKHEAD_BASE", "python:3.11-slim")
IMAGE = "bulkhead-test:latest"
STAND_INS = ("prometheus", "alertmanager", "node_exporter", "grafana")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Building images and starting twelve containers on two slow cores takes its time."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(400))


def no_engine() -> str:
    """Why container tests cannot run here, or nothing."""
    if shutil.which("docker") is None:
        return f"there is no docker command; {ENGINE}"
    for words in (("docker", "info"), ("docker", "compose", "version")):
        said = command(*words, timeout_s=30)
        if said.code:
            return f"`{' '.join(words)}` says: {_last_line(said)}; {ENGINE}"
    if command("docker", "image", "inspect", BASE).code and command("docker", "pull", BASE).code:
        return f"{BASE} is not here and cannot be pulled; {ENGINE}"
    return ""


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers, with compose and the base image; else the test is skipped."""
    if (PRIVATE_CONFIG / "cli-plugins").is_dir():
        os.environ.setdefault("DOCKER_CONFIG", str(PRIVATE_CONFIG))
    if reason := no_engine():
        pytest.skip(f"no Docker engine: {reason}")


@pytest.fixture(scope="session")
def checkout(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the checkout, from which the image is built."""
    return clean_copy(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def image(checkout: Path) -> str:
    """The image, built once for all stacks, with this machine's own settings of pip."""
    stack = Stack(checkout, "bulkhead-test-build", {"BULKHEAD_IMAGE": IMAGE, "BULKHEAD_BASE": BASE})
    built = stack.compose("build", timeout_s=380)
    assert built.code == 0, built.err[-3000:]
    return IMAGE


def made(folder: Path, name: str, image: str, **settings: str) -> Stack:
    """A project in a clean copy of its own; what an earlier, killed test left behind goes first."""
    ports = {"PROMETHEUS_PORT": "", "ALERTMANAGER_PORT": "", "GRAFANA_PORT": ""}
    common = {"BULKHEAD_IMAGE": image, "BULKHEAD_BASE": BASE, **ports}
    stack = Stack(clean_copy(folder), f"bulkhead-test-{name}", common | settings)
    stack.down()
    return stack


@pytest.fixture(scope="session")
def shared_stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that sends some orders a second; it costs too much to make one for each test."""
    folder = tmp_path_factory.mktemp("trading")
    (folder / "busy.toml").write_text(BUSY)
    stack = made(folder, "trading", image, BULKHEAD_CONFIG="./busy.toml")
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture
def trading(shared_stack: Stack) -> Stack:
    """The shared stack, up and not killed, whatever the test before did to it."""
    shared_stack.heal()
    return shared_stack


@pytest.fixture(scope="session")
def stand_ins(engine: None) -> dict[str, str]:
    """Debian's Prometheus and its company as images: setting -> tag."""
    tags = {}
    for name in STAND_INS:
        tag = f"bulkhead-test-{name}:latest"
        line = ("docker", "build", "-q", "--build-arg", f"BASE={BASE}", "--target", name)
        said = command(*line, "-t", tag, str(ROOT / "tests/container/standins"), timeout_s=300)
        if said.code:
            pytest.skip(f"no monitoring images: {_last_line(said)}")
        tags[f"{name.upper()}_IMAGE"] = tag
    return tags


@pytest.fixture(scope="session")
def watched(shared_stack: Stack, stand_ins: dict[str, str]) -> Stack:
    """The shared stack with everything that watches it."""
    settings = shared_stack.settings | stand_ins
    seen = Stack(shared_stack.folder, shared_stack.name, settings, profiles=("monitoring",))
    seen.up()
    return seen


def _last_line(said: Said) -> str:
    return ((said.err or said.out).strip().splitlines() or ["nothing"])[-1]
