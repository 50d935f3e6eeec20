"""Runs a long command of the set-up: shows progress while it runs, and the end of its output when it fails."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tools.localstack.progress import say

ROOT = Path(__file__).resolve().parents[2]
# For the temporary files of the commands, below the folder that `make clean` deletes.
TMP = ROOT / ".tools" / "tmp"
PROGRESS_SECONDS = 10.0
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class CommandFailed(RuntimeError):
    """A command of the set-up failed; the text shows its last lines."""


def run(name: str, command: list[str], folder: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run `command` in the project's folder. Raises CommandFailed.

    Every few seconds a progress line shows the time and, with a `folder`, how large that folder has grown.
    """
    log = ROOT / ".tools" / f"{re.sub('[^a-z]+', '-', name.lower())}.log"
    begin = last_progress = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "TMPDIR": str(TMP), **(env or {})}, stdout=output, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            time.sleep(0.1)
            if time.monotonic() - last_progress > PROGRESS_SECONDS:
                last_progress = time.monotonic()
                say("…", name, f"{_progress(begin, folder)}  {_last_line(log)}")
    if process.returncode:
        lines = "\n".join(f"  | {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        program = Path(command[0]).name
        raise CommandFailed(f"{name}: `{program}` failed with exit code {process.returncode}\n{lines}\nits whole output: {log}")
    say("✓", name, _progress(begin, folder))


def _progress(begin: float, folder: Path | None) -> str:
    seconds = f"{time.monotonic() - begin:6.1f} s"
    return f"{seconds}  {megabytes(folder):5d} MB" if folder else seconds


def _last_line(log: Path) -> str:
    text = COLOUR.sub("", log.read_text(errors="replace")).strip()
    return text.splitlines()[-1].strip()[-90:] if text else ""


def megabytes(folder: Path) -> int:
    """Returns the size of all files below a folder, in MB."""
    total = 0
    for path, _, files in os.walk(folder):
        for file in files:
            full_path = os.path.join(path, file)
            if os.path.lexists(full_path):
                total += os.lstat(full_path).st_size
    return total // 1_000_000
