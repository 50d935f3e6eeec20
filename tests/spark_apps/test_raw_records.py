"""Nightly runs over what Kafka and the stream can leave in raw: repeated rows, offsets without a record, thousands of days."""

import os
from datetime import timedelta
from typing import Any

from spark_apps.audits import app as audits
from tests.spark_apps.local_lake import FIRST_ARRIVAL, LocalLake

LEDGER = ("run", "kafka_partition", "start_offset", "end_offset", "accepted", "duplicates", "quarantined", "gaps", "repeated")


def view(event_id: str, when: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "event_type": "view_item", "event_time": when, "session_id": "s", "product_id": "p", **more}


def gap(first: int, end: int, reason: str = "no_record") -> dict[str, Any]:
    return {"kafka_partition": 0, "first_offset": first, "end_offset": end, "reason": reason, "recorded_at": FIRST_ARRIVAL}


def audit(lake: LocalLake, name: str) -> audits.AuditResult:
    return audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / f"{name}.sql"))


def write_again(lake: LocalLake, table: str) -> None:
    """Append all rows of a table once more, as the stream's sink may after it recovers."""
    lake.table(table).localCheckpoint().writeTo(lake.catalog.name(table)).append()


def test_rows_that_the_stream_wrote_twice_count_once_and_are_a_warning(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"), view("b", "2 10:01"), view("b", "2 10:01"))
    lake.quarantine(2)
    write_again(lake, "raw.clicks")
    write_again(lake, "raw.quarantine")
    # The same record with another verdict: a changed definition has judged it again.
    lake.insert("raw.quarantine", {"kafka_partition": 0, "kafka_offset": 0, "ingested_at": FIRST_ARRIVAL, "reason": "bad_value"})
    lake.publish_unaudited(run="one")
    assert lake.rows("curated.ingest_ledger", *LEDGER) == [("one", 0, 0, 5, 2, 1, 2, 0, 6)]
    assert lake.rows("curated.events", "event_id") == ["a", "b"]
    assert lake.rows("marts.product_daily", "views") == [2]
    assert audit(lake, "offsets_unique").rows == 5
    lake.send(view("c", "2 10:02"))
    lake.nightly(run="two")
    assert lake.rows("curated.ingest_ledger", *LEDGER)[1] == ("two", 0, 5, 6, 1, 0, 0, 0, 0)
    assert lake.rows("curated.events", "event_id") == ["a", "b", "c"]


def test_recorded_gaps_are_accounted_for_once_however_often_they_are_recorded(lake: LocalLake) -> None:
    lake.offsets[0] = 100
    lake.send(view("a", "2 10:00"))
    lake.offsets[0] += 3
    lake.send(view("b", "2 10:01"))
    lake.offsets[0] += 1
    lake.insert("landing.offset_gaps", gap(0, 100, "expired"), gap(0, 60, "expired"), gap(101, 104), gap(102, 104), gap(105, 106))
    lake.publish_curated(run="one")
    assert lake.rows("curated.ingest_ledger", *LEDGER) == [("one", 0, 0, 106, 2, 0, 0, 104, 0)]
    assert audit(lake, "records_expired").rows == 0, "they were deleted before the stream was first started"
    lake.send(view("c", "2 10:02"))
    lake.publish_curated(run="two")
    assert lake.rows("curated.ingest_ledger", *LEDGER)[1] == ("two", 0, 106, 107, 1, 0, 0, 0, 0)


def test_records_that_expired_are_a_warning_and_do_not_stop_the_run(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"))
    lake.offsets[0] += 10
    lake.send(view("b", "2 10:01"))
    lake.insert("landing.offset_gaps", gap(1, 11, "expired"))
    lake.nightly()
    assert [row["first_offset"] for row in audit(lake, "records_expired").sample] == ["1"]


def test_an_offset_that_is_neither_in_the_lake_nor_a_gap_is_a_loss(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"))
    lake.offsets[0] += 2
    lake.send(view("b", "2 10:01"))
    lake.insert("landing.offset_gaps", gap(1, 2))
    lake.curate()
    assert audit(lake, "ledger_balances").rows == 1


def test_a_gap_whose_record_is_in_the_lake_after_all_does_not_unbalance_the_ledger(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"), view("b", "2 10:01"))
    lake.insert("landing.offset_gaps", gap(1, 2, "expired"))
    lake.publish_curated(run="one")
    assert lake.rows("curated.ingest_ledger", *LEDGER) == [("one", 0, 0, 2, 2, 0, 0, 0, 0)]


def test_a_topic_that_was_created_again_continues(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"), view("b", "2 10:01"), view("old", "2 10:03"))
    lake.quarantine(1)
    lake.offsets[0] -= 2
    lake.publish_curated(run="one")
    # The topic begins at offset 0 again; the last click and the quarantine of the old topic are not published yet.
    lake.offsets[0] = 0
    later = FIRST_ARRIVAL + timedelta(days=1)
    recreation = {"kafka_partition": 0, "started_at": later, "offset_base": 4, "recorded_at": later}
    lake.send(view("c", "3 10:00", ingested_at=later), view("a", "3 10:00", ingested_at=later), view("d", "3 10:01", ingested_at=later))
    lake.insert("landing.topic_recreations", recreation)
    lake.offsets[0] += 4
    lake.publish_curated(run="two")
    assert lake.rows("curated.ingest_ledger", *LEDGER) == [("one", 0, 0, 2, 2, 0, 0, 0, 0), ("two", 0, 2, 7, 3, 1, 1, 0, 0)]
    assert lake.rows("curated.events", "event_id", "kafka_offset") == [("a", 0), ("b", 1), ("c", 4), ("d", 6), ("old", 2)]
    assert audit(lake, "offsets_unique").rows == 0
    lake.curate("--rebuild", run="again", day="2026-01-03")
    assert lake.rows("curated.events", "event_id", "kafka_offset") == [("a", 0), ("b", 1), ("c", 4), ("d", 6), ("old", 2)]


def test_published_events_are_not_read_from_raw_again(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"), view("b", "2 10:01", price="5.00"))
    lake.publish_curated(run="one")
    # As after the retention of raw.
    lake.lake.replace("raw.clicks", lake.table("raw.clicks").where("false"))
    lake.send(view("c", "2 10:02"), view("a", "2 10:00"))
    lake.publish_curated(run="two")
    assert lake.rows("curated.events", "event_id") == ["a", "b", "c"]
    assert lake.rows("curated.sessions", "events") == [3]


def test_a_published_event_that_a_run_drops_fails_the_audit(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"), view("b", "2 10:01"))
    lake.publish_curated(run="one")
    lake.send(view("c", "2 10:02"))
    lake.curate(run="two")
    lake.lake.replace("curated.events", lake.table("curated.events").where("event_id <> 'b'").localCheckpoint())
    result = audit(lake, "events_complete")
    assert [row["event_id"] for row in result.sample] == ["b"]


def test_a_rebuild_reads_the_day_from_raw(lake: LocalLake) -> None:
    lake.send(view("a", "2 10:00"), view("b", "2 10:01"), view("c", "3 10:01"))
    lake.publish_curated(run="one", day="2026-01-03")
    damaged = lake.table("curated.events").where("event_id <> 'b'").selectExpr("* EXCEPT (product_id)", "'damaged' AS product_id")
    lake.lake.replace("curated.events", damaged.localCheckpoint())
    lake.publish()
    lake.curate("--rebuild", run="two", day="2026-01-02")
    assert lake.rows("curated.events", "event_id", "product_id") == [("a", "p"), ("b", "p"), ("c", "damaged")]


def test_events_of_many_days_in_one_batch_are_published(lake: LocalLake) -> None:
    # EVENT_DAYS=3000 is the long test.
    days = int(os.environ.get("EVENT_DAYS", "30"))
    # Every second day, so that no two days are one range of time.
    lake.send(*(view(f"e{number}", f"{-2 * number} 12:00", session_id=f"s{number}") for number in range(days)))
    assert lake.table("raw.clicks.files").count() <= 2
    receipt = lake.nightly()
    assert len(receipt.facts["days"]) == days
    assert lake.table("curated.events").count() == days
    lake.send(view("new", "2 10:00"))
    lake.publish_curated(run="two")
    assert lake.table("curated.events").count() == days + 1
