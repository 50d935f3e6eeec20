"""The Kafka topics, made before anyone writes to them."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.error import KafkaError

from clickstream_contracts import names
from clickstream_contracts.settings import Settings

# The broker takes more than the stream accepts, so that a record that is too large is quarantined instead of refused.
LARGEST_RECORD = 10_485_760
# Where a key's newest value is all that counts. A segment is compacted when it is closed: after an hour here, not after a week.
NEWEST = {"cleanup.policy": "compact", "segment.ms": str(3600 * 1000)}
OWN = {
    names.CLICKS_TOPIC: {"max.message.bytes": str(LARGEST_RECORD)},
    names.ITEM_NEIGHBOURS_TOPIC: NEWEST,
    # also the list of somebody who stays away for a week goes, as the stream forgets what this user viewed
    names.RECOMMENDATIONS_TOPIC: NEWEST | {"cleanup.policy": "compact,delete"},
}


def topics(settings: Settings) -> list[NewTopic]:
    """The project's topics; the broker's own clock says when a record arrived."""
    week = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(7 * 24 * 3600 * 1000)}
    return [
        NewTopic(topic, num_partitions=settings.clicks_partitions, replication_factor=1, config=week | OWN.get(topic, {}))
        for topic in names.TOPICS
    ]


def ensure(settings: Settings) -> None:
    """Create the topics that are not there yet. Safe to repeat."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    for future in admin.create_topics(topics(settings), request_timeout=30).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
