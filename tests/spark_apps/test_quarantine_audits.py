"""The quarantine is judged by event type and producer, and a decision lets a run be published without its records."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from spark_apps.audits import app as audits
from tests.spark_apps.local_lake import FIRST_ARRIVAL, LocalLake


def audit(lake: LocalLake, name: str) -> list[dict[str, str]]:
    result = audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / f"{name}.sql"))
    assert result.error == ""
    return list(result.sample)


def send(lake: LocalLake, count: int, event_type: str, producer: str | None = None) -> None:
    event: dict[str, Any] = {"event_type": event_type, "event_time": "2 10:00", "session_id": "s", "producer": producer}
    lake.send(*(event | {"event_id": f"{event_type}-{lake.offsets[0] + n}"} for n in range(count)))


def quarantine(lake: LocalLake, count: int, payload: bytes, reason: str = "not_json") -> None:
    first = lake.offsets[0]
    lake.offsets[0] += count
    record = {"kafka_partition": 0, "ingested_at": FIRST_ARRIVAL, "reason": reason, "payload": bytearray(payload)}
    lake.insert("raw.quarantine", *(record | {"kafka_offset": first + n} for n in range(count)))


def broken(event_type: str, producer: str = "") -> bytes:
    """Returns an event that ends too early."""
    return json.dumps({"event_type": event_type, **({"producer": producer} if producer else {}), "price": 1})[:-3].encode()


def accept(lake: LocalLake, first: int, end: int, **only: Any) -> None:
    decision = {"decision_id": "d1", "reason": "a test", "decided_by": "me@here", "decided_at": FIRST_ARRIVAL}
    lake.insert("landing.quarantine_decisions", decision | {"kafka_partition": 0, "start_offset": first, "end_offset": end} | only)


def test_most_purchases_in_quarantine_fail_although_they_are_few_of_all_records(lake: LocalLake) -> None:
    send(lake, 3000, "page_view")
    send(lake, 6, "purchase")
    quarantine(lake, 24, broken("purchase"))
    # As many records of a large type, and of none, are below 1 %.
    quarantine(lake, 24, broken("page_view"))
    quarantine(lake, 24, b"\xff\xfe")
    lake.curate()
    assert audit(lake, "quarantine_rate") == [{"event_type": "purchase", "producer": "", "records": "30", "quarantined": "24"}]


def test_a_producer_is_judged_apart_from_the_others(lake: LocalLake) -> None:
    send(lake, 3000, "page_view", "web-1")
    send(lake, 500, "page_view", "web-2")
    quarantine(lake, 25, broken("page_view", "web-2"))
    lake.curate()
    assert [(row["producer"], row["records"]) for row in audit(lake, "quarantine_rate")] == [("web-2", "525")]


@pytest.mark.parametrize(("count", "rows"), [(100, []), (101, [("(all)", "(all)")])])
def test_unreadable_records_count_with_all_records(lake: LocalLake, count: int, rows: list[tuple[str, str]]) -> None:
    send(lake, 900, "page_view")
    quarantine(lake, count, b"not json")
    lake.curate()
    assert [(row["event_type"], row["producer"]) for row in audit(lake, "quarantine_rate")] == rows


def test_a_decision_lets_the_run_be_published_and_later_records_are_judged_again(lake: LocalLake) -> None:
    send(lake, 10, "page_view")
    quarantine(lake, 200, b"not json")
    lake.curate()
    assert audit(lake, "quarantine_rate")
    accept(lake, 10, 210)
    lake.publish_curated(run="one")
    assert lake.rows("curated.ingest_ledger", "run", "accepted", "quarantined") == [("one", 10, 200)]
    quarantine(lake, 200, b"not json")
    lake.curate(run="two")
    assert audit(lake, "quarantine_rate")
    assert audit(lake, "quarantine_accepted") == []


def test_a_decision_accepts_only_what_it_names(lake: LocalLake) -> None:
    send(lake, 10, "page_view")
    quarantine(lake, 30, broken("purchase", "web-1"), "bad_type")
    quarantine(lake, 30, broken("login", "web-1"))
    accept(lake, 0, 70, event_type="purchase", producer="web-1", quarantine_reason="bad_type")
    accept(lake, 0, 70, event_type="login", producer="web-2")
    lake.curate()
    assert [row["event_type"] for row in audit(lake, "quarantine_rate")] == ["login"]
    assert audit(lake, "quarantine_accepted") == [{"decision_id": "d1", "reason": "a test", "decided_by": "me@here", "records": "30"}]


def test_published_runs_are_not_judged_again(lake: LocalLake) -> None:
    send(lake, 10, "page_view")
    quarantine(lake, 200, b"not json")
    lake.curate(run="one")
    lake.publish()
    send(lake, 10, "page_view")
    lake.curate(run="two")
    assert audit(lake, "quarantine_rate") == []


RAW = ("raw.clicks", "raw.quarantine")
BOUNDED = ("quarantine_rate", "ledger_balances", "offsets_unique", "events_complete", "events_match_raw")


@pytest.mark.long
def test_audits_of_the_newest_run_do_not_read_the_raw_files_of_earlier_runs(lake: LocalLake) -> None:
    send(lake, 10, "page_view")
    quarantine(lake, 10, b"not json")
    lake.curate(run="one")
    lake.publish()
    rows = [row for table in RAW for row in lake.spark.table(f"{lake.catalog.name(table)}.files").collect()]
    published_files = [Path(row["file_path"].removeprefix("file:")) for row in rows]
    send(lake, 10, "page_view")
    quarantine(lake, 200, b"not json")
    lake.curate(run="two")
    assert len(published_files) == 2
    for file in published_files:
        file.unlink()
    assert [row["records"] for row in audit(lake, "quarantine_rate")] == ["210"]
    assert {name: audit(lake, name) for name in BOUNDED[1:]} == {name: [] for name in BOUNDED[1:]}
    unbounded = audits.template_values(*audits.newest_run(lake.lake, date(2026, 1, 2))) | {"lowest_start": 0}
    for name in BOUNDED:
        assert audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / f"{name}.sql"), unbounded).error, "the files are missing"
