"""The cores of a recorded run, as its services would build them, without sockets and files."""

from __future__ import annotations

from importlib import import_module

from structlog.typing import FilteringBoundLogger

from proto_schemas.registry import gapless_streams
from services.venue.service import build as build_venue
from shared.kernel.outputs import Core
from shared.runtime.engine import Engine
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder


def core_of(run: RunFolder, service: str) -> Core:
    """A new core of one service of the run."""
    core: Core = import_module(f"services.{service}.service").make_core(run)
    return core


def engine_of(run: RunFolder, service: str) -> Engine:
    """A new engine around it, to step the service's journal with."""
    return Engine(core_of(run, service), service, gapless_streams(service, run.settings.instrument))


def service_of(run: RunFolder, service: str, log: FilteringBoundLogger) -> Service:
    """What makes one process, without the parts that only a process of its own may have.

    The venue hands its rows out one at a time: all that one leads to comes before the next.
    """
    if service == "venue":
        return build_venue(run, log, burst_rows=1)
    if service == "monitor":  # its source follows files; the log is made when the run has ended
        return Service(service, core_of(run, service))
    built: Service = import_module(f"services.{service}.service").build(run)
    return built
