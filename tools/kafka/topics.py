"""The Kafka topics and their configuration."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.error import KafkaError

from clickstream_contracts import names
from clickstream_contracts.settings import Settings

# Larger than the limit of the stream clicks_to_lake: a record that is too large reaches the quarantine instead of being refused.
MAX_RECORD_BYTES = 10_485_760
HOUR_MS = 3600 * 1000
WEEK_MS = 7 * 24 * HOUR_MS
# The broker's clock, not the sender's, sets the timestamp of a record.
DEFAULTS = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(WEEK_MS)}
# Only closed segments are compacted: segments are closed after an hour (the default is a week).
COMPACTED = {"cleanup.policy": "compact", "segment.ms": str(HOUR_MS)}
OVERRIDES = {
    names.CLICKS_TOPIC: {"max.message.bytes": str(MAX_RECORD_BYTES)},
    names.ITEM_NEIGHBOURS_TOPIC: COMPACTED,
    # "delete": the list of a user without events for a week expires, as does the user's state in the stream.
    names.RECOMMENDATIONS_TOPIC: COMPACTED | {"cleanup.policy": "compact,delete"},
}


def topics(settings: Settings) -> list[NewTopic]:
    """Returns every topic of the project with its configuration."""
    return [
        NewTopic(topic, num_partitions=settings.clicks_partitions, replication_factor=1, config=DEFAULTS | OVERRIDES.get(topic, {}))
        for topic in names.TOPICS
    ]


def ensure(settings: Settings) -> None:
    """Create the topics that do not exist yet; may be repeated."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    for future in admin.create_topics(topics(settings), request_timeout=30).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
