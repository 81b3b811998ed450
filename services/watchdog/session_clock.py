"""When a session's hours begin and end, as stream timers. Pure."""

from __future__ import annotations

from services.watchdog.config import WatchdogConfig
from services.watchdog.state import WatchdogState
from shared.kernel.clock import Now
from shared.kernel.outputs import Output, SetTimer
from shared.markets import new_york_day_and_second, next_time_of_day_ns


def arm_clock(state: WatchdogState, config: WatchdogConfig, now: Now) -> list[Output]:
    """Set today's session timers once the stream clock runs; catch up if it starts late."""
    if state.clock_armed or now.stream_ns == 0:
        return []
    state.clock_armed = True
    return session_timers(config, now.stream_ns)


def session_timers(config: WatchdogConfig, stream_ns: int) -> list[Output]:
    """The next entries stop, flatten and re-open after this moment of stream time.

    A start inside a closed window (after the time, before the re-open) fires at once.
    """
    times = {
        "entries_stop": config.entries_stop_s,
        "flatten_start": config.flatten_start_s,
        "reopen": config.reopen_s,
    }
    _, second = new_york_day_and_second(stream_ns)
    return [
        SetTimer(name, _due_ns(at_s, second, stream_ns, config.reopen_s), "stream")
        for name, at_s in times.items()
    ]


def _due_ns(at_s: int, second: int, stream_ns: int, reopen_s: int) -> int:
    if at_s <= second < reopen_s:
        return stream_ns
    return next_time_of_day_ns(stream_ns + 1, at_s)
