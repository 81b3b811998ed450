"""An incident as one page of Markdown: plain text that can be mailed, the most wanted first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import NewOrder
from proto_schemas.control import Lease, Started, StrategyFile
from proto_schemas.ledger import Execution
from proto_schemas.market_data import FeedBurst, MarketBurst
from proto_schemas.signals import Approval, Decision, Intent
from services.monitor.audit import body_fields, iso_utc, to_json
from services.monitor.incident import AROUND_NS, KILL_KINDS, Incident
from services.monitor.step_words import detail, event_words
from services.monitor.trace import LEDGER, ROUTER, STRATEGY, Entry, Trace, missing
from services.risk_engine.limits import Limits, limits_hash
from shared.kernel.clock import MS, SECOND
from shared.markets import parse_contract, text_from_ticks
from shared.runtime.run_folder import RunFolder

BROKER_KINDS = ("broker_order_event", "broker_execution", "broker_snapshot", "broker_report")
LEDGER_KINDS = ("order_event", "execution", "order_update")
NOTHING = "Nothing is on record.\n"
# Of the words before and after: who had them last, in the order in which they are shown.
STATE_ROWS = (
    ("control", ("risk_engine", "strategy_engine", "order_router", "market_data")),
    ("lease", (ROUTER,)),
    ("feed_status", ("risk_engine", "watchdog")),
    ("mark", ("risk_engine",)),
    ("account_view", ("monitor",)),
    ("reconcile_report", ("watchdog", "risk_engine", "monitor")),
)


@dataclass(frozen=True, slots=True)
class Papers:
    """All that a page is made of."""

    run: RunFolder
    incident: Incident
    traces: Sequence[Trace]
    venue: Sequence[tuple[int, Envelope, Message]]
    logs: Sequence[str]
    logs_more: int
    limits: Limits
    versions: dict[str, str]
    code_hash: str
    made_at: str


def page(papers: Papers) -> str:
    """The whole page. Secrets are taken out by who writes it."""
    parts = (
        _head(papers),
        _section("How it went", _chain(papers)),
        _section("The market as the strategy saw it", _market(papers)),
        _section("Decision and limits", _risk(papers)),
        _section("State before and after", _state(papers)),
        _section("What the broker said", _entries(papers, BROKER_KINDS)),
        _section("What arrived at the built-in exchange", _venue(papers)),
        _section("The ledger, before and after", _ledger(papers)),
        _section("Code, config and versions", _code(papers)),
        _section("Log lines that name it", _logs(papers)),
        _section("The merged log around it", _merged(papers)),
    )
    return "\n".join(parts)


def _section(title: str, lines: Iterator[str]) -> str:
    body = "\n".join(lines)
    return f"## {title}\n\n{body or NOTHING}\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; a bar in a cell would end it."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def facts(body: Message) -> str:
    """The message's own fields, those that say something; of a burst the newest of each kind."""
    if isinstance(body, FeedBurst | MarketBurst):
        newest = [rows[-1] for rows in (body.trades, body.quotes, body.depths) if rows]
        told = (f"newest {type(row).__name__}: {facts(row)}" for row in newest)
        return "; ".join((detail(body), *told))
    said = {key: value for key, value in body_fields(body).items() if value not in (None, "", ())}
    return ", ".join(f"{key} {_short(value)}" for key, value in said.items())


def _short(value: object) -> str:
    return json.dumps(value, default=str) if isinstance(value, (dict, list, tuple)) else str(value)


# --- the head -----------------------------------------------------------------------------------


def _head(papers: Papers) -> str:
    settings, subject = papers.run.settings, papers.incident.subject
    lines = [
        f"# Incident {subject.wanted}",
        "",
        f"Run {settings.run_id}, stage {settings.stage} (SIMULATED TIME AND MONEY), "
        f"{settings.strategy} on {settings.instrument}. Written {papers.made_at}.",
        f"It was {iso_utc(subject.stream_ns)} in the market. Times in ns are the machine's boot "
        "clock, the same for all processes.",
        "",
        *_outcomes(papers),
    ]
    return "\n".join(lines) + "\n"


def _outcomes(papers: Papers) -> Iterator[str]:
    if papers.incident.subject.kill_id is not None:
        count = len(papers.incident.subject.order_ids)
        yield f"- A kill. The watchdog sent {count} closing orders in its own session."
    for found in papers.traces:
        fills = _fills(papers, found.client_order_id)
        yield f"- order {found.client_order_id}: {found.outcome}{f', {fills}' if fills else ''}"
        if absent := missing(found):
            yield f"  - its story has holes: {', '.join(absent)}"


