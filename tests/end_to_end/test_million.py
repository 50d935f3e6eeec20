"""A million events with duplicates, broken and late ones: the ledger balances exactly, and late events correct a published day."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.shop_day import Shop
from tools.kafka.reader import end_offsets
from tools.ledger.record_kinds import BROKEN

# Part of `make faults`: its two nightly runs take as long as the other tests together.
pytestmark = pytest.mark.long

EVENTS, UNTIL = 1_000_000, "2026-03-02"
HISTORY = ("--days", "2", "--until", UNTIL, "--seed", "11", "--duplicates", "0.001", "--broken", "0.001", "--late", "0.002", "--json")


def history(shop: Shop, send: str, events: int = EVENTS) -> dict[str, Any]:
    """Send the events of a selection; returns the summary."""
    done = shop.run("tools.shop", "history", "--events", str(events), *HISTORY, "--huge", "1", "--send", send)
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def first(shop: Shop) -> tuple[dict[str, Any], str]:
    """The summary of sending all but the late events, and the nightly run that published them."""
    return history(shop, "on-time"), shop.nightly(UNTIL)


@pytest.fixture(scope="module")
def second(shop: Shop, first: tuple[dict[str, Any], str]) -> tuple[dict[str, Any], str]:
    """The summary of sending the late events, and the nightly run that published them."""
    return history(shop, "late"), shop.nightly(UNTIL)


def test_the_ledger_balances_and_curated_has_each_event_once(shop: Shop, second: tuple[dict[str, Any], str]) -> None:
    result = json.loads(shop.run("tools.ledger", "check", "--curated", "--json", ok=False).stdout)
    assert result["problems"] == []
    assert result["acknowledged"] >= EVENTS


def test_every_record_is_accepted_a_duplicate_or_quarantined(
    shop: Shop, first: tuple[dict[str, Any], str], second: tuple[dict[str, Any], str]
) -> None:
    """Over all nightly runs, the accepted, duplicate and quarantined records add up to the records in Kafka."""
    # Duplicates are counted for these two runs only: a live shop may stop after a duplicate and before its original.
    kinds = Counter(first[0]["kinds"]) + Counter(second[0]["kinds"])
    rows = shop.table("curated.ingest_ledger").to_pylist()
    accepted, duplicates, quarantined = (sum(row[name] for row in rows) for name in ("accepted", "duplicates", "quarantined"))
    assert accepted + duplicates + quarantined == sum(end_offsets(shop.settings).values())
    assert accepted == shop.table("curated.events", columns=("event_id",)).num_rows
    assert duplicates >= kinds["duplicate"] > 500
    assert quarantined >= sum(kinds[kind] for kind in BROKEN) > 500


def test_late_events_correct_a_published_day(shop: Shop, first: tuple[dict[str, Any], str], second: tuple[dict[str, Any], str]) -> None:
    # A late event whose duplicate arrived in time is itself the superseded one, so the ledger's count is smaller than the shop's.
    run = shop.receipt(second[1], "curate")["run"]
    late = sum(row["accepted"] for row in shop.table("curated.ingest_ledger").to_pylist() if row["run"] == run)
    assert second[0]["kinds"]["late"] >= late > 500
    tags = [shop.airflow.xcom("clickstream_nightly", run, "tag") for run in (first[1], second[1])]
    before, after = (shop.table("curated.events", ref=tag, columns=("event_day",)) for tag in tags)
    assert after.num_rows - before.num_rows == late
    views = [sum(shop.table("marts.product_daily", ref=tag, columns=("views",))["views"].to_pylist()) for tag in tags]
    assert 0 < views[1] - views[0] <= late
