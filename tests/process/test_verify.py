"""`bulkhead verify`: a run is equal to its re-run, and whoever changes one byte is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.feeds import SAMPLE_PATH
from shared.journal import JournalWriter, read_journal
from shared.kernel.clock import Now
from shared.runtime.record import pack_record, split_record
from tests.process.trading import SAMPLE_SPEED

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead


@pytest.fixture
def run(bulkhead: Bulkhead) -> Path:
    """A finished run over the shipped sample."""
    options = ("--instrument", "ESM30", "--speed", SAMPLE_SPEED, "--json")
    ended = bulkhead("replay", str(SAMPLE_PATH), *options)
    assert ended.code == 0, ended.err
    return Path(ended.report["run"])


def verify(bulkhead: Bulkhead, run: Path, code: int) -> dict[str, Any]:
    ended = bulkhead("verify", str(run), "--json")
    assert ended.code == code, (ended.out, ended.err)
    return ended.report


def forge(run: Path, service: str, change: Callable[[bytes], bytes]) -> int:
    """Rewrite a journal with a right chain, the first changed frame in it; its record number."""
    path = run / "journals" / f"{service}.journal"
    records = read_journal(path, service, run.name).records
    path.unlink()
    changed = 0
    with JournalWriter.open(path, service, run.name) as journal:
        for number, payload in enumerate(records, 1):
            stream_ns, boot_ns, frame, digest = split_record(payload)
            fresh = frame if changed else change(frame)
            changed = changed or (number if fresh != frame else 0)
            journal.append(pack_record(fresh, Now(stream_ns, boot_ns), digest))
    assert changed, f"no frame of {service} was changed"
    return changed


def test_a_run_equals_its_rerun_and_a_changed_byte_is_named(
    bulkhead: Bulkhead, run: Path, tmp_path: Path
) -> None:
    report = verify(bulkhead, run, 0)
    assert report["ok"] is True and report["differences"] == 0 and report["notes"] == []
    assert len(report["records"]) == 8 and all(report["records"].values())
    assert report["frames_compared"] > 1_000

    kept = tmp_path / "kept"
    shutil.copytree(run, kept)

    def restored() -> None:
        shutil.rmtree(run)
        shutil.copytree(kept, run)

    a_decision_with_a_right_chain(bulkhead, run)
    restored()
    an_order_of_the_venues_record(bulkhead, run)
    restored()
    a_line_of_the_venues_record(bulkhead, run)
    restored()
    a_byte_without_a_right_chain(bulkhead, run)
    restored()
    a_journal_that_is_gone(bulkhead, run)


def a_decision_with_a_right_chain(bulkhead: Bulkhead, run: Path) -> None:
    """The strategy's journal says that risk refused with another code than it did."""

    def other(frame: bytes) -> bytes:
        return frame.replace(b"\xa8APPROVED", b"\xa8APPROVEX") if b"decision" in frame else frame

    number = forge(run, "strategy_engine", other)
    report = verify(bulkhead, run, 1)
    assert report["ok"] is False
    named = [each for each in report["named"] if each["code"] == "FRAME_DIFFERS"]
    assert [(each["where"], each["number"], each["kind"]) for each in named] == [
        ("strategy_engine", number, "decision")
    ]
    assert "on record 'APPROVEX', re-run 'APPROVED'" in named[0]["text"]


def an_order_of_the_venues_record(bulkhead: Bulkhead, run: Path) -> None:
    path = run / "venue" / "received.log"
    text = path.read_bytes()
    bought, sold = b"\xa3BUY".hex().encode(), b"\xa3BUX".hex().encode()
    assert bought in text
    path.write_bytes(text.replace(bought, sold, 1))
    report = verify(bulkhead, run, 1)
    assert [(each["where"], each["code"]) for each in report["named"]] == [
        ("venue record", "FRAME_DIFFERS")
    ]
    assert "side: on record 'BUX', re-run 'BUY'" in report["named"][0]["text"]


def a_line_of_the_venues_record(bulkhead: Bulkhead, run: Path) -> None:
    path = run / "venue" / "received.log"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first[:-1] + b"?\n" + rest)
    report = verify(bulkhead, run, 1)
    assert [(each["where"], each["code"]) for each in report["named"]] == [
        ("venue record", "RECORD_DAMAGED")
    ]
    assert "received.log:1" in report["named"][0]["text"]


def a_byte_without_a_right_chain(bulkhead: Bulkhead, run: Path) -> None:
    path = run / "journals" / "risk_engine.journal"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    report = verify(bulkhead, run, 1)
    first = report["named"][0]
    assert (first["where"], first["code"]) == ("risk_engine", "JOURNAL_DAMAGED")


def a_journal_that_is_gone(bulkhead: Bulkhead, run: Path) -> None:
    (run / "journals" / "watchdog.journal").unlink()
    report = verify(bulkhead, run, 1)
    codes = {(each["where"], each["code"]) for each in report["named"]}
    assert ("watchdog", "JOURNAL_MISSING") in codes


def test_a_run_that_is_up_is_refused(bulkhead: Bulkhead) -> None:
    assert bulkhead("up", "--json").code == 0
    try:
        refused = bulkhead("verify", "--json")
        assert refused.code == 64
        assert "RUN_IS_UP" in refused.err + refused.out
    finally:
        assert bulkhead("down", "--json").code == 0
    verify(bulkhead, bulkhead.runs_dir / "latest", 0)
