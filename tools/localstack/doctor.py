"""What this machine lacks, before the start; in the stack's own environment, also what is stuck afterwards."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tools.localstack import prerequisites
from tools.localstack.progress import say

ROOT = Path(__file__).resolve().parents[2]
OWN_PYTHON = ROOT / ".venvs" / "tools" / "bin" / "python"
MEMORY_GB = 7
DISK_GB = 10
DISK_RUNNING_GB = 2


def machine(set_up: bool, running: bool) -> list[tuple[str, str]]:
    """What the machine lacks, each with its cure."""
    found = prerequisites.problems()
    free = shutil.disk_usage(ROOT).free / 1e9
    need = DISK_RUNNING_GB if set_up else DISK_GB
    if free < need:
        found.append((f"only {free:.1f} GB of disk are free in {ROOT}, {need} are needed", "make room, or clone to a larger disk"))
    memory = available_gb()
    if not running and 0 < memory < MEMORY_GB:
        found.append((f"only {memory:.1f} GB of memory are available, the stack takes {MEMORY_GB}", "close other programs"))
    return found


def available_gb() -> float:
    """Memory that programs could still take, in GB; 0 if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0.0


def report(found: list[tuple[str, str]], checked: str) -> int:
    """Print each finding with its cure, or that all is well. Returns the exit code."""
    for what, cure in found:
        say("✗", what)
        say(" ", "", f"cure: {cure}")
    if not found:
        say("✓", "all is well", f"({checked})")
    return 1 if found else 0


def main() -> int:
    """With the tools' environment, hand over to the whole doctor; without, look at the machine alone."""
    if prerequisites.python_version(str(OWN_PYTHON)) and (OWN_PYTHON.parents[1] / ".made-from").exists():
        os.execv(OWN_PYTHON, [str(OWN_PYTHON), "-m", "tools.localstack", "doctor"])
    found = machine(set_up=False, running=False)
    if prerequisites.python_version(sys.executable) in prerequisites.PYTHONS:
        from clickstream_contracts.settings import Settings, SettingsError
        from tools.localstack import ports

        try:
            found += ports.taken(Settings.from_env())
        except SettingsError as error:
            found.append((str(error), "correct or unset it"))
    return report(found, "this machine can run the stack; `make demo` sets it up")


if __name__ == "__main__":
    sys.exit(main())
