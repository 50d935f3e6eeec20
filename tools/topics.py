"""The Kafka topics, made before anyone writes to them."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.error import KafkaError

from clickstream_contracts import names
from clickstream_contracts.settings import Settings

# The broker takes more than the stream accepts, so that a record that is too large is quarantined instead of refused.
LARGEST_RECORD = 10_485_760


def clicks(settings: Settings) -> NewTopic:
    """The topic of the shop's events; the broker's own clock says when a record arrived."""
    return NewTopic(
        names.CLICKS_TOPIC,
        num_partitions=settings.clicks_partitions,
        replication_factor=1,
        config={
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(LARGEST_RECORD),
            "retention.ms": str(7 * 24 * 3600 * 1000),
        },
    )


def ensure(settings: Settings) -> None:
    """Create the topics that are not there yet. Safe to repeat."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    for future in admin.create_topics([clicks(settings)], request_timeout=30).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
