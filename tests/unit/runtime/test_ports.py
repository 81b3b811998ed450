"""Where metrics are served: loopback and a free port, unless an address is asked for."""

from __future__ import annotations

from shared.runtime.host import Service
from shared.runtime.main import placed
from shared.runtime.metrics import LOOPBACK
from shared.runtime.ports import METRICS_PORTS
from tests.unit.runtime.small_world import DecidingCore


def test_without_an_address_it_is_a_free_port_on_loopback() -> None:
    service = placed(Service("order_router", DecidingCore()), None)
    assert (service.metrics_address, service.metrics_port) == (LOOPBACK, 0)


def test_with_an_address_it_is_the_services_own_port_there() -> None:
    service = placed(Service("order_router", DecidingCore()), "127.0.0.2")
    assert service.metrics_address == "127.0.0.2"
    assert service.metrics_port == METRICS_PORTS["order_router"]
