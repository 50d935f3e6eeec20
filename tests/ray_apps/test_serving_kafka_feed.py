"""The start offsets of a Kafka feed; the Serve configuration of the local stack equals the one in Kubernetes."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from ray_apps.serving.config import serve_config
from ray_apps.serving.kafka_feed import ReplayLimit, start_offsets
from tests.ray_apps.head import ROOT


class FakeConsumer:
    """Metadata of partitions with these low and high watermarks; `offset_since` answers offsets_for_times (-1: no records)."""

    def __init__(self, watermarks: list[tuple[int, int]], offset_since: int, error: Any = None) -> None:
        self._watermarks, self._offset_since, self._error = watermarks, offset_since, error

    def list_topics(self, topic: str, timeout: float) -> Any:
        metadata = SimpleNamespace(error=self._error, partitions=dict(enumerate(self._watermarks)))
        return SimpleNamespace(topics={topic: metadata})

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        low, high = self._watermarks[partition.partition]
        return low, high

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(partition.topic, partition.partition, self._offset_since) for partition in partitions]


@pytest.mark.parametrize(
    ("replay", "offset_since", "offsets"),
    [
        (ReplayLimit(records=400), -1, [800, OFFSET_BEGINNING]),
        (ReplayLimit(records=400, seconds=60), 900, [900, 900]),
        (ReplayLimit(records=400, seconds=60), 3, [800, 3]),
        (ReplayLimit(records=400, seconds=60), -1, [1000, 100]),
    ],
)
def test_a_replay_is_limited_by_records_and_by_age(replay: ReplayLimit, offset_since: int, offsets: list[int]) -> None:
    partitions = start_offsets(FakeConsumer([(0, 1000), (0, 100)], offset_since), "topic", replay)
    assert [(partition.partition, partition.offset) for partition in partitions] == list(enumerate(offsets))


def test_a_missing_topic_raises() -> None:
    consumer = FakeConsumer([], -1, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    with pytest.raises(KafkaException):
        start_offsets(consumer, "topic", ReplayLimit(1))


def test_kubernetes_and_the_local_stack_have_the_same_serve_configuration() -> None:
    [service] = yaml.safe_load_all((ROOT / "manifests" / "base" / "ray" / "rayservice.yaml").read_text())
    assert yaml.safe_load(service["spec"]["serveConfigV2"]) == serve_config("0.0.0.0", 8000)
