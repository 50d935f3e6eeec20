"""`ledger wait` against a real Kafka and a real lake: offsets without a record are recorded, missing records are waited for."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tests.tools.raw_tables import append_clicks, append_quarantine, run
from tools.kafka.reader import end_offsets
from tools.lake.catalog import open_catalog

pytestmark = pytest.mark.engine
EXPIRED, TRANSACTIONS, PLAIN = 0, 1, 2


def produce(settings: Settings, partition: int, count: int) -> None:
    producer = Producer(kafka_clients.librdkafka(settings))
    for _ in range(count):
        producer.produce(names.CLICKS_TOPIC, b"{}", partition=partition)
    producer.flush(30)


def produce_in_transactions(settings: Settings, partition: int, *outcomes: bool) -> None:
    """Sends two records in each transaction, which is committed or, if its outcome is False, aborted."""
    producer = Producer(kafka_clients.librdkafka(settings) | {"transactional.id": "test"})
    producer.init_transactions(60)
    for committed in outcomes:
        producer.begin_transaction()
        for _ in range(2):
            producer.produce(names.CLICKS_TOPIC, b"{}", partition=partition)
        producer.flush(30)
        if committed:
            producer.commit_transaction(60)
        else:
            producer.abort_transaction(60)


def delete_records(settings: Settings, partition: int, before: int) -> None:
    admin = AdminClient(kafka_clients.librdkafka(settings))
    for future in admin.delete_records([TopicPartition(names.CLICKS_TOPIC, partition, before)]).values():
        future.result(30)


def gaps(settings: Settings) -> list[tuple[int, int, int, str]]:
    rows = open_catalog(settings).load_table("landing.offset_gaps").scan().to_arrow().to_pylist()
    return sorted((row["kafka_partition"], row["first_offset"], row["end_offset"], row["reason"]) for row in rows)


def test_offsets_without_a_record_are_recorded_once_and_not_waited_for(storage: Settings, tmp_path: Path) -> None:
    produce(storage, EXPIRED, 5)
    delete_records(storage, EXPIRED, 3)
    produce_in_transactions(storage, TRANSACTIONS, True, False, True)
    produce(storage, PLAIN, 2)
    ends = end_offsets(storage)
    assert (ends[EXPIRED], ends[TRANSACTIONS], ends[PLAIN]) == (5, 9, 2)
    receipt = f"file://{tmp_path}/receipts/run/wait.json"
    lacking = run(storage, "ledger", "wait", "--receipt", receipt, "--timeout", "0", code=1)
    assert "lacks 2 records of partition 0, 9 records of partition 1, 2 records of partition 2" in lacking.stderr
    assert gaps(storage) == []

    append_clicks(storage, [(EXPIRED, 3), (EXPIRED, 4), (TRANSACTIONS, 0), (TRANSACTIONS, 1), (TRANSACTIONS, 6), (PLAIN, 0)])
    append_quarantine(storage, [(TRANSACTIONS, 7), (PLAIN, 1)])
    expected = [(EXPIRED, 0, 3, "expired"), (TRANSACTIONS, 2, 6, "no_record"), (TRANSACTIONS, 8, 9, "no_record")]
    for _ in range(2):
        done = run(storage, "ledger", "wait", "--receipt", receipt, "--timeout", "0")
        assert gaps(storage) == expected
    assert "warning" not in done.stdout
    facts = Receipt.from_json((tmp_path / "receipts/run/wait.json").read_text()).facts
    assert facts["end_offsets"] == {str(partition): end for partition, end in ends.items()}
    check = json.loads(run(storage, "ledger", "check", "--json", code=1).stdout)
    assert not [problem for problem in check["problems"] if "Kafka holds" in problem]


def test_rows_that_the_stream_wrote_twice_are_a_warning_and_hide_no_missing_record(storage: Settings, tmp_path: Path) -> None:
    partition = 3
    produce(storage, partition, 3)
    append_clicks(storage, [(partition, 0), (partition, 0), (partition, 1)])
    receipt = f"file://{tmp_path}/receipts/run/wait.json"
    lacking = run(storage, "ledger", "wait", "--receipt", receipt, "--timeout", "0", code=1)
    assert "1 records of partition 3" in lacking.stderr
    append_clicks(storage, [(partition, 2)])
    done = run(storage, "ledger", "wait", "--receipt", receipt, "--timeout", "0")
    assert "warning: the lake repeats 1 records of partition 3" in done.stdout
