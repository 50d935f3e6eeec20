"""Runs a long command of the set-up so that one can see it move, and shows the end of its words if it fails."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tools.localstack.progress import say

ROOT = Path(__file__).resolve().parents[2]
REMIND = 10.0
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class CommandFailed(RuntimeError):
    """A command of the set-up failed; the text shows its last lines."""


def run(name: str, command: list[str], folder: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run `command` in the project's folder; say now and then how long it takes and how large `folder` has grown."""
    log = ROOT / ".tools" / f"{re.sub('[^a-z]+', '-', name.lower())}.log"
    begin = reminded = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            time.sleep(0.1)
            if time.monotonic() - reminded > REMIND:
                reminded = time.monotonic()
                say("…", name, f"{_progress(begin, folder)}  {_last_line(log)}")
    if process.returncode:
        lines = "\n".join(f"  | {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        raise CommandFailed(f"{name}: `{Path(command[0]).name}` failed with exit code {process.returncode}\n{lines}\nall of it: {log}")
    say("✓", name, _progress(begin, folder))


def _progress(begin: float, folder: Path | None) -> str:
    size = f"  {megabytes(folder):5d} MB" if folder else ""
    return f"{time.monotonic() - begin:6.1f} s{size}"


def _last_line(log: Path) -> str:
    plain = COLOUR.sub("", log.read_text(errors="replace")).strip()
    return plain.splitlines()[-1].strip()[-90:] if plain else ""


def megabytes(folder: Path) -> int:
    """Size of all files below a folder."""
    total = 0
    for path, _, files in os.walk(folder):
        for file in files:
            total += os.lstat(os.path.join(path, file)).st_size if os.path.lexists(os.path.join(path, file)) else 0
    return total // 1_000_000
