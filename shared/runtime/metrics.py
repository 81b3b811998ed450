"""Prometheus metrics of one process, served on loopback unless another address is asked for.

The main loop only counts (`counts.py`) and, a few times a second, takes the core's readings. Both
become metrics by the table in `metric_table.py` when somebody scrapes, in the server's own thread,
which reads and never writes. A number without a row is an error of that scrape: Prometheus then
calls the target down, and trading does not notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from shared.kernel.clock import SECOND
from shared.kernel.errors import OperatorFault
from shared.kernel.readings import Readings
from shared.runtime.counts import BOUNDS_NS, Counts, Histogram
from shared.runtime.metric_table import BY_NAME
from shared.runtime.paths import Paths

LOOPBACK = "127.0.0.1"
LOOP_AGE = "bulkhead_loop_age_seconds"
LE = (*(str(bound_ns / SECOND) for bound_ns in BOUNDS_NS), "+Inf")

Labelled = Iterable[tuple[tuple[str, ...], int]]
Timed = Iterable[tuple[tuple[str, ...], Histogram]]


@dataclass(slots=True)
class Board:
    """What the main loop shows: its counts, and the last readings with the time they were taken."""

    service: str
    counts: Counts
    paths: Paths
    readings: Readings = field(default_factory=dict)
    taken_ns: int = 0

    def show(self, readings: Readings, boot_ns: int) -> None:
        """Put new readings in place of the old ones."""
        self.readings, self.taken_ns = readings, boot_ns


class HostCollector(Collector):
    """Turns a board into Prometheus metrics on demand."""

    def __init__(self, board: Board, boot_ns: Callable[[], int]) -> None:
        self._board, self._boot_ns = board, boot_ns

    def collect(self) -> Iterator[Metric]:
        """Called by the metrics server for each scrape."""
        board, since_ns = self._board, self._boot_ns() - self._board.taken_ns
        for name, numbers in self._counted().items():
            yield self._family(name, numbers, 0)
        for name, histograms in self._timed().items():
            yield self._histogram(name, histograms)
        by_name: dict[str, list[tuple[tuple[str, ...], int]]] = {LOOP_AGE: [((), 0)]}
        for (name, *values), number in board.readings.items():
            by_name.setdefault(name, []).append((tuple(values), number))
        for name, readings in by_name.items():
            yield self._family(name, readings, since_ns)

    def _counted(self) -> Mapping[str, Labelled]:
        counts = self._board.counts
        boot_ns = self._boot_ns()
        return {
            "bulkhead_handled": _by_one_label(counts.handled),
            "bulkhead_sent": _by_one_label(counts.sent),
            "bulkhead_unsent": _by_one_label(counts.unsent),
            "bulkhead_frames_refused": list(counts.refused.items()),
            "bulkhead_refusals": list(counts.refusals.items()),
            "bulkhead_alarms": list(counts.alarms.items()),
            "bulkhead_resent": [((), counts.resent)],
            "bulkhead_journal_size_bytes": [((), counts.journal_bytes)],
            "bulkhead_message_age_seconds": [
                ((kind,), boot_ns - heard_ns) for kind, heard_ns in list(counts.heard_ns.items())
            ],
        }

    def _timed(self) -> Mapping[str, Timed]:
        counts, paths = self._board.counts, self._board.paths
        timed: dict[str, Timed] = {
            "bulkhead_journal_sync_seconds": [((), counts.sync)],
            "bulkhead_handle_seconds": [((), counts.handle)],
            "bulkhead_hop_seconds": [((kind,), hop) for kind, hop in list(counts.hops.items())],
        }
        if paths.times:
            timed["bulkhead_path_seconds"] = [
                ((path,), times) for path, times in list(paths.times.items())
            ]
        return timed

    def _family(self, name: str, numbers: Labelled, since_ns: int) -> Metric:
        """`since_ns`: how old the numbers are, for those that change by themselves."""
        row = BY_NAME[name]
        family: CounterMetricFamily | GaugeMetricFamily
        make = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
        family = make(name, row.text, labels=["service", *row.labels])
        for values, number in numbers:
            aged = number + row.ages * since_ns
            shown = max(0, aged) if row.ages else aged
            family.add_metric([self._board.service, *values], shown / row.divisor)
        return family

    def _histogram(self, name: str, timed: Timed) -> Metric:
        row = BY_NAME[name]
        family = HistogramMetricFamily(name, row.text, labels=["service", *row.labels])
        for values, times in timed:
            buckets = list(zip(LE, map(float, accumulate(list(times.counts))), strict=True))
            labels = [self._board.service, *values]
            family.add_metric(labels, buckets=buckets, sum_value=times.sum_ns / row.divisor)
        return family


def _by_one_label(counter: Mapping[str, int]) -> Labelled:
    return [((key,), number) for key, number in list(counter.items())]


def serve(collector: Collector, port: int, address: str = LOOPBACK) -> int:
    """Serve on this address, loopback unless told otherwise; port 0 takes a free one.

    Returns the port. `OperatorFault` if another program has it.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    try:
        server, _ = start_http_server(port, addr=address, registry=registry)
    except OSError as error:
        raise OperatorFault(
            "METRICS_PORT",
            field="--metrics-address",
            value=f"{address}, port {port}: {error}",
            fix="Name an address of this machine on which nobody else has this port.",
        ) from error
    return int(server.server_port)
