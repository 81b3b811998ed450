"""`bulkhead new-strategy NAME`: a strategy to start from, which trades as it is."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from services.cli.exit_codes import OK
from services.cli.output import print_json, say
from services.cli.strategies_folder import default_folder
from services.strategy_engine.loader import known_strategies, load_strategy
from shared.kernel.errors import OperatorFault

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TEMPLATE = '''"""@name@: say here in one sentence what it does.

Over recorded data:   bulkhead replay PATH --instrument CODE --strategy @name@
On paper:             bulkhead up --strategy @name@
After you changed it: bulkhead reload

Rules, because after a restart the same market must lead to the same orders:
- What it remembers stands on `self`, in whole numbers, text, lists, dicts or dataclasses.
- No clock, file or random number. Market time is `ctx.stream_ns`, prices are whole ticks.
- A hook returns nothing, and takes less than a second.
What you may import and call is in services/strategy_engine/api.py.
"""

from __future__ import annotations

from services.strategy_engine.api import Bar, Context, Order, Side, Strategy

MINUTE_NS = 60_000_000_000
LOTS = 1
LOOK_BACK_BARS = 5
STOP_TICKS = 8
TARGET_TICKS = 12


class @class@(Strategy):
    """Buys above the highest of the last closes, sells below the lowest, with stop and target."""

    name = "@name@"

    def __init__(self) -> None:
        self.closes: list[int] = []

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Called with every closed bar. Other hooks: on_start, on_trade, on_quote, on_depth."""
        if bar.span_ns != MINUTE_NS:
            return
        before = self.closes
        self.closes = [*before, bar.close_ticks][-LOOK_BACK_BARS:]
        if len(before) < LOOK_BACK_BARS:
            return
        # One thing at a time: flat, and no order that may still trade. A position of None means
        # that nobody knows it just now; `can_trade` is False then, and while trading is stopped.
        if not ctx.can_trade or ctx.position_lots != 0 or ctx.open_orders:
            return
        if bar.close_ticks > max(before):
            self._enter(ctx, Side.BUY, bar.close_ticks)
        elif bar.close_ticks < min(before):
            self._enter(ctx, Side.SELL, bar.close_ticks)

    def on_order(self, ctx: Context, order: Order) -> None:
        """Called when an order changes. `order.code` says why risk refused one."""

    def _enter(self, ctx: Context, side: Side, close_ticks: int) -> None:
        # Stop and target live at the exchange: they are there even if this process is not.
        ctx.market(
            side,
            LOTS,
            stop_ticks=close_ticks - side.sign * STOP_TICKS,
            target_ticks=close_ticks + side.sign * TARGET_TICKS,
        )
'''


def run_new_strategy(name: str, folder: Path | None, as_json: bool) -> int:
    """Write the file, load it once, say what to do next."""
    _refuse_name(name)
    path = (folder or default_folder()).absolute() / f"{name}.py"
    _write(path, template(name))
    load_strategy(name, path.parent)
    if as_json:
        print_json({"ok": True, "strategy": name, "path": str(path), "error": None})
        return OK
    say(f"made {path}")
    say(f"next: bulkhead replay PATH --instrument CODE --strategy {name}")
    return OK


def template(name: str) -> str:
    """The file's text."""
    # The ending keeps it apart from what the file imports: a strategy may be called side or bar.
    class_name = "".join(word.capitalize() for word in name.split("_")) + "Strategy"
    return TEMPLATE.replace("@name@", name).replace("@class@", class_name)


def _refuse_name(name: str) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        fix = "Use small letters, digits and _, a letter first, at most 40: my_first."
        raise OperatorFault("STRATEGY_NAME", field="NAME", value=name, fix=fix)
    if name in known_strategies():
        fix = "A strategy of this name comes along: choose another."
        raise OperatorFault("STRATEGY_TWICE", field="NAME", value=name, fix=fix)


def _write(path: Path, text: str) -> None:
    """A file that is there is never touched: it may be somebody's work."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        fix = "It stays as it is: choose another name, or move it away."
        raise OperatorFault("FILE_EXISTS", field="file", value=str(path), fix=fix) from None
    except OSError as error:
        fix = "Name a folder that you can write to: --folder."
        raise OperatorFault("FOLDER", field=str(path.parent), value=str(error), fix=fix) from None
