"""The retention of the topics, as Kafka has it."""

import pytest

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tests.tools.raw_tables import run
from tools.kafka import topics


def test_a_retention_that_is_too_short_is_a_line_with_the_command() -> None:
    assert topics.too_short_retention({"a": topics.WEEK_MS, "b": -1, "c": 2 * topics.WEEK_MS}) == []
    [line] = topics.too_short_retention({"a": topics.HOUR_MS})
    assert line == "topic a deletes records after 1 hours: set retention.ms=604800000 with kafka-configs.sh"


@pytest.mark.engine
def test_topics_have_the_retention_that_they_were_created_with(storage: Settings) -> None:
    retention = topics.retention_ms(storage)
    assert retention[names.ITEM_NEIGHBOURS_TOPIC] == -1
    assert {retention[topic] for topic in names.TOPICS if topic != names.ITEM_NEIGHBOURS_TOPIC} == {topics.WEEK_MS}
    assert f"{names.CLICKS_TOPIC}: 168 hours" in run(storage, "maintenance", "kafka").stdout
