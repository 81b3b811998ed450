"""`bulkhead bench feed` through real processes: not one row is lost, and it says what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.lab.bench_feed import LINK_ROWS_TIMES, THE_LINK

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

ROWS = 12_000


@pytest.mark.timeout(120)
def test_every_row_arrives_once_and_the_limit_is_named(bulkhead: Bulkhead) -> None:
    ended = bulkhead("bench", "feed", "--rows", str(ROWS), "--json", timeout_s=110)
    found = ended.report
    print(found)
    assert ended.code == 0 and found["ok"] is True, (found, ended.err[-2000:])
    assert (found["events"], found["gaps"], found["repeats"]) == (ROWS, 0, 0)
    assert found["events_per_s"] > 200, "even where others work beside it"
    assert found["reached"] is (found["events_per_s"] >= found["target_per_s"])
    assert found["limited_by"]
    link = found["link"]
    assert (link["ok"], link["gaps"], link["repeats"]) == (True, 0, 0)
    assert link["events"] == ROWS * LINK_ROWS_TIMES
    assert set(link["cpu_us_per_event"]) <= set(THE_LINK), "nobody else runs"
