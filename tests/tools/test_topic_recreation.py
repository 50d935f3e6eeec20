"""A topic that is created again: its offsets begin at 0, and the lake continues after one command."""

import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tests.tools.raw_tables import append, append_clicks, run
from tools.kafka import topics
from tools.kafka.client import topic_partitions
from tools.lake.catalog import open_catalog

pytestmark = pytest.mark.engine
WAIT_SECONDS = 60


def produce(settings: Settings, *partitions: int) -> None:
    producer = Producer(kafka_clients.librdkafka(settings))
    for partition in partitions:
        producer.produce(names.CLICKS_TOPIC, b"{}", partition=partition)
    assert producer.flush(30) == 0


def create_topic_again(settings: Settings) -> None:
    admin = AdminClient(kafka_clients.librdkafka(settings))
    admin.delete_topics([names.CLICKS_TOPIC])[names.CLICKS_TOPIC].result(WAIT_SECONDS)
    deadline = time.monotonic() + WAIT_SECONDS
    while names.CLICKS_TOPIC in topic_partitions(settings) and time.monotonic() < deadline:
        time.sleep(0.5)
    topics.ensure(settings)


def publish(settings: Settings, ends: dict[int, int]) -> None:
    counts = dict.fromkeys(("accepted", "duplicates", "quarantined", "late"), 0)
    rows = [
        {"run": "r", "kafka_partition": p, "day": date(2026, 1, 2), "start_offset": 0, "end_offset": end} | counts
        for p, end in ends.items()
    ]
    append(open_catalog(settings).load_table("curated.ingest_ledger"), rows)


def test_the_lake_continues_after_the_topic_was_created_again(storage: Settings, tmp_path: Path) -> None:
    wait = ("ledger", "wait", "--timeout", "0", "--receipt", f"file://{tmp_path}/receipts/run/wait.json")
    produce(storage, 0, 0, 0, 1, 1, 1)
    append_clicks(storage, [(p, o) for p in (0, 1) for o in range(3)])
    publish(storage, {0: 3, 1: 1})
    assert "was not created again" in run(storage, "repair", "topic", code=2).stderr

    create_topic_again(storage)
    produce(storage, 0, 0, 2)
    assert "partition 0 of clicks.v1 ends at offset 2, but 3 are published" in run(storage, *wait, code=1).stderr
    done = run(storage, "repair", "topic")
    assert "on continue at offset 3" in done.stdout
    lacking = run(storage, *wait, code=1).stderr
    assert "lacks 2 records of partition 0, 1 records of partition 2;" in lacking

    append_clicks(storage, [(0, 0), (0, 1), (2, 0)], ingested_at=datetime.now(UTC))
    run(storage, *wait)
    facts = Receipt.from_json((tmp_path / "receipts/run/wait.json").read_text()).facts
    assert facts["end_offsets"] == {"0": 5, "1": 3, "2": 1, "3": 0}
    assert "was not created again" in run(storage, "repair", "topic", code=2).stderr
