"""Clients of the Kafka that the settings describe, and what an error of Kafka means in one line."""

from collections.abc import Sequence

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.settings import Settings
from tools.common.command import ServiceError

GROUP = "tools"
METADATA_SECONDS = 10
CALLBACK_SECONDS = 1


class SendError(ServiceError):
    """The broker is unreachable, refused a request or refused records; the text says which and how to fix it."""


def consumer_config(settings: Settings) -> dict[str, str | int | bool]:
    """Returns the properties of a consumer that commits no offsets."""
    return kafka_clients.librdkafka(settings) | {"group.id": GROUP, "enable.auto.commit": False}


def topic_partitions(settings: Settings) -> dict[str, dict[int, int]]:
    """Returns the topics, of each the partitions, and of each the number of replicas. Raises SendError without a connection."""
    errors = kafka_clients.ConnectionErrors()
    client = AdminClient(kafka_clients.librdkafka(settings) | {"error_cb": errors})
    try:
        topics = client.list_topics(timeout=METADATA_SECONDS).topics
    except KafkaException as error:
        client.poll(CALLBACK_SECONDS)
        raise SendError(connection_failure(settings, errors.reason or error.args[0].str())) from None
    return {name: {number: len(partition.replicas) for number, partition in topic.partitions.items()} for name, topic in topics.items()}


def connection_failure(settings: Settings, reason: str) -> str:
    """Returns the message that Kafka cannot be reached or refuses the login or the certificates."""
    fixes = ["CLICKSTREAM_KAFKA_BOOTSTRAP", "CLICKSTREAM_KAFKA_SECURITY_PROTOCOL"]
    if kafka_clients.uses_tls(settings):
        fixes.append("CLICKSTREAM_CA_BUNDLE")
    if kafka_clients.uses_login(settings):
        fixes.append(f"CLICKSTREAM_KAFKA_SASL_MECHANISM, {settings.kafka_username_file} and {settings.kafka_password_file}")
    protocol = settings.kafka_security_protocol
    return f"cannot connect to Kafka at {settings.kafka_bootstrap} ({protocol}): {reason}; check {', '.join(fixes)}, and that Kafka runs"


def require_topic(settings: Settings, topic: str = names.CLICKS_TOPIC) -> Sequence[int]:
    """Returns the topic's partitions. Raises SendError if the broker is unreachable or the topic does not exist."""
    topics = topic_partitions(settings)
    if topic not in topics:
        raise SendError(f"Kafka at {settings.kafka_bootstrap} has no topic {topic}: run `clickstream lake bootstrap`")
    return sorted(topics[topic])
