"""The recipes of the documentation run as they stand."""

import re
import subprocess
import sys

import pytest

from tests.shop_day import ROOT, Shop

RECIPES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "reading.md").read_text(), re.S)


@pytest.mark.parametrize("code", RECIPES, ids=["pyiceberg", "duckdb"])
def test_a_reading_recipe_runs(shop: Shop, code: str) -> None:
    here = code.replace('running(".stack")', f'running("{shop.settings.stack_dir}")')
    done = subprocess.run([sys.executable, "-c", here], cwd=ROOT, env=shop.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_refs_lists_tags_commits_and_differences(shop: Shop) -> None:
    tag = max(shop.references("TAG"))
    assert tag in shop.run("tools.refs", "tags").stdout
    assert "main" in shop.run("tools.refs", "branches").stdout
    log = shop.run("tools.refs", "log", "main", "-n", "200").stdout
    assert "Release of" in log
    # A commit is copied from the log: in the oldest one no curated table exists.
    oldest = re.findall(r"[0-9a-f]{64}", log)[-1]
    assert "curated.events" in shop.run("tools.refs", "diff", f"main@{oldest}", "main").stdout
    wrong = shop.run("tools.refs", "diff", "main", "nowhere", ok=False)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
