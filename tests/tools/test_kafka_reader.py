"""A topic is read from its beginning, or from given offsets, to its end offsets at the start of the read."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from clickstream_contracts.settings import Settings
from tests.shop_day import Shop
from tools.kafka.client import SendError
from tools.kafka.reader import end_offsets, records

pytestmark = pytest.mark.engine


@pytest.fixture
def settings(shop: Shop) -> Settings:
    return shop.settings


@pytest.fixture
def admin(settings: Settings) -> AdminClient:
    return AdminClient({"bootstrap.servers": settings.kafka_bootstrap})


@pytest.fixture
def topic(admin: AdminClient) -> Iterator[str]:
    name = f"reader_{uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


def produce(settings: Settings, topic: str, partition: int, *values: str) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap})
    for value in values:
        producer.produce(topic, value.encode(), partition=partition)
    assert producer.flush(30) == 0


def test_records_produced_during_the_read_are_left_out(settings: Settings, topic: str) -> None:
    produce(settings, topic, 0, "a", "b")
    produce(settings, topic, 1, "c")
    messages = records(settings, topic)
    first = next(messages).value()
    produce(settings, topic, 0, "later")
    produce(settings, topic, 1, "later")
    assert sorted([first, *(message.value() for message in messages)]) == [b"a", b"b", b"c"]
    assert end_offsets(settings, topic) == {0: 3, 1: 2}
    assert [message.value() for message in records(settings, topic, {0: 2, 1: 2})] == [b"later"]


def test_deleted_records_are_skipped(settings: Settings, admin: AdminClient, topic: str) -> None:
    produce(settings, topic, 0, "old", "old")
    produce(settings, topic, 1, "old", "new")
    deleted = [TopicPartition(topic, 0, 2), TopicPartition(topic, 1, 1)]
    for future in admin.delete_records(deleted).values():
        future.result(30)
    assert [message.value() for message in records(settings, topic)] == [b"new"]


def test_the_error_for_a_missing_topic_names_it(settings: Settings) -> None:
    with pytest.raises(SendError, match="no_such_topic"):
        next(records(settings, "no_such_topic"))
