"""What the machine must bring: Python, a JDK, Maven, make, OpenMP. Standard library only, and readable by an older Python."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys

from tools.localstack.java import java, java_version

PYTHONS = ("3.11", "3.12")
PYTHON_CURE = "install Python 3.11 or 3.12, or name one: CLICKSTREAM_PYTHON=/path/to/python3.11"


def problems() -> list[tuple[str, str]]:
    """What is missing, each with its cure."""
    checks = (_python, _jdk, _maven, _make, _venv, _openmp)
    return [problem for problem in (check() for check in checks) if problem]


def python() -> str:
    """A Python that the environments can be made of; '' if the machine has none."""
    wish = os.environ.get("CLICKSTREAM_PYTHON", "")
    candidates = [wish] if wish else [sys.executable, *(f"python{version}" for version in PYTHONS)]
    return next((program for program in candidates if python_version(program) in PYTHONS), "")


def python_version(program: str) -> str:
    """The version of a Python, e.g. '3.11'; '' if it does not run."""
    try:
        done = subprocess.run(
            [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _python() -> tuple[str, str] | None:
    if python():
        return None
    wish = os.environ.get("CLICKSTREAM_PYTHON", "")
    found = f"CLICKSTREAM_PYTHON={wish} is {python_version(wish) or 'no program'}" if wish else f"only Python {sys.version.split()[0]}"
    return f"no Python {' or '.join(PYTHONS)} ({found})", PYTHON_CURE


def _jdk() -> tuple[str, str] | None:
    version = java_version()
    if version >= 17 and java():
        return None
    found = f"javac is version {version}" if version else "no javac in JAVA_HOME or on PATH"
    return (
        f"no JDK 17 or newer ({found})",
        "install one, e.g. `apt-get install openjdk-17-jdk-headless` or `brew install openjdk@17`, or set JAVA_HOME",
    )


def _maven() -> tuple[str, str] | None:
    return None if shutil.which("mvn") else ("no Maven (`mvn`) on PATH", "install it, e.g. `apt-get install maven` or `brew install maven`")


def _make() -> tuple[str, str] | None:
    return None if shutil.which("make") else ("no `make` on PATH", "install it, e.g. `apt-get install make` or `xcode-select --install`")


def _venv() -> tuple[str, str] | None:
    if shutil.which("uv") or importlib.util.find_spec("ensurepip"):
        return None
    return "Python cannot make environments (no ensurepip)", "install it, e.g. `apt-get install python3-venv`, or install uv"


def _openmp() -> tuple[str, str] | None:
    """LightGBM is linked with GNU's OpenMP on Linux and does not bring it."""
    try:
        ctypes.CDLL("libgomp.so.1" if sys.platform == "linux" else None)
    except OSError:
        return "no OpenMP library (libgomp.so.1)", "install it, e.g. `apt-get install libgomp1`"
    return None
