"""The end of a demo or a replay for people: the numbers, then one trade from tick to fill."""

from __future__ import annotations

from services.cli.outcome import Outcome
from services.cli.output import say
from services.cli.trace import story
from shared.runtime.run_folder import RunFolder


def say_result(outcome: Outcome, run: RunFolder) -> None:
    """Print everything a person wants to know, the verdict last."""
    facts = outcome.summary
    say("")
    say(
        f"{facts.get('ticks')} ticks, {facts.get('intents')} intents, "
        f"{facts.get('orders')} orders, {facts.get('fills')} fills"
    )
    if facts.get("rows_bad") or facts.get("rows_other"):
        say(
            f"rows in the data: {facts.get('rows_in')}, of other contracts "
            f"{facts.get('rows_other')}, bad {facts.get('rows_bad')}"
        )
    latency = facts.get("latency_us") or {}
    if latency:
        say(f"tick to order: p50 {latency.get('p50')} us, p99 {latency.get('p99')} us")
    trace_id = facts.get("trace_id")
    if trace_id:
        say("")
        for line in story(run, str(trace_id)):
            say(line)
    say("")
    say(
        f"position: ledger {facts.get('position_lots')}, broker {facts.get('broker_position_lots')}"
    )
    say(f"run: {run.root}")
    say("ok: flat and reconciled" if outcome.ok else f"NOT ok: {'; '.join(outcome.why_not())}")
