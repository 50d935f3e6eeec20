"""After Kafka's volume was lost, new records continue at the lake's offsets. Kafka runs for real."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tests.ports import free_ports
from tools.backup import kafka_offsets
from tools.common.command import UsageError
from tools.kafka.reader import end_offsets, records
from tools.localstack import layout

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a Kafka with new, empty topics."""
    ports: dict[str, Any] = free_ports()
    settings = layout.resolve(replace(Settings(), **ports, stack_dir=str(tmp_path_factory.mktemp("stack") / "stack")))
    env = {**os.environ, **settings.to_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    try:
        subprocess.run([sys.executable, "-m", "tools.localstack", "up", "--only", "kafka"], cwd=ROOT, env=env, check=True)
        yield settings
    finally:
        subprocess.run([sys.executable, "-m", "tools.localstack", "down"], cwd=ROOT, env=env, check=True)


def test_new_records_continue_at_the_offsets_of_the_lake(settings: Settings) -> None:
    ends = {0: 250_001, 1: 7, 2: 0}
    assert kafka_offsets.lift(settings, names.CLICKS_TOPIC, ends) == {0: 250_001, 1: 7}
    assert kafka_offsets.lift(settings, names.CLICKS_TOPIC, ends) == {}
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap})
    for partition in ends:
        producer.produce(names.CLICKS_TOPIC, b"event", partition=partition)
    assert producer.flush(30) == 0
    assert end_offsets(settings)[0] == 250_002
    read = sorted((message.partition(), message.offset(), message.value()) for message in records(settings, names.CLICKS_TOPIC))
    assert read == [(0, 250_001, b"event"), (1, 7, b"event"), (2, 0, b"event")]


def test_a_partition_with_records_is_refused_and_not_changed(settings: Settings) -> None:
    before = end_offsets(settings)
    with pytest.raises(UsageError, match=r"partition 2 holds records from offset 0 to 1, and the lake is at 9"):
        kafka_offsets.lift(settings, names.CLICKS_TOPIC, {0: before[0], 2: 9, 3: 4})
    assert end_offsets(settings) == before
