"""P&L of the trading day, from positions whose numbers are those of the whole run."""

from __future__ import annotations

from proto_schemas.control import Blind, Replace, Sighted
from proto_schemas.ledger import PositionUpdate
from services.monitor.config import MonitorConfig, Tunables
from services.monitor.core import MonitorCore
from shared.kernel.clock import SECOND
from tests.support import event, now, started

MONDAY_NOON_NS = 1_525_708_800 * SECOND  # 2018-05-07 12:00 in New York
MONDAY_EVENING_NS = MONDAY_NOON_NS + 7 * 3_600 * SECOND  # Tuesday's trading day
PROFIT, ALARM = ("bulkhead_day_profit_dollars",), ("bulkhead_loss_alarm_dollars",)


def position(
    realised: int, opened: int = 0, fees: int = 0, strategy: str = "ema"
) -> PositionUpdate:
    return PositionUpdate(strategy, "ESM18", 0, 0, realised, opened, fees, 100)


def core() -> MonitorCore:
    config = MonitorConfig("paper", "run", "ESM18", "ema", Tunables(loss_alarm_cents=25_000))
    made = MonitorCore(config)
    made.handle(started("monitor"), now())
    made.handle(event(Sighted("ledger", "order_state")), now())
    return made


def tell(made: MonitorCore, update: PositionUpdate, stream_ns: int) -> None:
    made.handle(event(update), now(stream_ns=stream_ns))


def profit(made: MonitorCore) -> int | None:
    return made.readings(now()).get(PROFIT)


def test_fees_come_off_and_open_positions_count_at_the_mark() -> None:
    made = core()
    tell(made, position(5_000, -7_000, 300), MONDAY_NOON_NS)
    assert profit(made) == -2_300
    assert made.readings(now())[ALARM] == 250_000


def test_a_new_trading_day_begins_at_nothing_with_what_was_open() -> None:
    made = core()
    tell(made, position(-90_000, 0, 1_000), MONDAY_NOON_NS)
    tell(made, position(-80_000, 0, 1_000, "other"), MONDAY_NOON_NS)
    assert profit(made) == -172_000
    tell(made, position(-90_000, -2_000, 1_000), MONDAY_EVENING_NS)
    assert profit(made) == -2_000
    tell(made, position(-90_000, 0, 1_000), MONDAY_EVENING_NS + SECOND)
    assert profit(made) == 0


def test_nothing_is_shown_and_no_day_begins_while_the_ledger_tells_all_anew() -> None:
    made = core()
    tell(made, position(-90_000), MONDAY_NOON_NS)
    tell(made, position(10_000, strategy="other"), MONDAY_NOON_NS)
    for change in (Blind("ledger", "order_state"), Replace("ledger", "order_state")):
        made.handle(event(change), now())
        assert profit(made) is None
    tell(made, position(-90_000), MONDAY_EVENING_NS)
    tell(made, position(10_000, strategy="other"), MONDAY_EVENING_NS)
    made.handle(event(Sighted("ledger", "order_state")), now())
    assert profit(made) == -80_000, "the day turns with the first word after it"
    tell(made, position(-95_000), MONDAY_EVENING_NS)
    assert profit(made) == -5_000
