"""Puts the venue together: core, feed pump, and the record that hears everything first."""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from proto_schemas.market_data import BURST_ROWS_MAX
from services.venue.config import load
from services.venue.core import VenueCore
from services.venue.feed_pump import FeedPump, OnBadRow
from services.venue.record import Record
from shared.catalogue import open_recorded
from shared.feeds import BadRow, Feed, SyntheticFeed
from shared.markets import parse_contract
from shared.runtime.host import Service
from shared.runtime.log import open_log
from shared.runtime.run_folder import RunFolder

Rows = Feed | SyntheticFeed


def make_core(run: RunFolder) -> VenueCore:
    """The core, as the run's config wants it."""
    return VenueCore(load(run))


def make_pump(
    run: RunFolder, core: VenueCore, log: FilteringBoundLogger, burst_rows: int = BURST_ROWS_MAX
) -> FeedPump:
    """The feed of the run; what it passes over is told to the log."""
    config = load(run)
    contract = parse_contract(config.instrument)

    def on_bad_row(row: BadRow) -> None:
        log.warning("row_bad", file=row.file, line=row.line, reason=str(row.reason), text=row.text)

    def open_rows(on_bad: OnBadRow) -> Rows:
        if (made_up := config.made_up) is not None:
            return SyntheticFeed(contract, made_up)
        return open_recorded(config.data_path, contract, on_bad)

    pump = FeedPump(open_rows, contract, core.feed, config.speed_milli, on_bad_row, burst_rows)
    for file in pump.feed.passed_over:
        log.info("file_passed_over", file=file.file, why=file.why)
    return pump


def build(
    run: RunFolder, log: FilteringBoundLogger | None = None, burst_rows: int = BURST_ROWS_MAX
) -> Service:
    """Make the service from a run's config; bad rows are told to `log`, else to stdout."""
    core = make_core(run)
    pump = make_pump(run, core, log or open_log("venue", run.settings.run_id), burst_rows)
    return Service("venue", core, source=pump, tap=Record(load(run).record_path).write)
