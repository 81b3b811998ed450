"""Trading: positions, money, orders and what was refused, over time."""

from __future__ import annotations

from services.lab.grafana.drawing import RATE, Graph, Page, Query

MONEY = (
    Graph(
        "Position",
        "Lots in the books and at the broker. They part for a moment while a fill travels.",
        (
            Query("bulkhead_position_lots", "ledger {{strategy}} {{instrument}}"),
            Query("bulkhead_broker_position_lots", "broker {{instrument}}"),
        ),
    ),
    Graph(
        "Profit today",
        "P&L of the trading day after fees, and the loss at which a person should look.",
        (
            Query("bulkhead_day_profit_dollars", "today"),
            Query("-bulkhead_loss_alarm_dollars", "alarm"),
        ),
        unit="currencyUSD",
    ),
    Graph(
        "P&L of the run",
        "Realised, and open at the mark.",
        (
            Query("bulkhead_realised_dollars", "realised {{strategy}} {{instrument}}"),
            Query("bulkhead_open_dollars", "open {{strategy}} {{instrument}}"),
        ),
        unit="currencyUSD",
    ),
    Graph(
        "Fees of the run",
        "What the fills cost.",
        (Query("bulkhead_fees_dollars", "{{strategy}} {{instrument}}"),),
        unit="currencyUSD",
    ),
)
ORDERS = (
    Graph(
        "Orders and fills",
        "A second: intents, orders that left, fills booked.",
        (
            Query(f'rate(bulkhead_sent_total{{kind="intent"}}{RATE})', "intents"),
            Query(
                f'rate(bulkhead_sent_total{{service="order_router", kind="new_order"}}{RATE})',
                "orders",
            ),
            Query(f"rate(bulkhead_executions_total{RATE})", "fills"),
        ),
        unit="ops",
        least=0,
    ),
    Graph(
        "Refusals",
        "A second, by who refused and why. The codes are those of the logs.",
        (Query(f"sum by (by, code) (rate(bulkhead_refusals_total{RATE}))", "{{by}} {{code}}"),),
        unit="ops",
        least=0,
    ),
    Graph(
        "Wishes not sent",
        "What the strategy wanted while nothing was allowed, a second, by why.",
        (Query(f"rate(bulkhead_intents_suppressed_total{RATE})", "{{code}}"),),
        unit="ops",
        least=0,
    ),
    Graph(
        "Orders alive",
        "In the strategy's eyes and in the router's; unknown ones are never good.",
        (
            Query('bulkhead_queue_size{queue="open_orders"}', "strategy"),
            Query('bulkhead_queue_size{queue="live_orders"}', "router"),
            Query("bulkhead_orders_unknown", "unknown"),
        ),
        least=0,
    ),
    Graph(
        "Orders and fills of the run",
        "Counts in the books.",
        (
            Query("bulkhead_orders_total", "orders"),
            Query("bulkhead_executions_total", "fills"),
        ),
        least=0,
    ),
    Graph(
        "Account",
        "Age of the account as the watchdog's own session read it last.",
        (Query("bulkhead_account_age_seconds", "age"),),
        unit="s",
        least=0,
    ),
    Graph(
        "Reserved",
        "Lots that may still trade, and the worst case allowed.",
        (
            Query("bulkhead_reserved_lots", "{{side}} {{instrument}}"),
            Query("bulkhead_position_limit_lots", "limit"),
        ),
        least=0,
    ),
    Graph(
        "Gate, lease, ledger in sight",
        "1 is good: the gate is open, the broker sessions are whole, risk sees the ledger.",
        (
            Query("bulkhead_gate_open", "gate"),
            Query("bulkhead_broker_ready", "broker session of {{service}}"),
            Query("bulkhead_ledger_sighted", "ledger in sight"),
        ),
        least=0,
    ),
)
FEED = (
    Graph(
        "Rows of the feed",
        "A second: served by the venue, passed on by the ingestor.",
        (
            Query(f"rate(bulkhead_venue_rows_total{RATE})", "served"),
            Query(f"rate(bulkhead_feed_rows_total{RATE})", "passed on"),
        ),
        unit="ops",
        least=0,
        width=8,
    ),
    Graph(
        "Feed age",
        "Time in which a row could have come and none did.",
        (Query("bulkhead_feed_age_seconds", "age"),),
        unit="s",
        least=0,
        width=8,
    ),
    Graph(
        "What went wrong in the feed",
        "Counts of the run.",
        (
            Query("bulkhead_feed_gaps_total", "gaps"),
            Query("bulkhead_feed_repeats_total", "repeats"),
            Query("bulkhead_feed_foreign_rows_total", "rows of other instruments"),
            Query("bulkhead_feed_crossed_quotes_total", "crossed quotes"),
        ),
        least=0,
        width=8,
    ),
    Graph(
        "Market time against the clock",
        "How far market time is from the box's clock; made up and recorded markets have their own.",
        (Query("bulkhead_stream_time_seconds - time()", "{{service}}"),),
        unit="s",
    ),
    Graph(
        "Credit",
        "Rows that the feed may send before the strategy has handled more.",
        (Query("bulkhead_feed_credit_rows", "rows"),),
        least=0,
    ),
)

PAGE = Page(
    "bulkhead-trading",
    "Bulkhead: trading",
    "Positions, money, orders and what was refused.",
    (("Money", MONEY), ("Orders", ORDERS), ("Feed", FEED)),
)
