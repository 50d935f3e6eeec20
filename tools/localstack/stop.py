"""Takes the stack down and leaves no process behind."""

import contextlib
import time
import xmlrpc.client
from typing import Any

import psutil

from tools.localstack import daemon
from tools.localstack.layout import MARKER, Stack
from tools.localstack.part import Part
from tools.localstack.progress import say

STOPPED = ("STOPPED", "EXITED", "FATAL")


def take_down(stack: Stack, parts: list[Part]) -> int:
    """Stop every part, what depends on others first; then the supervisor; then what was left. Returns the processes killed."""
    with contextlib.suppress(daemon.NotRunning):
        supervisor = daemon.client(stack)
        for wave in waves(parts):
            _stop(supervisor, wave)
        pid = supervisor.getPID()
        supervisor.shutdown()
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).wait(timeout=30)
    return sweep(stack)


def waves(parts: list[Part]) -> list[list[Part]]:
    """The parts in groups: each group holds those that no part of a later group depends on."""
    groups, left = [], list(parts)
    while left:
        needed = {name for part in left for name in (*part.needs, *part.after)}
        group = [part for part in left if part.name not in needed]
        groups.append(group)
        left = [part for part in left if part.name in needed]
    return groups


def _stop(supervisor: Any, wave: list[Part]) -> None:
    names = {part.name for part in wave}
    for name in names:
        # Already stopped, or unknown to a supervisor of an older version: nothing to stop.
        with contextlib.suppress(xmlrpc.client.Fault):
            supervisor.stopProcess(name, False)
    deadline = time.monotonic() + max(part.stop_seconds for part in wave) + 10
    while time.monotonic() < deadline:
        if all(row["statename"] in STOPPED for row in supervisor.getAllProcessInfo() if row["name"] in names):
            return
        time.sleep(0.2)


def processes(stack: Stack) -> list[psutil.Process]:
    """Every process that carries this stack's marker in its environment."""
    return [process for process in psutil.process_iter() if _marker(process) == str(stack.dir)]


def _marker(process: psutil.Process) -> str:
    try:
        found: str = process.environ().get(MARKER, "")
    except (psutil.Error, OSError):
        return ""
    return found


def sweep(stack: Stack) -> int:
    """Kill what carries the stack's marker, e.g. after the supervisor itself was killed. Returns how many."""
    killed = 0
    while left := processes(stack):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        gone, _ = psutil.wait_procs(left, timeout=5)
        killed += len(gone)
        if not gone:
            raise RuntimeError(f"these processes do not die: {', '.join(str(p.pid) for p in left)}")
    if killed:
        say("!", "left over", f"{killed} processes of this stack killed")
    return killed
