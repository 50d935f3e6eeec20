"""The set-up without running it: what a machine must have, which results are up to date, and pip's settings for uv."""

import ast
import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tools import fresh_checkout
from tools.localstack import bootstrap, doctor, package_index, prerequisites, resources, running_stacks
from tools.localstack.bootstrap import digest, is_up_to_date, mark_up_to_date
from tools.localstack.run_command import CommandFailed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing was made yet."""
    return fresh_checkout.copy_to(tmp_path / "checkout")


def make(checkout: Path, verb: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a verb as a new user's shell does."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(checkout.parent), "CLICKSTREAM_PYTHON": sys.executable, **variables}
    return subprocess.run(["make", "-s", verb], cwd=checkout, env=env, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def running_stack(checkout: Path, folder: Path) -> Iterator[None]:
    """A process like the supervisord of a stack in `folder` that was started from `checkout`."""
    program = checkout / ".venvs" / "tools" / "bin" / "supervisord"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("print('ready', flush=True); import time; time.sleep(60)")
    env = {**os.environ, running_stacks.MARKER: str(folder)}
    with subprocess.Popen([sys.executable, str(program)], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


def test_the_tools_environment_needs_neither_jdk_nor_maven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "java_version", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "mvn" else f"/usr/bin/{program}")
    assert prerequisites.problems(["tools"]) == []
    assert len(prerequisites.problems(["tools", "jars"])) == 2


@pytest.mark.parametrize(("version", "is_usable"), [(11, False), (17, True), (22, True), (23, False)])
def test_a_jdk_that_flinks_s3_plugin_cannot_use_is_refused(monkeypatch: pytest.MonkeyPatch, version: int, is_usable: bool) -> None:
    monkeypatch.setattr(prerequisites, "java_version", lambda: version)
    problems = [problem for problem, _ in prerequisites.problems(["flink"]) if "JDK 17 to 22" in problem]
    assert bool(problems) != is_usable


def test_a_machine_without_wheels_for_the_stack_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    problems = dict(prerequisites.problems(["ray"]))
    assert "Linux x86-64" in problems["this machine is Linux arm64"]
    assert "this machine is Linux arm64" not in dict(prerequisites.problems(["tools"]))


@pytest.mark.parametrize(("java_output", "is_usable"), [("17.0.9", True), ("25.0.1", False)])
def test_a_java_of_another_jdk_than_javac_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, java_output: str, is_usable: bool
) -> None:
    for program, output in (("javac", "javac 17.0.9"), ("java", f'openjdk version "{java_output}" 2026-01-20')):
        (tmp_path / program).write_text(f"#!/bin/sh\necho '{output}' >&2\n")
        (tmp_path / program).chmod(0o700)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    problems = [problem for problem, _ in prerequisites.problems(["flink"]) if "JDK" in problem]
    assert problems == ([] if is_usable else ["no JDK 17 to 22 (javac is version 17, but java is version 25)"])


def test_a_java_home_without_a_jdk_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"JAVA_HOME={tmp_path} is no JDK (it has no bin/javac)" in dict(prerequisites.problems(["flink"]))


def test_the_set_up_runs_on_any_python_from_3_8_on() -> None:
    """Its modules and the doctor's are parsed as Python 3.8 reads them, and import nothing but the standard library."""
    show = "import sys, tools.localstack.bootstrap, tools.localstack.doctor; print('\\n'.join(sorted(sys.modules)))"
    env = {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-S", "-c", show], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    modules = result.stdout.split()
    own = [module for module in modules if module.startswith("tools.localstack.")]
    assert {"tools.localstack.bootstrap", "tools.localstack.prerequisites", "tools.localstack.java"} <= set(own)
    assert {module.partition(".")[0] for module in modules} <= {*sys.stdlib_module_names, "tools", "__main__"}
    for module in own:
        ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(), feature_version=(3, 8))


def test_a_machine_without_python_3_11_lets_uv_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(prerequisites, "python_version", lambda program: "3.14")
    monkeypatch.setattr(bootstrap, "run", lambda name, command, **options: commands.append((command, options["env"])))
    assert prerequisites.problems(["tools"]) == []
    assert bootstrap.environment_python() == "3.11"
    bootstrap.new_environment("uv", "tools", bootstrap.environment_python(), {})
    [(command, env)] = commands
    assert command[command.index("--python") + 1] == "3.11"
    # What uv installs is deleted by `make clean` with the folder of the set-up.
    assert env["UV_PYTHON_INSTALL_DIR"] == str(bootstrap.SETUP_DIR / "python")


