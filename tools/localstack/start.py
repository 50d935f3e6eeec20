"""Starts the stack: each component as soon as its dependencies are healthy, independent ones at the same time."""

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.localstack import components, ports, supervisord
from tools.localstack.layout import ROOT, Stack
from tools.localstack.progress import say
from tools.localstack.units import Component, Step, Unit

# Generous: a component that dies is noticed by its deaths, and on a busy machine a slow start is normal.
DEADLINE_SECONDS = 300.0
POLL_SECONDS = 0.5
PROGRESS_SECONDS = 20.0
# A component that died this often on the way up will not come up by waiting.
MAX_DEATHS = 3
ALIVE_STATES = ("STARTING", "RUNNING", "BACKOFF")


class StartError(RuntimeError):
    """A component did not come up; the text says why and where to look."""


@dataclass(frozen=True)
class Ready:
    """One unit that is up: the seconds it took, and whether it was running before."""

    name: str
    seconds: float
    is_component: bool
    was_running: bool = False


def bring_up(stack: Stack, all_units: list[Unit], selected: list[Unit]) -> list[Ready]:
    """Start `selected` in the order of their dependencies and wait until all are healthy. Raises StartError.

    Components that run with an old description or old code are restarted, also those that are not selected.
    """
    before = _alive(stack)
    _require_free_ports(stack, selected)
    supervisord.start(stack, [unit for unit in all_units if isinstance(unit, Component)])
    stopped = before - _alive(stack)
    for name in sorted(stopped):
        say("!", name, "stopped, because its settings or files have changed")
    if stopped:
        selected = components.select(all_units, ",".join(sorted({unit.name for unit in selected} | stopped)))
        _require_free_ports(stack, selected)
    futures: dict[str, Future[Ready]] = {}
    with ThreadPoolExecutor(max_workers=len(selected)) as pool:
        for unit in selected:
            dependencies = [futures[name] for name in (*unit.needs, *unit.after) if name in futures]
            futures[unit.name] = pool.submit(_start_after, stack, unit, dependencies)
    errors = [error for future in futures.values() if (error := future.exception())]
    if errors:
        raise StartError("\n".join(str(error) for error in errors if not isinstance(error, _Skipped)))
    return [future.result() for future in futures.values()]


def _alive(stack: Stack) -> set[str]:
    return {name for name, info in supervisord.states(stack).items() if info["statename"] in ALIVE_STATES}


def _require_free_ports(stack: Stack, selected: list[Unit]) -> None:
    """Raise StartError before anything starts when a port is impossible, or another program listens on one of a component that is down."""
    alive = _alive(stack)
    problems = ports.impossible(stack.settings)
    for unit in selected:
        if isinstance(unit, Component) and unit.name not in alive:
            problems += ports.in_use(stack.settings, unit.name)
    if problems:
        raise StartError("\n".join(f"{problem}: {fix}" for problem, fix in problems))


class _Skipped(Exception):
    """A dependency of this unit did not come up."""


def _start_after(stack: Stack, unit: Unit, dependencies: list[Future[Ready]]) -> Ready:
    wait(dependencies)
    if any(future.exception() for future in dependencies):
        raise _Skipped(unit.name)
    try:
        ready = _start(stack, unit) if isinstance(unit, Component) else _run(unit)
    except Exception as error:
        say("✗", unit.name)
        raise StartError(f"{unit.name}: {error}") from error
    address = unit.address if isinstance(unit, Component) else ""
    note = "  (was running)" if ready.was_running else ""
    say("✓", unit.name, f"{ready.seconds:6.1f} s  {address}{note}")
    return ready


def _run(step: Step) -> Ready:
    begin = time.monotonic()
    step.run()
    return Ready(step.name, time.monotonic() - begin, is_component=False)


def _start(stack: Stack, component: Component) -> Ready:
    begin = time.monotonic()
    supervisor = supervisord.client(stack)
    was_running = supervisor.getProcessInfo(component.name)["statename"] in ALIVE_STATES
    if not was_running:
        missing = not_installed(component)
        if missing:
            raise StartError(f"{missing} is missing: `make up` installs it")
        component.prepare()
        supervisor.startProcess(component.name, False)
    _wait_until_healthy(stack, component, supervisor)
    return Ready(component.name, time.monotonic() - begin, is_component=True, was_running=was_running)


def not_installed(component: Component) -> str:
    """Returns the first file of the component's command that the set-up has not installed yet; '' if all exist."""
    installed_by_setup = (f"{ROOT}/.jars", f"{ROOT}/.venvs")
    paths = [Path(argument.removesuffix("/*")) for argument in component.argv if argument.startswith(installed_by_setup)]
    return next((str(path) for path in paths if not path.exists()), "")


def _wait_until_healthy(stack: Stack, component: Component, supervisor: Any) -> None:
    begin = last_progress = time.monotonic()
    start_times: set[int] = set()
    while True:
        info = supervisor.getProcessInfo(component.name)
        start_times.add(info["start"])
        problem = component.health(info["start"]) if info["pid"] else f"no process: {info['spawnerr'] or info['statename'].lower()}"
        if not problem:
            return
        now = time.monotonic()
        deaths = len(start_times) - 1
        if now - begin > DEADLINE_SECONDS or deaths >= MAX_DEATHS:
            reason = f"died {deaths} times" if deaths >= MAX_DEATHS else f"not healthy after {DEADLINE_SECONDS:.0f} s"
            raise StartError(f"{reason}: {problem}\n{tail(stack, component.name, 15)}\nits log: {stack.log(component.name)}")
        if now - last_progress > PROGRESS_SECONDS:
            last_progress = now
            say("…", component.name, f"{now - begin:6.1f} s  {problem}")
        time.sleep(POLL_SECONDS)


def tail(stack: Stack, component: str, lines: int) -> str:
    """Returns the last lines of a component's log."""
    path = stack.log(component)
    if not path.exists():
        return "(no log yet)"
    with path.open(errors="replace") as file:
        return "".join(f"  | {line}" for line in deque(file, lines)).rstrip("\n")
