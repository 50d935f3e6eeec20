"""State, address, memory and start time of each component."""

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tools.localstack import airflow, supervisord
from tools.localstack.layout import Stack
from tools.localstack.units import Component

# Piped output is wide enough to keep addresses whole.
PIPE_WIDTH = 120
COLOURS = {"up": "green", "down": "yellow", "unhealthy": "red"}


@dataclass(frozen=True)
class ComponentStatus:
    """One component now: `state` is up, down or unhealthy; `problem` says why it is unhealthy; `since` is an ISO 8601 time or ''."""

    name: str
    state: str
    problem: str
    address: str
    pid: int
    memory_mb: int
    since: str


def collect(stack: Stack, components: list[Component]) -> list[ComponentStatus]:
    """Returns the status of each component; the health probes run at the same time."""
    states = supervisord.states(stack)
    with ThreadPoolExecutor(len(components)) as pool:
        return list(pool.map(lambda component: _status(component, states.get(component.name, {})), components))


def _status(component: Component, info: dict[str, Any]) -> ComponentStatus:
    pid = info.get("pid", 0)
    if pid:
        problem = component.health(info["start"])
        state = "unhealthy" if problem else "up"
        since = datetime.fromtimestamp(info["start"], UTC).isoformat()
        return ComponentStatus(component.name, state, problem, component.address, pid, _memory(pid), since)
    if info.get("statename", "STOPPED") == "STOPPED":
        return ComponentStatus(component.name, "down", "", component.address, 0, 0, "")
    return ComponentStatus(component.name, "unhealthy", f"no process: {info['statename'].lower()}", component.address, 0, 0, "")


def _memory(pid: int) -> int:
    """Returns the MiB of a process and its children. On Linux it is the PSS, so that pages shared by forks count once."""
    total = 0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.rss)
    return total // 2**20


def as_data(stack: Stack, statuses: list[ComponentStatus]) -> dict[str, Any]:
    """Returns the status as a JSON document."""
    return {
        "stack_dir": str(stack.dir),
        "components": [asdict(status) for status in statuses],
        "memory_mb": sum(status.memory_mb for status in statuses),
        "login_file": str(airflow.login_file(stack)),
    }


def show(stack: Stack, statuses: list[ComponentStatus]) -> None:
    """Print the status as a table, and where passwords and tokens are."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    table = Table("component", "state", "address", "memory", "since", box=None, pad_edge=False)
    for status in statuses:
        since = datetime.fromisoformat(status.since).astimezone().strftime("%Y-%m-%d %H:%M:%S") if status.since else ""
        memory = f"{status.memory_mb} MB" if status.memory_mb else ""
        table.add_row(status.name, f"[{COLOURS[status.state]}]{status.state}[/]", status.address, memory, since)
    console.print(table)
    for status in statuses:
        if status.problem:
            console.print(f"{status.name}: {status.problem}", markup=False, soft_wrap=True)
    console.print(f"\n{sum(status.memory_mb for status in statuses)} MB in total", highlight=False)
    files = {
        "Airflow's passwords (users admin and viewer)": airflow.login_file(stack),
        "Token of the Ray dashboard": stack.settings.ray_token_file,
        "Token of the recommendations": stack.settings.serve_token_file,
    }
    for label, file in files.items():
        console.print(f"{label}: {file}", markup=False, soft_wrap=True, highlight=False)
