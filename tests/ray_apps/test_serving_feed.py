"""Where a replica begins to read, and that both ways of deploying say the same."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from ray_apps.serving.config import serve_config
from ray_apps.serving.feed import LookBack, starts
from tests.ray_apps.head import ROOT


class Broker:
    """Partitions with these first and next offsets; records since the asked time begin at `since` (-1: there are none)."""

    def __init__(self, partitions: list[tuple[int, int]], since: int, error: Any = None) -> None:
        self._partitions, self._since, self._error = partitions, since, error

    def list_topics(self, topic: str, timeout: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=self._error, partitions=dict(enumerate(self._partitions)))})

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        first, following = self._partitions[place.partition]
        return first, following

    def offsets_for_times(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, self._since) for one in places]


@pytest.mark.parametrize(
    ("back", "since", "begin"),
    [
        (LookBack(records=400), -1, [800, OFFSET_BEGINNING]),
        (LookBack(records=400, seconds=60), 900, [900, 900]),
        (LookBack(records=400, seconds=60), 3, [800, 3]),
        (LookBack(records=400, seconds=60), -1, [1000, 100]),
    ],
)
def test_a_look_back_is_bounded_by_records_and_by_time(back: LookBack, since: int, begin: list[int]) -> None:
    found = starts(Broker([(0, 1000), (0, 100)], since), "topic", back)
    assert [(one.partition, one.offset) for one in found] == list(enumerate(begin))


def test_a_topic_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KafkaException):
        starts(Broker([], -1, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)), "topic", LookBack(1))


def test_the_cluster_is_told_the_same_as_the_laptop() -> None:
    [service] = yaml.safe_load_all((ROOT / "manifests" / "base" / "ray" / "service.yaml").read_text())
    assert yaml.safe_load(service["spec"]["serveConfigV2"]) == serve_config("0.0.0.0", 8000)
