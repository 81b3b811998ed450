"""Local process management with stand-ins for the services: real supervisord, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import pytest

from services.cli.supervisor import Supervised, left_over
from services.cli.supervisor_config import Program, pid_file
from shared.kernel.errors import OperatorFault, OurFault
from shared.runtime.run_folder import REPOSITORY, RunFolder

pytestmark = pytest.mark.process

SLEEPS = "import time; time.sleep(60)"
DISOBEYS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
FAULT = (
    "import json, sys; print(json.dumps(dict(event='fault', side='operator', code='DATA_BAD', "
    "field='venue.data_path', value='x', fix='Mend it.'))); sys.exit(64)"
)


def program(run: RunFolder, name: str, code: str) -> Program:
    """The folder of the run makes the command unlike any other on this machine."""
    return Program(name, (sys.executable, "-c", code, str(run.root), name))


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def watch(supervised: Supervised) -> None:
    """Until it raises; it must."""
    until(lambda: supervised.check() is None, seconds=40)


def pid_of(supervised: Supervised, name: str) -> int:
    info = supervised.check().get(name)
    return info.pid if info else 0


def test_processes_run_inside_and_are_gone_after(run: RunFolder) -> None:
    programs = (program(run, "one", SLEEPS), program(run, "two", SLEEPS))
    with Supervised(run, programs) as supervised:
        until(lambda: len(left_over(programs)) == 2)
        assert {info.state for info in supervised.check().values()} <= {"STARTING", "RUNNING"}
        assert int(pid_file(run).read_text()) == supervised.pid
    assert left_over(programs) == []
    assert not pid_file(run).exists()


def test_a_killed_process_comes_back(run: RunFolder) -> None:
    with Supervised(run, (program(run, "one", SLEEPS),)) as supervised:
        until(lambda: pid_of(supervised, "one") > 0)
        first = pid_of(supervised, "one")
        os.kill(first, signal.SIGKILL)
        until(lambda: pid_of(supervised, "one") not in (0, first))


def test_a_stray_sigterm_counts_as_a_death_too(run: RunFolder) -> None:
    obeys = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); time.sleep(60)"
    with Supervised(run, (program(run, "one", obeys),)) as supervised:
        until(lambda: pid_of(supervised, "one") > 0)
        time.sleep(0.5)
        first = pid_of(supervised, "one")
        os.kill(first, signal.SIGTERM)
        until(lambda: pid_of(supervised, "one") not in (0, first))


def test_an_operators_fault_is_not_repeated_and_reaches_the_operator(run: RunFolder) -> None:
    programs = (program(run, "one", FAULT), program(run, "two", SLEEPS))
    with pytest.raises(OperatorFault) as caught, Supervised(run, programs) as supervised:
        watch(supervised)
    assert (caught.value.code, caught.value.field) == ("DATA_BAD", "venue.data_path")
    assert run.log("one").read_text().count("DATA_BAD") == 1
    assert left_over(programs) == []


def test_dying_again_and_again_ends_the_run(run: RunFolder) -> None:
    dies = "import sys, time; print('out of paper'); sys.exit(1)"
    with pytest.raises(OurFault, match="out of paper"):
        with Supervised(run, (program(run, "one", dies),)) as supervised:
            watch(supervised)


def test_a_process_that_ignores_sigterm_is_killed(run: RunFolder) -> None:
    programs = (program(run, "one", DISOBEYS),)
    with Supervised(run, programs):
        until(lambda: len(left_over(programs)) == 1)
        time.sleep(0.3)
    assert left_over(programs) == []


def test_an_exception_inside_ends_everything(run: RunFolder) -> None:
    programs = (program(run, "one", SLEEPS),)
    with pytest.raises(KeyboardInterrupt), Supervised(run, programs):
        until(lambda: len(left_over(programs)) == 1)
        raise KeyboardInterrupt
    assert left_over(programs) == []


def test_the_death_of_supervisord_is_seen_and_its_children_are_ended(run: RunFolder) -> None:
    programs = (program(run, "one", SLEEPS),)
    with pytest.raises(OurFault, match="SUPERVISOR_DIED"), Supervised(run, programs) as supervised:
        until(lambda: len(left_over(programs)) == 1)
        os.kill(supervised.pid, signal.SIGKILL)
        watch(supervised)
    assert left_over(programs) == []


def test_nothing_outlives_a_command_that_was_killed_outright(run: RunFolder) -> None:
    one = program(run, "one", SLEEPS)
    code = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from services.cli.supervisor import Supervised
        from services.cli.supervisor_config import Program
        from shared.runtime.run_folder import RunFolder
        run = RunFolder.open(Path({str(run.root)!r}))
        with Supervised(run, (Program("one", {one.command!r}),)):
            time.sleep(60)
        """
    )
    command = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    try:
        until(lambda: len(left_over((one,))) == 1)
    finally:
        command.kill()
        command.wait()
    until(lambda: left_over((one,)) == [])


def test_a_service_can_be_restarted_alone(run: RunFolder) -> None:
    programs = (program(run, "one", SLEEPS), program(run, "two", SLEEPS))
    with Supervised(run, programs) as supervised:
        until(lambda: pid_of(supervised, "one") > 0 and pid_of(supervised, "two") > 0)
        one, two = pid_of(supervised, "one"), pid_of(supervised, "two")
        supervised.control.restart("one")
        until(lambda: pid_of(supervised, "one") not in (0, one))
        assert pid_of(supervised, "two") == two
