"""The engine's pace: it reports how far the strategy is, so that the feed waits."""

from __future__ import annotations

from proto_schemas.control import (
    PeerStatus,
    Sighted,
    TimerFired,
)
from proto_schemas.market_data import MarketProgress
from services.strategy_engine.config import Tunables
from shared.kernel.clock import MS, SECOND
from shared.kernel.outputs import Send, SetTimer
from tests.support import bodies
from tests.unit.strategy_engine.rig import (
    MARKET,
    Rig,
    Script,
)


def test_progress_is_reported_every_n_trades() -> None:
    rig = Rig(Script(), Tunables(progress_every=3)).ready()
    sent = [body for _ in range(7) for body in bodies(rig.trade(), Send)]
    assert sent == [MarketProgress("strategy_engine", 3), MarketProgress("strategy_engine", 6)]


def test_progress_is_reported_soon_and_again_when_trades_stop() -> None:
    rig = Rig(Script()).ready()
    assert SetTimer("progress", rig.boot_ns + 100 * MS) in rig.trade()
    assert [o for o in rig.trade() if isinstance(o, SetTimer)] == []
    for _ in range(2):
        outputs = rig.feed(TimerFired("progress"))
        assert bodies(outputs, Send) == [MarketProgress("strategy_engine", 2)]
        assert SetTimer("progress", rig.boot_ns + SECOND) in outputs


def test_progress_is_reported_at_start_at_sight_and_to_a_new_ingestor() -> None:
    rig = Rig(Script())
    assert bodies(rig.start(), Send) == [MarketProgress("strategy_engine", 0)]
    assert len(bodies(rig.feed(Sighted(MARKET, "market_data")), Send)) == 1
    assert len(bodies(rig.feed(PeerStatus("market_data", True, 2)), Send)) == 1
    assert bodies(rig.feed(PeerStatus("market_data", False, 2)), Send) == []
