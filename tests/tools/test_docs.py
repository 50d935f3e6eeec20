"""The documentation names only what exists: make verbs, links, files, tasks; and every printed command runs in a clean shell."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_contracts import names

ROOT = Path(__file__).parents[2]
# The doc_md of a DAG is a page too.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "dags").glob("*.py"))]
AUDITS = ROOT / "spark_apps" / "audits"
MAKEFILE = (ROOT / "Makefile").read_text()
VERBS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M))
VARIABLES = set(re.findall(r"\$\(([A-Z]+)\)", MAKEFILE)) | set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.M))


def code(text: str) -> Iterator[str]:
    """The lines of fenced blocks, and inline code."""
    fenced = re.compile(r"^```[^\n]*\n(.*?)^```", re.M | re.S)
    for block in fenced.findall(text):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", fenced.sub("", text))


def commands(text: str, program: str) -> list[str]:
    """The printed commands that begin with `program`, without comments and without what the shell does with their output."""
    lines = (re.split(r"\s#\s|\s*(?:[|;>]|&&)", line.strip().removeprefix("$ "))[0] for line in code(text))
    return [line.strip() for line in lines if line.split() and line.split()[0] == program]


def all_commands(program: str) -> list[str]:
    return sorted({command for page in PAGES for command in commands(page.read_text(), program)})


def unknown_in_make_command(command: str) -> list[str]:
    """The verbs and variables of a make command that the Makefile does not have; `[SEED=1]` is an optional variable."""
    arguments = [argument.strip("[]") for argument in command.split()[1:]]
    verbs = [argument for argument in arguments if "=" not in argument]
    variables = [argument.partition("=")[0] for argument in arguments if "=" in argument]
    return [verb for verb in verbs if verb not in VERBS] + [variable for variable in variables if variable not in VARIABLES]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_verb_link_and_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.M)) <= VERBS
    assert {command: unknown for command in commands(text, "make") if (unknown := unknown_in_make_command(command))} == {}
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"`((?:tests|spark_apps|flink_apps|ray_apps|tools|contracts|dags)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_readme_shows_every_verb_a_newcomer_needs() -> None:
    verbs = set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "down", "status", "doctor", "test", "check", "replay", "bench", "faults"} <= verbs


def run_in_clean_shell(command: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command as a new user's shell does: no PYTHONPATH, no settings."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home)}
    return subprocess.run(shlex.split(command), cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_pages_print_commands() -> None:
    assert len(all_commands("./clickstream")) >= 5


@pytest.mark.parametrize("command", all_commands("./clickstream"))
def test_a_printed_command_runs_in_a_clean_shell(command: str, tmp_path: Path) -> None:
    """With --help a command does nothing, but its name and its options must exist."""
    result = run_in_clean_shell(command if command.endswith(" --help") else f"{command} --help", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Usage: clickstream" in result.stdout


@pytest.mark.parametrize("command", ["./clickstream refs diffs main", "./clickstream shop live --speed 200", "./clickstream prepare"])
def test_a_command_that_does_not_exist_is_found(command: str, tmp_path: Path) -> None:
    result = run_in_clean_shell(f"{command} --help", tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)


def test_wrong_make_commands_are_found() -> None:
    page = "Run `make reply FILE=x` or\n```sh\n$ make bench SEEDS=1  # takes long\nmake logs PART=kafka [N=50] | tail\n```\n"
    assert commands(page, "make") == ["make bench SEEDS=1", "make logs PART=kafka [N=50]", "make reply FILE=x"]
    assert [unknown_in_make_command(command) for command in commands(page, "make")] == [["SEEDS"], [], ["reply"]]


def test_pages_start_tools_only_by_the_command_line() -> None:
    """`python -m tools.X` needs an environment and a PYTHONPATH, which a reader's shell does not have."""
    assert {page.name for page in PAGES if re.search(r"-m tools\.", page.read_text())} == set()


def test_the_runbook_names_every_task_that_can_fail_for_a_reason_of_its_own() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert names.NIGHTLY in runbook
    assert names.STREAMS in runbook
    tasks = re.findall(r'task_id="(\w+)"', (ROOT / "dags" / "clickstream_nightly.py").read_text())
    without_own_cause = {"pin_main", "tag"}
    assert {task for task in tasks if f"`{task}`" not in runbook} <= without_own_cause


def test_the_runbook_says_what_to_do_for_each_audit_that_the_data_can_fail() -> None:
    """The other audits fail for a defect of the code; a section of the runbook is about these."""
    owners = {path.stem: re.search(r"^-- owner: (.+)$", path.read_text(), re.M)[1] for path in AUDITS.glob("*.sql")}  # type: ignore[index]
    section = (ROOT / "docs" / "runbook.md").read_text().split("## An audit failed")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    assert {name for name, owner in owners.items() if owner in ("shop", "stream") and name not in named} == set()
    assert {name for heading in re.findall(r"^### (.+)$", section, re.M) for name in re.findall(r"`(\w+_\w+)`", heading)} <= set(owners)
    rows = set(re.findall(r"^\| `(\w+)` \|", section, re.M))
    assert rows
    assert rows <= set(owners)


def test_each_list_that_the_contributing_guide_tells_to_extend_exists() -> None:
    """For example `PLANTED` in `tests/spark_apps/test_audits.py`."""
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    lists = re.findall(r"`([A-Z_]{4,})` (?:of|in) `([\w/]+\.py)`", guide)
    assert len(lists) >= 5
    assert [(name, file) for name, file in lists if not re.search(rf"^{name}\b.* = ", (ROOT / file).read_text(), re.M)] == []
