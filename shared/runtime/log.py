"""Structured JSON logs: one event name, plain keys, always the correlation id. To stdout only."""

from __future__ import annotations

import sys

import structlog


def open_log(service: str, run_id: str) -> structlog.typing.FilteringBoundLogger:
    """Return the process's logger, bound to service and run."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(
        service=service, run=run_id
    )
    return log
