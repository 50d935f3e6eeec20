"""A Kafka feed: its start offsets, and that no record and no failed consumer ends it.

The Serve configuration of the local stack equals the one in Kubernetes.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from clickstream_contracts.settings import Settings
from ray_apps.serving import kafka_feed, records
from ray_apps.serving.config import serve_config
from ray_apps.serving.kafka_feed import KafkaFeed, RecordHandler, ReplayLimit, start_offsets
from ray_apps.serving.replica import RunningReplica
from tests.ray_apps import serving
from tests.ray_apps.head import ROOT
from tests.ray_apps.serving import FakeRolloutStore


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


class Topic:
    """A Kafka topic of one partition in memory, and the consumers that read it. The first `failures` consumers raise."""

    def __init__(self, values: list[bytes | None], failures: int = 0) -> None:
        self.values, self.failures, self.opened = values, failures, 0

    def __call__(self, config: dict[str, Any]) -> "TopicConsumer":
        self.opened += 1
        return TopicConsumer(self)


class TopicConsumer(FakeConsumer):
    """Reads the topic once from its beginning."""

    def __init__(self, topic: Topic) -> None:
        super().__init__([(0, len(topic.values))], -1)
        self._topic, self._next = topic, 0
        self._partitions: list[TopicPartition] = []

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._partitions = partitions

    def assignment(self) -> list[TopicPartition]:
        return self._partitions

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(partition.topic, partition.partition, self._next) for partition in partitions]

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, len(self._topic.values)

    def poll(self, seconds: float) -> Any:
        if self._topic.opened <= self._topic.failures:
            raise MemoryError("the consumer fails on purpose")
        end = self._next == len(self._topic.values)
        error = KafkaError(KafkaError._PARTITION_EOF) if end else None
        value = None if end else self._topic.values[self._next]
        self._next += not end
        time.sleep(0.01 * end)
        return SimpleNamespace(
            error=lambda: error,
            partition=lambda: 0,
            offset=lambda: self._next - 1,
            key=lambda: b"u-key",
            value=lambda: value,
            timestamp=lambda: (1, 1_000),
        )

    def close(self) -> None:
        pass


def random_record(chance: random.Random) -> bytes:
    """Bytes that a client may send: noise, half an event, or an event with wild values."""
    wild: list[Any] = [None, True, -1, 2**80, 1e308, "", "x" * 300, "\ud800", [], {}, [[[]]], {"id": 1}, "p-1"]
    kind = chance.randrange(5)
    if kind == 0:
        return b"view_item" + chance.randbytes(chance.randrange(60))
    event = {name: chance.choice(wild) for name in ("user_id", "product_id", "event_time", "items", "x")} | {"event_type": "view_item"}
    text = json.dumps(event).encode()
    if kind == 1:
        return text[: chance.randrange(len(text))]
    if kind == 2:
        return b'{"event_type": "view_item", "x": ' + b"[" * chance.choice((1, 20_000))
    return text if kind == 3 else text.replace(b"-1", b"NaN")


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., KafkaFeed]]:
    """Starts a feed of a topic in memory."""
    feeds = []
    monkeypatch.setattr(kafka_feed, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(kafka_feed, "LAG_SECONDS", 0.02)

    def start(topic: Topic, handle: RecordHandler) -> KafkaFeed:
        monkeypatch.setattr(kafka_feed, "Consumer", topic)
        feeds.append(KafkaFeed(Settings(), "topic", handle, ReplayLimit(10**6)))
        assert feeds[-1].caught_up.wait(60)
        return feeds[-1]

    yield start
    for feed in feeds:
        feed.stop()


def test_a_feed_of_random_records_keeps_answering_and_following(follow: Callable[..., KafkaFeed], caplog: pytest.LogCaptureFixture) -> None:
    chance, recommender = random.Random(1), serving.recommender(FakeRolloutStore())
    caplog.set_level(logging.ERROR)
    topic = Topic([random_record(chance) for _ in range(10_000)])
    records.apply_list(recommender.lists, b"u-key", b'{"items": ["\\ud800"]}', 1)
    feed = follow(topic, partial(records.apply_click, recommender.views, recommender.impressions))
    lists = follow(topic, partial(records.apply_list, recommender.lists))
    assert feed.health()["skipped"] > 100
    topic.values.append(json.dumps({"event_type": "view_item", "user_id": "u", "product_id": "p", "event_time": 5}).encode())
    deadline = time.monotonic() + 10
    while recommender.views.of("u") != ["p"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert recommender.views.of("u") == ["p"], "the feed follows"
    for user in ("u", "p-1", "stranger", "u-key"):
        json.dumps(recommender.for_user(user, 100), ensure_ascii=False).encode()
    assert feed.is_alive()
    assert lists.is_alive()
    assert (feed.health()["lag"], feed.health()["restarts"]) == (0, 0)
    assert feed.health()["stale_seconds"] < 5


def test_a_feed_whose_consumer_fails_is_restarted(follow: Callable[..., KafkaFeed], caplog: pytest.LogCaptureFixture) -> None:
    values: list[bytes | None] = []
    feed = follow(Topic([b"a", b"b"], failures=2), lambda key, value, time_ms: values.append(value))
    assert values == [b"a", b"b"]
    assert (feed.health()["restarts"], feed.is_alive()) == (2, True)
    assert "the consumer fails on purpose" in caplog.text


def test_a_replica_reports_its_feeds_and_fails_its_health_check_when_one_has_ended(follow: Callable[..., KafkaFeed]) -> None:
    feed = follow(Topic([b"a"]), lambda key, value, time_ms: None)
    replica = RunningReplica(serving.recommender(FakeRolloutStore()), {"clicks": feed})
    replica.check()
    health = replica.health()
    assert health["knows_rollout"]
    assert health["rollout_age_seconds"] < 60
    assert set(health["feeds"]["clicks"]) == {"lag", "stale_seconds", "skipped", "restarts"}
    feed.stop()
    with pytest.raises(RuntimeError, match="the feed of clicks has ended"):
        replica.check()


def test_kubernetes_and_the_local_stack_have_the_same_serve_configuration() -> None:
    [service] = yaml.safe_load_all((ROOT / "manifests" / "base" / "ray" / "rayservice.yaml").read_text())
    assert yaml.safe_load(service["spec"]["serveConfigV2"]) == serve_config("0.0.0.0", 8000)
