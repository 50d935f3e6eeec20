"""The queries in the documentation run unchanged, and the lake commands work."""

import re
import subprocess
import sys

import pytest

from clickstream_contracts import names
from tests.shop_day import ROOT, Shop

QUERIES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "reading.md").read_text(), re.S)


@pytest.mark.parametrize("code", QUERIES, ids=["pyiceberg", "duckdb"])
def test_a_documented_query_runs(shop: Shop, code: str) -> None:
    query = code.replace('running(".stack")', f'running("{shop.settings.stack_dir}")')
    done = subprocess.run([sys.executable, "-c", query], cwd=ROOT, env=shop.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_refs_lists_tags_commits_and_differences(shop: Shop) -> None:
    tag = max(shop.references("TAG"))
    assert tag in shop.run("tools.lake.refs", "tags").stdout
    assert "main" in shop.run("tools.lake.refs", "branches").stdout
    log = shop.run("tools.lake.refs", "log", "main", "-n", "200").stdout
    assert "Release of" in log
    # At the oldest commit no curated table exists.
    oldest = re.findall(r"[0-9a-f]{64}", log)[-1]
    assert "curated.events" in shop.run("tools.lake.refs", "diff", f"main@{oldest}", "main").stdout
    unknown_ref = shop.run("tools.lake.refs", "diff", "main", "nowhere", ok=False)
    assert unknown_ref.returncode == 2
    assert "Traceback" not in unknown_ref.stderr


def test_bootstrap_may_be_repeated_and_the_smoke_test_counts_rows_and_records(shop: Shop) -> None:
    """The commands of the jobs in manifests/base/tools."""
    assert "all topics exist" in shop.run("tools.lake.bootstrap").stdout
    output = shop.run("tools.lake.smoke_test").stdout
    assert re.search(r"^raw\.clicks: [\d,]+ rows$", output, re.M)
    assert f"{names.CLICKS_TOPIC}: " in output
