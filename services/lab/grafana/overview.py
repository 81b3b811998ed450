"""Overview: can I sleep? Everything on the first screen; green means yes."""

from __future__ import annotations

from proto_schemas.registry import SERVICES
from services.lab.grafana.drawing import (
    BAD,
    DOUBTFUL,
    FLAG_BAD,
    GOOD,
    RATE,
    Graph,
    Listing,
    Page,
    Query,
    Tile,
)

YES_NO = {0: "no", 1: "yes"}

SLEEP = (
    Tile(
        "Pages firing",
        "Alerts that wake a person, now.",
        Query('count(ALERTS{alertstate="firing", severity="page"}) or vector(0)'),
        steps=FLAG_BAD,
    ),
    Tile(
        "State",
        "The watchdog's word for the whole box.",
        Query('bulkhead_state{service="watchdog"} == 1', "{{state}}"),
        named=True,
    ),
    Tile(
        "Killed",
        "Whether a kill holds. Only a person ends it.",
        Query("bulkhead_killed"),
        steps=FLAG_BAD,
        words=YES_NO,
    ),
    Tile(
        "Services up",
        f"Processes that answer, of {len(SERVICES)}.",
        Query('sum(up{job="bulkhead"})'),
        steps=((None, BAD), (len(SERVICES), GOOD)),
    ),
    Tile(
        "Ledger differs",
        "Differences between ledger and broker at the last reconcile.",
        Query("bulkhead_reconcile_differences"),
        steps=FLAG_BAD,
    ),
    Tile(
        "Orders unknown",
        "Orders of which nobody knows whether they live.",
        Query("bulkhead_orders_unknown"),
        steps=FLAG_BAD,
    ),
)
MONEY = (
    Tile(
        "Profit today",
        "P&L of this trading day, after fees, open positions at the mark.",
        Query("bulkhead_day_profit_dollars"),
        unit="currencyUSD",
        steps=((None, BAD), (0, GOOD)),
    ),
    Tile(
        "Loss alarm",
        "The day's loss at which a person should look. Nothing stops there by itself.",
        Query("bulkhead_loss_alarm_dollars"),
        unit="currencyUSD",
    ),
    Tile(
        "Position, ledger",
        "Net lots in the books.",
        Query("sum(bulkhead_position_lots) or vector(0)"),
    ),
    Tile(
        "Position, broker",
        "Net lots at the broker, as the watchdog's own session saw them.",
        Query("sum(bulkhead_broker_position_lots) or vector(0)"),
    ),
    Tile(
        "Session phase",
        "How far the session is; FLAT and CLOSED hold nothing.",
        Query("bulkhead_session_phase == 1", "{{phase}}"),
        named=True,
    ),
    Tile(
        "Gate",
        "Whether orders may leave.",
        Query("bulkhead_gate_open"),
        steps=((None, DOUBTFUL), (1, GOOD)),
        words={0: "shut", 1: "open"},
    ),
)
AGES = (
    Tile(
        "Feed awaited",
        "Whether a row should come now: the market is open and the feed may send.",
        Query("bulkhead_feed_awaited"),
        words=YES_NO,
    ),
    Tile(
        "Feed age",
        "Time in which a row could have come and none did.",
        Query("bulkhead_feed_age_seconds"),
        unit="s",
        steps=((None, GOOD), (10, DOUBTFUL), (60, BAD)),
    ),
    Tile(
        "Lease left",
        "Time until the gate shuts by itself.",
        Query("bulkhead_lease_left_seconds"),
        unit="s",
        steps=((None, BAD), (0.001, GOOD)),
    ),
    Tile(
        "Last lease",
        "Time since the watchdog's last answer to the router.",
        Query('bulkhead_message_age_seconds{service="order_router", kind="lease"}'),
        unit="s",
        steps=((None, GOOD), (1, BAD)),
    ),
    Tile(
        "Last reconcile",
        "Time since ledger and broker were last compared.",
        Query("bulkhead_reconcile_age_seconds"),
        unit="s",
        steps=((None, GOOD), (600, DOUBTFUL)),
    ),
    Tile(
        "Strategy",
        "Whether the strategy failed and is paused.",
        Query("bulkhead_strategy_paused"),
        steps=FLAG_BAD,
        words={0: "runs", 1: "failed"},
    ),
)
PROCESSES = (
    Listing(
        "Alerts firing",
        "MonitoringAlive is always there: it shows that alerts are evaluated.",
        Query('ALERTS{alertstate="firing"}'),
        hidden=("Time", "Value", "__name__", "alertstate", "job"),
    ),
    Graph(
        "Heartbeats",
        "1 while the watchdog hears a process; the heartbeat comes from its main loop.",
        (Query('bulkhead_peer_up{service="watchdog"}', "{{peer}}"),),
        least=0,
    ),
    Graph(
        "Lives",
        "How often each process was started in this run. A step is a restart.",
        (Query("bulkhead_starts", "{{service}}"),),
        least=0,
        width=8,
    ),
    Graph(
        "Memory",
        "Resident memory of each process.",
        (Query('process_resident_memory_bytes{job="bulkhead"}', "{{instance}}"),),
        unit="bytes",
        least=0,
        width=8,
    ),
    Graph(
        "Processor",
        "Share of one core that each process uses.",
        (Query(f'rate(process_cpu_seconds_total{{job="bulkhead"}}{RATE})', "{{instance}}"),),
        unit="percentunit",
        least=0,
        width=8,
    ),
    Graph(
        "Warnings and errors",
        "Log lines of level warning and error, a second.",
        (
            Query(
                f"sum by (service, event) (rate(bulkhead_alarms_total{RATE}))",
                "{{service}} {{event}}",
            ),
        ),
        unit="ops",
        least=0,
    ),
    Graph(
        "Modes",
        "1 for what the watchdog allows.",
        (Query("bulkhead_mode", "{{mode}}"),),
        least=0,
    ),
)

PAGE = Page(
    "bulkhead-overview",
    "Bulkhead: overview",
    "Can I sleep? Green means yes.",
    (
        ("Can I sleep?", SLEEP),
        ("Money and session", MONEY),
        ("How old is what we know", AGES),
        ("Processes", PROCESSES),
    ),
)
