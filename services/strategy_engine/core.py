"""The strategy engine's core: one strategy, fed in market order, paced, fenced off.

Theory of operation. Market events and the ledger's words come in as two gapless streams; each is
passed to the strategy once. What the strategy wants becomes an intent to the risk engine (`desk.py`
keeps the orders). Foreign code is the danger here: a strategy that raises is paused for the rest of
the run, with nothing of that call let out, and everybody else goes on. A paused engine still counts
trades and reports its progress, because without the report the feed would stop for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import (
    Blind,
    Control,
    HookCut,
    PeerStatus,
    Replace,
    RequestExpired,
    Sighted,
    Started,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import Mode, ServiceState
from proto_schemas.ledger import OrderUpdate, PositionUpdate, ReconcileReport
from proto_schemas.market_data import Bar, Depth, MarketProgress, Quote, Trade
from proto_schemas.signals import Decision, Nack
from services.strategy_engine.api import Context, Order, Strategy
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.desk import LEDGER, Desk
from services.strategy_engine.memory import check_no_sharing
from shared.kernel.check import check
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Event, Log, Output, Send, SetTimer

NAME = "strategy_engine"
MARKET_DATA = "market_data"
ORDER_STATE = "order_state"
PROGRESS_SOON_NS = 100 * MS
PROGRESS_AGAIN_NS = SECOND
PROGRESS_TIMER = "progress"
FORGET_TIMER = "forget"
ERROR_TEXT_MAX = 300


@dataclass(slots=True)
class EngineState:
    """What the engine itself remembers; the strategy and the desk have their own.

    `cut_at`: id of the input whose hook was cut off because it took too long.
    """

    started: bool = False
    paused: str = ""
    cut_at: str = ""
    feed_seq: int = 0
    seen_seqs: dict[str, int] = field(default_factory=dict)
    reported_seq: int = 0
    report_soon: bool = False
    ledger_up: bool = True
    bar_starts: dict[int, int] = field(default_factory=dict)


class HookOverran(BaseException):
    """A hook took too long and was cut off. No `Exception`: a strategy must not catch it."""


def call_directly(hook: Callable[..., object], *arguments: Any) -> object:
    """The guard that guards nothing: for the lab, where time stands still in a step."""
    return hook(*arguments)


class StrategyEngineCore:
    """Implements `shared.kernel.outputs.Core`.

    `guard` calls a hook and raises `HookOverran` if it cuts it off. How long a hook takes is no
    input, so the verdict is made one: `verdict` is journaled before the input that it is about, and
    a replay then pauses there without calling the hook.
    """

    def __init__(
        self,
        config: StrategyEngineConfig,
        strategy: Strategy,
        guard: Callable[..., object] = call_directly,
    ) -> None:
        check(strategy.name == config.strategy, "the strategy is the configured one", strategy.name)
        self._config = config
        self._strategy = strategy
        self._guard = guard
        self._input_id = ""
        self._verdict: HookCut | None = None
        self._desk = Desk(config)
        self._context = Context(self._desk)
        self._state = EngineState()
        self._outputs: list[Output] = []

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input; return what to do."""
        self._desk.now = now
        self._input_id = event.envelope.id
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
            case HookCut(input_id=input_id):
                self._state.cut_at = input_id
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
        if self._state.paused or self._desk.state.mode is Mode.HALT:
            return ServiceState.PAUSED
        if not self._desk.sighted:
            return ServiceState.RECONCILING
        reduce_only = self._desk.state.mode is Mode.REDUCE_ONLY
        return ServiceState.REDUCE_ONLY if reduce_only else ServiceState.TRADING

    def state(self) -> object:
        """Engine, desk and everything the strategy keeps on itself.

        `Unpackable` if the strategy holds one list or object in two places.
        """
        check_no_sharing(vars(self._strategy))
        return [self._state, self._desk.state, vars(self._strategy)]

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        self._state, self._desk.state, memory = state
        vars(self._strategy).clear()
        vars(self._strategy).update(memory)

    def verdict(self) -> HookCut | None:
        """What must stand in the journal before the last input, once."""
        found, self._verdict = self._verdict, None
        return found

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

    # --- the strategy ---------------------------------------------------------------------------

    def _call(self, hook: Callable[..., None], *arguments: Any) -> None:
        """Run one hook of foreign code. Whatever goes wrong pauses it; nothing is half done."""
        if self._state.paused:
            return
        try:
            if self._state.cut_at == self._input_id:
                raise HookOverran
            returned = self._guard(hook, self._context, *arguments)
        except HookOverran:
            self._cut_off(hook)
        except Exception as error:  # foreign code: any error is possible, and it is logged
            what, text = type(error).__name__, str(error)[:ERROR_TEXT_MAX]
            line = _line_of(error, hook)
            self._pause("strategy_raised", f"raised {what}", hook, error=what, text=text, line=line)
        else:
            if returned is None:
                self._outputs += self._desk.take_wanted()
                return
            seen = f"{type(returned).__name__} {returned!r}"[:ERROR_TEXT_MAX]
            fix = "A hook returns nothing: ask for orders with ctx, then start a new run."
            self._pause("strategy_returned", "returned a value", hook, value=seen, fix=fix)

    def _cut_off(self, hook: Callable[..., None]) -> None:
        limit_ns = self._config.tunables.hook_limit_ns
        if self._state.cut_at != self._input_id:
            self._state.cut_at = self._input_id
            self._verdict = HookCut(self._input_id)
        fix = "Make the hook shorter, or raise strategy_engine.hook_limit_ns; start a new run."
        self._pause("strategy_too_slow", "took too long", hook, limit_ns=limit_ns, fix=fix)

    def _pause(self, event: str, why: str, hook: Callable[..., None], **fields: str | int) -> None:
        """Nothing of this hook leaves, and no other is called for the rest of the run."""
        withdrawn = self._desk.withdraw_wanted()
        self._state.paused = f"strategy {why} in {hook.__name__}"
        facts: dict[str, str | int | bool | None] = {
            "strategy": self._config.strategy,
            "hook": hook.__name__,
            "intents_withdrawn": withdrawn,
            "fix": "Mend the strategy and start a new run.",
        }
        self._log(event, "error", **{**facts, **fields})

    # --- control, streams, peers, timers ---------------------------------------------------------

    def _control(self, mode: Mode) -> None:
        before = self._desk.state.mode
        if mode is not before:
            self._desk.state.mode = mode
            suppressed = sum(self._desk.state.suppressed.values())
            self._log("mode_changed", before=before, mode=mode, intents_suppressed=suppressed)

    def _started(self, install_id: str, epoch: int) -> None:
        """Timers of the last life are gone. The strategy's own start comes once in a run."""
        first = not self._state.started
        self._state.started = True
        self._state.report_soon = False
        self._desk.open_epoch(install_id, epoch)
        if first:
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


def _line_of(error: BaseException, hook: Callable[..., None]) -> int:
    """The line of the strategy's file at which it went wrong; 0 if it is not to be found."""
    file, line = hook.__code__.co_filename, 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
