"""Every control is one function here, in one ordered table: `CHECKS`. The first refusal counts.

A check reads the state and changes nothing. It returns None, or a refusal with a fixed code, the
limit and the value that broke it. What is unknown refuses: no ledger, no control, no feed, no mark.

Exits (`reduce_only`) pass REDUCE_ONLY mode and are measured by the position that they close, never
by a ceiling that a position already stands above: a limit must not trap anyone in a position. In
HALT, on a stale feed or a disputed ledger the way out is the watchdog, which closes in its own
session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from proto_schemas.enums import FeedState, Mode, OrderType, Side
from proto_schemas.market_data import Mark
from proto_schemas.signals import Decision, Intent
from services.risk_engine.config import RiskConfig
from services.risk_engine.reservations import Reservations
from shared.kernel.clock import SECOND, Now

CONTROL_SILENCE_MAX_NS = 3 * SECOND
RATE_WINDOW_NS = SECOND
DECISIONS_MAX = 1_000_000
LEGS_MAX = 2


@dataclass(slots=True)
class RiskState:
    """All that the checks look at. `decided` answers a repeated intent as before.

    Legs are not reserved: the venue ties them to what their entry has filled, so they can only
    close; counted, they would stand in the way of an exit. `entry_of_leg` finds their entry.
    """

    config: RiskConfig
    sighted: bool = False
    mode: Mode | None = None
    control_ns: int = 0
    reconciled_clean: bool | None = None
    feeds: dict[str, FeedState] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    reservations: Reservations = field(default_factory=Reservations)
    decided: dict[str, tuple[Intent, Decision]] = field(default_factory=dict)
    entry_of_leg: dict[str, str] = field(default_factory=dict)
    approved_ns: deque[int] = field(default_factory=deque)
    cancelled_ns: deque[int] = field(default_factory=deque)

    def net_lots(self, instrument: str) -> int:
        """Position of the account in one expiry, over all strategies."""
        return sum(lots for (_, name), lots in self.positions.items() if name == instrument)

    def worst_lots(self, instrument: str, side: Side) -> int:
        """How far the position can go on this side if all that is reserved there trades."""
        return side.sign * self.net_lots(instrument) + self.reservations.lots(instrument, side)

    def worst_either_lots(self, instrument: str) -> int:
        """The larger of both sides."""
        return max(self.worst_lots(instrument, side) for side in Side)

    def instruments(self) -> list[str]:
        """Every expiry that has, had or may get a position."""
        held = dict.fromkeys(name for _, name in self.positions)
        return list({**held, **dict.fromkeys(name for name, _ in self.reservations.totals)})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which rule said no, what it allows, what it saw."""

    code: str
    limit: str
    value: str


Check = Callable[[RiskState, Intent, Now], Refusal | None]


