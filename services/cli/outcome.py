"""How a demo or a replay ended: one dataclass, from which the JSON and the text are made.

Numbers come from the run's journals after every process has stopped, never from a live counter:
what is reported here is what stands on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proto_schemas.control import StatusReport
from proto_schemas.registry import SERVICES
from services.cli.supervisor_control import Processes
from shared.runtime.run_folder import RunFolder

if TYPE_CHECKING:
    from services.monitor.summary import Summary

COUNTS = (
    "ticks",
    "intents",
    "orders",
    "fills",
    "position_lots",
    "broker_position_lots",
    "reconciled",
    "trace_id",
)
FEED_COUNTS = ("rows_in", "rows_other", "rows_bad", "events_out", "gaps", "latency_us")


@dataclass(slots=True)
class Outcome:
    """What is known so far; a fault leaves the rest unknown."""

    stage: str
    run: str | None = None
    error: str | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    report: StatusReport | None = None

    @property
    def ok(self) -> bool:
        """Ledger and broker flat, reconciled, all alive; and a demo must have traded."""
        return not self.why_not()

    def why_not(self) -> list[str]:
        """Each reason for not being ok, for people; none: all is well."""
        facts = self.summary
        ledger, broker = facts.get("position_lots"), facts.get("broker_position_lots")
        reasons = {
            f"{self.error}": self.error is not None,
            f"not flat: ledger {ledger}, broker {broker} lots": facts.get("flat") is not True,
            "the last reconcile was not clean": facts.get("reconciled") is not True,
            "nothing was traded": self.stage == "demo" and not facts.get("fills"),
            f"silent at the end: {', '.join(self._silent())}": bool(self._silent()),
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _silent(self) -> list[str]:
        """Services that the monitor did not hear at the end; without a report nobody was heard."""
        if self.report is None:
            return list(SERVICES)
        return [service.service for service in self.report.services if not service.alive]

    def to_json(self) -> dict[str, Any]:
        """The keys that scripts rely on; None where a fault came first."""
        keys = COUNTS if self.stage == "demo" else COUNTS + FEED_COUNTS
        return {
            "ok": self.ok,
            "stage": self.stage,
            **{key: self.summary.get(key) for key in keys},
            "services": services_json(self.report),
            "run": self.run,
            "error": self.error,
        }


def services_json(report: StatusReport | None) -> dict[str, dict[str, Any]]:
    """Service name -> process id, state and restarts."""
    if report is None:
        return {}
    return {
        service.service: {
            "pid": service.pid,
            "state": str(service.state),
            "restarts": service.restarts,
        }
        for service in report.services
    }


def known_services(report: StatusReport | None, processes: Processes) -> dict[str, dict[str, Any]]:
    """Name -> process id, state word and restarts; the supervisor counts the restarts of its own.

    A process that is down has pid 0 and the state DOWN; one that was given up says why.
    """
    services = services_json(report)
    for name, info in processes.items():
        said = services.setdefault(name, {"pid": info.pid, "state": "UNKNOWN", "restarts": 0})
        said["pid"], said["restarts"] = info.pid, max(0, info.starts - 1)
        if not info.pid:
            said["state"] = f"DOWN: {info.given_up}" if info.given_up else "DOWN"
    return services


def summary_of(run: RunFolder) -> dict[str, Any]:
    """The run's numbers, out of its journals, under the names of the report."""
    from services.monitor.journals import load_summary

    return report_fields(load_summary(run))


def report_fields(summary: Summary) -> dict[str, Any]:
    """`ticks` are the good rows of the run's contract; `flat` looks at every expiry by itself."""
    feed, latency, broker = summary.feed or {}, summary.latency, summary.broker_position_lots
    lots = [*summary.position_lots.values(), *(broker or {}).values()]
    rows = [feed.get(key) for key in ("rows_in", "rows_other", "rows_bad")]
    rows_in, rows_other, rows_bad = (row if isinstance(row, int) else 0 for row in rows)
    return {
        "ticks": rows_in - rows_other - rows_bad,
        "intents": summary.intents,
        "orders": summary.orders,
        "fills": summary.fills,
        "position_lots": sum(summary.position_lots.values()),
        "broker_position_lots": None if broker is None else sum(broker.values()),
        "flat": broker is not None and not any(lots),
        "reconciled": summary.reconciled,
        "trace_id": summary.trace_id,
        **{key: feed.get(key) for key in FEED_COUNTS if key != "latency_us"},
        "latency_us": {"p50": latency.p50_us, "p99": latency.p99_us} if latency else None,
    }
