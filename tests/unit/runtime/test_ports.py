"""Where metrics are served: loopback and a free port, unless an address is asked for."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from shared.kernel.errors import OperatorFault
from shared.runtime.counts import Counts
from shared.runtime.host import Service
from shared.runtime.main import placed
from shared.runtime.metrics import LOOPBACK, Board, HostCollector, serve
from shared.runtime.paths import Paths
from shared.runtime.ports import METRICS_PORTS
from tests.unit.runtime.small_world import DecidingCore


def collector() -> HostCollector:
    return HostCollector(Board("venue", Counts(), Paths("venue")), lambda: 0)


def test_without_an_address_it_is_a_free_port_on_loopback() -> None:
    service = placed(Service("order_router", DecidingCore()), None)
    assert (service.metrics_address, service.metrics_port) == (LOOPBACK, 0)


def test_with_an_address_it_is_the_services_own_port_there() -> None:
    service = placed(Service("order_router", DecidingCore()), "127.0.0.2")
    assert service.metrics_address == "127.0.0.2"
    assert service.metrics_port == METRICS_PORTS["order_router"]


def test_it_is_served_at_that_address_and_at_no_other() -> None:
    port = serve(collector(), 0, "127.0.0.2")
    with urllib.request.urlopen(f"http://127.0.0.2:{port}/metrics", timeout=5) as response:
        assert b"bulkhead_" in response.read()
    with pytest.raises(OSError), socket.create_connection((LOOPBACK, port), timeout=5):
        pass


def test_a_port_that_is_taken_is_the_operators_to_mend() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorFault, match=f"METRICS_PORT.*{port}"):
            serve(collector(), port)
    with pytest.raises(OperatorFault, match="METRICS_PORT"):
        serve(collector(), 0, "192.0.2.1")
