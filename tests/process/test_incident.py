"""One file about a real trade and about a real kill, written while the run is up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.independent import orders_received
from tests.process.trading import wait_until

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", SECRET)


def incident(paper: Bulkhead, wanted: str) -> tuple[dict[str, Any], str]:
    out = paper.runs_dir.parent / f"{wanted[:20]}.md"
    ended = paper("incident", wanted, "--out", str(out), "--json")
    assert ended.code == 0, (ended.out, ended.err)
    text = out.read_text()
    assert SECRET not in text
    return ended.report, text


def test_a_trade_and_a_kill_are_told_on_one_page_each(paper: Bulkhead) -> None:
    up = paper("up", "--strategy", "every_tick", "--speed", "4", "--json")
    assert up.code == 0, up.err
    run = Path(up.report["run"])
    record = run / "venue" / "received.log"
    wait_until("orders flow", lambda: record.exists() and len(orders_received(run)) > 20)

    order = str(orders_received(run)[0].body["client_order_id"])
    wait_until("it is filled", lambda: "FILLED" in incident(paper, order)[0]["outcomes"])
    report, text = incident(paper, order)
    assert report["client_order_ids"] == [order] and report["missing"] == []
    assert "1 new orders, 1 messages" in text
    assert "ms old when the approval came" in text, "the lease"
    assert "OTHER" not in text, "limits, code and config are those of today"
    assert "Nothing is on record" not in text.partition("## Log lines")[0]

    killed = paper("kill", "--reason", f"a drill, password {SECRET}", "--json")
    assert killed.code == 0, (killed.out, killed.err)
    kill_id = killed.report["kill_id"]
    report, text = incident(paper, kill_id)
    assert report["kill_id"] == kill_id
    assert "KillRequest" in text and "a drill, password (left out)" in text
    assert "GateClosed" in text and "ReconcileReport" in text
    closing = report["client_order_ids"]
    assert all(f"order {each}: FILLED" in text for each in closing), text[:2000]

    unknown = paper("incident", "kill-99-1", "--json")
    assert unknown.code == 64 and kill_id in unknown.report["fix"]
