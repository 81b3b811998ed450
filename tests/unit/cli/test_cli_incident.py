"""`bulkhead incident`: the page, what never stands on it, and where it may be written."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from proto_schemas.market_data import Level, MarketBurst, Quote, Trade
from services.cli.incident import IncidentOptions, run_incident, write
from services.cli.incident_files import LEFT_OUT, Redactor, log_lines, venue_record
from services.cli.incident_text import facts, table
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder
from tests.unit.monitor.story import FILLED, REFUSED, whole_story

SECTIONS = [
    "How it went",
    "The market as the strategy saw it",
    "Decision and limits",
    "State before and after",
    "What the broker said",
    "What arrived at the built-in exchange",
    "The ledger, before and after",
    "Code, config and versions",
    "Log lines that name it",
    "The merged log around it",
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    story = whole_story(tmp_path / "run")
    made = story.write()
    (made.root / "logs").mkdir()
    line = {"timestamp": "2030-01-01T00:00:00Z", "service": "risk_engine", "event": "looked"}
    lines = [{**line, "correlation_id": "ema_cross-1-1", "level": "warning"}, line]
    made.log("risk_engine").write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    (made.root / "venue").mkdir()
    received = [frame for _, frame in sent_frames(made)]
    record = "".join(f"{number} {frame.hex()}\n" for number, frame in enumerate(received, 7))
    (made.root / "venue" / "received.log").write_text(f"{record}9 zz\n12 6e6f\n13 00!\n")
    return made


def sent_frames(run: RunFolder) -> list[tuple[str, bytes]]:
    """The new orders of the story as they went over the wire."""
    import msgpack

    from shared.journal import read_journal

    records = read_journal(run.journal("venue"), "venue", run.settings.run_id).records
    frames = [msgpack.unpackb(record)[2] for record in records]
    return [("venue", frame) for frame in frames]


def options(run: RunFolder, wanted: str, out: Path, as_json: bool = True) -> IncidentOptions:
    return IncidentOptions(wanted, out, run.root, run.root.parent, as_json)


def test_the_page_has_every_part(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "it.md"
    assert run_incident(options(run, "x1order_router", out)) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["outcomes"] == ["FILLED"] and report["client_order_ids"] == [FILLED]
    assert report["missing"] == [] and report["file"] == str(out)
    text = out.read_text()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert text.startswith("# Incident x1order_router\n")
    assert f"order {FILLED}: FILLED, BUY 2 at 25.25 (101 ticks)" in text
    assert "1 new orders, 1 messages" in text, "what is no message, or not its own, is not shown"
    assert "RISK" not in text and "WARNING looked" in text
    assert "| order_max_lots | 10 |" in text and "OTHER limits, hash h" in text
    assert 'instrument = "ESM18"' in text, "the config"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    parts = {part.partition("\n")[0]: part for part in text.split("\n## ")}
    assert all("Nothing is on record" not in part for part in parts.values())
    chain = parts["How it went"].splitlines()
    assert sum("decision APPROVED" in line for line in chain) == 1
    assert "execution_id x1order_router" in parts["What the broker said"]
    assert "position_lots 2" in parts["The ledger, before and after"]


def test_a_refused_order_has_a_page_that_says_what_is_not_there(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "it.md"
    assert run_incident(options(run, REFUSED, out, as_json=False)) == 0
    assert f"order {REFUSED}: REFUSED" in capsys.readouterr().out
    text = out.read_text()
    assert "code MAX_POSITION, limit 3, value 4" in text
    assert text.count("Nothing is on record.") == 3, "broker, exchange, service logs"


def test_a_box_without_a_place_to_write_gets_it_on_standard_output(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_incident(options(run, FILLED, Path("-"), as_json=False)) == 0
    assert capsys.readouterr().out.startswith(f"# Incident {FILLED}\n")
    with pytest.raises(OperatorFault, match="OPTION_CLASH"):
        run_incident(options(run, FILLED, Path("-"), as_json=True))


def test_an_unknown_id_is_told_with_one_that_is_known(run: RunFolder, tmp_path: Path) -> None:
    for wanted, code in {"nobody": "TRACE_UNKNOWN_ID", "kill-1-1": "INCIDENT_UNKNOWN_ID"}.items():
        with pytest.raises(OperatorFault) as caught:
            run_incident(options(run, wanted, tmp_path / "it.md"))
        assert caught.value.code == code
    assert not (tmp_path / "it.md").exists()


def test_only_an_older_incident_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    write(path, "# Incident 1\n")
    write(path, "# Incident 2\n")
    assert path.read_text() == "# Incident 2\n"
    path.write_text("my notes\n")
    with pytest.raises(OperatorFault, match="FILE_EXISTS"):
        write(path, "# Incident 3\n")
    assert path.read_text() == "my notes\n"
    with pytest.raises(OperatorFault, match="FILE_WRITE"):
        write(tmp_path / "no" / "such" / "folder.md", "# Incident 4\n")
    assert [each.name for each in tmp_path.iterdir()] == ["a.md"]


def test_secrets_are_left_out_wherever_they_stand() -> None:
    tables = {"broker": {"api_key": "K-1234", "user": "ada"}, "run": {"stage": "paper"}}
    redact = Redactor(tables, {"FEED_PASSWORD": "hunter22", "HOME": "/root"})
    text = (
        'api_key = "K-1234"\nuser = "ada"\nstage = "paper"\nHOME /root\n'
        'log: {"token": "abc", "event": "login"} url https://ada:hunter22@feed.example/x\n'
        "reason: it said K-1234; password=swordfish9, code OK\n"
    )
    clean = redact(text)
    for secret in ("K-1234", "hunter22", "abc", "swordfish9"):
        assert secret not in clean, clean
    for kept in ('user = "ada"', 'stage = "paper"', "HOME /root", '"event": "login"', "code OK"):
        assert kept in clean, clean
    assert clean.count(LEFT_OUT) == 5


def test_a_record_or_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    bare = whole_story(tmp_path).write()
    assert venue_record(bare, [FILLED]) == []
    assert log_lines(bare, [FILLED]) == ([], 0)


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert table(("a", "b"), [("x|y", 1)]) == "| a | b |\n|---|---|\n| x/y | 1 |\n"


def test_a_burst_shows_how_many_rows_it_had_and_the_newest_of_each_kind() -> None:
    trades = tuple(Trade(n, "ESM30", 5, 6, 100 + n, 2) for n in (7, 9))
    quote = Quote(8, "ESM30", 5, 6, Level(106, 1), None)
    told = facts(MarketBurst("ESM30", trades, (quote,), ()))
    assert told.startswith("3 rows, 7 to 9; newest Trade: feed_seq 9, ")
    assert "price_ticks 109" in told and "newest Quote: feed_seq 8, " in told
    assert "107" not in told, "rows that are not the newest are left out"
