"""The topic of neighbours holds what a release holds: no product more, none less, and nothing is written twice."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tests.shop_day import Shop
from tools.kafka import compacted
from tools.kafka import item_neighbours as neighbours
from tools.kafka.reader import end_offsets
from tools.kafka.topics import topics

ROWS = pa.Table.from_pylist(
    [
        {"product_id": "b", "position": 1, "neighbour_id": "a", "weight": 0.5},
        {"product_id": "a", "position": 2, "neighbour_id": "c", "weight": 0.25},
        {"product_id": "a", "position": 1, "neighbour_id": "b", "weight": 2.0},
    ]
)


def test_a_value_holds_the_nearest_first() -> None:
    found = {product: json.loads(value) for product, value in neighbours.values(ROWS, "r-1")}
    assert list(found) == ["a", "b"]
    assert found["a"] == {"product_id": "a", "release": "r-1", "neighbours": [{"id": "b", "weight": 2.0}, {"id": "c", "weight": 0.25}]}


def test_only_what_is_keyed_is_compacted() -> None:
    policy = {topic.topic: (topic.config or {}).get("cleanup.policy") for topic in topics(Settings())}
    assert set(policy) == set(names.TOPICS)
    assert {topic: how for topic, how in policy.items() if how} == {
        names.ITEM_NEIGHBOURS_TOPIC: "compact",
        names.RECOMMENDATIONS_TOPIC: "compact,delete",
    }


@pytest.fixture
def topic(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A topic of the test's own in the place of the project's."""
    admin, name = AdminClient({"bootstrap.servers": shop.settings.kafka_bootstrap}), "test.neighbours"
    admin.create_topics([NewTopic(name, 2, 1, config={"cleanup.policy": "compact"})])[name].result(30)
    monkeypatch.setattr(names, "NEIGHBOURS_TOPIC", name)
    yield name
    admin.delete_topics([name])[name].result(30)


def test_the_topic_becomes_the_release_and_stays_it(shop: Shop, topic: str) -> None:
    first, second = dict(neighbours.values(ROWS, "r-1")), dict(neighbours.values(ROWS.slice(1), "r-2"))
    assert neighbours.make(shop.settings, first) == {"written": 2, "taken_away": 0}
    assert compacted.read(shop.settings, topic) == first
    ends = end_offsets(shop.settings, topic)
    assert neighbours.make(shop.settings, first) == {"written": 0, "taken_away": 0}
    assert end_offsets(shop.settings, topic) == ends
    assert neighbours.make(shop.settings, second) == {"written": 1, "taken_away": 1}
    assert compacted.read(shop.settings, topic) == second


def test_the_broker_compacts_it(shop: Shop) -> None:
    admin = AdminClient({"bootstrap.servers": shop.settings.kafka_bootstrap})
    resource = ConfigResource(ConfigResource.Type.TOPIC, names.ITEM_NEIGHBOURS_TOPIC)
    found = admin.describe_configs([resource])[resource].result(30)
    assert found["cleanup.policy"].value == "compact"
