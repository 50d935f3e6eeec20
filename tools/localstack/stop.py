"""Stops the stack and leaves no process behind."""

import contextlib
import getpass
import shutil
import socket
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

import psutil

from tools.localstack import supervisord
from tools.localstack.layout import MARKER, Stack
from tools.localstack.progress import say
from tools.localstack.units import Component

STOPPED_STATES = ("STOPPED", "EXITED", "FATAL")


def take_down(stack: Stack, components: list[Component]) -> int:
    """Stop all components, dependants first, then supervisord, then remaining processes. Returns how many were killed."""
    with contextlib.suppress(supervisord.NotRunning):
        supervisor = supervisord.client(stack)
        stop(stack, components)
        pid = supervisor.getPID()
        supervisor.shutdown()
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).wait(timeout=30)
    return clean_up(stack, components)


def stop(stack: Stack, components: list[Component]) -> None:
    """Stop components of the running stack, dependants first. Raises NotRunning."""
    supervisor = supervisord.client(stack)
    for group in stop_order(components):
        _stop(supervisor, group)


def clean_up(stack: Stack, components: list[Component]) -> int:
    """Kill remaining processes of a stack without supervisord and delete their temporary files. Returns how many were killed."""
    killed = kill_remaining(stack)
    delete_temporary_files(stack, components)
    return killed


def delete_temporary_files(stack: Stack, components: list[Component]) -> None:
    """Delete what the processes of a stack that is down have left in /tmp and in the folders for temporary files."""
    for path in (stack.tmp, *(path for component in components for path in component.temporary)):
        # A path in /tmp may be another user's.
        with contextlib.suppress(OSError):
            if _has_listener(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    # Of the JVMs with which Flink's scripts compute their options. Only an empty folder is deleted.
    with contextlib.suppress(OSError):
        Path(f"/tmp/hsperfdata_{getpass.getuser()}").rmdir()


def _has_listener(path: Path) -> bool:
    """Whether a process listens on a socket: another stack with the same ports, for example that of another checkout."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def stop_order(components: list[Component]) -> list[list[Component]]:
    """Returns the components in groups to stop one after the other: no later group depends on an earlier one."""
    groups, remaining = [], list(components)
    while remaining:
        needed = {name for component in remaining for name in (*component.needs, *component.after)}
        groups.append([component for component in remaining if component.name not in needed])
        remaining = [component for component in remaining if component.name in needed]
    return groups


def _stop(supervisor: Any, group: list[Component]) -> None:
    names = {component.name for component in group}
    for name in names:
        # Already stopped, or unknown to a supervisord that was started by an older version.
        with contextlib.suppress(xmlrpc.client.Fault):
            supervisor.stopProcess(name, False)
    deadline = time.monotonic() + max(component.stop_seconds for component in group) + 10
    while time.monotonic() < deadline:
        if all(info["statename"] in STOPPED_STATES for info in supervisor.getAllProcessInfo() if info["name"] in names):
            return
        time.sleep(0.2)


def processes(stack: Stack) -> list[psutil.Process]:
    """Returns every process with this stack's marker in its environment."""
    return [process for process in psutil.process_iter() if _marker(process) == str(stack.dir)]


def _marker(process: psutil.Process) -> str:
    try:
        marker: str = process.environ().get(MARKER, "")
    except (psutil.Error, OSError):
        return ""
    return marker


def kill_remaining(stack: Stack) -> int:
    """Kill every process with the stack's marker, e.g. after supervisord itself was killed. Returns how many."""
    killed = 0
    while remaining := processes(stack):
        for process in remaining:
            with contextlib.suppress(psutil.NoSuchProcess):
                say("!", "remaining process", f"{process.pid} {process.name()} killed")
                process.kill()
        gone, _ = psutil.wait_procs(remaining, timeout=5)
        killed += len(gone)
        if not gone:
            raise RuntimeError(f"these processes survive SIGKILL: {', '.join(str(process.pid) for process in remaining)}")
    return killed
