"""launch.py with real processes: a component with `all_processes` ends as a whole, whichever of its processes is stopped or killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tools.localstack import launch, layout

# Starts a process in a session of its own whose parent ends at once, as daemons do; writes both process ids; stays.
DAEMON = """
import os, pathlib, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    if {ignores_sigterm}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path("daemon").write_text(str(os.getpid()))
    time.sleep(120)
    os._exit(0)
while not pathlib.Path("daemon").exists() or not pathlib.Path("daemon").read_text():
    time.sleep(0.02)
pathlib.Path("component").write_text(str(os.getpid()))
time.sleep(120)
"""


class Launched:
    """A component that launch.py has started, with its daemon."""

    def __init__(self, folder: Path, ignores_sigterm: bool = False) -> None:
        for name in ("component", "daemon"):
            (folder / name).unlink(missing_ok=True)
        env = {layout.MARKER: str(folder), layout.COMPONENT: "daemons"}
        argv = [sys.executable, "-S", "-c", DAEMON.format(ignores_sigterm=ignores_sigterm)]
        (folder / "daemons.json").write_text(json.dumps({"argv": argv, "home": str(folder), "env": env, "all_processes": True}))
        command = [sys.executable, "-S", launch.__file__, str(folder / "daemons.json"), "digest"]
        self.launcher = subprocess.Popen(command, start_new_session=True)
        while not (folder / "component").exists() or not (folder / "component").read_text():
            assert self.launcher.poll() is None
            time.sleep(0.02)
        self.component, self.daemon = (int((folder / name).read_text()) for name in ("component", "daemon"))

    def alive(self) -> set[int]:
        return {pid for pid in (self.component, self.daemon) if psutil.pid_exists(pid)}


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    yield from start(tmp_path)


def start(folder: Path, ignores_sigterm: bool = False) -> Iterator[Launched]:
    launched = Launched(folder, ignores_sigterm)
    try:
        assert launched.alive() == {launched.component, launched.daemon}
        yield launched
    finally:
        for pid in (launched.launcher.pid, *launched.alive()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        launched.launcher.wait()


def test_no_process_outlives_a_component_that_is_stopped(launched: Launched) -> None:
    os.killpg(launched.launcher.pid, signal.SIGTERM)
    assert launched.launcher.wait() == signal.SIGTERM
    assert launched.alive() == set()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    for launched in start(tmp_path, ignores_sigterm=True):
        os.killpg(launched.launcher.pid, signal.SIGTERM)
        launched.launcher.wait()
        assert launched.alive() == set()


def test_no_process_outlives_a_component_that_was_killed(launched: Launched) -> None:
    os.kill(launched.component, signal.SIGKILL)
    assert launched.launcher.wait() == signal.SIGKILL
    assert launched.alive() == set()


def test_a_component_ends_with_its_killed_launcher_and_the_next_start_kills_its_daemons(launched: Launched, tmp_path: Path) -> None:
    os.kill(launched.launcher.pid, signal.SIGKILL)
    launched.launcher.wait()
    while psutil.pid_exists(launched.component):
        time.sleep(0.02)
    assert launched.alive() == {launched.daemon}
    for again in start(tmp_path):
        while psutil.pid_exists(launched.daemon):
            time.sleep(0.02)
        assert again.alive() == {again.component, again.daemon}