def first_refusal(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """Run the table; None means approved."""
    for check in CHECKS:
        refusal = check(state, intent, now)
        if refusal is not None:
            return refusal
    return None


def ledger_is_sighted(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """Blind on positions and orders, nothing can be measured."""
    return None if state.sighted else Refusal("BLIND", "ledger sighted", "blind")


def order_is_new(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """One id, one order, for ever; and with the memory full, no id is known to be new."""
    ids = (intent.client_order_id, *(leg.client_order_id for leg in intent.legs))
    if len(set(ids)) < len(ids) or any(_is_known(state, key) for key in ids):
        return Refusal("DUPLICATE_ORDER", "1", "2")
    if len(state.decided) >= DECISIONS_MAX:
        return Refusal("DUPLICATE_ORDER", str(DECISIONS_MAX), str(len(state.decided)))
    return None


def _is_known(state: RiskState, key: str) -> bool:
    reserved = state.reservations
    return (
        key in state.decided
        or key in state.entry_of_leg
        or key in reserved.held
        or key in reserved.ended
    )


def price_fits_type(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """A limit and a stop have a price, a market order has none; so has each leg one."""
    at_market = intent.order_type is OrderType.MARKET
    if at_market != (intent.price_ticks is None):
        wanted = "no price" if at_market else "a price"
        return Refusal("PRICE_MISFIT", wanted, str(intent.price_ticks))
    return None


def legs_are_sane(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """Protection belongs to an entry, at most a stop and a target, never at market."""
    types = [leg.order_type.value for leg in intent.legs]
    sane = len(types) <= LEGS_MAX and OrderType.MARKET not in types
    if not types or (sane and not intent.reduce_only):
        return None
    return Refusal("LEGS_INVALID", f"{LEGS_MAX} legs on an entry", ",".join(types))


def strategy_is_ours(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """Only the run's strategy."""
    if intent.strategy == state.config.strategy:
        return None
    return Refusal("STRATEGY_UNKNOWN", state.config.strategy, intent.strategy)


def instrument_is_ours(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """Only the run's instrument; another expiry is another instrument."""
    if intent.instrument == state.config.instrument:
        return None
    return Refusal("INSTRUMENT_UNKNOWN", state.config.instrument, intent.instrument)


def feed_is_live(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """No word from the ingestor counts as no feed."""
    feed = state.feeds.get(intent.instrument)
    if feed is FeedState.LIVE:
        return None
    return Refusal("FEED_NOT_LIVE", FeedState.LIVE.value, feed.value if feed else "none")


def mode_is_not_halt(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """HALT means nothing, exits included. A watchdog that has gone silent means HALT."""
    if state.mode is None:
        return Refusal("MODE_HALT", Mode.NORMAL.value, "none")
    silence_ns = now.boot_ns - state.control_ns
    if silence_ns > CONTROL_SILENCE_MAX_NS:
        return Refusal("MODE_HALT", str(CONTROL_SILENCE_MAX_NS), str(silence_ns))
    if state.mode is Mode.HALT:
        return Refusal("MODE_HALT", Mode.NORMAL.value, Mode.HALT.value)
    return None


def mode_allows_entries(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """In REDUCE_ONLY only exits pass."""
    if state.mode is not Mode.REDUCE_ONLY or intent.reduce_only:
        return None
    return Refusal("MODE_REDUCE_ONLY", Mode.NORMAL.value, Mode.REDUCE_ONLY.value)


def intent_is_in_time(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """A signal older than its time to live never becomes an order."""
    if now.boot_ns <= intent.expires_ns:
        return None
    return Refusal("EXPIRED", str(intent.expires_ns), str(now.boot_ns))


def order_size(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """One order's lots."""
    return _above("ORDER_SIZE", state.config.limits.order_max_lots, intent.quantity_lots)


def position_limit(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """The worst case on the order's side, this order included."""
    worst_lots = state.worst_lots(intent.instrument, intent.side) + intent.quantity_lots
    return _above("POSITION_LIMIT", state.config.limits.position_max_lots, worst_lots)


def aggregate_limit(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """The worst cases of all instruments added up; an order that does not raise it may pass."""
    before_lots = sum(state.worst_either_lots(name) for name in state.instruments())
    own_before_lots = state.worst_either_lots(intent.instrument)
    own_lots = state.worst_lots(intent.instrument, intent.side) + intent.quantity_lots
    raised_lots = max(own_before_lots, own_lots) - own_before_lots
    if not raised_lots:
        return None
    limit_lots = state.config.limits.aggregate_max_lots
    return _above("AGGREGATE_LIMIT", limit_lots, before_lots + raised_lots)


def reduce_only_reduces(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """An exit closes at most what is open and not already being closed."""
    if not intent.reduce_only:
        return None
    room_lots = max(0, -state.worst_lots(intent.instrument, intent.side))
    return _above("REDUCE_ONLY_INCREASES", room_lots, intent.quantity_lots)


def reference_exists(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """No price of our own, no approval."""
    if intent.instrument in state.marks:
        return None
    return Refusal("NO_REFERENCE", "mark", "none")


def reference_is_fresh(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """Age by the boot clock since we received it. From the future means from another boot."""
    age_ns = now.boot_ns - state.marks[intent.instrument].receive_ns
    limit_ns = state.config.limits.reference_age_max_ns
    if 0 <= age_ns <= limit_ns:
        return None
    return Refusal("STALE_REFERENCE", str(limit_ns), str(age_ns))


def data_is_fresh(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """A strategy that cannot keep up decides on a market that is gone; it may still get out.

    Our mark is conflated, so it is never late: a quiet market makes no lag.
    """
    if intent.data_ns is None or intent.reduce_only:
        return None
    lag_ns = state.marks[intent.instrument].receive_ns - intent.data_ns
    return _above("STALE_DATA", state.config.limits.data_lag_max_ns, lag_ns)


def collar(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """The price that the strategy decided on must be near our own."""
    away_ticks = abs(intent.reference_ticks - state.marks[intent.instrument].price_ticks)
    return _above("COLLAR", state.config.limits.collar_ticks, away_ticks)


def price_collar(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """A limit may wait far away, but it must not reach far through the market."""
    if intent.order_type is not OrderType.LIMIT or intent.price_ticks is None:
        return None
    mark_ticks = state.marks[intent.instrument].price_ticks
    through_ticks = intent.side.sign * (intent.price_ticks - mark_ticks)
    return _above("PRICE_COLLAR", state.config.limits.collar_ticks, through_ticks)


def order_rate(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """Approvals in the last sliding second; the core forgets older ones before it asks."""
    count = len(state.approved_ns) + 1
    return _above("ORDER_RATE", state.config.limits.orders_per_second_max, count)


def books_agree(state: RiskState, intent: Intent, now: Now) -> Refusal | None:
    """While ledger and broker differ, every measurement above rests on a disputed number."""
    if state.reconciled_clean is not False:
        return None
    return Refusal("RECONCILE_BREAK", "clean", "break")


def _above(code: str, limit: int, value: int) -> Refusal | None:
    return Refusal(code, str(limit), str(value)) if value > limit else None


CHECKS: tuple[Check, ...] = (
    ledger_is_sighted,
    order_is_new,
    strategy_is_ours,
    instrument_is_ours,
    feed_is_live,
    mode_is_not_halt,
    mode_allows_entries,
    intent_is_in_time,
    price_fits_type,
    legs_are_sane,
    order_size,
    position_limit,
    aggregate_limit,
    reduce_only_reduces,
    reference_exists,
    reference_is_fresh,
    data_is_fresh,
    collar,
    price_collar,
    order_rate,
    books_agree,
)
