"""The Kafka topics and their configuration."""

from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from confluent_kafka.error import KafkaError

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.settings import Settings
from tools.kafka.client import SendError, connection_failure, topic_partitions

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
    replicas = settings.kafka_replication_factor
    # A write is acknowledged by all replicas but one, so that one broker may be down; a single replica must acknowledge itself.
    common = DEFAULTS | {"min.insync.replicas": str(max(1, replicas - 1))}
    return [
        NewTopic(topic, num_partitions=settings.clicks_partitions, replication_factor=replicas, config=common | OVERRIDES.get(topic, {}))
        for topic in names.TOPICS
    ]


def ensure(settings: Settings) -> list[str]:
    """Create the topics that do not exist yet; may be repeated. Returns a line for each topic with too few replicas.

    Raises SendError if Kafka cannot be reached or refuses a topic.
    """
    existing = topic_partitions(settings)
    missing = [topic for topic in topics(settings) if topic.topic not in existing]
    if missing:
        _create(settings, missing)
    return [line for topic in names.TOPICS if (line := _too_few_replicas(settings, topic, existing.get(topic, {})))]


def _create(settings: Settings, missing: list[NewTopic]) -> None:
    admin = AdminClient(kafka_clients.librdkafka(settings))
    for topic, future in admin.create_topics(missing, request_timeout=30).items():
        try:
            future.result()
        except KafkaException as error:
            # Another process created it meanwhile.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise SendError(
                    f"Kafka at {settings.kafka_bootstrap} did not create the topic {topic} with"
                    f" CLICKSTREAM_KAFKA_REPLICATION_FACTOR={settings.kafka_replication_factor} and"
                    f" CLICKSTREAM_CLICKS_PARTITIONS={settings.clicks_partitions}: {error.args[0].str()}"
                ) from None


def _too_few_replicas(settings: Settings, topic: str, replicas: Mapping[int, int]) -> str:
    """Returns a line that says so if a partition has fewer replicas than new topics get, else ''. `replicas`: of each partition."""
    fewest = min(replicas.values(), default=settings.kafka_replication_factor)
    if fewest >= settings.kafka_replication_factor:
        return ""
    return (
        f"topic {topic} has {fewest} of CLICKSTREAM_KAFKA_REPLICATION_FACTOR={settings.kafka_replication_factor} replicas:"
        " add replicas with kafka-reassign-partitions.sh, then set min.insync.replicas with kafka-configs.sh"
    )


def retention_ms(settings: Settings) -> dict[str, int]:
    """Returns the time after which Kafka deletes the records of each topic, -1 for never. Raises SendError if Kafka refuses to say."""
    admin = AdminClient(kafka_clients.librdkafka(settings))
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in names.TOPICS]
    try:
        futures = admin.describe_configs(resources, request_timeout=30)
        configs = {resource.name: future.result() for resource, future in futures.items()}
    except KafkaException as error:
        raise SendError(connection_failure(settings, error.args[0].str())) from None
    return {
        topic: -1 if config["cleanup.policy"].value == "compact" else int(config["retention.ms"].value) for topic, config in configs.items()
    }


def too_short_retention(retention: Mapping[str, int]) -> list[str]:
    """Returns a line for each topic whose records are deleted earlier than the project expects."""
    return [
        f"topic {topic} deletes records after {actual / HOUR_MS:g} hours: set retention.ms={WEEK_MS} with kafka-configs.sh"
        for topic, actual in sorted(retention.items())
        if 0 <= actual < WEEK_MS
    ]
