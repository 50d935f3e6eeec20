"""The topic of item neighbours holds exactly the products of a release, and unchanged values are not written again."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tests.shop_day import Shop
from tools.kafka import compacted
from tools.kafka.item_neighbours import synchronize, topic_values
from tools.kafka.reader import end_offsets
from tools.kafka.topics import topics

ROWS = pa.Table.from_pylist(
    [
        {"product_id": "b", "position": 1, "neighbour_id": "a", "weight": 0.5},
        {"product_id": "a", "position": 2, "neighbour_id": "c", "weight": 0.25},
        {"product_id": "a", "position": 1, "neighbour_id": "b", "weight": 2.0},
    ]
)


def test_a_value_lists_the_nearest_neighbour_first() -> None:
    values = {product: json.loads(value) for product, value in topic_values(ROWS, "r-1")}
    assert list(values) == ["a", "b"]
    assert values["a"] == {"product_id": "a", "release": "r-1", "neighbours": [{"id": "b", "weight": 2.0}, {"id": "c", "weight": 0.25}]}


def test_only_keyed_topics_are_compacted() -> None:
    policies = {topic.topic: (topic.config or {}).get("cleanup.policy") for topic in topics(Settings())}
    assert set(policies) == set(names.TOPICS)
    assert {topic: policy for topic, policy in policies.items() if policy} == {
        names.ITEM_NEIGHBOURS_TOPIC: "compact",
        names.RECOMMENDATIONS_TOPIC: "compact,delete",
    }


@pytest.fixture
def topic(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A topic of the test's own in place of the project's."""
    admin, name = AdminClient({"bootstrap.servers": shop.settings.kafka_bootstrap}), "test.neighbours"
    admin.create_topics([NewTopic(name, 2, 1, config={"cleanup.policy": "compact"})])[name].result(30)
    monkeypatch.setattr(names, "ITEM_NEIGHBOURS_TOPIC", name)
    yield name
    admin.delete_topics([name])[name].result(30)


def test_the_topic_holds_the_release_and_nothing_is_written_twice(shop: Shop, topic: str) -> None:
    first, second = dict(topic_values(ROWS, "r-1")), dict(topic_values(ROWS.slice(1), "r-2"))
    assert synchronize(shop.settings, first) == {"written": 2, "removed": 0}
    assert compacted.read(shop.settings, topic) == first
    ends = end_offsets(shop.settings, topic)
    assert synchronize(shop.settings, first) == {"written": 0, "removed": 0}
    assert end_offsets(shop.settings, topic) == ends
    assert synchronize(shop.settings, second) == {"written": 1, "removed": 1}
    assert compacted.read(shop.settings, topic) == second


def test_the_broker_compacts_the_topic(shop: Shop) -> None:
    admin = AdminClient({"bootstrap.servers": shop.settings.kafka_bootstrap})
    resource = ConfigResource(ConfigResource.Type.TOPIC, names.ITEM_NEIGHBOURS_TOPIC)
    config = admin.describe_configs([resource])[resource].result(30)
    assert config["cleanup.policy"].value == "compact"
