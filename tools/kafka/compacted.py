"""A compacted topic as what it is: a table of the newest value of each key."""

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, Message, Producer

from clickstream_contracts.settings import Settings
from tools.kafka.producer import SendError
from tools.kafka.reader import records

STEP = 5_000


def read(settings: Settings, topic: str) -> dict[str, bytes]:
    """What the topic holds now: the newest value of each key, without the keys that were taken away."""
    held: dict[str, bytes] = {}
    for message in records(settings, topic):
        key, value = (message.key() or b"").decode(), message.value()
        held.pop(key, None)
        if value is not None:
            held[key] = value
    return held


def write(settings: Settings, topic: str, values: Mapping[str, bytes | None], tell: Callable[[str], object]) -> None:
    """Write each key's value, or its tombstone. Raises SendError unless the broker has taken them all."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 50,
            "log_level": 0,
        }
    )
    refused: list[str] = []

    def answered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(error.str())

    for number, (key, value) in enumerate(values.items(), 1):
        producer.produce(topic, value, key.encode(), on_delivery=answered)
        producer.poll(0)
        if number % STEP == 0:
            producer.flush()
            tell(f"{number:,} of {len(values):,}")
    producer.flush()
    if refused:
        raise SendError(f"Kafka at {settings.kafka_bootstrap} did not take {len(refused)} records of {topic}: {refused[0]}; repeat it")
