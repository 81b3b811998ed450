"""Latency: how long each stage of an order's way takes, and what holds it up."""

from __future__ import annotations

from services.lab.grafana.drawing import RATE, Graph, Page, Query


def quantile(share: float, histogram: str, by: str, matchers: str = "") -> str:
    """The expression for one quantile of a histogram, for each value of a label."""
    rate = f"rate({histogram}_bucket{matchers}{RATE})"
    return f"histogram_quantile({share}, sum by (le, {by}) ({rate}))"


def _both(histogram: str, by: str, matchers: str = "") -> tuple[Query, ...]:
    return (
        Query(quantile(0.5, histogram, by, matchers), f"{{{{{by}}}}} half"),
        Query(quantile(0.99, histogram, by, matchers), f"{{{{{by}}}}} 99 %"),
    )


TICK_TO_ORDER = '{path="tick_to_order"}'
STAGES = '{path!="tick_to_order"}'

WAY = (
    Graph(
        "Tick to order",
        "From the ingestor's stamp on a row until the venue has the order that it led to.",
        _both("bulkhead_path_seconds", "path", TICK_TO_ORDER),
        unit="s",
        least=0,
    ),
    Graph(
        "Stages, median",
        "Half are faster. From feed to strategy, to the intent, the approval, the socket, the "
        "broker's first answer.",
        (Query(quantile(0.5, "bulkhead_path_seconds", "path", STAGES), "{{path}}"),),
        unit="s",
        least=0,
    ),
    Graph(
        "Stages, slowest hundredth",
        "One in a hundred is slower.",
        (Query(quantile(0.99, "bulkhead_path_seconds", "path", STAGES), "{{path}}"),),
        unit="s",
        least=0,
    ),
    Graph(
        "Hops, slowest hundredth",
        "From a message's send stamp until it is handled, by kind.",
        (Query(quantile(0.99, "bulkhead_hop_seconds", "kind"), "{{kind}}"),),
        unit="s",
        least=0,
    ),
)
INSIDE = (
    Graph(
        "Time in the core",
        "For one input, slowest hundredth.",
        (Query(quantile(0.99, "bulkhead_handle_seconds", "service"), "{{service}}"),),
        unit="s",
        least=0,
        width=8,
    ),
    Graph(
        "Journal to disk",
        "One sync. Orders and fills wait for it.",
        _both("bulkhead_journal_sync_seconds", "service"),
        unit="s",
        least=0,
        width=8,
    ),
    Graph(
        "Inputs handled",
        "A second.",
        (
            Query(
                f"sum by (service) (rate(bulkhead_handled_total{RATE}))",
                "{{service}}",
            ),
        ),
        unit="ops",
        least=0,
        width=8,
    ),
    Graph(
        "Queues",
        "How full the fullest bounded queue of each process is.",
        (
            Query(
                "max by (service) (bulkhead_queue_size / bulkhead_queue_limit)",
                "{{service}}",
            ),
        ),
        unit="percentunit",
        least=0,
        width=8,
    ),
    Graph(
        "Sent again, not taken, dropped",
        "A second: commands repeated, messages that no socket took, repeats recognised.",
        (
            Query(f"sum by (service) (rate(bulkhead_resent_total{RATE}))", "{{service}} again"),
            Query(f"sum by (service) (rate(bulkhead_unsent_total{RATE}))", "{{service}} not taken"),
            Query(
                f"sum by (service) (rate(bulkhead_repeats_dropped_total{RATE}))",
                "{{service}} dropped",
            ),
        ),
        unit="ops",
        least=0,
        width=8,
    ),
    Graph(
        "Main loops",
        "Time since each main loop was last seen moving. Over a second is bad.",
        (Query("bulkhead_loop_age_seconds", "{{service}}"),),
        unit="s",
        least=0,
        width=8,
    ),
    Graph(
        "Strategy behind",
        "1 if the market it saw last was old; and quotes that newer ones replaced meanwhile, a "
        "second.",
        (
            Query("bulkhead_strategy_behind", "behind"),
            Query(f"rate(bulkhead_books_conflated_total{RATE})", "replaced"),
        ),
        least=0,
        width=8,
    ),
    Graph(
        "Journals",
        "Their size.",
        (Query("bulkhead_journal_size_bytes", "{{service}}"),),
        unit="bytes",
        least=0,
        width=8,
    ),
    Graph(
        "What repeats",
        "Time since the last of each kind of message that comes all the time.",
        (Query("max by (kind) (bulkhead_message_age_seconds)", "{{kind}}"),),
        unit="s",
        least=0,
        width=8,
    ),
    Graph(
        "Holes in streams",
        "Messages missed and asked for again, count of the run.",
        (Query("bulkhead_stream_gaps_total", "{{service}}"),),
        least=0,
        width=16,
    ),
)

PAGE = Page(
    "bulkhead-latency",
    "Bulkhead: latency",
    "How long each stage of an order's way takes, and what holds it up.",
    (("An order's way", WAY), ("Inside the processes", INSIDE)),
)
