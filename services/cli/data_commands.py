"""`bulkhead data import` and `bulkhead data list`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli.exit_codes import BAD_DATA, OK
from services.cli.output import CommandFailed, fault_json, note, print_json, say
from shared.catalogue.manifest import Entry, Manifest
from shared.kernel.errors import Fault, OperatorFault
from shared.markets import NANOS_PER_SECOND, parse_contract

if TYPE_CHECKING:
    from shared.catalogue.storing import ImportReport, Watch

CATALOGUE_VARIABLE = "BULKHEAD_CATALOGUE"
SHOWN_MAX = 20
COUNTS = ("rows_in", "rows_out", "rows_other", "rows_bad")


def catalogue_dir(given: Path | None) -> Path:
    """Where the catalogue is: `--catalogue`, else the environment, else `./catalogue`."""
    return (given or Path(os.environ.get(CATALOGUE_VARIABLE) or "catalogue")).absolute()


def recorded_path(data: Path | None, catalogue: Path | None) -> Path:
    """What to replay: a path, or a catalogue; not both."""
    if data is None:
        root = catalogue_dir(catalogue)
        Manifest.load(root)
        return root
    if catalogue is not None:
        raise OperatorFault(
            "OPTION_TWO_SOURCES",
            field="PATH and --catalogue",
            value=(str(data), str(catalogue)),
            fix="Give one of the two.",
        )
    return data


def run_import(path: Path, instrument: str, root: Path, as_json: bool) -> int:
    """Import and report; the exit code."""
    from shared.catalogue.storing import ImportReport, import_path

    contract = parse_contract(instrument)
    report = ImportReport()
    try:
        with _progress() as watch:
            import_path(root, path, contract, watch, report)
    except Fault as fault:
        failed = {**_report_json(report, root, instrument), **fault_json(fault)}
        _name_bad_rows(report)
        raise CommandFailed(fault, failed) from fault
    except KeyboardInterrupt:
        note(
            f"stopped. What was added before stays ({len(report.added)} files), nothing of the"
            " file in the middle; the same command goes on from there"
        )
        raise
    _name_bad_rows(report)
    if as_json:
        print_json(_report_json(report, root, instrument))
    else:
        _say_report(report, root, instrument)
    return BAD_DATA if report.total("rows_bad") else OK


def run_list(root: Path, as_json: bool) -> int:
    """List the catalogue; the exit code."""
    manifest = Manifest.load(root)
    missing = [entry.source for entry in manifest.entries if not manifest.is_whole(entry)]
    held = [_held(*group) for group in _groups(manifest.entries)]
    if as_json:
        report = {"ok": not missing, "catalogue": str(root), "held": held, "missing": missing}
        print_json(report)
    elif held:
        _say_held(held)
    else:
        say(f"nothing in {root} yet: bulkhead data import PATH --instrument CODE")
    if not as_json:
        for source in missing:
            note(f"the part made of {source} is damaged or gone: import that file again")
    return BAD_DATA if missing else OK


# --- what is said ---------------------------------------------------------------------------------


def _report_json(report: ImportReport, root: Path, instrument: str) -> dict[str, Any]:
    return {
        "ok": not report.total("rows_bad"),
        "catalogue": str(root),
        "instrument": instrument,
        **{name: report.total(name) for name in COUNTS},
        "files_added": [entry.source for entry in report.added],
        "files_already": [entry.source for entry in report.already],
        "passed_over": [passed._asdict() for passed in report.passed_over],
        "bad_rows": [row._asdict() for row in report.bad_rows[:SHOWN_MAX]],
        "error": None,
    }


def _say_report(report: ImportReport, root: Path, instrument: str) -> None:
    for passed in report.passed_over[:SHOWN_MAX]:
        note(f"passed over: {passed.file}: {passed.why}")
    if len(report.passed_over) > SHOWN_MAX:
        note(f"and {len(report.passed_over) - SHOWN_MAX} more files passed over")
    for entry in report.added:
        say(f"{entry.source}: {entry.rows_out:,} rows into {entry.instrument} {_table(entry)}")
    if report.already:
        say(f"already in the catalogue, nothing added: {_some(report.already)}")
    if report.added:
        rows_in, rows_out, rows_other, rows_bad = (report.total(name) for name in COUNTS)
        say(
            f"rows read {rows_in:,}, stored {rows_out:,}, of other contracts {rows_other:,}, "
            f"bad {rows_bad:,}"
        )
    say(f"Next: bulkhead replay --catalogue {root} --instrument {instrument}")


def _some(entries: list[Entry]) -> str:
    names = ", ".join(entry.source for entry in entries[:SHOWN_MAX])
    more = len(entries) - SHOWN_MAX
    return f"{names} and {more} more" if more > 0 else names


def _name_bad_rows(report: ImportReport) -> None:
    from shared.catalogue.storing import BAD_ROWS_KEPT_MAX

    for row in report.bad_rows[:SHOWN_MAX]:
        note(f"bad row: {row.file}:{row.line}: {row.reason}: {row.text}")
    more = len(report.bad_rows) - SHOWN_MAX
    if more > 0:
        note(f"and {more} more bad rows (at most {BAD_ROWS_KEPT_MAX} are kept)")


def _table(entry: Entry) -> str:
    """Such as `bars 60s`."""
    return f"{entry.table} {entry.span_s}s" if entry.span_s else entry.table


def _groups(entries: list[Entry]) -> Iterator[tuple[str, str, list[Entry]]]:
    keys = sorted({(entry.instrument, _table(entry)) for entry in entries})
    for instrument, table in keys:
        mine = [e for e in entries if (e.instrument, _table(e)) == (instrument, table)]
        yield instrument, table, mine


def _held(instrument: str, table: str, entries: list[Entry]) -> dict[str, Any]:
    with_rows = [entry for entry in entries if entry.rows_out]
    return {
        "instrument": instrument,
        "table": table,
        "files": len(entries),
        "rows": sum(entry.rows_out for entry in entries),
        "trades": sum(entry.trades for entry in entries),
        "quotes": sum(entry.quotes for entry in entries),
        "bytes": sum(entry.part_bytes for entry in entries),
        "first_utc": _utc(min((entry.first_ns for entry in with_rows), default=None)),
        "last_utc": _utc(max((entry.last_ns for entry in with_rows), default=None)),
    }


def _utc(at_ns: int | None) -> str | None:
    if at_ns is None:
        return None
    return datetime.fromtimestamp(at_ns // NANOS_PER_SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _say_held(held: list[dict[str, Any]]) -> None:
    from rich.console import Console, JustifyMethod
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in ("instrument", "table", "files", "rows", "from (UTC)", "to (UTC)"):
        justify: JustifyMethod = "right" if name in ("files", "rows") else "left"
        table.add_column(name, justify=justify, no_wrap=True)
    for each in held:
        numbers = f"{each['files']:,}", f"{each['rows']:,}"
        days = (str(each[end])[:16].replace("T", " ") for end in ("first_utc", "last_utc"))
        table.add_row(each["instrument"], each["table"], *numbers, *days)
    Console().print(table)


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar on a terminal, on stderr; elsewhere nothing. It fills by files; one file pulses."""
    if not sys.stderr.isatty():
        yield lambda here: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    rows = TextColumn("{task.fields[rows]:,} rows")
    with Progress(*columns, rows, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rows=0)
        yield lambda here: bar.update(
            task,
            description=here.name,
            completed=here.file_number - 1,
            total=here.files if here.files > 1 else None,
            rows=here.rows,
        )