def test_an_environment_of_uvs_python_is_the_same_as_one_of_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    key = bootstrap.environment_key("tools", "3.11")
    monkeypatch.setattr(prerequisites, "python_version", lambda program: "3.11")
    assert bootstrap.environment_key("tools", "/usr/bin/python3") == key


def test_a_python_that_uv_cannot_download_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, command: list[str], **options: object) -> None:
        raise CommandFailed("tools environment: `uv` failed")

    monkeypatch.setattr(bootstrap, "run", fail)
    with pytest.raises(CommandFailed, match=r"install Python 3.11 or 3.12, set CLICKSTREAM_PYTHON to one, or set UV_PYTHON"):
        bootstrap.new_environment("uv", "tools", "3.11", {})


def test_a_program_that_is_no_python_is_named(checkout: Path) -> None:
    result = make(checkout, "setup", CLICKSTREAM_PYTHON="/bin/false")
    assert result.returncode != 0
    assert result.stderr.startswith("error: /bin/false is no Python 3.8 or newer: install one, or set CLICKSTREAM_PYTHON=")


def test_a_full_disk_is_named_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2_000_000_000))
    problems = dict(bootstrap.obstacles(bootstrap.DEFAULT_TARGETS, bootstrap.DEFAULT_TARGETS))
    assert f"2.0 GB of disk are free in {ROOT}, 7.7 GB are needed" in problems
    assert not [problem for problem in dict(bootstrap.obstacles(["tools"], ["tools"])) if "disk" in problem]
    assert not [problem for problem in dict(bootstrap.obstacles(["tools"], [])) if "disk" in problem]


@pytest.mark.parametrize(("megabytes", "is_refused"), [(3_900, True), (7_700, False)])
def test_a_machine_with_too_little_memory_is_named_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], megabytes: int, is_refused: bool
) -> None:
    """A container's limit counts as the machine's memory. Memory that other programs use now is a note."""
    (tmp_path / "memory.max").write_text(str(megabytes * 1_000_000))
    (tmp_path / "memory.current").write_text("2500000000")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500000000\n")
    monkeypatch.setattr(resources, "CGROUP", tmp_path)
    problems = [problem for problem, _ in bootstrap.obstacles(["jars"], ["jars"]) if "memory" in problem]
    assert problems == (["this machine has 3.9 GB of memory, the stack needs 7 GB"] if is_refused else [])
    assert f"{megabytes / 1000 - 2:.1f} GB of memory are available" in capsys.readouterr().err
    assert not [problem for problem, _ in bootstrap.obstacles(["tools"], ["tools"]) if "memory" in problem]
    assert not [problem for problem, _ in bootstrap.obstacles(["jars"], []) if "memory" in problem]


def test_the_doctor_names_what_the_set_up_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "total_gb", lambda: 4.0)
    monkeypatch.setattr(resources, "available_gb", lambda: 3.0)
    problems = [problem for problem, _ in doctor.machine(is_running=False)]
    assert "this machine has 4.0 GB of memory, the stack needs 7 GB" in problems
    assert "3.0 GB of memory are available, the stack needs 7 GB" in problems


@pytest.mark.parametrize("name", ["my shop", "a:b", "50%", "it's", "$HOME"])
def test_a_folder_that_scripts_cannot_handle_is_refused_at_once(checkout: Path, name: str) -> None:
    checkout = checkout.rename(checkout.with_name(name))
    result = make(checkout, "setup")
    assert result.returncode != 0
    assert result.stderr.startswith(f"error: the folder of this checkout {str(checkout)!r} contains ") or "it's" in name
    assert "Flink and Spark cannot handle: use a path without spaces and special characters" in result.stderr
    assert not (checkout / ".venvs").exists()


def test_a_folder_too_long_for_a_socket_is_refused_at_once(checkout: Path) -> None:
    checkout = checkout.rename(checkout.with_name("x" * 80))
    result = make(checkout, "setup")
    assert "bytes, at most 79 fit: use a shorter path" in result.stderr
    assert not (checkout / ".venvs").exists()


