"""What the pages of the documentation name is there: verbs, commands, files, DAGs, tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream_contracts import names

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "dags").glob("*.py"))]
VERBS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_verb_link_and_test_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.M)) <= VERBS
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"`((?:tests|spark_apps|flink_apps|ray_apps|tools|contracts|dags)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_readme_shows_every_verb_a_newcomer_needs() -> None:
    shown = set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "down", "status", "doctor", "test", "check", "replay", "bench", "faults"} <= shown


def test_every_tool_that_a_page_names_answers() -> None:
    named = {tool for page in PAGES for tool in re.findall(r"-m tools\.(\w+)", page.read_text())}
    assert named
    for tool in named:
        done = subprocess.run([sys.executable, "-m", f"tools.{tool}", "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_runbook_names_every_task_that_can_fail_for_a_reason_of_its_own() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert names.NIGHTLY in runbook
    assert names.STREAMS in runbook
    tasks = re.findall(r'task_id="(\w+)"', (ROOT / "dags" / "clickstream_nightly.py").read_text())
    simple = {"pin_main", "tag"}
    assert {task for task in tasks if f"`{task}`" not in runbook} <= simple
