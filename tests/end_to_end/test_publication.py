"""Publication is all or nothing: a failed audit leaves main alone, and a reader sees the tables of a run change together."""

import threading
import time
from pathlib import Path

import pytest

from tests.shop_day import ROOT, Shop, eventually
from tools.lake import catalog

DAY = "2026-04-01"
SMALL = ("--users", "2000", "--products", "500")
AUDIT = ROOT / "spark_apps" / "audits" / "planted.sql"


@pytest.fixture
def some_events(shop: Shop, request: pytest.FixtureRequest) -> None:
    seed = str(sum(map(ord, request.node.name)))
    shop.run("tools.shop", "history", "--days", "1", "--events", "3000", "--until", DAY, "--seed", seed, *SMALL)


@pytest.fixture
def planted_audit() -> "Path":
    """An audit that always finds a row."""
    AUDIT.write_text("-- severity: error\n-- meaning: Nothing may be as it is.\n-- owner: tests\nSELECT 'here' AS place, 1 AS value\n")
    return AUDIT


def test_a_failed_audit_leaves_main_untouched_and_says_why(shop: Shop, some_events: None, planted_audit: Path) -> None:
    before = shop.curated_state()
    try:
        run_id = shop.nightly(DAY, expect="failed", keep_branch_on_failure=True)
    finally:
        planted_audit.unlink()
    assert shop.curated_state() == before
    receipt = shop.receipt(run_id, "audit")
    [failure] = receipt["facts"]["failures"]
    assert failure["name"] == "planted"
    assert "here" in str(failure)
    assert "planted" in shop.task_log(run_id, "audit")
    kept = [b for b in shop.references("BRANCH") if b != "main"]
    assert len(kept) == 1
    assert "curated.events" in shop.run("tools.lake.refs", "diff", "main", kept[0]).stdout
    shop.run("tools.lake.refs", "drop", kept[0])


class Reader(threading.Thread):
    """Polls main, and notes each state of the published tables that it sees."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(daemon=True)
        self.shop, self.states, self.stop = shop, list[dict[str, str]](), False

    def run(self) -> None:
        while not self.stop:
            state = self.shop.curated_state()
            if not self.states or self.states[-1] != state:
                self.states.append(state)
            time.sleep(0.1)


def test_two_nights_at_once_wait_and_a_reader_sees_one_change(shop: Shop, some_events: None) -> None:
    reader = Reader(shop)
    reader.start()
    time.sleep(1)
    # The second finds nothing left to do, and what the failed night before did not publish is in the first.
    runs = [shop.trigger_nightly(DAY), shop.trigger_nightly(DAY)]
    for run_id in runs:
        shop.finish("clickstream_nightly", run_id)
    reader.stop = True
    reader.join()
    spans = sorted(
        (run["start_date"], run["end_date"], run["dag_run_id"]) for run in shop.runs("clickstream_nightly") if run["dag_run_id"] in runs
    )
    assert spans[0][1] <= spans[1][0]
    assert len(reader.states) == 2, "main had other states than before and after"
    before, after = reader.states
    changed = {name for name in after if before[name] != after[name]}
    assert changed == set(shop.receipt(spans[0][2], "seal")["tables"])
    assert {"curated.events", "curated.sessions", "curated.ingest_ledger", "marts.funnel_daily"} <= changed
    left = {table: file for task in ("dimensions", "curate", "marts") for table, file in shop.receipt(spans[0][2], task)["outputs"].items()}
    assert {name: after[name] for name in changed} == {name: left[name] for name in changed}
    assert shop.task_state(spans[1][2], "merge") == "skipped"
    assert shop.references("BRANCH") == {"main"}


@pytest.mark.long
def test_a_night_that_met_a_conflict_is_repeated_from_the_new_main(shop: Shop, some_events: None) -> None:
    first = shop.trigger_nightly(DAY)
    eventually(lambda: shop.task_state(first, "create_branch") == "success", "the night has its branch")
    events = catalog.connect(shop.settings).load_table("curated.events")
    events.transaction().set_properties(**{"written-by": "somebody else"}).commit_transaction()
    shop.finish("clickstream_nightly", first, expect="failed")
    assert "another writer changed curated.events on main" in shop.task_log(first, "merge")
    second = f"rerun1_{first}"
    eventually(lambda: any(run["dag_run_id"] == second for run in shop.runs("clickstream_nightly")), "the night is repeated")
    shop.finish("clickstream_nightly", second)
    released = catalog.connect(shop.settings).load_table("curated.events")
    assert released.properties["written-by"] == "somebody else"
    assert released.metadata.current_snapshot_id != events.metadata.current_snapshot_id
    assert shop.references("BRANCH") == {"main"}