def test_files_of_a_running_stack_are_not_replaced(checkout: Path, tmp_path: Path) -> None:
    with running_stack(checkout, checkout / ".stack"):
        result = make(checkout, "cli")
        assert result.returncode != 0
        assert f"error: the local stack in {checkout}/.stack is running, and the set-up would replace files that" in result.stderr
        assert "(tools)" in result.stderr
        assert "run `make down` first; the data stays" in result.stderr
    with running_stack(checkout, tmp_path / "another"):
        assert f"run `CLICKSTREAM_STACK_DIR={tmp_path}/another make down` first" in make(checkout, "cli").stderr


def test_a_running_stack_with_present_files_needs_no_set_up(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", checkout)
    with running_stack(checkout, checkout / ".stack"):
        mark_up_to_date(checkout / ".venvs" / "tools", bootstrap.environment_key("tools", bootstrap.environment_python()))
        assert bootstrap.outdated(["tools"]) == []
        assert bootstrap.obstacles(["tools"], []) == []
        (checkout / bootstrap.LOCKS["tools"]).write_text("changed by git pull")
        [(problem, _)] = bootstrap.obstacles(["tools"], bootstrap.outdated(["tools"]))
        assert "is running" in problem
    assert bootstrap.obstacles(["tools"], ["tools"]) == []


def test_an_environment_whose_python_was_uninstalled_is_made_again(tmp_path: Path) -> None:
    mark_up_to_date(tmp_path, digest(b"lock"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(tmp_path / "uninstalled")
    assert not is_up_to_date(tmp_path, digest(b"lock"))


def test_a_folder_is_up_to_date_until_its_source_changes(tmp_path: Path) -> None:
    assert not is_up_to_date(tmp_path, digest(b"lock"))
    mark_up_to_date(tmp_path, digest(b"lock"))
    assert is_up_to_date(tmp_path, digest(b"lock"))
    assert not is_up_to_date(tmp_path, digest(b"another lock"))


def test_pip_settings_become_variables_of_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    pip_settings = {"index-url": "https://one.example/simple", "find-links": f"{tmp_path}/wheels\n{tmp_path}/gone", "cert": "/ca.pem"}
    monkeypatch.setattr(package_index, "_pip_settings", lambda python: pip_settings)
    for _, variable, _ in package_index.OPTIONS:
        monkeypatch.delenv(variable, raising=False)
    expected = {"UV_DEFAULT_INDEX": "https://one.example/simple", "UV_FIND_LINKS": f"{tmp_path}/wheels", "SSL_CERT_FILE": "/ca.pem"}
    assert package_index.pip_as_uv("python") == expected
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://two.example/simple")
    assert "UV_DEFAULT_INDEX" not in package_index.pip_as_uv("python")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"no_proxy": ".corp.example"}, ".corp.example,127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "a.example", "no_proxy": "b.example"}, "a.example,b.example,127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "127.0.0.1,localhost,::1"}, "127.0.0.1,localhost,::1"),
    ],
)
def test_what_a_verb_runs_reaches_this_machine_without_a_proxy(checkout: Path, variables: dict[str, str], expected: str) -> None:
    python = checkout.parent / "python"
    python.write_text('#!/bin/sh\necho "$NO_PROXY $no_proxy"\n')
    python.chmod(0o700)
    result = make(checkout, "setup", CLICKSTREAM_PYTHON=str(python), HTTP_PROXY="http://127.0.0.1:9", **variables)
    assert set(result.stdout.splitlines()) == {f"{expected} {expected}"}


def test_clean_deletes_all_that_the_verbs_have_made(checkout: Path) -> None:
    sources = set(checkout.rglob("*"))
    for name in (".venvs/tools", ".jars", ".tools/tmp", "rendered", ".stack-test-logs", ".pytest_cache", ".mypy_cache", ".ruff_cache"):
        (checkout / name).mkdir(parents=True)
    (checkout / "tools" / "shop" / "__pycache__").mkdir()
    result = make(checkout, "clean")
    assert result.returncode == 0, result.stderr
    assert set(checkout.rglob("*")) == sources


def test_clean_keeps_the_environments_with_which_a_stack_can_be_stopped(checkout: Path) -> None:
    (checkout / ".stack").mkdir()
    (checkout / ".stack" / "settings.env").touch()
    (checkout / ".jars").mkdir()
    result = make(checkout, "clean")
    assert result.returncode != 0
    assert "run `make cli`" in result.stderr
    assert (checkout / ".jars").exists()
