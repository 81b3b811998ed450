"""Prometheus metrics of one process, served on loopback unless another address is asked for.

The main loop only counts in plain integers; the numbers are turned into metrics when somebody
scrapes, in the server's own thread, which reads and never writes. Names: `bulkhead_<what>_<unit>`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.kernel.errors import OperatorFault

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Counts:
    """What a host counts while it runs."""

    handled: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unsent: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    resent: int = 0
    syncs: int = 0
    sync_ns: int = 0
    handle_ns: int = 0
    journal_bytes: int = 0


class HostCollector(Collector):
    """Turns `Counts` and a few gauges into Prometheus metrics on demand."""

    def __init__(
        self, service: str, counts: Counts, gauges: Callable[[], dict[str, float]]
    ) -> None:
        self._service, self._counts, self._gauges = service, counts, gauges

    def collect(self) -> Iterator[Metric]:
        """Called by the metrics server for each scrape."""
        counts = self._counts
        yield from (
            self._by_label("handled", "Inputs handled, by kind", "kind", counts.handled),
            self._by_label("sent", "Messages sent, by kind", "kind", counts.sent),
            self._by_label("refused", "Frames refused, by code", "code", counts.refused),
            self._by_label(
                "unsent", "Messages that no socket took, by kind", "kind", counts.unsent
            ),
            self._by_label(
                "alarms", "Warnings and errors logged, by event", "event", counts.alarms
            ),
            self._total("resent", "Commands repeated", counts.resent),
            self._total("journal_syncs", "Journal syncs", counts.syncs),
            self._total("journal_sync_seconds", "Time in journal syncs", counts.sync_ns / 1e9),
            self._total("handle_seconds", "Time in the core", counts.handle_ns / 1e9),
            self._total("journal_bytes", "Bytes appended to the journal", counts.journal_bytes),
        )
        for name, value in self._gauges().items():
            gauge = GaugeMetricFamily(
                f"bulkhead_{name}", name.replace("_", " "), labels=["service"]
            )
            gauge.add_metric([self._service], value)
            yield gauge

    def _by_label(self, name: str, text: str, label: str, counter: Counter[str]) -> Metric:
        family = CounterMetricFamily(f"bulkhead_{name}", text, labels=["service", label])
        for key, value in list(counter.items()):
            family.add_metric([self._service, key], value)
        return family

    def _total(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(f"bulkhead_{name}", text, labels=["service"])
        family.add_metric([self._service], value)
        return family


def serve(collector: Collector, port: int, address: str = LOOPBACK) -> int:
    """Serve on this address, loopback unless told otherwise; port 0 takes a free one.

    Returns the port. `OperatorFault` if another program has it.
    """
    registry = CollectorRegistry()
    registry.register(collector)
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
