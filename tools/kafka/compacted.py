"""Reads and writes a compacted topic as a table: the newest value of each key."""

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, Message, Producer

from clickstream_contracts import kafka_clients
from clickstream_contracts.settings import Settings
from tools.kafka.client import SendError
from tools.kafka.reader import records

# Records between two flushes, each followed by a progress message.
FLUSH_INTERVAL = 5_000


def read(settings: Settings, topic: str) -> dict[str, bytes]:
    """Returns the newest value of each key; keys whose newest record is a tombstone are left out."""
    values: dict[str, bytes] = {}
    for message in records(settings, topic):
        key, value = (message.key() or b"").decode(), message.value()
        values.pop(key, None)
        if value is not None:
            values[key] = value
    return values


def write(settings: Settings, topic: str, values: Mapping[str, bytes | None], report_progress: Callable[[str], object]) -> None:
    """Write the value of each key, None as a tombstone. Raises SendError if the broker refused a record."""
    producer = Producer(kafka_clients.librdkafka(settings) | {"enable.idempotence": True, "compression.type": "lz4", "linger.ms": 50})
    errors: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(error.str())

    for number, (key, value) in enumerate(values.items(), 1):
        producer.produce(topic, value, key.encode(), on_delivery=delivered)
        producer.poll(0)
        if number % FLUSH_INTERVAL == 0:
            producer.flush()
            report_progress(f"{number:,} of {len(values):,} keys written to {topic}")
    producer.flush()
    if errors:
        raise SendError(
            f"Kafka at {settings.kafka_bootstrap} refused {len(errors)} of {len(values)} records of {topic}: {errors[0]};"
            " repeat the command"
        )
