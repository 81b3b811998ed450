"""Cancels and replaces: what risk says to them.

A cancel takes risk away, so nothing holds it up but its own rate and a foreign strategy; it passes
blind, halted and on a stale feed. Whether it may take away protection while nobody may trade, the
router's gate decides, because it knows the order. A replace is judged as its order would be today,
with the new terms, but for the position: lots can only fall.
"""

from __future__ import annotations

from dataclasses import replace

from proto_schemas.enums import Side
from proto_schemas.signals import CancelIntent, Intent, ReplaceIntent
from services.risk_engine import checks
from services.risk_engine.checks import RATE_WINDOW_NS, Check, Refusal, RiskState
from shared.kernel.clock import Now

REPLACE_CHECKS: tuple[Check, ...] = (
    checks.ledger_is_sighted,
    checks.strategy_is_ours,
    checks.feed_is_live,
    checks.mode_is_not_halt,
    checks.mode_allows_entries,
    checks.intent_is_in_time,
    checks.order_size,
    checks.reference_exists,
    checks.reference_is_fresh,
    checks.data_is_fresh,
    checks.collar,
    checks.price_collar,
    checks.order_rate,
    checks.books_agree,
)


def cancel_refusal(state: RiskState, wanted: CancelIntent, now: Now) -> Refusal | None:
    """Only a stranger, or one that cancels without end, is refused."""
    if wanted.strategy != state.config.strategy:
        return Refusal("STRATEGY_UNKNOWN", state.config.strategy, wanted.strategy)
    while state.cancelled_ns and state.cancelled_ns[0] <= now.boot_ns - RATE_WINDOW_NS:
        state.cancelled_ns.popleft()
    limit = state.config.limits.cancels_per_second_max
    count = len(state.cancelled_ns) + 1
    return Refusal("CANCEL_RATE", str(limit), str(count)) if count > limit else None


def replace_refusal(state: RiskState, wanted: ReplaceIntent, now: Now) -> Refusal | None:
    """The order as it would be, through every check that still means something."""
    order = order_of(state, wanted.client_order_id)
    if order is None:
        return Refusal("ORDER_UNKNOWN", "an order of this run", wanted.client_order_id)
    if wanted.quantity_lots > order.quantity_lots:
        return Refusal("QUANTITY_RAISED", str(order.quantity_lots), str(wanted.quantity_lots))
    if order.price_ticks is None:
        return Refusal("PRICE_UNEXPECTED", "an order with a price", order.order_type.value)
    changed = replace(
        order,
        strategy=wanted.strategy,
        quantity_lots=wanted.quantity_lots,
        price_ticks=wanted.price_ticks,
        reference_ticks=wanted.reference_ticks,
        expires_ns=wanted.expires_ns,
        data_ns=wanted.data_ns,
    )
    for check in REPLACE_CHECKS:
        refusal = check(state, changed, now)
        if refusal is not None:
            return refusal
    return None


def order_of(state: RiskState, client_order_id: str) -> Intent | None:
    """The approved intent behind an order; for a leg, the order that the leg is."""
    known = state.decided.get(client_order_id)
    if known is not None:
        return known[0] if known[1].approved else None
    entry = state.decided.get(state.entry_of_leg.get(client_order_id, ""))
    if entry is None or not entry[1].approved:
        return None
    intent = entry[0]
    leg = next(each for each in intent.legs if each.client_order_id == client_order_id)
    side = Side.SELL if intent.side is Side.BUY else Side.BUY
    return replace(
        intent,
        client_order_id=client_order_id,
        side=side,
        order_type=leg.order_type,
        price_ticks=leg.price_ticks,
        reduce_only=True,
        legs=(),
    )
