"""Finds the machine's Java."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

SERIAL = "-XX:+UseSerialGC"
# The second compiler would work longer at the code than the code at anything. Without it the default code cache is small for a planner.
LIGHT = (SERIAL, "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=256m")
# A JVM through which every record goes, by the setting `jit`.
WORKING = {"c1": LIGHT, "c2": (SERIAL,)}


def java(program: str = "java") -> str:
    """Path of a program of the JDK, from JAVA_HOME or PATH; '' if there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / program).exists():
        return str(Path(home) / "bin" / program)
    return shutil.which(program) or ""


def java_version() -> int:
    """Java's major version, e.g. 17; 0 if it cannot be found."""
    program = java("javac")
    if not program:
        return 0
    done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r"javac (?:1\.)?(\d+)", done.stdout + done.stderr)
    return int(found[1]) if found else 0
