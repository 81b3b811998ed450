"""The cores of a recorded run, as its services would build them, without sockets and files."""

from __future__ import annotations

from importlib import import_module

from proto_schemas.registry import gapless_streams
from shared.kernel.outputs import Core
from shared.runtime.engine import Engine
from shared.runtime.run_folder import RunFolder


def core_of(run: RunFolder, service: str) -> Core:
    """A new core of one service of the run."""
    core: Core = import_module(f"services.{service}.service").make_core(run)
    return core


def engine_of(run: RunFolder, service: str) -> Engine:
    """A new engine around it, to step the service's journal with."""
    return Engine(core_of(run, service), service, gapless_streams(service, run.settings.instrument))
