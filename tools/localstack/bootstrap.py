"""The set-up: environments from lock files, jars from pom.xml, the Java function of Flink. What is up to date is left alone.

Run by the machine's own Python, 3.8 or newer:
`python3 -m tools.localstack.bootstrap [tools] [airflow] [spark] [flink] [ray] [manifests] [jars]`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tools.localstack import ports, prerequisites, resources, running_stacks
from tools.localstack.java import java, temporary_files
from tools.localstack.package_index import pip_as_uv
from tools.localstack.progress import say
from tools.localstack.run_command import ROOT, TMP, CommandFailed, run

if TYPE_CHECKING:
    from tools.localstack.prerequisites import Problem

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
DEFAULT_TARGETS = [*(name for name in LOCKS if name not in ON_DEMAND), "jars"]
JARS = ROOT / ".jars"
SETUP_DIR = ROOT / ".tools"


def main(argv: list[str]) -> int:
    """Make the named environments and jars; without names, all that the local stack runs with. Returns the exit code."""
    unknown = sorted(set(argv) - {*LOCKS, "jars"})
    if unknown:
        print(f"error: no environment {unknown[0]!r}: use one of {', '.join(LOCKS)}, jars", file=sys.stderr)
        return 2
    targets = argv or DEFAULT_TARGETS
    TMP.mkdir(parents=True, exist_ok=True)
    with (SETUP_DIR / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        problems = obstacles(targets, outdated(targets))
        for problem, fix in problems:
            print(f"error: {problem}: {fix}", file=sys.stderr)
        if problems:
            return 1
        try:
            make(targets)
        except CommandFailed as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def obstacles(targets: list[str], remaining: list[str]) -> list[Problem]:
    """Returns why `targets`, of which `remaining` are still to be made, cannot be made now, each with its fix."""
    checks = []
    if "jars" in remaining:
        checks.append(resources.machine_problem())
        memory = resources.memory_problem()
        if memory:
            say("!", "memory", f"{memory[0]}: {memory[1]} before the stack starts")
        for problem, fix in ports_in_use():
            say("!", "ports", f"{problem}: {fix} before the stack starts")
    if remaining:
        checks += [resources.disk_problem(ROOT, remaining), running_stacks.problem(ROOT, remaining)]
    return prerequisites.problems(targets) + [problem for problem in checks if problem]


def ports_in_use() -> list[Problem]:
    """Returns the ports of the stack that other programs listen on. The settings cannot be read by a Python older than 3.11."""
    if sys.version_info < (3, 11):  # noqa: UP036
        return []
    from clickstream_contracts.settings import Settings, SettingsError

    with contextlib.suppress(SettingsError):
        return ports.problems(Settings.from_env())
    return []


def outdated(targets: list[str]) -> list[str]:
    """Returns those of `targets` that are missing or were made from other sources than the present ones."""
    python = environment_python()
    names = [name for name in targets if name in LOCKS and not is_up_to_date(ROOT / ".venvs" / name, environment_key(name, python))]
    if "jars" in targets and not is_up_to_date(JARS, jars_key()):
        names.append("jars")
    elif {"jars", "flink"} & set(targets) and not is_up_to_date(JARS / "flink-udf", java_function_key()):
        names.append("flink-udf")
    return names


def stale(targets: list[str]) -> list[str]:
    """Returns those of `targets` that are complete, but were made from other sources than the present ones."""
    folders = {**{name: ROOT / ".venvs" / name for name in LOCKS}, "jars": JARS, "flink-udf": JARS / "flink-udf"}
    return [name for name in outdated(targets) if (folders[name] / ".made-from").exists()]


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
    shutil.rmtree(TMP, ignore_errors=True)


def environments(names: list[str]) -> None:
    """Make the named environments, each exactly as its lock file says."""
    python = environment_python()
    for name in names:
        folder, lock = ROOT / ".venvs" / name, ROOT / LOCKS[name]
        key = environment_key(name, python)
        if is_up_to_date(folder, key):
            continue
        uv, env = find_uv(), pip_as_uv(sys.executable)
        if prerequisites.python_version(str(folder / "bin" / "python")) != version(python):
            new_environment(uv, name, python, env)
        sync = [uv, "pip", "sync", "--compile-bytecode", "--require-hashes", "--python", str(folder / "bin" / "python"), str(lock)]
        run(f"{name} environment", sync, folder=folder, env=env)
        add_project_to_path(folder)
        mark_up_to_date(folder, key)


def environment_python() -> str:
    """Returns the machine's Python for the environments, or the version that uv installs where it has none."""
    return prerequisites.python() or prerequisites.PYTHONS[0]


