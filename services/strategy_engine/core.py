"""The strategy engine's core: one strategy, fed in market order, paced, fenced off.

Theory of operation. Market events and the ledger's words come in as two gapless streams; each is
passed to the strategy once. What the strategy wants becomes an intent to the risk engine (`desk.py`
keeps the orders). Foreign code is the danger here: a strategy that raises is paused for the rest of
the run or until its code is reloaded, with nothing of that call let out, and everybody else goes
on. A paused engine still counts trades and reports its progress, because without the report the
feed would stop for all.

The code of a strategy is an input like any other: its source arrives in a `StrategyFile`, before
the first hook and for each reload, so a replay runs each event with the code that ran it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.control import (
    Blind,
    Control,
    HookCut,
    PeerStatus,
    ReloadRequest,
    Replace,
    RequestExpired,
    Sighted,
    Started,
    StrategyFile,
    StrategyReloaded,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import Mode, ServiceState
from proto_schemas.ledger import OrderUpdate, PositionUpdate, ReconcileReport
from proto_schemas.market_data import Bar, Depth, MarketProgress, Quote, Trade
from proto_schemas.signals import Decision, Nack
from services.strategy_engine.api import Order, Strategy
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.desk import LEDGER, Desk
from services.strategy_engine.hooks import Guard, Hooks, call_directly
from services.strategy_engine.memory import check_no_sharing
from services.strategy_engine.readings import readings
from services.strategy_engine.reloading import (
    UNCHANGED,
    Source,
    Wish,
    objection,
    obstacle,
    runs_now,
)
from services.strategy_engine.state import EngineState
from shared.kernel.check import check
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Event, Log, Output, Reply, Send, SetTimer
from shared.kernel.pack import pack, unpack
from shared.kernel.readings import Readings

NAME = "strategy_engine"
MARKET_DATA = "market_data"
ORDER_STATE = "order_state"
PROGRESS_SOON_NS = 100 * MS
PROGRESS_AGAIN_NS = SECOND
PROGRESS_TIMER = "progress"
FORGET_TIMER = "forget"


def load_nothing(name: str, _source: Source) -> Strategy:
    """The loader of an engine whose strategy was given to it."""
    raise OurFault("NO_LOADER", field="strategy", value=name, fix="Give the engine a loader.")


class StrategyEngineCore:
    """Implements `shared.kernel.outputs.Core`.

    `guard` calls a hook and raises `HookOverran` if it cuts it off. How long a hook takes is no
    input, so the verdict is made one: `verdict` is journaled before the input that it is about, and
    a replay then pauses there without calling the hook.

    Without a `strategy` the engine is paused until its file arrives as an input; `load` makes a
    strategy of such a source, today and in every replay.
    """

    def __init__(
        self,
        config: StrategyEngineConfig,
        strategy: Strategy | None = None,
        guard: Guard = call_directly,
        load: Callable[[str, Source], Strategy] = load_nothing,
    ) -> None:
        named = strategy is None or strategy.name == config.strategy
        check(named, "the strategy is the configured one", config.strategy)
        self._config = config
        self._strategy = strategy or Strategy()
        self._load = load
        self._desk = Desk(config)
        self._hooks = Hooks(config, self._desk, guard)
        self._hooks.state.paused = "" if strategy else "no strategy is loaded"
        self._state = EngineState()
        self._outputs: list[Output] = []

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input; return what to do."""
        self._desk.now = now
        self._hooks.begin(event.envelope)
        self._outputs = []
        match event.body:
            case Trade() | Quote() | Depth() as tick:
                self._tick(tick)
            case Bar() as bar:
                self._bar(bar)
            case OrderUpdate() as update:
                self._tell(self._desk.order_update(update))
            case PositionUpdate() as update:
                self._desk.position_update(update)
            case Decision() as decision:
                self._decision(event.subject, decision)
            case Nack() as nack:
                self._nack(event.subject, nack)
            case Control(mode=mode):
                self._control(mode)
            case _:
                self._housekeeping(event)
        return self._outputs

    def _housekeeping(self, event: Event) -> None:
        """Everything that is neither market nor order."""
        match event.body:
            case Started(install_id=install_id):
                self._started(install_id, event.envelope.epoch)
            case TimerFired(name=name):
                self._timer(name)
            case RequestExpired():
                self._desk.unanswered()
                self._set_forget_timer()
            case Blind(stream=stream) | Replace(stream=stream):
                self._blind(stream, whole_state_follows=isinstance(event.body, Replace))
            case Sighted(stream=stream):
                self._sighted(stream)
            case PeerStatus(peer=peer, up=up):
                self._peer(peer, up)
            case HookCut() as verdict:
                self._hooks.cut(verdict)
            case ReloadRequest(keep_position=keep):
                self._reload_wanted(event.envelope, keep)
            case StrategyFile() as file:
                self._file(file)
            case ReconcileReport() | Undelivered():
                pass  # risk and watchdog act on breaks; progress is repeated by its timer
            case body:
                self._log("input_unknown", "warning", kind=type(body).__name__)

    def current(self, stream: str) -> list[Message]:
        """Publishes no gapless stream."""
        return []

    def state_word(self) -> str:
        """The `ServiceState` to show."""
        if not self._state.started:
            return ServiceState.STARTING
        if self._hooks.state.paused or self._desk.state.mode is Mode.HALT:
            return ServiceState.PAUSED
        if not self._desk.sighted:
            return ServiceState.RECONCILING
        reduce_only = self._desk.state.mode is Mode.REDUCE_ONLY
        return ServiceState.REDUCE_ONLY if reduce_only else ServiceState.TRADING

    @property
    def wants_file(self) -> bool:
        """Whether the strategy's file is to be read now."""
        return self._state.wish is not None

    @property
    def running(self) -> Source:
        """The source that runs."""
        return self._state.source

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches."""
        return readings(self._desk.state, bool(self._hooks.state.paused))

    def state(self) -> object:
        """Engine, desk and everything the strategy keeps on itself.

        `Unpackable` if the strategy holds one list or object in two places. What code of a file
        keeps is packed apart: its classes are there only when that code has been loaded again.
        """
        kept = vars(self._strategy)
        check_no_sharing(kept)
        kept_apart = pack(kept) if self._state.source.text else kept
        return [self._state, self._desk.state, self._hooks.state, kept_apart]

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave, or nothing of it."""
        engine, desk, hooks, kept = state
        strategy = self._strategy
        if engine.source.text:
            strategy = self._load(self._config.strategy, engine.source)
            kept = unpack(kept)
        self._state, self._desk.state, self._hooks.state = engine, desk, hooks
        self._strategy = strategy
        vars(strategy).clear()
        vars(strategy).update(kept)

    def verdict(self) -> HookCut | None:
        """What must stand in the journal before the last input, once."""
        return self._hooks.verdict()

    # --- market ---------------------------------------------------------------------------------

    def _tick(self, tick: Trade | Quote | Depth) -> None:
        """One row of the feed, whatever its kind."""
        state, desk = self._state, self._desk.state
        kind = type(tick).__name__
        if tick.feed_seq <= state.seen_seqs.get(kind, 0):
            return  # seen before a resync
        # A quote that was held back while we were behind comes after younger trades.
        state.seen_seqs[kind] = tick.feed_seq
        state.feed_seq = max(state.feed_seq, tick.feed_seq)
        self._note_age(tick.receive_ns)
        match tick:
            case Trade():
                desk.last_price_ticks = tick.price_ticks
                self._call(self._strategy.on_trade, tick)
            case Quote():
                desk.quote = tick
                self._call(self._strategy.on_quote, tick)
            case Depth():
                desk.depth = tick
                self._call(self._strategy.on_depth, tick)
        if state.feed_seq - state.reported_seq >= self._config.tunables.progress_every:
            self._report_progress()
        elif not state.report_soon:
            state.report_soon = True
            self._set_timer(PROGRESS_TIMER, PROGRESS_SOON_NS)

    def _note_age(self, receive_ns: int) -> None:
        before = self._desk.is_behind
        self._desk.saw(receive_ns)
        if self._desk.is_behind is before:
            return
        age_ns = self._desk.data_age_ns
        if before:
            self._log("strategy_caught_up", age_ns=age_ns)
        else:
            self._log("strategy_behind", "warning", age_ns=age_ns)

    def _bar(self, bar: Bar) -> None:
        if bar.start_ns <= self._state.bar_starts.get(bar.span_ns, -1):
            return  # seen before a resync
        self._state.bar_starts[bar.span_ns] = bar.start_ns
        self._call(self._strategy.on_bar, bar)

    def _report_progress(self) -> None:
        """Tell the ingestor how far we are. Also while paused: the feed waits for the slowest."""
        self._state.reported_seq = self._state.feed_seq
        self._outputs.append(Send(MARKET_DATA, MarketProgress(NAME, self._state.feed_seq)))

    # --- orders ---------------------------------------------------------------------------------

    def _decision(self, subject: str, decision: Decision) -> None:
        if not decision.approved:
            self._log(
                "intent_refused",
                what=subject.partition(":")[0],
                client_order_id=decision.client_order_id,
                code=decision.code,
                limit=decision.limit,
                value=decision.value,
            )
        self._tell(self._desk.decided(subject, decision))
        self._set_forget_timer()

    def _nack(self, subject: str, nack: Nack) -> None:
        self._log("intent_nacked", "error", code=nack.code, field=nack.field, value=nack.value)
        self._tell(self._desk.refused(subject, nack.code))

    def _call(self, hook: Callable[..., None], *arguments: Any) -> None:
        self._outputs += self._hooks.call(hook, *arguments)

    def _tell(self, order: Order | None) -> None:
        if order is not None:
            self._call(self._strategy.on_order, order)

    def _forget(self) -> None:
        """Silence counts only while the ledger can be heard."""
        if not self._state.ledger_up or self._desk.state.blind[LEDGER]:
            self._desk.postpone()
        for order in self._desk.forget():
            self._log("order_forgotten", "warning", client_order_id=order.client_order_id)
            self._tell(order)
        self._set_forget_timer()

    def _set_forget_timer(self) -> None:
        at_ns = self._desk.next_forget_ns()
        if at_ns is not None:
            self._outputs.append(SetTimer(FORGET_TIMER, at_ns))

    # --- its code -------------------------------------------------------------------------------

    def _reload_wanted(self, request: Envelope, keep_position: bool) -> None:
        """The file is read between two events, so the answer waits for it."""
        state = self._state
        refused = obstacle(self._desk, keep_position, state.source)
        if state.wish is not None:
            fix = "Another reload is on its way: ask again."
            refused = StrategyReloaded("RELOAD_BUSY", "reload", "", fix, state.source.source_hash)
        if refused is None:
            state.wish = Wish(request, keep_position)
        else:
            self._outputs.append(Reply(request, refused))

    def _file(self, file: StrategyFile) -> None:
        """Run this source from here on, if it loads and nothing speaks against it."""
        state = self._state
        wish, state.wish = state.wish, None
        hooks = self._hooks.state
        refused = objection(file, wish, self._desk, state.source, hooks.paused)
        if refused is None:
            self._run(Source(file.path, file.source_hash, file.source))
        elif refused.code != UNCHANGED:
            seen = {"code": refused.code, "field": refused.field, "value": refused.value}
            self._log("strategy_refused", "error", **seen, fix=refused.fix)
        if wish is not None:
            answer = refused or runs_now(state.source, hooks.paused)
            self._outputs.append(Reply(wish.request, answer))

    def _run(self, source: Source) -> None:
        """A fresh strategy. Position, orders and streams are the desk's, and stay as they are."""
        self._strategy = self._load(self._config.strategy, source)
        state = self._state
        before, state.source = state.source.source_hash, source
        self._hooks.state.paused = ""
        self._log("strategy_loaded", path=source.path, hash=source.source_hash, before=before)
        state.begun = True
        self._call(self._strategy.on_start)

    # --- control, streams, peers, timers ---------------------------------------------------------

    def _control(self, mode: Mode) -> None:
        before = self._desk.state.mode
        if mode is not before:
            self._desk.state.mode = mode
            suppressed = sum(self._desk.state.suppressed.values())
            self._log("mode_changed", before=before, mode=mode, intents_suppressed=suppressed)

    def _started(self, install_id: str, epoch: int) -> None:
        """Timers of the last life are gone. The strategy's own start comes once in a run."""
        self._state.started = True
        self._state.report_soon = False
        self._desk.open_epoch(install_id, epoch)
        if not self._state.begun and not self._hooks.state.paused:
            self._state.begun = True
            self._call(self._strategy.on_start)
        self._report_progress()
        self._set_timer(PROGRESS_TIMER, PROGRESS_AGAIN_NS)
        self._set_forget_timer()

    def _blind(self, stream: str, whole_state_follows: bool) -> None:
        self._desk.state.blind[stream] = True
        if whole_state_follows and stream == LEDGER:
            self._desk.replace_ledger()
        elif whole_state_follows and self._state.feed_seq:
            self._log("market_events_missed", "warning", stream=stream, after=self._state.feed_seq)
        elif not whole_state_follows:
            self._log("stream_blind", "warning", stream=stream)

    def _sighted(self, stream: str) -> None:
        self._desk.sight(stream)
        if stream == LEDGER:
            self._set_forget_timer()
        else:
            self._report_progress()

    def _peer(self, peer: str, up: bool) -> None:
        if peer == MARKET_DATA and up:
            self._report_progress()  # a new life of the ingestor may have lost our last report
        if peer == ORDER_STATE:
            self._state.ledger_up = up
            if up:
                self._desk.postpone()
                self._set_forget_timer()

    def _timer(self, name: str) -> None:
        if name == FORGET_TIMER:
            self._forget()
            return
        # Also when nothing moved: a report is one shot, and a lost one would stop the feed.
        self._state.report_soon = False
        self._report_progress()
        self._set_timer(PROGRESS_TIMER, PROGRESS_AGAIN_NS)

    def _set_timer(self, name: str, after_ns: int) -> None:
        self._outputs.append(SetTimer(name, self._desk.now.boot_ns + after_ns))

    def _log(self, event: str, level: str = "info", **fields: str | int | bool | None) -> None:
        self._outputs.append(Log(event, fields, level))  # type: ignore[arg-type]
