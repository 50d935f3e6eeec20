"""Stacks that run with the files of this checkout. Standard library only: the set-up asks before it replaces files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.localstack.prerequisites import Problem

# In the environment of every process of a stack, with the stack's folder as its value.
MARKER = "STACK_PROCESS_OF"
PROCESSES = Path("/proc")


def problem(root: Path, replaced: list[str]) -> Problem | None:
    """Returns the problem that stacks run with the files `replaced` of the checkout `root`; None if none does."""
    folders = running(root)
    if not folders:
        return None
    default = str(root / ".stack")
    commands = " and ".join("`make down`" if folder == default else f"`CLICKSTREAM_STACK_DIR={folder} make down`" for folder in folders)
    what = f"the local stack in {', '.join(folders)} is running, and the set-up would replace files that it uses ({', '.join(replaced)})"
    return what, f"run {commands} first; the data stays"


def running(root: Path) -> list[str]:
    """Returns the folders of the stacks whose supervisord runs from an environment of the checkout `root`."""
    program = os.path.realpath(root / ".venvs" / "tools" / "bin" / "supervisord")
    return sorted({folder for process in PROCESSES.glob("[0-9]*") if (folder := _folder_of(process, program))})


def _folder_of(process: Path, program: str) -> str:
    """Returns the stack's folder if a process is the supervisord `program`; else '', also for a process of another user."""
    try:
        arguments = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
        if program not in [os.path.realpath(argument) for argument in arguments[:2]]:
            return ""
        variables = os.fsdecode((process / "environ").read_bytes()).split("\0")
    except OSError:
        return ""
    return next((variable[len(MARKER) + 1 :] for variable in variables if variable.startswith(f"{MARKER}=")), "")