def version(python: str) -> str:
    """Returns the version of `environment_python()`."""
    return python if python in prerequisites.PYTHONS else prerequisites.python_version(python)


def environment_key(name: str, python: str) -> str:
    """Returns the digest of what an environment is made from."""
    return digest((ROOT / LOCKS[name]).read_bytes(), version(python).encode())


def new_environment(uv: str, name: str, python: str, env: dict[str, str]) -> None:
    """Make an empty environment. Where the machine has no suitable Python, uv installs one into the project's folder."""
    env = {"UV_PYTHON_INSTALL_DIR": os.environ.get("UV_PYTHON_INSTALL_DIR", str(SETUP_DIR / "python")), **env}
    try:
        run(f"{name} environment", [uv, "venv", "--clear", "--python", python, str(ROOT / ".venvs" / name)], env=env)
    except CommandFailed as error:
        if python not in prerequisites.PYTHONS:
            raise
        fix = "install Python 3.11 or 3.12, set CLICKSTREAM_PYTHON to one, or set UV_PYTHON_INSTALL_MIRROR to a mirror that is reachable"
        raise CommandFailed(f"{error}\nuv found no Python {python} and could not download it: {fix}") from error


def add_project_to_path(environment: Path) -> None:
    """Let the environment's Python import the project's packages from any folder, without PYTHONPATH."""
    for packages in environment.glob("lib/python*/site-packages"):
        (packages / "clickstream.pth").write_text(f"{ROOT}\n{ROOT / 'contracts'}\n")


def find_uv() -> str:
    """Returns the path of the project's own uv, else of the machine's; installs uv if there is none."""
    own = SETUP_DIR / "uv" / "bin" / "uv"
    if own.exists():
        return str(own)
    installed = shutil.which("uv")
    if installed:
        return installed
    run("environment of uv", [sys.executable, "-m", "venv", "--clear", str(SETUP_DIR / "uv")])
    run("uv", [str(own.with_name("python")), "-m", "pip", "install", "-q", "uv>=0.9"], folder=SETUP_DIR / "uv")
    return str(own)


def jars() -> None:
    """Download the JVM artefacts of pom.xml into a new folder, then replace the old folder as a whole."""
    key = jars_key()
    if is_up_to_date(JARS, key):
        return
    draft = SETUP_DIR / "jars"
    shutil.rmtree(draft, ignore_errors=True)
    options = " ".join((os.environ.get("MAVEN_OPTS", ""), *temporary_files(TMP))).strip()
    command = ["mvn", "-B", "-f", str(ROOT / "pom.xml"), f"-Djars={draft}", "process-resources"]
    run("jars", command, folder=draft, env={"MAVEN_OPTS": options})
    mark_up_to_date(draft, key)
    if JARS.exists():
        JARS.rename(SETUP_DIR / "jars.old")
    draft.rename(JARS)
    shutil.rmtree(SETUP_DIR / "jars.old", ignore_errors=True)


def jars_key() -> str:
    """Returns the digest of what the jars are made from."""
    return digest((ROOT / "pom.xml").read_bytes())


def java_sources() -> list[Path]:
    """Returns the source files of Flink's Java function."""
    return sorted((ROOT / "flink_apps" / "java").rglob("*.java"))


def java_function_key() -> str:
    """Returns the digest of what the jar of Flink's Java function is made from."""
    return digest((ROOT / LOCKS["flink"]).read_bytes(), *(source.read_bytes() for source in java_sources()))


def java_function() -> None:
    """Compile flink_apps/java against the installed Flink into one jar."""
    sources = java_sources()
    folder = JARS / "flink-udf"
    key = java_function_key()
    libraries = next((ROOT / ".venvs" / "flink" / "lib").glob("python*/site-packages/pyflink/lib"), None)
    if not sources or libraries is None or is_up_to_date(folder, key):
        return
    classes = SETUP_DIR / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    options = [f"-J{option}" for option in temporary_files(TMP)]
    command = [java("javac"), *options, "--release", "17", "-cp", f"{libraries}/*:{JARS}/flink/*", "-d", str(classes), *map(str, sources)]
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
    file, python = folder / ".made-from", folder / "bin" / "python"
    # An environment whose Python was uninstalled is a broken link.
    return file.exists() and file.read_text() == key and (python.exists() or not python.is_symlink())


def mark_up_to_date(folder: Path, key: str) -> None:
    """Record the digest of the sources in a completed folder."""
    (folder / ".made-from").write_text(key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
