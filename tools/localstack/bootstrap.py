"""The set-up: environments from lock files, jars from pom.xml, the Java function of Flink. What is up to date is left alone.

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
from tools.localstack.package_index import pip_as_uv
from tools.localstack.run_command import ROOT, CommandFailed, run

LOCKS = {
    "tools": "requirements-dev.lock",
    "airflow": "requirements.lock",
    "spark": "spark_apps/requirements.lock",
    "flink": "flink_apps/requirements.lock",
    "ray": "ray_apps/requirements.lock",
    "manifests": "manifests/requirements.lock",
}
# Not needed by `make demo`, so only made when named.
ON_DEMAND = {"manifests"}
JARS = ROOT / ".jars"
SETUP_DIR = ROOT / ".tools"


def main(argv: list[str]) -> int:
    """Make the named environments and jars; without names, all that the local stack runs with. Returns the exit code."""
    unknown = sorted(set(argv) - {*LOCKS, "jars"})
    if unknown:
        print(f"error: no environment {unknown[0]!r}: use one of {', '.join(LOCKS)}, jars", file=sys.stderr)
        return 2
    targets = argv or [*(name for name in LOCKS if name not in ON_DEMAND), "jars"]
    problems = prerequisites.problems(targets)
    for problem, fix in problems:
        print(f"error: {problem}: {fix}", file=sys.stderr)
    if problems:
        return 1
    SETUP_DIR.mkdir(exist_ok=True)
    with (SETUP_DIR / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            make(targets)
        except CommandFailed as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def make(targets: list[str]) -> None:
    """Make the environments one after the other, and the jars at the same time."""
    names = [name for name in LOCKS if name in targets]
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(environments, names)]
        if "jars" in targets:
            futures.append(pool.submit(jars))
    for future in futures:
        future.result()
    if "jars" in targets or "flink" in targets:
        java_function()


def environments(names: list[str]) -> None:
    """Make the named environments, each exactly as its lock file says."""
    python = prerequisites.python()
    for name in names:
        folder, lock = ROOT / ".venvs" / name, ROOT / LOCKS[name]
        key = digest(lock.read_bytes(), prerequisites.python_version(python).encode())
        if is_up_to_date(folder, key):
            continue
        uv, env = find_uv(python), pip_as_uv(python)
        if prerequisites.python_version(str(folder / "bin" / "python")) != prerequisites.python_version(python):
            run(f"{name} environment", [uv, "venv", "--clear", "--python", python, str(folder)], env=env)
        sync = [uv, "pip", "sync", "--compile-bytecode", "--require-hashes", "--python", str(folder / "bin" / "python"), str(lock)]
        run(f"{name} environment", sync, folder=folder, env=env)
        add_project_to_path(folder)
        mark_up_to_date(folder, key)


def add_project_to_path(environment: Path) -> None:
    """Let the environment's Python import the project's packages from any folder, without PYTHONPATH."""
    for packages in environment.glob("lib/python*/site-packages"):
        (packages / "clickstream.pth").write_text(f"{ROOT}\n{ROOT / 'contracts'}\n")


def find_uv(python: str) -> str:
    """Returns the path of the project's own uv, else of the machine's; installs uv if there is none."""
    own = SETUP_DIR / "uv" / "bin" / "uv"
    if own.exists():
        return str(own)
    installed = shutil.which("uv")
    if installed:
        return installed
    run("environment of uv", [python, "-m", "venv", "--clear", str(SETUP_DIR / "uv")])
    run("uv", [str(own.with_name("python")), "-m", "pip", "install", "-q", "uv>=0.9"], folder=SETUP_DIR / "uv")
    return str(own)


def jars() -> None:
    """Download the JVM artefacts of pom.xml into a new folder, then replace the old folder as a whole."""
    key = digest((ROOT / "pom.xml").read_bytes())
    if is_up_to_date(JARS, key):
        return
    draft = SETUP_DIR / "jars"
    shutil.rmtree(draft, ignore_errors=True)
    run("jars", ["mvn", "-B", "-f", str(ROOT / "pom.xml"), f"-Djars={draft}", "process-resources"], folder=draft)
    mark_up_to_date(draft, key)
    if JARS.exists():
        JARS.rename(SETUP_DIR / "jars.old")
    draft.rename(JARS)
    shutil.rmtree(SETUP_DIR / "jars.old", ignore_errors=True)


def java_function() -> None:
    """Compile flink_apps/java against the installed Flink into one jar."""
    sources = sorted((ROOT / "flink_apps" / "java").rglob("*.java"))
    folder = JARS / "flink-udf"
    key = digest((ROOT / LOCKS["flink"]).read_bytes(), *(source.read_bytes() for source in sources))
    libraries = next((ROOT / ".venvs" / "flink" / "lib").glob("python*/site-packages/pyflink/lib"), None)
    if not sources or libraries is None or is_up_to_date(folder, key):
        return
    classes = SETUP_DIR / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    command = [java("javac"), "--release", "17", "-cp", f"{libraries}/*:{JARS}/flink/*", "-d", str(classes), *map(str, sources)]
    run("Flink's Java function", command)
    folder.mkdir(parents=True, exist_ok=True)
    draft = SETUP_DIR / "clickstream-udf.jar"
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(classes.rglob("*.class")):
            archive.write(file, file.relative_to(classes))
    draft.replace(folder / "clickstream-udf.jar")
    mark_up_to_date(folder, key)


def digest(*contents: bytes) -> str:
    """Returns one hash of all sources of a result."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def is_up_to_date(folder: Path, key: str) -> bool:
    """Whether `folder` was completely made from the sources with this digest."""
    file = folder / ".made-from"
    return file.exists() and file.read_text() == key


def mark_up_to_date(folder: Path, key: str) -> None:
    """Record the digest of the sources in a completed folder."""
    (folder / ".made-from").write_text(key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