def _fills(papers: Papers, order_id: str) -> str:
    fills = {
        body.execution_id: body
        for entry in papers.incident.chain
        if isinstance(body := entry.body, Execution) and body.client_order_id == order_id
    }
    return ", ".join(
        f"{fill.side} {fill.quantity_lots} at {price(fill.instrument, fill.price_ticks)}"
        for fill in fills.values()
    )


def price(instrument: str, price_ticks: int) -> str:
    """`6015.50 (24062 ticks)`."""
    product = parse_contract(instrument).product
    return f"{text_from_ticks(product, price_ticks)} ({price_ticks} ticks)"


# --- the chain ----------------------------------------------------------------------------------


def _chain(papers: Papers) -> Iterator[str]:
    chain = papers.incident.chain
    if not chain:
        return
    yield "`since first`, `since last` and `hop` are microseconds; a hop is from the sender's stamp"
    yield "to the moment at which the receiver had handled it.\n"
    first_ns = last_ns = chain[0].now.boot_ns
    rows = []
    for entry in chain:
        at_ns = entry.now.boot_ns
        rows.append(
            (
                iso_utc(entry.now.stream_ns),
                at_ns,
                f"{(at_ns - first_ns) // 1_000:,}",
                f"{(at_ns - last_ns) // 1_000:,}",
                _hop(entry),
                entry.layer,
                event_words(entry.body),
                detail(entry.body) or _more(entry),
                entry.envelope.id,
            )
        )
        last_ns = at_ns
    head = ("market time", "boot ns", "since first", "since last", "hop", "who had it", "what")
    yield table((*head, "detail", "message"), rows)


def _more(entry: Entry) -> str:
    """What only the whole message says: of a kill, not of an order, whose fields stand below."""
    return facts(entry.body) if entry.envelope.kind in KILL_KINDS else ""


def _hop(entry: Entry) -> str:
    """A message of the process's own, and one out of a snapshot, made no hop."""
    if entry.framed or entry.envelope.producer == entry.layer:
        return ""
    return f"{max(0, entry.now.boot_ns - entry.envelope.sent_ns) // 1_000:,}"


def _market(papers: Papers) -> Iterator[str]:
    market = papers.incident.market
    intents = [e for e in papers.incident.chain if isinstance(e.body, Intent)]
    if not market:
        return
    if intents:
        yield f"Intent decided on {intents[0].envelope.cause}, marked `>`.\n"
    cause = intents[0].envelope.cause if intents else None
    rows = [
        (
            ">" if entry.envelope.id == cause else "",
            iso_utc(entry.now.stream_ns),
            entry.now.boot_ns,
            entry.envelope.kind,
            facts(entry.body),
        )
        for entry in market
    ]
    yield table(("", "market time", "boot ns", "kind", "fields"), rows)


# --- decision, state ----------------------------------------------------------------------------


def _risk(papers: Papers) -> Iterator[str]:
    asked = [e for e in papers.incident.chain if isinstance(e.body, Intent | Decision | Approval)]
    for entry in asked:
        yield f"- {entry.envelope.kind} to {entry.layer}: {facts(entry.body)}"
    now = limits_hash(papers.limits)
    used = {body.limits_hash for entry in asked if isinstance(body := entry.body, Approval)}
    yield f"\nLimits by the config of today, hash {now}:\n"
    yield table(("limit", "value"), [*asdict(papers.limits).items()])
    for other in sorted(used - {now}):
        yield f"The approval was given under OTHER limits, hash {other}: the config changed since."


def _state(papers: Papers) -> Iterator[str]:
    rows = []
    for word, found in (("before", papers.incident.before), ("after", papers.incident.after)):
        for kind, layers in STATE_ROWS:
            entry = next((found[layer, kind] for layer in layers if (layer, kind) in found), None)
            if entry is not None:
                age = _lease_age(papers, entry) if word == "before" else ""
                said = facts(entry.body) + age
                rows.append((word, kind, entry.layer, iso_utc(entry.now.stream_ns), said))
    if rows:
        yield table(("", "kind", "who had it", "market time", "fields"), rows)


