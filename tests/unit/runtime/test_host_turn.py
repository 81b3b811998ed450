"""A turn of the loop: as many rows of each socket and of the source, however they are packed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from proto_schemas.base import Message
from proto_schemas.market_data import FeedCredit, FeedTrade
from services.market_data.config import MarketDataConfig
from services.market_data.core import MarketDataCore
from services.venue.config import VenueConfig
from services.venue.core import VenueCore
from shared.bus.codec import encode
from shared.kernel.clock import Now
from shared.kernel.outputs import Core
from shared.runtime.bursts import feed_burst
from shared.runtime.host import ROWS_A_TURN, Host, Service, Source
from shared.runtime.run_folder import RunFolder, RunSettings
from shared.runtime.wires import Arrived
from tests.support import event

ES = "ESM30"
ROWS = 40


def burst(first: int, rows: int = ROWS) -> Message:
    trades = [FeedTrade(number, ES, number, 100, 1) for number in range(first, first + rows)]
    return trades[0] if rows == 1 else feed_burst([*trades])


class Bursts:
    """A source that always has one more burst."""

    def __init__(self, rows: int) -> None:
        self.given, self.rows = 0, rows

    def next_input(self, now: Now) -> tuple[Message, int] | None:
        first = self.given + 1
        self.given += self.rows
        return burst(first, self.rows), self.given

    def next_due_ns(self, now: Now) -> int | None:
        return now.boot_ns

    def close(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    with tempfile.TemporaryDirectory(prefix="bh-") as sock_dir:
        settings = RunSettings("demo", "r", "0" * 12, ES, "ema_cross", sock_dir)
        (tmp_path / "config.toml").write_text("")
        yield RunFolder(tmp_path, settings)


def opened(folder: RunFolder, name: str, core: Core, source: Source | None = None) -> Host:
    return Host(folder, Service(name, core, source))


def close(host: Host) -> None:
    host.wires.close()
    host.journal.close()


@pytest.mark.parametrize(("rows", "frames"), [(ROWS, 2), (1, ROWS_A_TURN), (ROWS_A_TURN, 1)])
def test_a_turn_takes_so_many_rows_of_a_socket_and_leaves_the_rest(
    folder: RunFolder, rows: int, frames: int
) -> None:
    core = MarketDataCore(MarketDataConfig(ES))
    host = opened(folder, "market_data", core)
    left = (
        [Arrived(encode(each.envelope, each.body), "dealer", "venue")]
        for each in (event(burst(at, rows), producer="venue") for at in range(1, 999, rows))
    )
    host._take_some(left)
    taken = host.counts.handled["feed_burst" if rows > 1 else "feed_trade"]
    assert taken == frames
    assert core._state.last_feed_seq == frames * rows
    host._take_some(left)
    assert core._state.last_feed_seq == 2 * frames * rows, "nothing was lost between the turns"
    close(host)


def test_a_parcel_is_taken_whole_also_beyond_a_turns_rows(folder: RunFolder) -> None:
    core = MarketDataCore(MarketDataConfig(ES))
    host = opened(folder, "market_data", core)
    parcel = [
        Arrived(encode(each.envelope, each.body), "dealer", "venue")
        for each in (event(burst(at, ROWS), producer="venue") for at in range(1, 4 * ROWS, ROWS))
    ]
    parcels = iter([parcel, parcel])
    host._take_some(parcels)
    assert core._state.last_feed_seq == 4 * ROWS > ROWS_A_TURN
    assert list(parcels) == [parcel]
    close(host)


@pytest.mark.parametrize(("rows", "given"), [(ROWS, 2 * ROWS), (1, ROWS_A_TURN)])
def test_a_turn_takes_so_many_rows_of_the_source(folder: RunFolder, rows: int, given: int) -> None:
    core, source = VenueCore(VenueConfig(ES)), Bursts(rows)
    host = opened(folder, "venue", core, source)
    credit = event(FeedCredit(10_000), producer="market_data")
    core.handle(credit, Now(0, 0))
    host._drain_source()
    assert source.given == core.feed.fed_seq == given
    close(host)
