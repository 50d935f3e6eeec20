"""`./clickstream repair` against a real lake and a real Kafka: decisions on the quarantine and gaps are recorded as data."""

from datetime import date
from typing import Any

import pytest
from confluent_kafka import Producer

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.settings import Settings
from tests.tools.raw_tables import append, append_clicks, append_quarantine, run
from tools.kafka.reader import end_offsets
from tools.lake.catalog import open_catalog

pytestmark = pytest.mark.engine
PARTITION = 2


def decisions(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = open_catalog(settings).load_table("landing.quarantine_decisions").scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (row["decided_at"], row["kafka_partition"]))


@pytest.fixture(scope="module")
def quarantine(storage: Settings) -> Settings:
    """A lake whose first 100 offsets are published, with five later records in quarantine."""
    ledger = {"run": "r", "kafka_partition": PARTITION, "start_offset": 0, "end_offset": 100}
    counts = dict.fromkeys(("accepted", "duplicates", "quarantined", "late"), 0)
    append(open_catalog(storage).load_table("curated.ingest_ledger"), [ledger | counts | {"day": date(2026, 1, 2)}])
    append_quarantine(storage, [(PARTITION, 50)], payload=b"published")
    append_quarantine(storage, [(PARTITION, 101), (PARTITION, 105)], payload=b'{"event_type": "purchase", "producer": "web-1", "pri')
    append_quarantine(storage, [(PARTITION, 103)], reason="bad_type", payload=b'{"event_type":"purchase","price":"x"}')
    append_quarantine(storage, [(PARTITION, 110), (3, 7)], payload=b"\xff\xfe")
    return storage


def test_the_status_counts_what_is_not_published_by_reason_type_and_producer(quarantine: Settings) -> None:
    lines = [line.split() for line in run(quarantine, "repair", "status").stdout.splitlines()]
    cells = [[cell for cell in line if cell not in "│|┃"] for line in lines]
    assert ["2", "not_json", "purchase", "web-1"] in cells
    assert ["2", "not_json", "-", "-"] in cells
    assert ["1", "bad_type", "purchase", "-"] in cells


def test_a_decision_is_kept_with_its_reason_and_shown(quarantine: Settings) -> None:
    done = run(quarantine, "repair", "accept", "--reason", "broken release web-1", "--event-type", "purchase", "--producer", "web-1")
    assert "2 records are accepted" in done.stdout
    [decision] = decisions(quarantine)
    assert (decision["kafka_partition"], decision["start_offset"], decision["end_offset"]) == (PARTITION, 101, 106)
    assert (decision["event_type"], decision["producer"], decision["quarantine_reason"]) == ("purchase", "web-1", None)
    assert decision["reason"] == "broken release web-1"
    assert "@" in decision["decided_by"]
    assert "broken release web-1" in run(quarantine, "repair", "status").stdout
    run(quarantine, "repair", "accept", "--reason", "test file")
    ranges = [(row["kafka_partition"], row["start_offset"], row["end_offset"]) for row in decisions(quarantine)[1:]]
    assert ranges == [(PARTITION, 101, 111), (3, 7, 8)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reason", " "], "--reason is empty"),
        (["--reason", "x", "--quarantine-reason", "bad"], "'bad' is unknown: use one of not_json, "),
        (["--reason", "x", "--event-type", "login"], "no record in quarantine matches"),
    ],
)
def test_a_decision_that_says_or_accepts_nothing_is_refused(quarantine: Settings, options: list[str], message: str) -> None:
    before = len(decisions(quarantine))
    assert message in run(quarantine, "repair", "accept", *options, code=2).stderr
    assert len(decisions(quarantine)) == before


def test_gaps_are_recorded_and_records_that_kafka_still_has_are_reported(storage: Settings) -> None:
    partition = 1
    producer = Producer(kafka_clients.librdkafka(storage) | {"transactional.id": "repair"})
    producer.init_transactions(60)
    for _ in range(2):
        producer.begin_transaction()
        producer.produce(names.CLICKS_TOPIC, b"{}", partition=partition)
        producer.commit_transaction(60)
    first = end_offsets(storage)[partition] - 4
    append_clicks(storage, [(partition, first + 2)])
    lacking = run(storage, "repair", "gaps", code=1)
    assert "records of partition 1, which Kafka still has: restore the newest checkpoint" in lacking.stderr
    append_clicks(storage, [(partition, offset) for offset in range(first + 1)])
    done = run(storage, "repair", "gaps")
    assert f"partition {partition}: offsets {first + 1} to {first + 1} hold no record (no_record)" in done.stdout
