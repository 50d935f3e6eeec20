"""The set-up: environments from lock files, jars from pom.xml, the Java function of Flink. What is there is left alone.

Run by the machine's own Python as `python3 -m tools.localstack.bootstrap [tools] [airflow] [spark] [flink] [ray] [manifests] [jars]`.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.localstack import prerequisites
from tools.localstack.java import java
from tools.localstack.machine import pip_as_uv
from tools.localstack.watched import ROOT, CommandFailed, run

LOCKS = {
    "tools": "requirements-dev.lock",
    "airflow": "requirements.lock",
    "spark": "spark_apps/requirements.lock",
    "flink": "flink_apps/requirements.lock",
    "ray": "ray_apps/requirements.lock",
    "manifests": "manifests/requirements.lock",
}
# What `make demo` needs not: verbs that do name them.
ON_DEMAND = {"manifests"}
JARS = ROOT / ".jars"
TOOLS = ROOT / ".tools"


def main(argv: list[str]) -> int:
    """Make what is named, or everything that runs. Returns the exit code."""
    unknown = sorted(set(argv) - {*LOCKS, "jars"})
    if unknown:
        print(f"error: no environment {unknown[0]!r}: use {', '.join(LOCKS)}, jars", file=sys.stderr)
        return 2
    missing = prerequisites.problems()
    for what, cure in missing:
        print(f"error: {what}: {cure}", file=sys.stderr)
    if missing:
        return 1
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            make(argv or [*(name for name in LOCKS if name not in ON_DEMAND), "jars"])
        except CommandFailed as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def make(names: list[str]) -> None:
    """Environments one after the other, with the jars beside them."""
    rooms = [name for name in LOCKS if name in names]
    with ThreadPoolExecutor(2) as pool:
        begun = [pool.submit(environments, rooms)]
        if "jars" in names:
            begun.append(pool.submit(jars))
    for future in begun:
        future.result()
    if "jars" in names or "flink" in names:
        java_function()


def environments(rooms: list[str]) -> None:
    """The environments of these rooms, each exactly as its lock file says."""
    python = prerequisites.python()
    for room in rooms:
        home, lock = ROOT / ".venvs" / room, ROOT / LOCKS[room]
        key = digest(lock.read_bytes(), prerequisites.python_version(python).encode())
        if done(home, key):
            continue
        uv, env = find_uv(python), pip_as_uv(python)
        if prerequisites.python_version(str(home / "bin" / "python")) != prerequisites.python_version(python):
            run(f"{room} environment", [uv, "venv", "--clear", "--python", python, str(home)], env=env)
        sync = [uv, "pip", "sync", "--compile-bytecode", "--require-hashes", "--python", str(home / "bin" / "python"), str(lock)]
        run(f"{room} environment", sync, folder=home, env=env)
        find_project(home)
        stamp(home, key)


def find_project(home: Path) -> None:
    """Let the environment's Python find the project's packages from anywhere, without PYTHONPATH."""
    for packages in home.glob("lib/python*/site-packages"):
        (packages / "clickstream.pth").write_text(f"{ROOT}\n{ROOT / 'contracts'}\n")


def find_uv(python: str) -> str:
    """The project's own uv, or the machine's; installed if there is none."""
    own = TOOLS / "uv" / "bin" / "uv"
    if own.exists() or not (found := shutil.which("uv")):
        if not own.exists():
            run("environment of uv", [python, "-m", "venv", "--clear", str(TOOLS / "uv")])
            run("uv", [str(own.with_name("python")), "-m", "pip", "install", "-q", "uv>=0.9"], folder=TOOLS / "uv")
        return str(own)
    return found


def jars() -> None:
    """Every JVM artefact of pom.xml, in a folder that replaces the old one as a whole."""
    key = digest((ROOT / "pom.xml").read_bytes())
    if done(JARS, key):
        return
    fresh = TOOLS / "jars"
    shutil.rmtree(fresh, ignore_errors=True)
    run("jars", ["mvn", "-B", "-f", str(ROOT / "pom.xml"), f"-Djars={fresh}", "process-resources"], folder=fresh)
    stamp(fresh, key)
    if JARS.exists():
        JARS.rename(TOOLS / "jars.old")
    fresh.rename(JARS)
    shutil.rmtree(TOOLS / "jars.old", ignore_errors=True)


def java_function() -> None:
    """Compile flink_apps/java against the installed Flink into one jar."""
    sources = sorted((ROOT / "flink_apps" / "java").rglob("*.java"))
    home = JARS / "flink-udf"
    key = digest((ROOT / LOCKS["flink"]).read_bytes(), *(source.read_bytes() for source in sources))
    libraries = next((ROOT / ".venvs" / "flink" / "lib").glob("python*/site-packages/pyflink/lib"), None)
    if not sources or libraries is None or done(home, key):
        return
    classes = TOOLS / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    command = [java("javac"), "--release", "17", "-cp", f"{libraries}/*:{JARS}/flink/*", "-d", str(classes), *map(str, sources)]
    run("Flink's Java function", command)
    home.mkdir(parents=True, exist_ok=True)
    draft = TOOLS / "clickstream-udf.jar"
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(classes.rglob("*.class")):
            archive.write(file, file.relative_to(classes))
    draft.replace(home / "clickstream-udf.jar")
    stamp(home, key)


def digest(*contents: bytes) -> str:
    """One key for all that a result was made from."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def done(folder: Path, key: str) -> bool:
    """Whether `folder` was finished from what `key` stands for."""
    file = folder / ".made-from"
    return file.exists() and file.read_text() == key


def stamp(folder: Path, key: str) -> None:
    """Remember from what `folder` was made, once it is whole."""
    (folder / ".made-from").write_text(key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
