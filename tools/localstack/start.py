"""Brings the stack up: each part as soon as what it needs is healthy, independent ones side by side."""

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.localstack import daemon, ports
from tools.localstack.layout import ROOT, Stack
from tools.localstack.part import Node, Part, Step
from tools.localstack.progress import say

# Generous: a part that dies is noticed by its deaths, and a busy machine is slow, not broken.
DEADLINE = 300.0
PAUSE = 0.5
REMIND = 20.0
# A part that died this often on the way up will not come up by waiting.
DEATHS = 3
ALIVE = ("STARTING", "RUNNING", "BACKOFF")


class StartError(RuntimeError):
    """A part did not come up; the text says why and where to look."""


@dataclass(frozen=True)
class Ready:
    """One node that is up: the seconds it took, and whether anything had to be done."""

    name: str
    seconds: float
    is_part: bool
    was_running: bool = False


def bring_up(stack: Stack, everything: list[Node], wanted: list[Node]) -> list[Ready]:
    """Start `wanted` in the order of their needs and wait until all are healthy. Raises StartError otherwise."""
    daemon.start(stack, [node for node in everything if isinstance(node, Part)])
    begun: dict[str, Future[Ready]] = {}
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        for node in wanted:
            before = [begun[name] for name in (*node.needs, *node.after) if name in begun]
            begun[node.name] = pool.submit(_when_ready, stack, node, before)
    errors = [error for future in begun.values() if (error := future.exception())]
    if errors:
        raise StartError("\n".join(str(error) for error in errors if not isinstance(error, _Skipped)))
    return [future.result() for future in begun.values()]


class _Skipped(Exception):
    """Something that this node needs is not there."""


def _when_ready(stack: Stack, node: Node, before: list[Future[Ready]]) -> Ready:
    wait(before)
    if any(future.exception() for future in before):
        raise _Skipped(node.name)
    try:
        ready = _start(stack, node) if isinstance(node, Part) else _run(node)
    except Exception as error:
        say("✗", node.name)
        raise StartError(f"{node.name}: {error}") from error
    where = node.address if isinstance(node, Part) else ""
    say("✓", node.name, f"{ready.seconds:6.1f} s  {where}" + ("  (was running)" if ready.was_running else ""))
    return ready


def _run(step: Step) -> Ready:
    begin = time.monotonic()
    step.run()
    return Ready(step.name, time.monotonic() - begin, is_part=False)


def _start(stack: Stack, part: Part) -> Ready:
    begin = time.monotonic()
    supervisor = daemon.client(stack)
    running = supervisor.getProcessInfo(part.name)["statename"] in ALIVE
    if not running:
        if strangers := ports.taken(stack.settings, part.name):
            raise StartError("; ".join(f"{what}: {cure}" for what, cure in strangers))
        if missing := not_installed(part):
            raise StartError(f"{missing} is missing: `make up` installs it")
        part.prepare()
        supervisor.startProcess(part.name, False)
    _await_health(stack, part, supervisor)
    return Ready(part.name, time.monotonic() - begin, is_part=True, was_running=running)


def not_installed(part: Part) -> str:
    """The first file of the part's command that the set-up should have brought and has not; '' if all is there."""
    own = [Path(word.removesuffix("/*")) for word in part.argv if word.startswith((f"{ROOT}/.jars", f"{ROOT}/.venvs"))]
    return next((str(path) for path in own if not path.exists()), "")


def _await_health(stack: Stack, part: Part, supervisor: Any) -> None:
    begin = reminded = time.monotonic()
    starts: set[int] = set()
    while True:
        info = supervisor.getProcessInfo(part.name)
        starts.add(info["start"])
        problem = part.health(info["start"]) if info["pid"] else f"no process: {info['spawnerr'] or info['statename'].lower()}"
        if not problem:
            return
        now = time.monotonic()
        if now - begin > DEADLINE or len(starts) > DEATHS:
            why = f"died {len(starts) - 1} times" if len(starts) > DEATHS else f"not healthy after {DEADLINE:.0f} s"
            raise StartError(f"{why}: {problem}\n{tail(stack, part.name, 15)}\nits log: {stack.log(part.name)}")
        if now - reminded > REMIND:
            reminded = now
            say("…", part.name, f"{now - begin:6.1f} s  {problem}")
        time.sleep(PAUSE)


def tail(stack: Stack, part: str, lines: int) -> str:
    """The last lines of a part's log."""
    path = stack.log(part)
    if not path.exists():
        return "(no log yet)"
    with path.open(errors="replace") as file:
        return "".join(f"  | {line}" for line in deque(file, lines)).rstrip("\n")
