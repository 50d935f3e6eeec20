"""The doctor: what this machine lacks, before the set-up; in the tools environment also what is wrong with the running stack."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.localstack import prerequisites

if TYPE_CHECKING:
    from tools.localstack.prerequisites import Problem

ROOT = Path(__file__).resolve().parents[2]
TOOLS_PYTHON = ROOT / ".venvs" / "tools" / "bin" / "python"
MEMORY_GB = 7
DISK_GB = 10
DISK_AFTER_SETUP_GB = 2


def machine(is_set_up: bool, is_running: bool) -> list[Problem]:
    """Returns what the machine lacks, each with its fix."""
    problems = prerequisites.problems()
    free = shutil.disk_usage(ROOT).free / 1e9
    needed = DISK_AFTER_SETUP_GB if is_set_up else DISK_GB
    if free < needed:
        problems.append((f"{free:.1f} GB of disk are free in {ROOT}, {needed} GB are needed", "free space, or clone to a larger disk"))
    memory = available_gb()
    if not is_running and 0 < memory < MEMORY_GB:
        problems.append((f"{memory:.1f} GB of memory are available, the stack needs {MEMORY_GB} GB", "close other programs"))
    return problems


def available_gb() -> float:
    """Returns the memory that programs could still allocate, in GB; 0 if the system does not report it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0.0


def report(problems: list[Problem], checked: str) -> int:
    """Print each problem with its fix, or what was checked when there is none. Returns the exit code."""
    for problem, fix in problems:
        print(f"FAIL  {problem}\n      fix: {fix}", file=sys.stderr)
    if not problems:
        print(f"OK    {checked}", file=sys.stderr)
    return 1 if problems else 0


def main() -> int:
    """Run `stack doctor` in the tools environment; without that environment, check the machine alone."""
    if prerequisites.python_version(str(TOOLS_PYTHON)) and (TOOLS_PYTHON.parents[1] / ".made-from").exists():
        os.execv(TOOLS_PYTHON, [str(TOOLS_PYTHON), "-m", "tools.localstack", "doctor"])
    problems = machine(is_set_up=False, is_running=False)
    # The settings need a newer Python than this module does.
    if prerequisites.python_version(sys.executable) in prerequisites.PYTHONS:
        from clickstream_contracts.settings import Settings, SettingsError
        from tools.localstack import ports

        try:
            problems += ports.in_use(Settings.from_env())
        except SettingsError as error:
            problems.append((str(error), "correct or unset it"))
    return report(problems, "this machine can run the local stack; `make demo` sets it up")


if __name__ == "__main__":
    sys.exit(main())
