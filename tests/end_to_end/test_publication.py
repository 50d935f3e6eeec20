"""Publication is atomic: a failed audit leaves main unchanged, and a reader sees all tables of a run change together."""

import threading
import time
from pathlib import Path

import pytest

from tests.shop_day import ROOT, Shop, eventually
from tools.lake import catalog

DAY = "2026-04-01"
SMALL = ("--users", "2000", "--products", "500")
AUDIT = ROOT / "spark_apps" / "audits" / "always_fails.sql"


@pytest.fixture
def some_events(shop: Shop, request: pytest.FixtureRequest) -> None:
    """Events of a seed of the test's own: no other test sent them."""
    seed = str(sum(map(ord, request.node.name)))
    shop.run("tools.shop", "history", "--days", "1", "--events", "3000", "--until", DAY, "--seed", seed, *SMALL)


@pytest.fixture
def failing_audit() -> "Path":
    """An audit that always finds a row."""
    AUDIT.write_text(
        "-- severity: error\n-- meaning: This audit always fails.\n-- owner: tests\nSELECT 'failing row' AS example, 1 AS value\n"
    )
    return AUDIT


def test_a_failed_audit_leaves_main_unchanged_and_reports_the_rows(shop: Shop, some_events: None, failing_audit: Path) -> None:
    before = shop.curated_state()
    try:
        run_id = shop.nightly(DAY, expect="failed", keep_branch_on_failure=True)
    finally:
        failing_audit.unlink()
    assert shop.curated_state() == before
    receipt = shop.receipt(run_id, "audit")
    [failure] = receipt["facts"]["failures"]
    assert failure["name"] == "always_fails"
    assert "failing row" in str(failure)
    assert "always_fails" in shop.task_log(run_id, "audit")
    kept_branches = [branch for branch in shop.references("BRANCH") if branch != "main"]
    assert len(kept_branches) == 1
    assert "curated.events" in shop.run("tools.lake.refs", "diff", "main", kept_branches[0]).stdout
    shop.run("tools.lake.refs", "drop", kept_branches[0])


class Reader(threading.Thread):
    """Polls main and records each state of the published tables."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(daemon=True)
        self.shop, self.states, self.stop = shop, list[dict[str, str]](), False

    def run(self) -> None:
        while not self.stop:
            state = self.shop.curated_state()
            if not self.states or self.states[-1] != state:
                self.states.append(state)
            time.sleep(0.1)


def test_nightly_runs_wait_for_each_other_and_a_reader_sees_one_change(shop: Shop, some_events: None) -> None:
    reader = Reader(shop)
    reader.start()
    time.sleep(1)
    # The first publishes these events and those of the failed run before; the second has nothing to publish.
    runs = [shop.trigger_nightly(DAY), shop.trigger_nightly(DAY)]
    for run_id in runs:
        shop.finish("clickstream_nightly", run_id)
    reader.stop = True
    reader.join()
    periods = sorted(
        (run["start_date"], run["end_date"], run["dag_run_id"]) for run in shop.runs("clickstream_nightly") if run["dag_run_id"] in runs
    )
    assert periods[0][1] <= periods[1][0]
    assert len(reader.states) == 2, "main changed more than once"
    before, after = reader.states
    changed = {name for name in after if before[name] != after[name]}
    assert changed == set(shop.receipt(periods[0][2], "seal")["tables"])
    assert {"curated.events", "curated.sessions", "curated.ingest_ledger", "marts.funnel_daily"} <= changed
    outputs = {
        table: file for task in ("dimensions", "curate", "marts") for table, file in shop.receipt(periods[0][2], task)["outputs"].items()
    }
    assert {name: after[name] for name in changed} == {name: outputs[name] for name in changed}
    assert shop.task_state(periods[1][2], "merge") == "skipped"
    assert shop.references("BRANCH") == {"main"}


@pytest.mark.long
def test_a_nightly_run_with_a_merge_conflict_is_rerun_from_the_new_main(shop: Shop, some_events: None) -> None:
    first = shop.trigger_nightly(DAY)
    eventually(lambda: shop.task_state(first, "create_branch") == "success", "the nightly run has its branch")
    events = catalog.open_catalog(shop.settings).load_table("curated.events")
    events.transaction().set_properties(**{"written-by": "another writer"}).commit_transaction()
    shop.finish("clickstream_nightly", first, expect="failed")
    assert "another writer changed curated.events on main" in shop.task_log(first, "merge")

    def reruns() -> list[str]:
        run_ids = [run["dag_run_id"] for run in shop.runs("clickstream_nightly")]
        return [run_id for run_id in run_ids if run_id.startswith("rerun1_") and run_id.endswith(first)]

    eventually(lambda: bool(reruns()), "the rerun exists")
    shop.finish("clickstream_nightly", reruns()[0])
    published = catalog.open_catalog(shop.settings).load_table("curated.events")
    assert published.properties["written-by"] == "another writer"
    assert published.metadata.current_snapshot_id != events.metadata.current_snapshot_id
    assert shop.references("BRANCH") == {"main"}
