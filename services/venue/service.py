"""Puts the venue together: core, feed pump, and the record that hears everything first."""

from __future__ import annotations

from dataclasses import astuple

from services.venue.config import load
from services.venue.core import VenueCore
from services.venue.feed_pump import FeedPump, OnBadRow
from services.venue.record import Record
from shared.feeds import BadRow, Feed, Synthetic, SyntheticFeed, open_feed
from shared.markets import parse_contract
from shared.runtime.host import Service
from shared.runtime.log import open_log
from shared.runtime.run_folder import RunFolder


def build(run: RunFolder) -> Service:
    """Make the service from a run's config."""
    config = load(run)
    log = open_log("venue", run.settings.run_id)
    core = VenueCore(config)

    def on_bad_row(row: BadRow) -> None:
        log.warning("row_bad", file=row.file, line=row.line, reason=str(row.reason), text=row.text)

    contract = parse_contract(config.instrument)

    def open_rows(on_bad: OnBadRow) -> Feed | SyntheticFeed:
        if (made_up := config.made_up) is not None:
            return SyntheticFeed(contract, Synthetic(*astuple(made_up)))
        return open_feed(config.data_path, contract, on_bad_row=on_bad)

    pump = FeedPump(open_rows, contract, core.feed, config.speed_milli, on_bad_row)
    for file in pump.feed.passed_over:
        log.info("file_passed_over", file=file.file, why=file.why)
    return Service("venue", core, source=pump, tap=Record(config.record_path).write)
