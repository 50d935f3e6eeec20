"""Memory and disk of the machine, compared with what the set-up and the stack need. Standard library only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.localstack.prerequisites import Problem

# What all components need together, and the smallest machine on which they start at all (by swapping). In GB.
MEMORY_GB = 7
SMALLEST_MACHINE_GB = 6
# What each environment takes on disk, in GB, and what a running stack adds: data, logs, temporary files.
SIZES_GB = {"tools": 0.9, "airflow": 0.9, "spark": 0.6, "flink": 0.8, "ray": 0.8, "manifests": 0.2, "jars": 1.2}
STACK_GB = 2.5
CGROUP = Path("/sys/fs/cgroup")


def disk_problem(folder: Path, targets: list[str]) -> Problem | None:
    """Returns a problem if the disk of `folder` has no room for the environments `targets`, or for the stack that they run."""
    needed = sum(SIZES_GB.get(target, 0) for target in targets) + (STACK_GB if not targets or "jars" in targets else 0.5)
    free = shutil.disk_usage(str(folder)).free / 1e9
    if free >= needed:
        return None
    return f"{free:.1f} GB of disk are free in {folder}, {needed:.1f} GB are needed", "free space, or clone to a larger disk"


def machine_problem() -> Problem | None:
    """Returns a problem if the machine, or the container that this runs in, can never run the whole stack."""
    total = total_gb()
    if not 0 < total < SMALLEST_MACHINE_GB:
        return None
    return (
        f"this machine has {total:.1f} GB of memory, the stack needs {MEMORY_GB} GB",
        "use a larger machine; `make check` runs on this one",
    )


def memory_problem() -> Problem | None:
    """Returns a problem if programs leave too little memory for the whole stack now."""
    available = available_gb()
    if not 0 < available < MEMORY_GB:
        return None
    return f"{available:.1f} GB of memory are available, the stack needs {MEMORY_GB} GB", "close other programs"


def total_gb() -> float:
    """Returns the memory of the machine or of this container, in GB; 0 if the system does not report it."""
    values = [value for value in (_meminfo("MemTotal"), _cgroup("memory.max")) if value]
    return min(values, default=0.0)


def available_gb() -> float:
    """Returns the memory that programs could still allocate, in GB; 0 if the system does not report it."""
    values = [_meminfo("MemAvailable")]
    limit = _cgroup("memory.max")
    if limit:
        values.append(max(limit - _cgroup("memory.current") + _page_cache(), 0.1))
    return min((value for value in values if value), default=0.0)


def _meminfo(key: str) -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(f"{key}:"))
    except (OSError, StopIteration):
        return 0.0


def _cgroup(name: str) -> float:
    """Returns a value of this container's memory controller, in GB; 0 without a limit."""
    try:
        return int((CGROUP / name).read_text()) / 1e9
    except (OSError, ValueError):
        return 0.0


def _page_cache() -> float:
    """Returns the memory of this container that holds file contents, which the kernel gives up for programs, in GB."""
    try:
        lines = (CGROUP / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) / 1e9 for line in lines if line.startswith("inactive_file "))
    except (OSError, StopIteration):
        return 0.0
