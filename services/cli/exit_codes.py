"""The stable exit codes of `bulkhead`, in one table. Scripts may rely on them.

A fault carries its own code (`shared/kernel/errors.py`); this table says what each one means. The
numbers from 64 on are those of BSD's sysexits, so they collide with no signal and no shell error.
"""

from __future__ import annotations

from shared.kernel.errors import Fault

OK = 0
NOT_OK = 1
OPERATOR = 64
BAD_DATA = 65
OURS = 70
TIMED_OUT = 75
BROKER = 76
INTERRUPTED = 130

MEANING: dict[int, str] = {
    OK: "all well",
    NOT_OK: "it ended, but not well: not flat, not reconciled, or nothing to show",
    OPERATOR: "the operator's: an option, a config value, a file",
    BAD_DATA: "data that is no valid message",
    OURS: "ours: a bug, or damage to our own files",
    TIMED_OUT: "a time-out: what was waited for is named",
    BROKER: "the broker's or the feed's",
    INTERRUPTED: "Ctrl-C or SIGTERM; every process was stopped first",
}


class TimedOut(Fault):
    """Something did not happen in time. `value` says what was waited for."""

    side = "time"
    exit_code = TIMED_OUT
