"""The page of metrics, `docs/metrics.md`, from the table that the servers go by."""

from __future__ import annotations

from pathlib import Path

from proto_schemas.registry import SERVICES
from shared.runtime.counts import BOUNDS_NS
from shared.runtime.metric_table import FOREIGN, TABLE, Metric

METRICS = Path("docs/metrics.md")
INTRODUCTION = """\
Every process serves these at `/metrics`, on loopback unless told otherwise; where, it says in its
heartbeat and in the line `started` of its log. All of ours carry the label `service`. The table is
[`shared/runtime/metric_table.py`](../shared/runtime/metric_table.py); alert rules and dashboards
are in [`deploy/prometheus/rules`](../deploy/prometheus/rules) and
[`deploy/grafana`](../deploy/grafana), and a test refuses a name there that is not here.

Numbers are counted as they happen; what a core shows of itself is at most 250 ms old, and ages go
on growing if its loop hangs. Labels with values that others choose hold at most 50, the rest is
`OTHER`.
"""


def metrics_page(generated: str) -> str:
    """The whole page; `generated` is the line that says so."""
    bounds = ", ".join(_duration(bound_ns) for bound_ns in BOUNDS_NS)
    parts = [
        "# Metrics",
        generated,
        INTRODUCTION,
        "| metric | type | labels | from | what |",
        "|---|---|---|---|---|",
        *[_line(row) for row in TABLE],
        f"\nBuckets of every histogram end at {bounds}.\n",
        "## Of others\n",
        "Made by Prometheus and its client library, and used by our rules and dashboards.\n",
        "| metric | what |",
        "|---|---|",
        *[f"| `{name}` | {text} |" for name, text in FOREIGN.items()],
    ]
    return "\n".join(parts) + "\n"


def _line(row: Metric) -> str:
    name = row.exported[0] if row.kind == "counter" else row.name
    labels = ", ".join(f"`{label}`" for label in row.labels)
    services = "all" if row.services == SERVICES else ", ".join(row.services)
    return f"| `{name}` | {row.kind} | {labels} | {services} | {row.text} |"


def _duration(bound_ns: int) -> str:
    for unit, size_ns in (("s", 10**9), ("ms", 10**6)):
        if bound_ns >= size_ns:
            return f"{bound_ns // size_ns} {unit}"
    return f"{bound_ns // 1_000} us"
