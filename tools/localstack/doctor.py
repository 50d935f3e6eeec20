"""The doctor: what this machine lacks, before the set-up; in the tools environment also what is wrong with the running stack."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.localstack import bootstrap, prerequisites, resources

if TYPE_CHECKING:
    from tools.localstack.prerequisites import Problem

ROOT = Path(__file__).resolve().parents[2]
TOOLS_PYTHON = ROOT / ".venvs" / "tools" / "bin" / "python"


def machine(is_running: bool) -> list[Problem]:
    """Returns what the machine lacks to set up and run the whole stack, each with its fix."""
    checks = [resources.machine_problem(), resources.disk_problem(ROOT, bootstrap.outdated(bootstrap.DEFAULT_TARGETS))]
    if not is_running:
        checks.append(resources.memory_problem())
    return prerequisites.problems() + [problem for problem in checks if problem]


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
    problems = machine(is_running=False)
    # The settings need a newer Python than this module, which 3.8 can read.
    if sys.version_info >= (3, 11):  # noqa: UP036
        from clickstream_contracts.settings import Settings, SettingsError
        from tools.localstack import ports

        try:
            problems += ports.problems(Settings.from_env())
        except SettingsError as error:
            problems.append((str(error), "correct or unset it"))
    return report(problems, "this machine can run the local stack; `make demo` sets it up")


if __name__ == "__main__":
    sys.exit(main())