def _lease_age(papers: Papers, entry: Entry) -> str:
    """How old the lease was when the router had the approval."""
    approved = [e for e in papers.incident.chain if isinstance(e.body, Approval)]
    if not isinstance(entry.body, Lease) or not approved:
        return ""
    age_ns = approved[0].now.boot_ns - entry.now.boot_ns
    return f"; {age_ns / MS:.0f} ms old when the approval came"


# --- broker, exchange, ledger -------------------------------------------------------------------


def _entries(papers: Papers, kinds: Sequence[str]) -> Iterator[str]:
    chosen = [entry for entry in papers.incident.chain if entry.envelope.kind in kinds]
    if chosen:
        rows = [
            (e.now.boot_ns, e.layer, e.envelope.producer, e.envelope.kind, facts(e.body))
            for e in chosen
        ]
        yield table(("boot ns", "who had it", "sender", "kind", "fields"), rows)


def _venue(papers: Papers) -> Iterator[str]:
    """Its record shares no code with journals: an outside witness."""
    if papers.venue:
        sent = sum(isinstance(body, NewOrder) for _, _, body in papers.venue)
        yield f"{sent} new orders, {len(papers.venue)} messages, from the exchange's own file.\n"
        rows = [(at, e.producer, e.kind, facts(body)) for at, e, body in papers.venue]
        yield table(("boot ns", "sender", "kind", "fields"), rows)


def _ledger(papers: Papers) -> Iterator[str]:
    """Positions as risk was told them: it decides on them."""
    found, key = papers.incident, ("risk_engine", "position_update")
    during = [e for e in found.chain if (e.layer, e.envelope.kind) == key]
    told = (("before", found.before.get(key)), *(("during", entry) for entry in during))
    rows = [
        (word, iso_utc(entry.now.stream_ns), facts(entry.body))
        for word, entry in (*told, ("after", found.after.get(key)))
        if entry is not None
    ]
    if found.before.get(key) is None:
        yield "Before it nothing was told: no position since the run began.\n"
    yield table(("position", "market time", "fields"), rows) if rows else ""
    booked = [
        (e.now.boot_ns, e.layer, e.envelope.kind, facts(e.body))
        for e in found.chain
        if e.envelope.kind in LEDGER_KINDS and e.layer in (LEDGER, "risk_engine")
    ]
    if booked:
        yield table(("boot ns", "who had it", "kind", "fields"), booked)


# --- code, config, logs -------------------------------------------------------------------------


def _code(papers: Papers) -> Iterator[str]:
    rows: list[tuple[object, ...]] = []
    for (layer, kind), entry in sorted(papers.incident.before.items()):
        if kind == "started" and isinstance(body := entry.body, Started):
            same = "as today" if body.code_hash == papers.code_hash else "OTHER than today"
            config = "as today" if body.config_hash == papers.run.config_hash else "OTHER"
            rows.append(
                (layer, entry.envelope.epoch, f"{body.code_hash} {same}", body.config_hash, config)
            )
    if rows:
        yield table(("service", "its life", "code", "config", "config is"), rows)
    source = papers.incident.before.get((STRATEGY, "strategy_file"))
    if source is not None and isinstance(body := source.body, StrategyFile):
        yield f"Strategy code: {body.path}, {body.code}, sha256 {body.source_hash}, read at"
        yield f"{iso_utc(source.now.stream_ns)}. Its source is in the journal, not on this page.\n"
    yield table(("here now", "version"), [*papers.versions.items()])
    yield f"Config file, hash {papers.run.config_hash}:\n"
    yield fenced("toml", papers.run.config.read_text())


def fenced(kind: str, text: str) -> str:
    """A block that is shown as it is."""
    return f"```{kind}\n{text.rstrip()}\n```\n"


def _logs(papers: Papers) -> Iterator[str]:
    if papers.logs:
        yield fenced("text", "\n".join(papers.logs))
    if papers.logs_more:
        yield f"{papers.logs_more} more lines: see {papers.run.root / 'logs'}.\n"


def _merged(papers: Papers) -> Iterator[str]:
    found = papers.incident
    if found.lines:
        yield f"Each decision within {AROUND_NS // SECOND} s of something that happened to it.\n"
        yield fenced("json", "\n".join(map(_line, found.lines)))
    if found.lines_left_out:
        yield f"{found.lines_left_out} lines farther away are left out: see logs/merged.jsonl.\n"


def _line(line: dict[str, Any]) -> str:
    return to_json({key: value for key, value in line.items() if value is not None})
