"""The paper run: one folder that lasts, with its journals, its account and its stream clock.

    <runs dir>/paper/main/       config.toml, journals/, logs/, venue/

It is made at the first `bulkhead up` and taken up again by every later one. What it trades is fixed
with it: another strategy or contract needs a fresh run, because the journals of the old one would
lead elsewhere. Settings of services may change, but only over a clean stop, because whatever a
journal holds is stepped again under the config in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.cli.checks import check_run
from services.cli.runs import (
    NewRun,
    Scalar,
    Tables,
    create_run,
    discard_run,
    make_folder,
    publish_run,
    refuse_in_containers,
    toml_text,
)
from services.cli.strategies_folder import absolute_in, with_default
from services.cli.supervisor_config import service_programs
from shared.journal import load_checkpoint
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import read_toml

STAGE = "paper"
RUN_ID = "main"
INSTRUMENT = "ESM30"
STRATEGY = "ema_cross"
SEED = 1
CHOSEN_IN_RUN = ("instrument", "strategy")
MOVABLE = "Use --fresh for a new paper account; the old run is moved aside and kept."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; None: as it is, or the default of a new run."""

    config: Path | None = None
    instrument: str | None = None
    strategy: str | None = None
    speed: Mapping[str, Scalar] | None = None
    fresh: bool = False
    sockets: Path | None = None
    """The folder that the containers of the run share; None: no containers."""


def paper_folder(root: Path) -> Path:
    """Where the paper run is."""
    return root / STAGE / RUN_ID


def prepare(root: Path, wanted: Wanted) -> RunFolder:
    """The run, made or changed as wanted and checked; `OperatorFault` says what cannot be."""
    folder = paper_folder(root)
    if wanted.fresh and folder.exists():
        _move_aside(folder)
    if not (folder / "config.toml").is_file():
        run = _make(root, wanted)
    else:
        run = _changed(RunFolder.open(folder), wanted)
    publish_run(run, root)
    return run


def _make(root: Path, wanted: Wanted) -> RunFolder:
    tables = _tables(wanted)
    chosen = {**_chosen(wanted)}
    instrument, strategy = chosen.get("instrument", INSTRUMENT), chosen.get("strategy", STRATEGY)
    new = NewRun(STAGE, instrument, strategy, tables, sockets=wanted.sockets)
    run = create_run(new, root, make_folder(root / STAGE, RUN_ID))
    try:
        check_run(run)
    except BaseException:
        discard_run(run)
        raise
    return run


def _changed(run: RunFolder, wanted: Wanted) -> RunFolder:
    """The existing run under the wanted config, if that may be."""
    _refuse_other_keeper(run, wanted)
    for key, value in _chosen(wanted).items():
        has = getattr(run.settings, key)
        if value != has:
            raise OperatorFault(
                "RUN_DIFFERS", field=f"run.{key}", value=value, fix=f"This run has {has}. {MOVABLE}"
            )
    if wanted.config is None and wanted.speed is None:
        check_run(run)
        return run
    before = run.config.read_text()
    tables = read_toml(run.config)
    base = tables if wanted.config is None else {"run": tables["run"]}
    after = toml_text({**base, **_tables(wanted, read_toml(run.config))})
    if after != before:
        _refuse_unclean(run)
        run.config.write_text(after)
    try:
        check_run(run)
    except BaseException:
        run.config.write_text(before)
        raise
    return RunFolder.open(run.root)


def _tables(wanted: Wanted, before: Tables | None = None) -> Tables:
    """Tables of the services: defaults, then the config file, then the options."""
    given = _given(wanted)
    venue = dict((before or {}).get("venue", {})) if wanted.config is None else {}
    venue = venue or {"synthetic_seed": SEED, "speed_milli": 1_000}
    if "data_path" in given.get("venue", {}):
        venue.pop("synthetic_seed", None)
    venue.update(given.get("venue", {}))
    venue.update(wanted.speed or {})
    market = {"when_behind": "conflate", **given.get("market_data", {})}  # as a live feed would
    others = {name: table for name, table in given.items() if name != "run"}
    return with_default({**others, "market_data": market, "venue": venue}, before)


def _given(wanted: Wanted) -> Tables:
    if wanted.config is None:
        return {}
    return absolute_in(read_toml(wanted.config), wanted.config)


def _chosen(wanted: Wanted) -> dict[str, str]:
    """Strategy and instrument as the file and the options say; the options win."""
    table = _given(wanted).get("run", {})
    for key, value in table.items() if isinstance(table, dict) else ():
        if key not in CHOSEN_IN_RUN:
            fix = f"In [run] a config file may say {' and '.join(CHOSEN_IN_RUN)}; the rest is ours."
            raise OperatorFault("CONFIG_UNKNOWN_KEY", field=f"run.{key}", value=value, fix=fix)
    options = {"instrument": wanted.instrument, "strategy": wanted.strategy}
    said = {**table, **{key: value for key, value in options.items() if value is not None}}
    return {key: str(value) for key, value in said.items()}


def _refuse_other_keeper(run: RunFolder, wanted: Wanted) -> None:
    if wanted.sockets is None:
        refuse_in_containers(run, "docker compose up -d")
    elif run.settings.sock_dir != str(wanted.sockets):
        raise OperatorFault(
            "RUN_DIFFERS",
            field="--sockets",
            value=str(wanted.sockets),
            fix=f"This run has {run.settings.sock_dir}. Name that, or give it another runs folder.",
        )


def _refuse_unclean(run: RunFolder) -> None:
    for program in service_programs(run):
        if not was_clean(run, program.name):
            raise OperatorFault(
                "STOP_NOT_CLEAN",
                field="config",
                value=program.name,
                fix="It runs, or was not stopped in order: put the old config back, start "
                "everything, stop everything, then change the config.",
            )


def was_clean(run: RunFolder, service: str) -> bool:
    """True if nothing stands behind the service's checkpoint, or it never ran."""
    journal = run.journal(service)
    if not journal.exists():
        return True
    found, _ = load_checkpoint(run.checkpoint(service), service, run.settings.run_id)
    return found is not None and found.place.offset_bytes == journal.stat().st_size


def _move_aside(folder: Path) -> None:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder.rename(folder.with_name(stamp))
