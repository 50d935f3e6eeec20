"""Each part's state, address, memory and since when."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tools.localstack import airflow, daemon
from tools.localstack.layout import Stack
from tools.localstack.part import Part

COLOURS = {"up": "green", "down": "yellow", "sick": "red"}


@dataclass(frozen=True)
class PartStatus:
    """One part now: `state` is up, down or sick; `problem` says why it is sick."""

    name: str
    state: str
    problem: str
    address: str
    pid: int
    memory_mb: int
    since: str


def look(stack: Stack, parts: list[Part]) -> list[PartStatus]:
    """Every part, its health asked side by side."""
    known = daemon.states(stack)
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(lambda part: _one(part, known.get(part.name, {})), parts))


def _one(part: Part, info: dict[str, Any]) -> PartStatus:
    pid, wanted = info.get("pid", 0), info.get("statename", "STOPPED") != "STOPPED"
    problem = part.health(info["start"]) if pid else f"no process: {info['statename'].lower()}" if wanted else ""
    since = datetime.fromtimestamp(info["start"], UTC).isoformat() if pid else ""
    state = "sick" if problem else "up" if pid else "down"
    return PartStatus(part.name, state, problem, part.address, pid, _memory(pid), since)


def _memory(pid: int) -> int:
    """MiB of a process and its children. Linux divides a page by those who share it (PSS): a fork's pages are not counted twice."""
    total = 0
    with contextlib.suppress(psutil.Error):
        if pid:
            process = psutil.Process(pid)
            for one in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    used = one.memory_full_info()
                    total += getattr(used, "pss", used.rss)
    return total // 2**20


def as_data(stack: Stack, found: list[PartStatus]) -> dict[str, Any]:
    """The status for programs."""
    return {
        "stack_dir": str(stack.dir),
        "parts": [asdict(one) for one in found],
        "memory_mb": sum(one.memory_mb for one in found),
        "login_file": str(airflow.login_file(stack)),
    }


def show(stack: Stack, found: list[PartStatus]) -> None:
    """Print the status as a table, and where the login is."""
    console = Console()
    table = Table("part", "state", "address", "memory", "since", box=None, pad_edge=False)
    for one in found:
        since = datetime.fromisoformat(one.since).astimezone().strftime("%Y-%m-%d %H:%M:%S") if one.since else ""
        memory = f"{one.memory_mb} MB" if one.memory_mb else ""
        table.add_row(one.name, f"[{COLOURS[one.state]}]{one.state}[/]", one.address, memory, since)
    console.print(table)
    for one in found:
        if one.problem:
            console.print(f"{one.name}: {one.problem}", markup=False, soft_wrap=True)
    console.print(f"\n{sum(one.memory_mb for one in found)} MB in all", highlight=False)
    keys = {
        "Airflow's login (users admin and viewer)": airflow.login_file(stack),
        "The Ray page's token": stack.settings.ray_token_file,
        "The token of the recommendations": stack.settings.serve_token_file,
    }
    for what, file in keys.items():
        console.print(f"{what}: {file}", markup=False, soft_wrap=True, highlight=False)
