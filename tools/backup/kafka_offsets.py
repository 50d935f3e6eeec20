"""Lifts the end offsets of empty topics to those of the lake, after Kafka's volume was lost: an offset is never used twice.

Kafka has no request for that, so empty records are written up to the offset and deleted.
"""

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from clickstream_contracts import kafka_clients
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError
from tools.kafka.client import consumer_config, require_topic

TIMEOUT_SECONDS = 60
MAX_QUEUED = 100_000


def lift(settings: Settings, topic: str, ends: dict[int, int]) -> dict[int, int]:
    """Lift partitions of a topic to the offsets in `ends`; returns by how many each was lifted. May be repeated.

    Raises UsageError, before anything is written, if a partition that is behind holds records: the streams would never read them.
    """
    watermarks = _watermarks(settings, topic)
    missing = {partition: end - watermarks[partition][1] for partition, end in ends.items() if end > watermarks[partition][1]}
    for partition in missing:
        low, high = watermarks[partition]
        if low < high:
            raise UsageError(
                f"{topic} partition {partition} holds records from offset {low} to {high}, and the lake is at {ends[partition]}:"
                " delete and create the topic again (`./clickstream lake bootstrap`) before anything is sent to it"
            )
    _write_empty_records(settings, topic, missing)
    # A topic is emptied only up to the lake's offset: records after it are events.
    positions = [TopicPartition(topic, partition, ends[partition]) for partition in missing]
    admin = AdminClient(kafka_clients.librdkafka(settings))
    if positions:
        for future in admin.delete_records(positions).values():
            future.result(TIMEOUT_SECONDS)
    return missing


def _watermarks(settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """Returns the first and the next offset of each partition."""
    partitions = require_topic(settings, topic)
    consumer = Consumer(consumer_config(settings))
    try:
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=TIMEOUT_SECONDS) for p in partitions}
    finally:
        consumer.close()


def _write_empty_records(settings: Settings, topic: str, counts: dict[int, int]) -> None:
    """Write that many records without key and value to each partition. Raises KafkaException if one is refused."""
    producer = Producer(
        kafka_clients.librdkafka(settings)
        | {"enable.idempotence": True, "compression.type": "lz4", "queue.buffering.max.messages": 2 * MAX_QUEUED}
    )
    for partition, count in counts.items():
        for _ in range(count):
            producer.produce(topic, partition=partition)
            if len(producer) >= MAX_QUEUED:
                producer.poll(0.1)
    if producer.flush(TIMEOUT_SECONDS):
        raise KafkaException(f"Kafka at {settings.kafka_bootstrap} did not acknowledge all records of {topic}: create the topic again")
