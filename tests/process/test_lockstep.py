"""`bulkhead replay --lockstep`: the same bytes in every journal, every time; and a true run."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.monitor.journals import load_index
from services.monitor.trace import missing
from shared.feeds import SAMPLE_PATH
from shared.runtime.run_folder import RunFolder
from tests.process.independent import check_run

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead


def replay(bulkhead: Bulkhead, *options: str) -> dict[str, Any]:
    ended = bulkhead("replay", str(SAMPLE_PATH), "--instrument", "ESM30", "--json", *options)
    assert ended.code == 0, (ended.out, ended.err)
    report = ended.report
    assert report["ok"] is True and report["fills"] > 0
    return report


def journals(report: dict[str, Any]) -> dict[str, str]:
    """Journal -> hash of all its bytes."""
    found = Path(report["run"], "journals").glob("*.journal")
    return {path.stem: sha256(path.read_bytes()).hexdigest() for path in found}


def test_twice_the_same_bytes_in_every_journal(bulkhead: Bulkhead) -> None:
    first, second = replay(bulkhead, "--lockstep"), replay(bulkhead, "--lockstep")
    assert first["run"] != second["run"]
    assert len(journals(first)) == 8
    assert journals(first) == journals(second)

    rows = Path(first["run"], "journals", "venue.journal").read_bytes()
    assert b"feed_trade" in rows and b"feed_burst" not in rows, "one row at a time"

    check_run(Path(first["run"]))  # every order of the ledger arrived at the venue, once
    index = load_index(RunFolder.open(Path(first["run"])))
    holes = {order_id: missing(index.trace(order_id)) for order_id in index.order_ids()}
    assert {order_id: hole for order_id, hole in holes.items() if hole} == {}

    verified = bulkhead("verify", first["run"], "--json")
    assert verified.code == 0 and verified.report["ok"] is True, verified.out
    assert Path(first["run"], "logs", "merged.jsonl").read_text().count("\n") > 100
    traced = bulkhead("trace", first["trace_id"], "--run", first["run"], "--json")
    assert traced.code == 0, traced.err


def test_another_strategy_or_speed_is_another_story(bulkhead: Bulkhead) -> None:
    plain = replay(bulkhead, "--lockstep")
    paced = replay(bulkhead, "--lockstep", "--speed", "600")
    assert journals(plain) != journals(paced)
    assert plain["ticks"] == paced["ticks"]


def test_it_sees_the_rows_that_real_processes_see(bulkhead: Bulkhead) -> None:
    in_step, real = replay(bulkhead, "--lockstep"), replay(bulkhead)
    same = ("ticks", "rows_in", "rows_other", "rows_bad", "events_out", "gaps")
    assert {key: in_step[key] for key in same} == {key: real[key] for key in same}


def test_a_time_limit_ends_it(bulkhead: Bulkhead, tmp_path: Path) -> None:
    rows = "".join(
        f"2030-03-04T15:{n // 60_000:02d}:{n // 1000 % 60:02d}.{n % 1000:03d}Z,5000.25\n"
        for n in range(400_000)
    )
    data = tmp_path / "long.csv"
    data.write_text("ts_utc,price\n" + rows)
    options = ("--instrument", "ESM30", "--lockstep", "--timeout", "2", "--json")
    ended = bulkhead("replay", str(data), *options)
    assert ended.code == 75, ended.out
    assert "RUN_TIMEOUT" in ended.out + ended.err
