"""Compares the broker's account with the books. It finds differences; it never mends one.

An order in the ledger that the broker does not show is a break only once the broker should know it:
one that is not sent yet, or sent a moment ago and not answered (PENDING_CREATION, SUBMITTED), may
simply not have arrived when the account was read. If its answer never comes the router calls it
UNKNOWN, and then its absence is a break.

Alive on one side and ended on the other counts like unknown to that other side.
"""

from __future__ import annotations

from proto_schemas.broker import BrokerOrder, BrokerPosition
from proto_schemas.enums import OrderState
from proto_schemas.ledger import Break, BrokerReport
from services.order_state.ledger import Books
from services.order_state.orders import Order
from shared.kernel.order_states import is_live

NOT_YET_AT_BROKER = (OrderState.PENDING_CREATION, OrderState.SUBMITTED)
BREAKS_SHOWN_MAX = 100


def compare(report: BrokerReport, books: Books) -> list[Break]:
    """Every difference, positions first."""
    return [
        *_position_breaks(net_positions(report), books.net_lots()),
        *_broker_order_breaks(report.orders, books),
        *_missing_order_breaks(report.orders, books),
    ]


def net_positions(report: BrokerReport) -> dict[str, int]:
    """The broker's position per instrument; several lines of one instrument add up."""
    net: dict[str, int] = {}
    for position in report.positions:
        net[position.instrument] = net.get(position.instrument, 0) + position.position_lots
    return {instrument: lots for instrument, lots in sorted(net.items()) if lots}


def as_positions(net: dict[str, int]) -> tuple[BrokerPosition, ...]:
    """Net lots as they stand in a reconcile report."""
    return tuple(BrokerPosition(instrument, lots) for instrument, lots in net.items())


def _position_breaks(broker: dict[str, int], ledger: dict[str, int]) -> list[Break]:
    return [
        Break("POSITION_DIFFERS", name, ledger.get(name, 0), broker.get(name, 0))
        for name in sorted({**ledger, **broker})
        if ledger.get(name, 0) != broker.get(name, 0)
    ]


def _broker_order_breaks(orders: tuple[BrokerOrder, ...], books: Books) -> list[Break]:
    found: list[Break] = []
    for seen in orders:
        known = books.orders.get(seen.client_order_id)
        filled_lots = known.filled_lots if known else 0
        if known is None or (is_live(seen.state) and not is_live(known.state)):
            found.append(_order_break("ORDER_UNKNOWN_TO_LEDGER", seen, filled_lots))
        elif seen.filled_lots != filled_lots:
            found.append(_order_break("FILL_DIFFERS", seen, filled_lots))
        elif not is_live(seen.state) and _broker_should_know(known):
            found.append(_order_break("ORDER_UNKNOWN_TO_BROKER", seen, filled_lots))
    return found


def _missing_order_breaks(orders: tuple[BrokerOrder, ...], books: Books) -> list[Break]:
    shown = {seen.client_order_id for seen in orders}
    waiting = [books.orders[key] for key in books.live if key not in shown]
    return [
        Break("ORDER_UNKNOWN_TO_BROKER", order.client_order_id, order.filled_lots, 0)
        for order in waiting
        if _broker_should_know(order)
    ]


def _broker_should_know(order: Order) -> bool:
    return is_live(order.state) and order.state not in NOT_YET_AT_BROKER


def _order_break(code: str, seen: BrokerOrder, ledger_lots: int) -> Break:
    return Break(code, seen.client_order_id, ledger_lots, seen.filled_lots)
