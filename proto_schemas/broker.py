"""One broker session: what the router and the watchdog say to the venue and hear from it.

Nothing here is re-sent by the bus. An order is sent once; silence is UNKNOWN and is resolved by
`BrokerQuery`. The venue numbers the events of a session without a hole (`session_seq`), across its
own restarts, and answers a query with everything after the number that the session last saw.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.base import (
    BrokerId,
    ChangeRevision,
    ClientOrderId,
    Code,
    Flag,
    Instrument,
    Lots,
    LotsOrZero,
    Message,
    Mills,
    Name,
    Ns,
    PositionLots,
    PriceTicks,
    Sequence,
)
from proto_schemas.enums import OrderState, OrderType, Side
from proto_schemas.signals import Leg


@dataclass(frozen=True, slots=True)
class NewOrder(Message):
    """Send one order to the market, in this session, under our own id; its legs come with it.

    DAY: what is left at the end of the exchange's trading day expires.
    """

    session: Name
    client_order_id: ClientOrderId
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    order_type: OrderType
    reduce_only: Flag
    price_ticks: PriceTicks | None = None
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelOrder(Message):
    """Cancel one order of this session. Changes of an order are numbered by `revision`, from 1."""

    session: Name
    client_order_id: ClientOrderId
    revision: ChangeRevision


@dataclass(frozen=True, slots=True)
class ReplaceOrder(Message):
    """Give one order of this session another price or fewer lots (filled ones included)."""

    session: Name
    client_order_id: ClientOrderId
    revision: ChangeRevision
    quantity_lots: Lots
    price_ticks: PriceTicks


@dataclass(frozen=True, slots=True)
class BrokerOrderEvent(Message):
    """The broker says what became of an order (not a fill).

    `revision` is the last change that the broker has judged, done or refused. Quantity and price
    are the order's present terms; None: not told.
    """

    session: Name
    session_seq: Sequence
    client_order_id: ClientOrderId
    broker_order_id: BrokerId | None
    state: OrderState
    code: Code
    exchange_ns: Ns
    revision: ChangeRevision = 0
    change_refused: Flag = False
    quantity_lots: Lots | None = None
    price_ticks: PriceTicks | None = None


@dataclass(frozen=True, slots=True)
class BrokerExecution(Message):
    """The broker says that an order traded. `execution_id` is unique per account, for ever."""

    session: Name
    session_seq: Sequence
    client_order_id: ClientOrderId
    broker_order_id: BrokerId
    execution_id: BrokerId
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    price_ticks: PriceTicks
    fee_mills: Mills
    leaves_lots: LotsOrZero
    exchange_ns: Ns


@dataclass(frozen=True, slots=True)
class CancelOthers(Message):
    """Cancel every live order of the account except those of this session. Safe to repeat."""

    session: Name


@dataclass(frozen=True, slots=True)
class BrokerQuery(Message):
    """Open or refresh a session: re-send its events after this number, then the whole account.

    The answer repeats `query_id`, so that an old answer is never taken for a fresh one.
    """

    session: Name
    after_session_seq: Sequence
    query_id: Sequence


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """One order as the broker's account shows it."""

    client_order_id: ClientOrderId
    session: Name
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    filled_lots: LotsOrZero
    state: OrderState
    order_type: OrderType | None = None
    price_ticks: PriceTicks | None = None
    reduce_only: Flag = False
    parent_id: ClientOrderId | None = None
    revision: ChangeRevision = 0


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """One position as the broker's account shows it."""

    instrument: Instrument
    position_lots: PositionLots


@dataclass(frozen=True, slots=True)
class BrokerSnapshot(Message):
    """The whole account at one moment: live orders and the session's own finished ones, positions.

    `session_seq` is the last event of this session that the snapshot includes. Without
    `complete` (the end marker) it must not be read as "flat" or as "no orders".
    """

    session: Name
    query_id: Sequence
    session_seq: Sequence
    events_from_seq: Sequence
    orders: tuple[BrokerOrder, ...]
    positions: tuple[BrokerPosition, ...]
    complete: Flag
