"""The ledger's links: what happened to orders goes in as commands, the truth comes out as a stream.

Only `order_state` writes positions. It acknowledges an order event or an execution after its synced
journal; the sender repeats it until then. Positions are published before the order that moved
them, so a reader that counts position plus open orders errs on the large side for a moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.base import (
    BrokerId,
    ChangeRevision,
    ClientOrderId,
    Code,
    CostTicks,
    Count,
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
    Text,
)
from proto_schemas.broker import BrokerOrder, BrokerPosition
from proto_schemas.enums import OrderAction, OrderState, OrderType, Side


@dataclass(frozen=True, slots=True)
class OrderEvent(Message):
    """One move in an order's life, as its session (router or watchdog) did or saw it.

    The order's own facts ride along, so that the ledger needs no other message to make sense of it.
    `revision` numbers the order's changes; with REPLACE, quantity and price are the new ones.
    """

    client_order_id: ClientOrderId
    session: Name
    strategy: Name
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    order_type: OrderType
    action: OrderAction
    code: Code
    broker_order_id: BrokerId | None
    exchange_ns: Ns | None
    price_ticks: PriceTicks | None = None
    reduce_only: Flag = False
    parent_id: ClientOrderId | None = None
    revision: ChangeRevision = 0


@dataclass(frozen=True, slots=True)
class Execution(Message):
    """One fill, de-duplicated by `execution_id` in the ledger."""

    client_order_id: ClientOrderId
    session: Name
    strategy: Name
    execution_id: BrokerId
    broker_order_id: BrokerId
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    price_ticks: PriceTicks
    fee_mills: Mills
    exchange_ns: Ns


@dataclass(frozen=True, slots=True)
class OrderUpdate(Message):
    """The published truth about one order."""

    client_order_id: ClientOrderId
    session: Name
    strategy: Name
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    filled_lots: LotsOrZero
    filled_cost_ticks: CostTicks
    state: OrderState
    code: Code
    order_type: OrderType | None = None
    price_ticks: PriceTicks | None = None
    reduce_only: Flag = False
    parent_id: ClientOrderId | None = None
    revision: ChangeRevision = 0


@dataclass(frozen=True, slots=True)
class PositionUpdate(Message):
    """The published truth about one strategy's position in one expiry.

    `open_cost_ticks` is the signed sum of entry price times lots of what is open: the average entry
    price in ticks is `open_cost_ticks / position_lots`. P&L and fees are in mills since the run
    began.
    """

    strategy: Name
    instrument: Instrument
    position_lots: PositionLots
    open_cost_ticks: CostTicks
    realised_mills: Mills
    open_mills: Mills
    fees_mills: Mills
    mark_ticks: PriceTicks | None


@dataclass(frozen=True, slots=True)
class BrokerReport(Message):
    """The broker's account, fetched by the router for one reconcile, on its way to the ledger."""

    reconcile_id: Sequence
    orders: tuple[BrokerOrder, ...]
    positions: tuple[BrokerPosition, ...]


@dataclass(frozen=True, slots=True)
class ReconcileFetch(Message):
    """The watchdog's timer asks the router to fetch the account and hand it to the ledger."""

    reconcile_id: Sequence


@dataclass(frozen=True, slots=True)
class Break:
    """One difference between the ledger and the broker."""

    code: Code
    subject: Text
    ledger_lots: PositionLots
    broker_lots: PositionLots


@dataclass(frozen=True, slots=True)
class ReconcileReport(Message):
    """What the comparison found. Clean means no break at all."""

    reconcile_id: Sequence
    clean: Flag
    ledger_positions: tuple[BrokerPosition, ...]
    broker_positions: tuple[BrokerPosition, ...]
    orders_compared: Count
    breaks: tuple[Break, ...]
    at_ns: Ns
