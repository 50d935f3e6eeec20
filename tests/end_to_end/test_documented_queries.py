"""The recipes of the documentation run as they stand."""

import re
import subprocess
import sys

import pytest

from clickstream_contracts import names
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
    assert tag in shop.run("tools.lake.refs", "tags").stdout
    assert "main" in shop.run("tools.lake.refs", "branches").stdout
    log = shop.run("tools.lake.refs", "log", "main", "-n", "200").stdout
    assert "Release of" in log
    # A commit is copied from the log: in the oldest one no curated table exists.
    oldest = re.findall(r"[0-9a-f]{64}", log)[-1]
    assert "curated.events" in shop.run("tools.lake.refs", "diff", f"main@{oldest}", "main").stdout
    wrong = shop.run("tools.lake.refs", "diff", "main", "nowhere", ok=False)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_what_a_cluster_is_prepared_and_asked_with_works_here(shop: Shop) -> None:
    """The jobs of manifests/base/tools; preparing again changes nothing."""
    assert "all topics exist" in shop.run("tools.lake.bootstrap").stdout
    found = shop.run("tools.lake.smoke_test").stdout
    assert re.search(r"^raw\.clicks: [\d,]+ rows$", found, re.M)
    assert f"{names.CLICKS_TOPIC}: " in found
