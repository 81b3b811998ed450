"""The cores of a recorded run, as its services would build them, without sockets and files."""

from __future__ import annotations

from importlib import import_module

from structlog.typing import FilteringBoundLogger

from proto_schemas.registry import gapless_streams
from services.strategy_engine.service import build as build_strategy_engine
from services.venue.service import build as build_venue
from services.watchdog.service import build as build_watchdog
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
    match service:
        case "venue":
            return build_venue(run, log, burst_rows=1)
        case "strategy_engine":
            return build_strategy_engine(run)
        case "watchdog":
            return build_watchdog(run)
    return Service(service, core_of(run, service))
