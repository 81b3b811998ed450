"""Structured JSON logs: one event name, plain keys, always the correlation id.

A service writes to stdout; whoever keeps it up decides where that goes.
"""

from __future__ import annotations

import sys
from typing import TextIO

import structlog

PROCESSORS: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
]


def open_log(
    service: str, run_id: str, file: TextIO | None = None
) -> structlog.typing.FilteringBoundLogger:
    """Return a logger bound to service and run; it writes to `file`, else to stdout."""
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(file or sys.stdout), processors=PROCESSORS
    ).bind(service=service, run=run_id)
    return log
