"""Closed lists of words that travel in messages. The mission's names win over any broker's."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Buy or sell."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: what one lot does to a position."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How an order wants to be filled. A STOP becomes a market order when its price trades."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"


class OrderState(StrEnum):
    """Where an order stands in its life. `shared/kernel/order_states.py` holds the moves."""

    PENDING_CREATION = "PENDING_CREATION"
    SUBMITTED = "SUBMITTED"
    UNKNOWN = "UNKNOWN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    WORKING = "WORKING"
    PARTIAL_FILL = "PARTIAL_FILL"
    PENDING_CANCEL = "PENDING_CANCEL"
    PENDING_REPLACE = "PENDING_REPLACE"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class OrderAction(StrEnum):
    """What can happen to an order: the input words of the transition table."""

    CREATE = "CREATE"
    SUBMIT = "SUBMIT"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    WORK = "WORK"
    FILL_PART = "FILL_PART"
    FILL_ALL = "FILL_ALL"
    REJECT = "REJECT"
    ASK_CANCEL = "ASK_CANCEL"
    ASK_REPLACE = "ASK_REPLACE"
    REPLACE = "REPLACE"
    REFUSE_CHANGE = "REFUSE_CHANGE"
    CANCEL = "CANCEL"
    EXPIRE = "EXPIRE"
    LOSE_SIGHT = "LOSE_SIGHT"


class Mode(StrEnum):
    """What the watchdog allows: everything, exits only, or nothing."""

    NORMAL = "NORMAL"
    REDUCE_ONLY = "REDUCE_ONLY"
    HALT = "HALT"


class ServiceState(StrEnum):
    """State words, the same everywhere: log, metric, status, dashboard."""

    STARTING = "STARTING"
    RECONCILING = "RECONCILING"
    READY = "READY"
    TRADING = "TRADING"
    REDUCE_ONLY = "REDUCE_ONLY"
    PAUSED = "PAUSED"
    LOCKED = "LOCKED"
    KILLED = "KILLED"


class FeedState(StrEnum):
    """What the ingestor thinks of one instrument's feed."""

    LIVE = "LIVE"
    STALE = "STALE"
    ENDED = "ENDED"


class SessionPhase(StrEnum):
    """How far the watchdog's session-end planner has come."""

    OPEN = "OPEN"
    ENTRIES_STOPPED = "ENTRIES_STOPPED"
    REVOKING = "REVOKING"
    FLATTENING = "FLATTENING"
    VERIFYING = "VERIFYING"
    FLAT = "FLAT"
    CLOSED = "CLOSED"
