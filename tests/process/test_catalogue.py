"""Data into a catalogue and out of it again through real processes; and Ctrl-C in the middle."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.catalogue import Manifest, is_catalogue
from tests.process.conftest import finish
from tests.real_data import real

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

QUOTES = "databento-es/futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst"
ORDERS = "databento-es/esh4-glbx-mdp3-20231225.mbo.dbn.zst"


# files, contract, rows in them, rows of the feed, whether the strategy gets to trade, and speed:
# a day of bars at full speed is over in less time than a machine that stalls needs for one order
@pytest.mark.parametrize(("files", "code", "rows_in", "events", "trades", "speed"), [
    ([QUOTES], "ESU24", 2_288, 2_288, False, "max"),
    ([ORDERS], "ESH24", 68_792, 28_412, True, "max"),
    ([f"lean-es/minute/20131007_{kind}.zip" for kind in ("trade", "quote")], "ESZ13",
     1_671 + 3_907, 1_344 * 4 + 1_410 * 2, True, "10000"),
    (["lean-gc/tick/20131007_trade.zip"], "GCZ13", 40_192, 39_702, True, "max"),
], ids=["mbp-1", "mbo", "minute-bars", "trade-ticks"])  # fmt: skip
@pytest.mark.timeout(240)
def test_import_then_replay(
    bulkhead: Bulkhead,
    tmp_path: Path,
    files: list[str],
    code: str,
    rows_in: int,
    events: int,
    trades: bool,
    speed: str,
) -> None:
    where = ("--instrument", code, "--catalogue", str(tmp_path / "c"), "--json")
    reports = [bulkhead("data", "import", str(real(file)), *where).report for file in files]
    assert sum(report["rows_in"] for report in reports) == rows_in
    assert all(report["ok"] and report["rows_bad"] == 0 for report in reports)
    options = (*where, "--strategy", "ema_cross", "--speed", speed)
    ended = bulkhead("replay", *options, timeout_s=200)
    report = ended.report
    assert ended.code == 0 and report["ok"] is True, (report, ended.err[-3000:])
    assert (report["events_out"], report["gaps"], report["rows_bad"]) == (events, 0, 0)
    assert report["position_lots"] == report["broker_position_lots"] == 0
    assert (report["fills"] > 0) is trades


def test_ctrl_c_in_the_middle_of_an_import(bulkhead: Bulkhead, tmp_path: Path) -> None:
    """A real signal; the catalogue is whole, and the same command goes on."""
    folder, root = tmp_path / "data", tmp_path / "c"
    folder.mkdir()
    rows = (
        f"2018-05-07T{13 + n // 60_000}:{n // 1_000 % 60:02d}:00.{n % 1_000:03d}Z,2670.25\n"
        for n in range(300_000)
    )
    (folder / "b.csv").write_text("ts_utc,price\n" + "".join(rows))
    (folder / "a.csv").write_text("ts_utc,price\n2018-05-07T12:00:00Z,2670.25\n")
    where = ("data", "import", str(folder), "--instrument", "ESM18", "--catalogue", str(root))
    child = bulkhead.start(*where)
    deadline = time.monotonic() + 30
    while not is_half_done(root) and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    ended = finish(child, 30)
    assert ended.code == 130, ended.err
    assert "stays (1 files)" in ended.err and "the same command goes on" in ended.err
    assert [entry.source for entry in Manifest.load(root).entries] == ["a.csv"]
    assert not list(root.glob("*/*.unfinished"))
    report = bulkhead(*where, "--json").report
    assert (report["files_already"], report["files_added"]) == (["a.csv"], ["b.csv"])
    assert report["rows_out"] == 300_000


def is_half_done(root: Path) -> bool:
    """The first file is in, the second is being written."""
    if not is_catalogue(root) or not Manifest.load(root).entries:
        return False
    return any(root.glob("ESM18/*.unfinished"))
