"""What a process writes about itself: JSON lines."""

from __future__ import annotations

import json

import pytest

from shared.runtime.log import open_log


def test_a_log_line_is_one_json_object_with_its_service_and_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = open_log("venue", "test-1")
    log.info("started", epoch=2, correlation_id="ema_cross-1-4")
    log.warning("frame_refused", code="KIND_UNKNOWN")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "service": "venue",
        "run": "test-1",
        "level": "info",
        "event": "started",
        "epoch": 2,
        "correlation_id": "ema_cross-1-4",
    }
    assert (second["level"], second["event"]) == ("warning", "frame_refused")


def test_a_log_line_can_hold_anything_and_stays_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_log("venue", "test-1").error("odd", value=object(), text="two\nlines", raw=b"\xff")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["text"] == "two\nlines"
