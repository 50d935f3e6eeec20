"""Finds the machine's JDK, and the JVM options of the stack's components."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

SERIAL_GC = "-XX:+UseSerialGC"
# The C1 compiler alone: on a laptop, C2 would compile for longer than the compiled code runs. With C1 alone the JVM's default
# code cache is too small for the SQL planner.
C1_OPTIONS = (SERIAL_GC, "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=256m")
# Options of the JVMs that process every record, by the setting `jit`.
DATA_PATH_OPTIONS = {"c1": C1_OPTIONS, "c2": (SERIAL_GC,)}


def temporary_files(folder: Path) -> tuple[str, ...]:
    """Returns the options with which a JVM leaves its temporary files in `folder`, and no performance data in /tmp."""
    return (f"-Djava.io.tmpdir={folder}", "-XX:-UsePerfData")


def java(program: str = "java") -> str:
    """Returns the path of a program of the JDK, from JAVA_HOME or PATH; '' if there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / program).exists():
        return str(Path(home) / "bin" / program)
    return shutil.which(program) or ""


def java_version() -> int:
    """Returns the major version of javac, e.g. 17; 0 if there is no JDK."""
    return _major_version("javac", r"javac (?:1\.)?(\d+)")


def runtime_version() -> int:
    """Returns the major version of java, which need not belong to the same JDK as javac; 0 if there is none."""
    return _major_version("java", r'version "(?:1\.)?(\d+)')


def _major_version(program: str, pattern: str) -> int:
    path = java(program)
    if not path:
        return 0
    # Without the option, a JVM makes a folder in /tmp.
    option = "-XX:-UsePerfData" if program == "java" else "-J-XX:-UsePerfData"
    result = subprocess.run([path, option, "-version"], capture_output=True, text=True, check=False)
    match = re.search(pattern, result.stdout + result.stderr)
    return int(match[1]) if match else 0
