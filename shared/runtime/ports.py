"""On which port each service serves its metrics, where ports are fixed. The one table.

The compose file and Prometheus' scrape config name the same ports, and a test compares them. A port
is fixed only where every service has a network address of its own, as in containers. On a bare
machine several runs may be up side by side, so there each process takes a free port on loopback and
tells it in its heartbeat.
"""

from __future__ import annotations

METRICS_PORTS = {
    "venue": 9201,
    "market_data": 9202,
    "strategy_engine": 9203,
    "risk_engine": 9204,
    "order_router": 9205,
    "order_state": 9206,
    "watchdog": 9207,
    "monitor": 9208,
}
