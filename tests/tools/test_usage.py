"""The command line: help pages, usage errors in one line with exit code 2, and the script ./clickstream."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools import fresh_checkout
from tools import cli

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "clickstream"
# module -> (a wrong command line, what the error must name)
WRONG = {
    "rollout": (["check", "--candidate", "x", "--receipt", "file:///tmp/receipt.json", "--seconds", "none"], "--seconds"),
    "demo": (["--events", "few"], "--events"),
    "ledger": (["chek"], "chek"),
    "lake.master_data": (["--users", "nowhere.csv"], "nowhere.csv"),
    "kafka.item_neighbours": (["--ref", "main"], "--receipt"),
    "lake.refs": (["diff", "main"], "right"),
    "replay": (["--file", "nowhere.csv", "--mapping", "rees46"], "nowhere.csv"),
    "shop": (["history", "--days", "soon"], "--days"),
    "localstack": (["logs", "kafka", "-n", "0"], "-n"),
    "cli": (["trace"], "id"),
}


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a new user's shell does: no PYTHONPATH, no settings."""
    shell = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd), **env}
    return subprocess.run([str(argument) for argument in command], cwd=cwd, env=shell, capture_output=True, text=True, check=False)


def paths(entries: "dict[str, cli.Entry]", above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], cli.Entry]]:
    """Every command of a table with the words that start it."""
    for name, entry in entries.items():
        yield (*above, name), entry
        yield from paths(dict(entry.commands), (*above, name))


@pytest.mark.parametrize("module", WRONG)
def test_a_usage_error_is_one_line_and_exit_code_2(module: str) -> None:
    argv, named = WRONG[module]
    result = subprocess.run([sys.executable, "-m", f"tools.{module}", *argv], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert named in line.lower()


@pytest.mark.parametrize("module", [module for module in WRONG if module != "cli"])
def test_a_module_has_a_help_page(module: str) -> None:
    result = subprocess.run([sys.executable, "-m", f"tools.{module}", "--help"], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert f"tools.{module}" in result.stdout


def test_help_lists_every_command_with_one_sentence_and_imports_none(tmp_path: Path) -> None:
    result = run(SCRIPT, "--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0
    lines = dict(re.findall(r"^  ([a-z-]+)  +(\S.*)$", result.stdout, re.M))
    assert {name: lines.get(name) for name in cli.COMMANDS} == {name: entry.help for name, entry in cli.COMMANDS.items()}
    assert all(entry.help.endswith(".") and "..." not in entry.help for _, entry in paths(cli.COMMANDS))
    imported = set(re.findall(r"\|\s+([\w.]+)$", result.stderr, re.M))
    assert "tools.common.command" in imported
    assert not {"pyiceberg", "confluent_kafka", "boto3", "numpy", "tools.localstack.start", "tools.lake.catalog"} & imported


@pytest.mark.parametrize("words", [words for words, _ in paths(cli.COMMANDS)], ids=" ".join)
def test_every_command_has_a_help_page(words: tuple[str, ...], tmp_path: Path) -> None:
    result = run(SCRIPT, *words, "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"Usage: clickstream {' '.join(words)} " in result.stdout
    assert "--install-completion" not in result.stdout


@pytest.mark.parametrize(("words", "nearest"), [(["stak"], "stack"), (["lake", "bootstrp"], "bootstrap"), (["refs", "tag"], "tags")])
def test_an_unknown_command_names_the_nearest_one(words: list[str], nearest: str) -> None:
    result = run(SCRIPT, *words)
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith(f"error: No such command {words[-1]!r}.")
    assert repr(nearest) in line


def test_the_script_runs_from_any_folder_and_through_symbolic_links(tmp_path: Path) -> None:
    # A folder of the same name where the command is typed must not be imported.
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("raise ImportError('the wrong tools')\n")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "absolute").symlink_to(SCRIPT)
    (tmp_path / "relative").symlink_to(Path("links") / "absolute")
    result = run(tmp_path / "relative", "stack", "env", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"export CLICKSTREAM_STACK_DIR='{ROOT / '.stack'}'" in result.stdout


def test_file_arguments_are_relative_to_the_folder_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("no_such_column\n1\n")
    result = run(SCRIPT, "replay", "--file", "events.csv", "--mapping", "rees46", cwd=tmp_path)
    assert result.returncode == 2
    assert "no_such_column" in result.stderr or "events.csv" in result.stderr
    assert "does not exist" not in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_lists_commands(shell: str, tmp_path: Path) -> None:
    completed = {"_CLICKSTREAM_COMPLETE": f"complete_{shell}", "COMP_WORDS": "clickstream re", "COMP_CWORD": "1"}
    arguments = {"_TYPER_COMPLETE_ARGS": "clickstream re", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    result = run(SCRIPT, cwd=tmp_path, **completed, **arguments)
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in ("replay", "refs", "recommend"))
    assert "ledger" not in result.stdout


def test_the_completion_script_is_printed(tmp_path: Path) -> None:
    result = run("bash", "-c", f"{SCRIPT} --show-completion; exit $?", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "clickstream" in result.stdout


@pytest.fixture
def fresh_clone(tmp_path: Path) -> Path:
    """A checkout in which no environment was made yet."""
    return fresh_checkout.copy_to(tmp_path / "clone")


@pytest.mark.parametrize("words", [["--help"], ["refs", "tags"], ["demo"], ["stack", "up"]])
def test_without_the_environment_the_script_names_the_verb_that_makes_it(fresh_clone: Path, words: list[str]) -> None:
    result = run(fresh_clone / "clickstream", *words)
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert "run `make cli`" in line


@pytest.mark.parametrize(("verb", "code"), [("down", 0), ("clean", 0), ("status", 1), ("logs", 1)])
def test_without_the_environment_no_stack_was_started(fresh_clone: Path, verb: str, code: int) -> None:
    result = run(fresh_clone / "clickstream", "stack", verb)
    [line] = (result.stdout + result.stderr).splitlines()
    assert result.returncode == code
    assert "no local stack was ever started" in line


def test_without_the_environment_a_stack_that_was_started_is_not_denied(fresh_clone: Path) -> None:
    (fresh_clone / ".stack").mkdir()
    (fresh_clone / ".stack" / "settings.env").touch()
    result = run(fresh_clone / "clickstream", "stack", "down")
    assert (result.returncode, "run `make cli`" in result.stderr) == (1, True)


def test_without_the_environment_the_doctor_uses_the_python_of_the_machine(fresh_clone: Path) -> None:
    result = run(fresh_clone / "clickstream", "stack", "doctor", PATH=os.environ["PATH"], CLICKSTREAM_PYTHON=sys.executable)
    assert result.returncode in (0, 1)
    assert re.match(r"(OK  |FAIL)  \S", result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_make_down_and_status_set_up_nothing(fresh_clone: Path) -> None:
    result = run("make", "down", cwd=fresh_clone)
    assert (result.returncode, result.stderr) == (0, "")
    assert run("make", "status", cwd=fresh_clone).returncode != 0
    assert not (fresh_clone / ".venvs").exists()
    assert not (fresh_clone / ".tools").exists()
