"""The retention of the topics, as Kafka has it."""

from datetime import UTC, datetime

import pytest

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tests.tools.raw_tables import run
from tools.erasure import kafka as erasure_kafka
from tools.kafka import compacted, topics


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


@pytest.mark.engine
def test_the_recommendations_of_an_erased_user_are_removed_and_other_records_leave_after_a_week(storage: Settings) -> None:
    topic = names.RECOMMENDATIONS_TOPIC
    compacted.write(storage, topic, {"ann": b"{}", "bob": b"{}"}, print)
    erasure_kafka.remove_recommendations(storage, "ann")
    assert compacted.read(storage, topic).keys() == {"bob"}
    until = erasure_kafka.until(storage, datetime(2026, 1, 2, tzinfo=UTC))
    assert until == dict.fromkeys(erasure_kafka.TOPICS, "2026-01-09T00:00:00+00:00")
